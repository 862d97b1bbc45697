//! What a request must look like before anything is done with it. Pure: no state is asked.
//!
//! ```text
//! service ─▶ range, put, delete_range, txn ─▶ Ok, or etcd's error of the first rule that is broken
//! ```
//!
//! The order of the checks is part of the contract: clients see the first one only. State-dependent checks (leases,
//! missing keys, compacted revisions) belong to apply and to the view.
//!
//! Tested by the tables in `tests`.

mod intervals;
#[cfg(test)]
mod tests;

use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

use crate::error::RequestError;
use crate::limits::TXN_DEPTH_MAX;
use crate::mvcc::check_stream;

/// A range read.
///
/// # Errors
/// The rule that is broken.
pub fn range(request: &RangeRequest) -> Result<(), RequestError> {
    refuse(request.key.is_empty(), RequestError::EmptyKey)?;
    let is_known = SortOrder::try_from(request.sort_order).is_ok()
        && SortTarget::try_from(request.sort_target).is_ok();
    refuse(!is_known, RequestError::InvalidSortOption)
}

/// A range read that is answered in pieces.
///
/// # Errors
/// The rule that is broken.
pub fn range_stream(request: &RangeRequest) -> Result<(), RequestError> {
    range(request)?;
    check_stream(request)
}

/// A write of one key.
///
/// # Errors
/// The rule that is broken.
pub fn put(request: &PutRequest) -> Result<(), RequestError> {
    refuse(request.key.is_empty(), RequestError::EmptyKey)?;
    refuse(request.ignore_value && !request.value.is_empty(), RequestError::ValueProvided)?;
    refuse(request.ignore_lease && request.lease != 0, RequestError::LeaseProvided)
}

/// A removal.
///
/// # Errors
/// The rule that is broken.
pub fn delete_range(request: &DeleteRangeRequest) -> Result<(), RequestError> {
    refuse(request.key.is_empty(), RequestError::EmptyKey)
}

/// A transaction of `ops_max` operations in a branch at the most: sizes and fields first, in depth, then keys that are written twice.
///
/// # Errors
/// The rule that is broken.
pub fn txn(request: &TxnRequest, ops_max: usize) -> Result<(), RequestError> {
    fields(request, ops_max, TXN_DEPTH_MAX)?;
    intervals::check(&request.success)?;
    intervals::check(&request.failure)
}

fn fields(request: &TxnRequest, ops_max: usize, depth_max: usize) -> Result<(), RequestError> {
    let ops = request.compare.len().max(request.success.len()).max(request.failure.len());
    refuse(ops > ops_max, RequestError::TooManyOps)?;
    refuse(request.compare.iter().any(|compare| compare.key.is_empty()), RequestError::EmptyKey)?;
    // What is nested may use what its parent leaves, not what its siblings leave.
    let mut all = request.success.iter().chain(&request.failure);
    all.try_for_each(|op| operation(op, ops_max - ops, depth_max))
}

fn operation(op: &RequestOp, ops_left: usize, depth_max: usize) -> Result<(), RequestError> {
    match &op.request {
        Some(Request::RequestRange(request)) => range(request),
        Some(Request::RequestPut(request)) => put(request),
        Some(Request::RequestDeleteRange(request)) => delete_range(request),
        Some(Request::RequestTxn(request)) => {
            refuse(depth_max == 0, too_deep())?;
            fields(request, ops_left, depth_max - 1)
        }
        // An operation of no kind gets these words from etcd.
        None => Err(RequestError::KeyNotFound),
    }
}

fn too_deep() -> RequestError {
    RequestError::InvalidField {
        field: "txn",
        given: format!("nested more than {TXN_DEPTH_MAX} times"),
        accepted: format!("at most {TXN_DEPTH_MAX}"),
    }
}

/// Whether every operation of both branches is a range: only then no entry is needed. A nested transaction counts
/// as a write, whatever is in it.
#[must_use]
pub fn is_read_only(request: &TxnRequest) -> bool {
    operations(request).all(|op| matches!(op, Some(Request::RequestRange(_))))
}

/// Whether a read-only transaction may be answered from the local state. Without operations it may, even when it
/// compares.
#[must_use]
pub fn is_serializable(request: &TxnRequest) -> bool {
    operations(request)
        .all(|op| matches!(op, Some(Request::RequestRange(range)) if range.serializable))
}

fn operations(request: &TxnRequest) -> impl Iterator<Item = &Option<Request>> {
    request.success.iter().chain(&request.failure).map(|op| &op.request)
}

fn refuse(broken: bool, error: RequestError) -> Result<(), RequestError> {
    if broken { Err(error) } else { Ok(()) }
}

//! Transactions that only read: no entry, one view.

use mini_etcd_proto::etcdserverpb::compare::CompareTarget;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    Compare, RangeRequest, RequestOp, ResponseHeader, ResponseOp, TxnRequest, TxnResponse,
};
use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message;

use super::results;
use crate::error::RequestError;
use crate::limits::RESULT_BYTES_MAX;
use crate::mvcc::{View, matches};

/// Whether everything that the transaction may read has few rows.
pub(super) fn is_small(view: &View, request: &TxnRequest) -> bool {
    let compares =
        request.compare.iter().all(|compare| results::is_small(view, &compared(compare)));
    let mut ops = request.success.iter().chain(&request.failure);
    compares && ops.all(|op| range_of(op).is_none_or(|range| results::is_small(view, range)))
}

/// Runs a transaction of ranges, without the outer header's ids.
pub(super) fn run(view: &View, request: &TxnRequest) -> Result<TxnResponse, RequestError> {
    let mut succeeded = true;
    for compare in &request.compare {
        succeeded = holds(view, compare)?;
        if !succeeded {
            break;
        }
    }
    let ops = if succeeded { &request.success } else { &request.failure };
    for range in ops.iter().filter_map(range_of) {
        check_revision(view, range.revision)?;
    }
    let mut bytes = 0;
    let mut responses = Vec::with_capacity(ops.len());
    for range in ops.iter().filter_map(range_of) {
        let mut answer = view.range(range)?;
        answer.header = Some(header(view));
        bytes += answer.encoded_len();
        if bytes > RESULT_BYTES_MAX {
            return Err(RequestError::ResultTooLarge { bytes, limit: RESULT_BYTES_MAX });
        }
        responses.push(ResponseOp { response: Some(Response::ResponseRange(answer)) });
    }
    Ok(TxnResponse { header: Some(header(view)), succeeded, responses })
}

fn header(view: &View) -> ResponseHeader {
    ResponseHeader { revision: view.revision().0, ..ResponseHeader::default() }
}

fn range_of(op: &RequestOp) -> Option<&RangeRequest> {
    match &op.request {
        Some(Request::RequestRange(range)) => Some(range),
        _ => None,
    }
}

/// A transaction's own rule: 0 is now, and below the compacted revision is refused, negative numbers too. A plain
/// range reads every negative revision as now.
fn check_revision(view: &View, revision: i64) -> Result<(), RequestError> {
    if revision > view.revision().0 {
        return Err(RequestError::FutureRevision);
    }
    if revision != 0 && revision < view.compacted() {
        return Err(RequestError::Compacted);
    }
    Ok(())
}

/// The read that a compare needs.
fn compared(compare: &Compare) -> RangeRequest {
    let with_rows = matches!(target(compare), Some(CompareTarget::Value | CompareTarget::Lease));
    RangeRequest {
        key: compare.key.clone(),
        range_end: compare.range_end.clone(),
        keys_only: !with_rows,
        ..RangeRequest::default()
    }
}

fn target(compare: &Compare) -> Option<CompareTarget> {
    CompareTarget::try_from(compare.target).ok()
}

/// Whether a condition holds for every key of its range; a missing key counts as one of zeroes, except for values,
/// of which it has none.
fn holds(view: &View, compare: &Compare) -> Result<bool, RequestError> {
    let found = view.range(&compared(compare))?.kvs;
    if found.is_empty() {
        let is_value = target(compare) == Some(CompareTarget::Value);
        return Ok(!is_value && matches(compare, &KeyValue::default()));
    }
    Ok(found.iter().all(|kv| matches(compare, kv)))
}

#[cfg(test)]
mod tests;

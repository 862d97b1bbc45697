//! What may differ: each by its name, which `docs/compat.md` has with the reason.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::etcdserverpb::range_request::SortOrder;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use prost::Message;
use tonic::Code;

use super::normal::Normal;

/// Major and minor number of an etcd.
pub type Version = (u32, u32);

/// A call and its two answers.
pub struct Exchange<'a> {
    /// Of the etcd.
    pub version: Version,
    /// Of the method.
    pub path: &'a str,
    /// The first message of the request.
    pub request: &'a Bytes,
    /// Etcd's answer.
    pub etcd: &'a Normal,
    /// Our answer.
    pub mini: &'a Normal,
}

/// A difference that is meant.
pub struct Deviation {
    /// As `docs/compat.md` calls it.
    pub name: &'static str,
    /// Whether it is why two answers differ.
    pub applies: fn(&Exchange<'_>) -> bool,
}

/// A request that is not sent to an etcd, since it does with it what nobody wants.
pub struct Unsent {
    /// As `docs/compat.md` calls it.
    pub name: &'static str,
    /// Whether the request, with its path, is such a one for an etcd of that version.
    pub applies: fn(Version, &str, &Bytes) -> bool,
}

/// All differences that are meant.
pub const DEVIATIONS: &[Deviation] = &[Deviation {
    name: "bytes that are no message",
    applies: |it| it.etcd.code == Code::Internal && it.mini.code == Code::Internal,
}];

/// All requests that are not sent.
pub const UNSENT: &[Unsent] = &[
    Unsent {
        name: "RangeStream to an etcd before 3.7",
        applies: |version, path, _| version < (3, 7) && path.ends_with("/RangeStream"),
    },
    Unsent {
        name: "unknown sort target or order",
        applies: |version, path, request| {
            version < (3, 6)
                && any_range(path, request, &|range| {
                    !(0..=4).contains(&range.sort_target)
                        || SortOrder::try_from(range.sort_order).is_err()
                })
        },
    },
    Unsent {
        name: "watch from a negative revision",
        applies: |version, path, request| {
            version < (3, 6) && path.ends_with("/Watch") && is_watch_from_below(request)
        },
    },
];

fn is_watch_from_below(request: &Bytes) -> bool {
    pb::WatchRequest::decode(request.clone()).is_ok_and(|request| {
        matches!(request.request_union, Some(RequestUnion::CreateRequest(it)) if it.start_revision < 0)
    })
}

/// Whether one of the ranges of a request is such a one.
fn any_range(path: &str, request: &Bytes, is: &dyn Fn(&pb::RangeRequest) -> bool) -> bool {
    match path.rsplit('/').next() {
        Some("Range" | "RangeStream") => {
            pb::RangeRequest::decode(request.clone()).is_ok_and(|it| is(&it))
        }
        Some("Txn") => pb::TxnRequest::decode(request.clone()).is_ok_and(|it| any_of_txn(&it, is)),
        _ => false,
    }
}

fn any_of_txn(txn: &pb::TxnRequest, is: &dyn Fn(&pb::RangeRequest) -> bool) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op| match &op.request {
        Some(Op::RequestRange(range)) => is(range),
        Some(Op::RequestTxn(txn)) => any_of_txn(txn, is),
        _ => false,
    })
}

/// The name of why two answers may differ.
#[must_use]
pub fn deviation(exchange: &Exchange<'_>) -> Option<&'static str> {
    DEVIATIONS.iter().find(|it| (it.applies)(exchange)).map(|it| it.name)
}

/// The name of why a request is not sent.
#[must_use]
pub fn unsent(version: Version, path: &str, request: &Bytes) -> Option<&'static str> {
    UNSENT.iter().find(|it| (it.applies)(version, path, request)).map(|it| it.name)
}

//! A change of one key, if it is still as it was seen.

use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use mini_etcd_shared::client::{Client, Outcome};
use mini_etcd_shared::error::ClientError;
use tonic::Code;

use super::history;
use super::read::entry;
use crate::engine::fault;
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::Doing;
use crate::screens::keys::model::{Change, Entry, Write, Written};

/// Changes a key if it is as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteKey {
    /// The change.
    pub write: Write,
    /// What it is, in words.
    pub doing: Doing,
    /// A revision of the history in which the key was seen.
    pub seen: i64,
    /// The key over which the value was typed in an editor outside: both are shown when it is not written.
    pub over: Option<Entry>,
}

impl Request for WriteKey {
    type Answer = Written;

    async fn run(self, clients: Clients, _: Parts<Written>) -> Result<Written, Trouble> {
        write(&clients.client, self.write, self.seen).await
    }
}

async fn write(client: &Client, write: Write, seen: i64) -> Result<Written, Trouble> {
    let answer = match history::commit(client, request(write), seen).await {
        Outcome::Ok(answer) => answer,
        Outcome::Failed(error) if lease_gone(&error) => return Ok(Written::LeaseGone),
        Outcome::Failed(error) => return Err(fault::of_client(&error, false)),
        Outcome::Unknown(error) => return Ok(Written::Unknown(fault::of_client(&error, true))),
    };
    let revision = answer.header.map_or(0, |header| header.revision);
    let read = answer.responses.into_iter().find_map(|op| match op.response {
        Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
        _ => None,
    });
    let read = read.map(entry);
    Ok(if answer.succeeded { Written::Done(revision, read) } else { Written::Conflict(read) })
}

/// Whether a transaction was refused because a lease that it names is gone: nothing else in one is looked up by name.
pub(crate) fn lease_gone(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { code: Code::NotFound, .. })
}

/// Compare, then read and change; or only read.
fn request(write: Write) -> TxnRequest {
    let Write { key, expected, change } = write;
    // A key that is not there has version 0; `mod_revision` would do as well, and says less.
    let (target, union) = if expected == 0 {
        (CompareTarget::Version, TargetUnion::Version(0))
    } else {
        (CompareTarget::Mod, TargetUnion::ModRevision(expected))
    };
    let compare = Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key.clone(),
        target_union: Some(union),
        ..Compare::default()
    };
    let read = Op::RequestRange(RangeRequest { key: key.clone(), ..RangeRequest::default() });
    let put = PutRequest { key: key.clone(), ..PutRequest::default() };
    let change = match change {
        // A key that is not there has no lease to keep, and etcd refuses to keep it.
        Change::Value(value) => {
            Op::RequestPut(PutRequest { value, ignore_lease: expected != 0, ..put })
        }
        Change::Put(value, lease) => Op::RequestPut(PutRequest { value, lease, ..put }),
        Change::Delete => {
            Op::RequestDeleteRange(DeleteRangeRequest { key, ..DeleteRangeRequest::default() })
        }
    };
    let op = |request| RequestOp { request: Some(request) };
    TxnRequest {
        compare: vec![compare],
        success: vec![op(read.clone()), op(change)],
        failure: vec![op(read)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(expected: i64) -> (Compare, PutRequest) {
        let change = Change::Value("v".into());
        let mut txn = request(Write { key: "k".into(), expected, change });
        let Some(Op::RequestPut(put)) = txn.success.remove(1).request else { panic!("a put") };
        (txn.compare.remove(0), put)
    }

    #[test]
    fn an_edit_compares_the_last_change_and_keeps_the_lease() {
        let (compare, put) = put(7);
        assert_eq!(compare.target_union, Some(TargetUnion::ModRevision(7)));
        assert!(put.ignore_lease && put.lease == 0);
    }

    #[test]
    fn a_new_key_must_not_be_there_and_has_no_lease_to_keep() {
        let (compare, put) = put(0);
        assert_eq!(compare.target_union, Some(TargetUnion::Version(0)));
        assert!(!put.ignore_lease);
    }
}

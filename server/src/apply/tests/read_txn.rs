//! Goal: a transaction that only reads answers the same whether it goes through the log or not. Method: each one
//! runs on a view, and as an applied entry on the state that the view shows.

use mini_etcd_proto::etcdserverpb::compare::TargetUnion;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{Compare, RangeRequest, RequestOp, TxnRequest, TxnResponse};
use mini_etcd_proto::internalpb::command;
use prost::Message;

use super::fixture::{Node, Response, compact, delete, put};
use crate::error::RequestError;

/// A key put at revisions 2 and 3, one put at 4 and deleted at 5, one at 6 without a value.
fn filled() -> Node {
    let mut keys = Node::new();
    for request in [put("a", "1"), put("a", "2"), put("b", "1"), delete("b", ""), put("c", "")] {
        keys.run(request).unwrap();
    }
    keys
}

impl Node {
    /// Both answers are the same one.
    fn agree(&mut self, request: &TxnRequest) -> Result<TxnResponse, RequestError> {
        let read = self.view().read_txn(request);
        let read = read.map(|(answer, _)| TxnResponse::decode(answer.encode().unwrap()).unwrap());
        let applied = match self.run(command::Request::Txn(request.clone())) {
            Ok(Response::Txn(answer)) => Ok(answer),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(read, applied, "{request:?}");
        read
    }
}

fn range(key: &'static str, end: &'static str, revision: i64) -> RequestOp {
    let range = RangeRequest {
        key: key.into(),
        range_end: end.into(),
        revision,
        ..RangeRequest::default()
    };
    RequestOp { request: Some(Request::RequestRange(range)) }
}

fn when(compare: Compare) -> TxnRequest {
    TxnRequest {
        compare: vec![compare],
        success: vec![range("a", "", 0)],
        failure: vec![range("a", "\0", 0), range("b", "", 0)],
    }
}

#[test]
fn every_compare_has_the_same_verdict_as_an_applied_one() {
    let mut keys = filled();
    let mut verdicts = [0, 0];
    let numbers = [-1, 0, 1, 2, 3, 6];
    for target in 0..=5 {
        for result in 0..=4 {
            for (key, end) in [("a", ""), ("b", ""), ("c", ""), ("a", "d"), ("x", "y"), ("d", "a")]
            {
                for number in numbers {
                    for union in [
                        None,
                        Some(TargetUnion::Version(number)),
                        Some(TargetUnion::CreateRevision(number)),
                        Some(TargetUnion::ModRevision(number)),
                        Some(TargetUnion::Lease(number)),
                        Some(TargetUnion::Value(number.to_string().into())),
                        Some(TargetUnion::Value("".into())),
                    ] {
                        let compare = Compare {
                            result,
                            target,
                            key: key.into(),
                            range_end: end.into(),
                            target_union: union,
                        };
                        let answer = keys.agree(&when(compare)).unwrap();
                        verdicts[usize::from(answer.succeeded)] += 1;
                    }
                }
            }
        }
    }
    assert!(verdicts[0] > 1000 && verdicts[1] > 1000, "{verdicts:?}");
}

#[test]
fn revisions_are_checked_by_the_transactions_own_rule() {
    let mut keys = filled();
    let at = |revision| TxnRequest {
        success: vec![range("a", "\0", revision)],
        failure: vec![range("a", "", 1_000_000)],
        compare: Vec::new(),
    };
    for revision in [-2, -1, 0, 1, 2, 6, 7] {
        let answer = keys.agree(&at(revision));
        let want = match revision {
            ..=-2 => Err(RequestError::Compacted),
            -1..=6 => Ok(()),
            _ => Err(RequestError::FutureRevision),
        };
        assert_eq!(answer.map(drop), want, "{revision}");
    }
    keys.run(compact(4)).unwrap();
    for (revision, want) in [
        (-1, Err(RequestError::Compacted)),
        (0, Ok(())),
        (3, Err(RequestError::Compacted)),
        (4, Ok(())),
    ] {
        assert_eq!(keys.agree(&at(revision)).map(drop), want, "{revision}");
    }
}

//! What is counted, action by action. `oracle_metrics` holds the same against a live etcd.

use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use mini_etcd_proto::internalpb::command::Request;

use super::fixture::{Node, compact, delete, put, range};
use crate::metrics::Counts;

/// What one request, applied by itself, counts for.
fn counted(node: &mut Node, request: Request) -> Counts {
    let entry = node.append(Some(request));
    node.apply(vec![entry]).unwrap().counts
}

fn put_of(request: Request) -> PutRequest {
    let Request::Put(put) = request else { unreachable!("a put") };
    put
}

fn keeping(key: &str) -> PutRequest {
    PutRequest { ignore_value: true, ..put_of(put(key, "")) }
}

fn txn(compare: Vec<Compare>, ops: Vec<Op>) -> TxnRequest {
    let success = ops.into_iter().map(|op| RequestOp { request: Some(op) }).collect();
    TxnRequest { compare, success, failure: Vec::new() }
}

fn exists(key: &str) -> Compare {
    let (result, target) = (CompareResult::Greater.into(), CompareTarget::Version.into());
    Compare { result, target, key: key.to_owned().into(), ..Compare::default() }
}

const NONE: Counts = Counts { ranges: 0, puts: 0, deletes: 0, txns: 0, collected: 0, put_bytes: 0 };
const PUT: Counts = Counts { puts: 1, put_bytes: 4, ..NONE };

#[test]
fn a_put_counts_the_bytes_that_it_stores_and_the_version_that_it_looks_at() {
    let mut node = Node::new();
    assert_eq!(counted(&mut node, put("a", "123")), PUT);
    let wants = PutRequest { prev_kv: true, ..put_of(put("a", "456")) };
    let read = Counts { ranges: 1, txns: 1, ..PUT };
    assert_eq!(counted(&mut node, Request::Put(wants)), read);
    assert_eq!(counted(&mut node, Request::Put(keeping("a"))), read, "of the value kept");
    let refused = Counts { ranges: 1, ..NONE };
    assert_eq!(counted(&mut node, Request::Put(keeping("none"))), refused);
    let leased = PutRequest { lease: 7, ..keeping("none") };
    assert_eq!(counted(&mut node, Request::Put(leased)), NONE, "the lease is looked at first");
}

#[test]
fn a_removal_counts_as_one_whatever_it_takes() {
    let mut node = Node::new();
    node.run(put("a", "1")).unwrap();
    node.run(put("b", "1")).unwrap();
    let one = Counts { deletes: 1, ..NONE };
    assert_eq!(counted(&mut node, delete("none", "")), one);
    assert_eq!(counted(&mut node, delete("a", "z")), one);
    let wants = DeleteRangeRequest { key: "a".into(), prev_kv: true, ..Default::default() };
    let read = Counts { ranges: 1, txns: 1, ..one };
    assert_eq!(counted(&mut node, Request::DeleteRange(wants)), read);
}

#[test]
fn a_transaction_counts_what_it_looks_at_and_what_it_does_as_two_accesses() {
    let mut node = Node::new();
    node.run(put("a", "123")).unwrap();
    let one = txn(vec![], vec![Op::RequestPut(put_of(put("a", "123")))]);
    assert_eq!(counted(&mut node, Request::Txn(one)), PUT, "one put is no transaction");
    let ranges = RangeRequest { ..range("a", "", 0) };
    let ops = vec![Op::RequestPut(put_of(put("b", "123"))), Op::RequestRange(ranges)];
    let inner = txn(vec![exists("a")], ops);
    let both = txn(vec![exists("a")], vec![Op::RequestTxn(inner)]);
    let two = Counts { ranges: 3, txns: 2, ..PUT };
    assert_eq!(counted(&mut node, Request::Txn(both)), two);
    let failing = txn(vec![exists("a"), exists("none"), exists("b")], vec![]);
    let seen = Counts { ranges: 2, txns: 1, ..NONE };
    assert_eq!(counted(&mut node, Request::Txn(failing)), seen, "up to the first that fails");
    let refused = txn(vec![], vec![Op::RequestPut(keeping("none")), Op::RequestPut(keeping("a"))]);
    assert_eq!(counted(&mut node, Request::Txn(refused)), Counts { ranges: 1, ..NONE });
}

#[test]
fn a_compaction_counts_the_versions_that_leave_the_disk() {
    let mut node = Node::new();
    for value in ["1", "2", "3"] {
        node.run(put("a", value)).unwrap();
    }
    let read = Counts { ranges: 1, ..NONE };
    assert_eq!(counted(&mut node, compact(4)), read, "for the header");
    node.collect_all();
    assert_eq!(node.applier.take_counts(), Counts { collected: 2, ..NONE });
    assert_eq!(node.applier.take_counts(), NONE);
}

//! Answers of writes: who builds them, what they show, and how large they may be.

use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::response_op::Response as OpResponse;
use mini_etcd_proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_shared::types::MemberId;

use super::fixture::{Disk, IDENTITY, Node, Response, birth, compact, put, range, read};
use crate::apply::{self, Applied, Applier, ApplyTask, Identity};
use crate::error::RequestError;
use crate::limits::RESULT_BYTES_MAX;

const MIB: usize = 1 << 20;

fn txn(ops: impl IntoIterator<Item = Op>) -> Request {
    let success = ops.into_iter().map(|request| RequestOp { request: Some(request) }).collect();
    Request::Txn(TxnRequest { success, ..TxnRequest::default() })
}

fn put_op(key: &str, value: &str) -> Op {
    let Request::Put(put) = put(key, value) else { unreachable!() };
    Op::RequestPut(put)
}

/// A member with `count` keys of a MiB each, and the other one of its cluster.
fn filled(count: usize) -> (Node, Applier<impl crate::storage::Engine>) {
    let mut node = Node::new();
    let other = Identity { member_id: MemberId(2), ..IDENTITY };
    let mut other = Applier::create(Disk::default().open(), other, &birth()).unwrap();
    for number in 0..count {
        let (key, value) = (format!("{number:03}").into(), vec![7; MIB].into());
        let put = PutRequest { key, value, ..PutRequest::default() };
        both(&mut node, &mut other, Request::Put(put));
    }
    (node, other)
}

fn both(
    node: &mut Node,
    other: &mut Applier<impl crate::storage::Engine>,
    request: Request,
) -> (Applied, Applied) {
    let entry = node.append(Some(request));
    let mine = node.apply(vec![entry.clone()]).unwrap();
    let task = ApplyTask { entries: vec![entry], conf_states: Vec::new() };
    let its = other.apply(&task).unwrap();
    assert_eq!(mine.published.digest, its.published.digest);
    (mine, its)
}

#[test]
fn only_the_member_whose_client_asked_has_the_rows_of_an_answer() {
    let (mut node, mut other) = filled(5);
    let all = || Op::RequestRange(range("\0", "\0", 0));
    let delete = DeleteRangeRequest { key: "001".into(), prev_kv: true, ..Default::default() };
    let request = txn([all(), Op::RequestDeleteRange(delete), put_op("x", "1"), all()]);
    let (mine, its) = both(&mut node, &mut other, request.clone());
    let space = |applied: &Applied| match &applied.results[0].outcome {
        Ok(apply::EntryResponse::Write(answer)) => answer.space(),
        other => panic!("{other:?}"),
    };
    assert!(space(&mine) > 10 * MIB, "{}", space(&mine));
    assert!(space(&its) < 1000, "{}", space(&its));
    let Ok(Response::Txn(answer)) =
        mine.results[0].outcome.clone().map(|response| read(&request, response))
    else {
        panic!("an answer")
    };
    assert_eq!(answer.responses.len(), 4);
}

#[test]
fn a_write_whose_answer_would_be_too_large_is_refused_by_every_member_and_changes_nothing() {
    let rows = RESULT_BYTES_MAX / MIB / 3 + 1;
    let (mut node, mut other) = filled(rows);
    let all = || Op::RequestRange(range("\0", "\0", 0));
    let removal = DeleteRangeRequest { key: "\0".into(), range_end: "\0".into(), prev_kv: true };
    let requests = [
        txn([put_op("x", "1"), all(), all(), all()]),
        txn([all(), all(), Op::RequestDeleteRange(removal)]),
    ];
    for request in requests {
        let estimate = node.view().estimate(&request);
        assert!(estimate.least_bytes > RESULT_BYTES_MAX, "{estimate:?}");
        let before = node.view().revision();
        let (mine, its) = both(&mut node, &mut other, request);
        for applied in [mine, its] {
            let refused = &applied.results[0].outcome;
            assert!(matches!(refused, Err(RequestError::ResultTooLarge { .. })), "{refused:?}");
            assert_eq!(applied.published.view.revision(), before);
        }
    }
    // What a limit or a count leaves of the same ranges is small.
    let few = |limit| RangeRequest { limit, ..range("\0", "\0", 0) };
    let count = RangeRequest { count_only: true, ..range("\0", "\0", 0) };
    let ops = [put_op("x", "1"), all(), Op::RequestRange(few(2)), Op::RequestRange(count)];
    let (mine, _) = both(&mut node, &mut other, txn(ops));
    assert!(mine.results[0].outcome.is_ok());
}

#[test]
fn an_answer_shows_the_point_of_its_operation_whatever_comes_before_it_is_read() {
    let mut node = Node::new();
    node.run(put("a", "1")).unwrap();
    let a = || Op::RequestRange(range("a", "", 0));
    let delete = DeleteRangeRequest { key: "a".into(), prev_kv: true, ..Default::default() };
    let request = txn([a(), put_op("b", "2"), Op::RequestDeleteRange(delete), a()]);
    let entries = vec![
        node.append(Some(request.clone())),
        node.append(Some(put("a", "3"))),
        node.append(Some(compact(4))),
    ];
    let outcome = node.apply(entries).unwrap().results.remove(0).outcome.unwrap();
    node.run(put("a", "4")).unwrap();
    node.run(compact(6)).unwrap();
    node.collect_all();
    let Response::Txn(answer) = read(&request, outcome) else { panic!("an answer") };
    let values: Vec<_> = answer
        .responses
        .iter()
        .map(|op| match op.response.as_ref().unwrap() {
            OpResponse::ResponseRange(range) => range.kvs.clone(),
            OpResponse::ResponseDeleteRange(removal) => removal.prev_kvs.clone(),
            _ => Vec::new(),
        })
        .map(|kvs| kvs.iter().map(|kv| kv.value.clone()).collect::<Vec<_>>())
        .collect();
    assert_eq!(values, [vec!["1"], vec![], vec!["1"], vec![]]);
}

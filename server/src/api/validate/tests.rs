//! The rules as tables: every row is one of etcd's, tried against a live etcd.

use mini_etcd_proto::adminpb::{LogEntry, LogResponse};
use mini_etcd_proto::etcdserverpb::Compare;
use mini_etcd_proto::internalpb::{Command, command};
use prost::Message;

use super::*;
use crate::limits::TXN_OPS_MAX;

fn txn(request: &TxnRequest) -> Result<(), RequestError> {
    super::txn(request, TXN_OPS_MAX)
}

fn put_op(key: &'static str) -> RequestOp {
    op(Request::RequestPut(PutRequest { key: key.into(), ..PutRequest::default() }))
}

fn delete_op(key: &'static str, range_end: &'static str) -> RequestOp {
    let request = DeleteRangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        ..DeleteRangeRequest::default()
    };
    op(Request::RequestDeleteRange(request))
}

fn range_op(key: &'static str) -> RequestOp {
    op(Request::RequestRange(RangeRequest { key: key.into(), ..RangeRequest::default() }))
}

fn nested(success: Vec<RequestOp>, failure: Vec<RequestOp>) -> RequestOp {
    op(Request::RequestTxn(TxnRequest { compare: Vec::new(), success, failure }))
}

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn success(ops: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { success: ops, ..TxnRequest::default() }
}

#[test]
fn a_range_needs_a_key_and_a_known_order() {
    let key = || RangeRequest { key: "k".into(), ..RangeRequest::default() };
    for (request, want) in [
        (key(), Ok(())),
        (RangeRequest { sort_order: 9, ..RangeRequest::default() }, Err(RequestError::EmptyKey)),
        (RangeRequest { sort_order: 3, ..key() }, Err(RequestError::InvalidSortOption)),
        (RangeRequest { sort_target: 5, ..key() }, Err(RequestError::InvalidSortOption)),
        (RangeRequest { sort_target: -1, ..key() }, Err(RequestError::InvalidSortOption)),
        (RangeRequest { sort_order: 2, sort_target: 4, ..key() }, Ok(())),
    ] {
        assert_eq!(range(&request), want, "{request:?}");
    }
}

#[test]
fn a_stream_has_no_order_and_no_filter() {
    let key = || RangeRequest { key: "k".into(), ..RangeRequest::default() };
    for (request, want) in [
        (key(), Ok(())),
        (RangeRequest { sort_order: 1, ..key() }, Ok(())),
        (RangeRequest { sort_order: 1, sort_target: 4, ..key() }, Err(RequestError::StreamSorted)),
        (RangeRequest { sort_order: 2, ..key() }, Err(RequestError::StreamSorted)),
        (RangeRequest { sort_target: 3, ..key() }, Ok(())),
        (RangeRequest { sort_target: 4, ..key() }, Ok(())),
        (RangeRequest { max_create_revision: -1, ..key() }, Err(RequestError::StreamFiltered)),
        (RangeRequest { min_mod_revision: 1, ..key() }, Err(RequestError::StreamFiltered)),
    ] {
        assert_eq!(range_stream(&request), want, "{request:?}");
    }
}

#[test]
fn a_put_is_refused_by_the_first_broken_rule() {
    let all = PutRequest {
        value: "v".into(),
        lease: 1,
        ignore_value: true,
        ignore_lease: true,
        ..PutRequest::default()
    };
    let key = PutRequest { key: "k".into(), ..all.clone() };
    let value = PutRequest { ignore_value: false, ..key.clone() };
    let lease = PutRequest { ignore_lease: false, ..value.clone() };
    assert_eq!(put(&all), Err(RequestError::EmptyKey));
    assert_eq!(put(&key), Err(RequestError::ValueProvided));
    assert_eq!(put(&value), Err(RequestError::LeaseProvided));
    assert_eq!(put(&lease), Ok(()));
}

#[test]
fn the_budget_of_operations_shrinks_with_depth() {
    let many = |n| vec![range_op("k"); n];
    let failure = TxnRequest { failure: many(129), ..TxnRequest::default() };
    let compare = Compare { key: "k".into(), ..Compare::default() };
    let compares = TxnRequest { compare: vec![compare; 129], ..TxnRequest::default() };
    let beside = |n| success(vec![nested(many(n), Vec::new()), range_op("k")]);
    for (request, fits) in [
        (success(many(128)), true),
        (success(many(129)), false),
        (failure, false),
        (compares, false),
        (success(vec![nested(many(127), Vec::new())]), true),
        (success(vec![nested(many(128), Vec::new())]), false),
        (beside(126), true),
        (beside(127), false),
        (success(vec![nested(many(100), many(100)), nested(many(100), many(100))]), true),
        (success(vec![nested(vec![nested(many(126), Vec::new())], Vec::new())]), true),
        (success(vec![nested(vec![nested(many(127), Vec::new())], Vec::new())]), false),
    ] {
        let want = if fits { Ok(()) } else { Err(RequestError::TooManyOps) };
        assert_eq!(txn(&request), want);
    }
}

#[test]
fn every_operation_obeys_its_own_rules_before_duplicates_are_looked_for() {
    let no_key = TxnRequest { compare: vec![Compare::default()], ..TxnRequest::default() };
    let duplicate = || vec![put_op("k"), put_op("k")];
    let unset = RequestOp { request: None };
    for (request, want) in [
        (no_key, RequestError::EmptyKey),
        (success(vec![put_op("")]), RequestError::EmptyKey),
        (success(vec![nested(Vec::new(), vec![delete_op("", "")])]), RequestError::EmptyKey),
        (success(vec![unset.clone()]), RequestError::KeyNotFound),
        (
            TxnRequest { success: duplicate(), failure: vec![unset], compare: Vec::new() },
            RequestError::KeyNotFound,
        ),
        (success(duplicate()), RequestError::DuplicateKey),
    ] {
        assert_eq!(txn(&request), Err(want));
    }
}

#[test]
fn duplicates_are_found_where_etcd_finds_them_and_nowhere_else() {
    let (put, delete) = (|| put_op("k"), |end| delete_op("k", end));
    let cover = || delete_op("a", "z");
    let then = |op| nested(vec![op], Vec::new());
    let rows: Vec<(&str, Vec<RequestOp>, bool)> = vec![
        ("put, put", vec![put(), put()], false),
        ("put, delete", vec![put(), delete("")], false),
        ("delete, put", vec![delete(""), put()], false),
        ("put, covering delete", vec![put(), cover()], false),
        ("delete up to the put", vec![delete_op("a", "k"), put()], true),
        ("delete of a neighbour", vec![delete_op("k\0", ""), put()], true),
        ("delete, delete", vec![delete(""), cover()], true),
        ("range over all", vec![put(), range_op("k"), range_op("k")], true),
        ("then and else of one nested", vec![nested(vec![put()], vec![put()])], true),
        ("put in both siblings", vec![then(put()), then(put())], false),
        ("put in nested and here", vec![then(put()), put()], false),
        ("put here and in nested", vec![put(), then(put())], false),
        ("put in nested, delete here", vec![then(put()), cover()], false),
        ("earlier sibling deletes, later puts", vec![then(delete("")), then(put())], false),
        ("earlier sibling puts, later deletes", vec![then(put()), then(delete(""))], true),
        ("put here, delete in nested", vec![put(), then(delete(""))], false),
        ("put in then, delete in else", vec![nested(vec![put()], vec![delete("")])], true),
        ("delete in then, put in else", vec![nested(vec![delete("")], vec![put()])], true),
        (
            "else of one sibling, then of the next",
            vec![nested(vec![], vec![put()]), then(put())],
            false,
        ),
        ("from this key on, put", vec![delete("\0"), put()], true),
        ("put, from this key on", vec![put(), delete("\0")], true),
        ("put, everything", vec![put(), delete_op("\0", "\0")], true),
        ("inverted delete", vec![delete_op("z", "a"), put()], true),
        ("two levels down", vec![then(then(put())), put()], false),
    ];
    for (name, ops, allowed) in rows {
        let want = if allowed { Ok(()) } else { Err(RequestError::DuplicateKey) };
        assert_eq!(txn(&success(ops)), want, "{name}");
    }
    let apart = TxnRequest { success: vec![put()], failure: vec![put()], compare: Vec::new() };
    assert_eq!(txn(&apart), Ok(()), "success and failure of the top exclude each other");
}

#[test]
fn only_ranges_in_both_branches_make_a_read_only_transaction() {
    let serializable = || {
        let range = RangeRequest { key: "k".into(), serializable: true, ..RangeRequest::default() };
        op(Request::RequestRange(range))
    };
    let with = |success, failure| TxnRequest { success, failure, compare: Vec::new() };
    for (request, read_only, local) in [
        (with(vec![], vec![]), true, true),
        (with(vec![range_op("k")], vec![]), true, false),
        (with(vec![serializable()], vec![serializable()]), true, true),
        (with(vec![serializable()], vec![range_op("k")]), true, false),
        (with(vec![range_op("k")], vec![put_op("k")]), false, false),
        (with(vec![nested(vec![], vec![])], vec![]), false, false),
    ] {
        assert_eq!((is_read_only(&request), is_serializable(&request)), (read_only, local));
    }
}

/// A put in so many transactions in one another, which stand in one more.
fn deep(depth: usize) -> TxnRequest {
    let ops = (0..depth).fold(vec![put_op("k")], |ops, _| vec![nested(ops, Vec::new())]);
    TxnRequest { compare: Vec::new(), success: ops, failure: Vec::new() }
}

/// Goal: no request is proposed that a member cannot read from its log: it would end every member, for ever.
#[test]
fn a_transaction_that_is_accepted_can_be_read_from_the_log_and_in_the_answer_that_shows_it() {
    let deepest = deep(TXN_DEPTH_MAX);
    assert_eq!(txn(&deepest), Ok(()));
    let request = Some(command::Request::Txn(deepest));
    let command = Command { origin: 1, sequence: 1, incarnation: 1, request, asker: None };
    assert_eq!(Command::decode(command.encode_to_vec().as_slice()).as_ref(), Ok(&command));
    let entry = LogEntry { command: Some(command), ..LogEntry::default() };
    let page = LogResponse { entries: vec![entry], ..LogResponse::default() };
    assert_eq!(LogResponse::decode(page.encode_to_vec().as_slice()), Ok(page));
    for depth in [TXN_DEPTH_MAX + 1, TXN_OPS_MAX - 1] {
        let refused = txn(&deep(depth)).unwrap_err();
        let words = "mini-etcd: txn is nested more than 40 times: at most 40";
        assert_eq!(refused.to_string(), words);
    }
}

//! HashKV against values that etcd 3.4.23 and 3.5.1 gave, both the same, for the same history.

use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{RequestOp, TxnRequest};
use mini_etcd_proto::internalpb::command::Request;

use super::fixture::{Node, compact, delete, put};
use crate::error::RequestError;

/// put a 1, put b 2, one txn of put c 3 and put d 4, put a 5, del b, put b 7, del c to e, put a "": revisions 2 to 9.
fn history() -> Node {
    let op = |request| match request {
        Request::Put(put) => RequestOp { request: Some(Op::RequestPut(put)) },
        _ => unreachable!("puts only"),
    };
    let success = vec![op(put("c", "3")), op(put("d", "4"))];
    let txn = TxnRequest { compare: Vec::new(), success, failure: Vec::new() };
    let requests = [
        put("a", "1"),
        put("b", "2"),
        Request::Txn(txn),
        put("a", "5"),
        delete("b", ""),
        put("b", "7"),
        delete("c", "e"),
        put("a", ""),
    ];
    let mut node = Node::new();
    for request in requests {
        node.run(request).unwrap();
    }
    assert_eq!(node.view().revision().0, 9, "as dense as etcd's");
    node
}

fn check(node: &Node, expected: &[(i64, u32)]) {
    for (revision, hash) in expected {
        assert_eq!(node.view().hash_kv(*revision).unwrap().hash, *hash, "at {revision}");
    }
}

#[test]
fn it_is_etcds_hash_at_every_revision_and_after_compactions() {
    let mut node = history();
    check(
        &node,
        &[
            (1, 1_084_519_789),
            (2, 2_587_454_935),
            (3, 1_827_592_406),
            (4, 915_275_469),
            (5, 3_002_354_986),
            (6, 2_633_210_414),
            (7, 3_929_294_924),
            (8, 3_970_604_908),
            (9, 3_576_941_844),
            (0, 3_576_941_844),
        ],
    );
    let after_6 = [(7, 1_449_873_710), (8, 3_343_586_175), (9, 1_726_743_151), (0, 1_726_743_151)];
    let after_8 = [(9, 2_626_103_215), (0, 2_626_103_215)];
    // The removal of b stands at 6 and those of c and d at 8.
    for (revision, expected) in [(6, after_6.as_slice()), (8, after_8.as_slice())] {
        node.run(compact(revision)).unwrap();
        check(&node, expected);
        node.collect_all();
        check(&node, expected);
        node.restart();
        check(&node, expected);
    }
}

#[test]
fn where_no_key_is_left_etcd_counts_what_it_still_stores() {
    let mut node = Node::new();
    node.run(put("a", "1")).unwrap();
    node.run(put("b", "2")).unwrap();
    node.run(delete("a", "")).unwrap();
    node.run(delete("b", "")).unwrap();
    node.run(compact(3)).unwrap();
    check(&node, &[(4, 776_148_148), (5, 3_647_447_639), (0, 3_647_447_639)]);
    node.collect_all();
    check(&node, &[(4, 776_148_148), (5, 3_647_447_639), (0, 3_647_447_639)]);
}

#[test]
fn its_bounds_are_those_of_etcd_3_6() {
    let mut node = history();
    let empty = node.view().hash_kv(-1).unwrap();
    assert_eq!((empty.hash, empty.compact_revision), (1_084_519_789, -1));
    assert_eq!(node.view().hash_kv(10), Err(RequestError::FutureRevision));
    node.run(compact(6)).unwrap();
    assert_eq!(node.view().hash_kv(5), Err(RequestError::Compacted));
    let at = node.view().hash_kv(6).unwrap();
    assert_eq!((at.compact_revision, at.hash_revision), (6, 6));
}

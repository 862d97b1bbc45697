//! HashKV against values that etcd 3.4.23 and 3.5.1 gave, both the same, for the same history.

use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{Compare, RequestOp, TxnRequest};
use mini_etcd_proto::internalpb::command::Request;

use super::fixture::{Node, compact, delete, put};
use crate::error::RequestError;
use crate::mvcc::HashKv;

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
    node.restart();
    let at = node.view().hash_kv(6).unwrap();
    assert_eq!((at.compact_revision, at.hash_revision), (6, 6));
}

/// put a 1, put b1 x, put a 2, put b2 x, ..., put a 6, put b6 x, del b2, put z 1: revisions 2 to 15.
fn pairs() -> Node {
    let mut node = Node::new();
    for number in 1..=6 {
        node.run(put("a", &number.to_string())).unwrap();
        node.run(put(&format!("b{number}"), "x")).unwrap();
    }
    node.run(delete("b2", "")).unwrap();
    node.run(put("z", "1")).unwrap();
    assert_eq!(node.view().revision().0, 15, "as dense as etcd's");
    node
}

fn hashed(hash: u32, compact_revision: i64, hash_revision: i64) -> HashKv {
    HashKv { hash, compact_revision, hash_revision }
}

/// The values and compacted revisions are what etcd 3.7.3 answers for the same history and compactions.
#[test]
fn the_hash_of_a_revision_stays_when_that_revision_is_compacted() {
    let mut node = pairs();
    assert_eq!(node.view().hash_kv(6), Ok(hashed(773_816_297, -1, 6)));
    node.run(compact(6)).unwrap();
    assert_eq!(node.view().hash_kv(6), Ok(hashed(773_816_297, -1, 6)), "by whoever asks first");
    assert_eq!(node.view().hash_kv(7), Ok(hashed(903_261_155, 6, 7)));
    node.collect_all();
    node.run(compact(7)).unwrap();
    node.collect_all();
    node.run(compact(14)).unwrap();
    node.collect_all();
    for hash in [
        hashed(773_816_297, -1, 6),
        hashed(903_261_155, 6, 7),
        hashed(1_824_796_912, 7, 14),
        hashed(148_819_076, 14, 15),
    ] {
        assert_eq!(node.view().hash_kv(hash.hash_revision), Ok(hash));
    }
    assert_eq!(node.view().hash_kv(8), Err(RequestError::Compacted), "not one of them");
    assert_eq!(node.view().hash_kv(0), Ok(hashed(148_819_076, 14, 15)));
    node.restart();
    assert_eq!(node.view().hash_kv(7), Err(RequestError::Compacted), "they are in memory only");
    assert_eq!(node.view().hash_kv(14), Ok(hashed(1_038_491_728, 14, 14)));
    assert_eq!(node.view().hash_kv(15), Ok(hashed(148_819_076, 14, 15)));
}

#[test]
fn the_hash_of_the_current_revision_by_its_number_stays_and_by_0_is_that_of_what_is_left() {
    let mut node = pairs();
    let before = node.view().hash_kv(15).unwrap();
    node.run(compact(15)).unwrap();
    assert_eq!(node.view().hash_kv(15), Ok(before));
    let left = node.view().hash_kv(0).unwrap();
    assert_eq!((left.compact_revision, left.hash_revision), (15, 15));
    assert_ne!(left.hash, before.hash);
}

/// etcd keeps that hash too, of no keys, and answers with it whatever comes later.
#[test]
fn a_compaction_to_0_leaves_the_hash_of_the_current_revision_alone() {
    let mut node = Node::new();
    node.run(compact(0)).unwrap();
    let empty = node.view().hash_kv(0).unwrap();
    node.run(put("a", "1")).unwrap();
    assert_ne!(node.view().hash_kv(0).unwrap().hash, empty.hash);
}

#[test]
fn the_hashes_of_the_last_ten_compactions_are_kept_those_of_one_turn_too() {
    let mut node = pairs();
    let before: Vec<_> = (2..=15).map(|at| node.view().hash_kv(at).unwrap()).collect();
    let entries = (2..=13).map(|at| node.append(Some(compact(at)))).collect();
    node.apply(entries).unwrap();
    node.collect_all();
    for at in 2..=3 {
        assert_eq!(node.view().hash_kv(at), Err(RequestError::Compacted));
    }
    for at in 4..=13 {
        let hash = node.view().hash_kv(at).unwrap();
        assert_eq!((hash.compact_revision, hash.hash_revision), (at - 1, at));
    }
    let mut slow = pairs();
    for at in 2..=13 {
        let before = slow.view().hash_kv(at);
        slow.run(compact(at)).unwrap();
        slow.collect_all();
        assert_eq!(slow.view().hash_kv(at), before, "before and after");
        if at > 3 {
            assert_eq!(node.view().hash_kv(at), before, "in one turn and in many");
        }
    }
    assert_eq!(before.first().map(|hash| hash.hash_revision), Some(2));
}

#[test]
fn nothing_is_removed_before_it_is_hashed_and_apply_does_not_wait_for_that() {
    let mut node = pairs();
    let before = node.view().hash_kv(14).unwrap();
    let rows = node.table().len();
    let hashes = node.applier.hash_elsewhere();
    node.run(compact(14)).unwrap();
    for _ in 0..3 {
        assert!(node.applier.collect(100).unwrap(), "it comes back later");
        assert_eq!(node.table().len(), rows);
    }
    node.run(put("y", "1")).unwrap();
    let thread = std::thread::spawn({
        let hashes = hashes.clone();
        move || hashes.run()
    });
    while node.table().len() > rows {
        node.applier.collect(100).unwrap();
    }
    hashes.stop();
    thread.join().unwrap();
    assert_eq!(node.view().hash_kv(14), Ok(before));
}

/// A transaction whose condition fails, and that would put.
fn failing() -> Request {
    let compare = Compare {
        result: CompareResult::Greater.into(),
        target: CompareTarget::Version.into(),
        key: "none".into(),
        ..Compare::default()
    };
    let Request::Put(put) = put("a", "never") else { unreachable!("a put") };
    let success = vec![RequestOp { request: Some(Op::RequestPut(put)) }];
    Request::Txn(TxnRequest { compare: vec![compare], success, failure: Vec::new() })
}

#[test]
fn the_hash_of_all_stays_while_no_key_changes_and_changes_with_one() {
    let mut node = history();
    let before = node.view().hash_all().unwrap();
    node.run(delete("none", "")).unwrap();
    node.run(failing()).unwrap();
    node.run(compact(99)).unwrap_err();
    let nothing = node.append(None);
    node.apply(vec![nothing]).unwrap();
    assert_eq!(node.view().hash_all(), Ok(before), "nothing changed");
    node.restart();
    assert_eq!(node.view().hash_all(), Ok(before), "over a restart");
    node.crash(3);
    assert_eq!(node.view().hash_all(), Ok(before), "over a crash");
    node.run(put("a", "")).unwrap();
    let after = node.view().hash_all().unwrap();
    assert_ne!(after, before, "the value is the same, the revision is not");
    node.run(delete("a", "")).unwrap();
    assert_ne!(node.view().hash_all(), Ok(after));
}

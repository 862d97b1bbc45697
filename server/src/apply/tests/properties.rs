//! Any sequence of requests, compactions, restarts and crashes, against the model.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::TargetUnion;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest,
};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::Revision;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::fixture::{Node, Table, compact, grant, read, revoke};
use super::model::{Change, Model};
use super::past;
use crate::error::RequestError;
use crate::mvcc::{Event, EventKind, HashKv, View};
use crate::storage::Space;

#[derive(Clone, Debug)]
enum Step {
    Request(Request),
    /// Compacts so far behind the current revision.
    Compact(i64),
    /// An entry without a command.
    Nothing,
    /// Takes up to so many dead rows away.
    Collect(usize),
    /// Cuts the power.
    Crash(u64),
    Sync,
}

fn key() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["a", "aa", "ab", "b", "c", "d"]).prop_map(Bytes::from)
}

fn keys() -> impl Strategy<Value = (Bytes, Bytes)> {
    let end = prop::sample::select(vec!["", "", "\0", "b", "c", "zz"]);
    let pair = (key(), end.prop_map(Bytes::from));
    prop_oneof![9 => pair, 1 => Just((Bytes::from("\0"), Bytes::from("\0")))]
}

fn put() -> impl Strategy<Value = PutRequest> {
    let flag = || prop::bool::weighted(0.15);
    let lease = prop_oneof![9 => Just(0_i64), 1 => Just(5), 4 => Just(6)];
    (key(), prop::sample::select(vec!["", "x", "y", "z"]), lease, any::<bool>(), flag(), flag())
        .prop_map(|(key, value, lease, prev_kv, ignore_value, ignore_lease)| PutRequest {
            key,
            value: if ignore_value { Bytes::new() } else { Bytes::from(value) },
            lease: if ignore_lease { 0 } else { lease },
            prev_kv,
            ignore_value,
            ignore_lease,
        })
}

fn delete() -> impl Strategy<Value = DeleteRangeRequest> {
    (keys(), any::<bool>()).prop_map(|((key, range_end), prev_kv)| DeleteRangeRequest {
        key,
        range_end,
        prev_kv,
    })
}

fn bound() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(0_i64), 3 => 1..40_i64, 1 => Just(-1_i64)]
}

fn range() -> impl Strategy<Value = RangeRequest> {
    let revision = prop_oneof![3 => Just(0_i64), 5 => -2..60_i64];
    let sort = (0..3_i32, 0..5_i32);
    (keys(), 0..5_i64, revision, sort, any::<[bool; 2]>(), [bound(), bound(), bound(), bound()])
        .prop_map(|((key, range_end), limit, revision, sort, flags, bounds)| {
            let [min_mod_revision, max_mod_revision, min_create_revision, max_create_revision] =
                bounds;
            RangeRequest {
                key,
                range_end,
                limit,
                revision,
                sort_order: sort.0,
                sort_target: sort.1,
                keys_only: flags[0],
                count_only: flags[0] && flags[1],
                min_mod_revision,
                max_mod_revision,
                min_create_revision,
                max_create_revision,
                ..RangeRequest::default()
            }
        })
}

fn compare() -> impl Strategy<Value = Compare> {
    let union = (0..5_i32, 0..30_i64, prop::sample::select(vec!["", "x", "y"]));
    (keys(), 0..4_i32, union).prop_map(|((key, range_end), result, (target, number, value))| {
        let target_union = Some(match target {
            0 => TargetUnion::Version(number % 4),
            1 => TargetUnion::CreateRevision(number),
            2 => TargetUnion::ModRevision(number),
            3 => TargetUnion::Value(Bytes::from(value)),
            _ => TargetUnion::Lease(number % 2 * 6),
        });
        Compare { result, target, key, range_end, target_union }
    })
}

fn txn() -> impl Strategy<Value = TxnRequest> {
    let leaf = prop_oneof![
        put().prop_map(Op::RequestPut),
        delete().prop_map(Op::RequestDeleteRange),
        range().prop_map(Op::RequestRange),
    ];
    let txn_of =
        |op: BoxedStrategy<Op>| {
            let ops = move || {
                vec(op.clone().prop_map(|op| RequestOp { request: Some(op) }), 0..4).boxed()
            };
            (vec(compare(), 0..2), ops(), ops())
                .prop_map(|(compare, success, failure)| TxnRequest { compare, success, failure })
        };
    let op = leaf
        .boxed()
        .prop_recursive(2, 12, 3, move |inner| txn_of(inner.boxed()).prop_map(Op::RequestTxn));
    txn_of(op.boxed())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => put().prop_map(|put| Step::Request(Request::Put(put))),
        3 => delete().prop_map(|delete| Step::Request(Request::DeleteRange(delete))),
        6 => txn().prop_map(|txn| Step::Request(Request::Txn(txn))),
        2 => (-1..20_i64).prop_map(Step::Compact),
        1 => Just(Step::Nothing),
        3 => (5..7_i64).prop_map(|lease| Step::Request(grant(lease, 10))),
        2 => (5..7_i64).prop_map(|lease| Step::Request(revoke(lease))),
        2 => (1..20_usize).prop_map(Step::Collect),
        1 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::Sync),
    ]
}

/// The message a client would get by putting all pieces together.
fn joined(view: &View, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
    let mut whole = RangeResponse::default();
    for piece in view.range_chunks(request) {
        whole.merge(piece?.encode_to_vec().as_slice()).unwrap();
    }
    Ok(whole)
}

fn change_of(view: &View, event: &Event) -> Change {
    assert_eq!(event.kv.slice_ref(&event.key), event.key, "key and version share their bytes");
    Change {
        revision: event.id.revision.0,
        sub: event.id.sub,
        tombstone: event.kind == EventKind::Delete,
        kv: KeyValue::decode(event.kv.clone()).unwrap(),
        prev: event.prev.map(|id| view.key_value(id).unwrap().expect("the version before")),
    }
}

/// Everything a reader can ask, at any revision.
fn check(node: &Node, model: &Model, ranges: &[RangeRequest]) {
    let view = node.view();
    assert_eq!(view.revision().0, model.revision());
    assert_eq!(view.compacted(), model.compacted);
    for request in ranges {
        let expected = model.range(request);
        assert_eq!(view.range(request), expected, "{request:?}");
        let encoded = view.select(request).and_then(|answer| answer.encode());
        let decoded = encoded.map(|bytes| RangeResponse::decode(bytes).unwrap());
        assert_eq!(decoded, expected, "written row by row: {request:?}");
        let plain = RangeRequest {
            sort_order: 0,
            sort_target: 0,
            min_mod_revision: 0,
            max_mod_revision: 0,
            min_create_revision: 0,
            max_create_revision: 0,
            ..request.clone()
        };
        assert_eq!(joined(&view, &plain), model.range(&plain), "in pieces: {plain:?}");
    }
    let from = model.compacted.max(0);
    for (from, most) in [(from, usize::MAX), (i64::midpoint(from, model.revision()), 2)] {
        let history = view.history(Revision(from), most, &|key| key != b"b").unwrap();
        let end = history.next.0;
        let expected = model
            .changes
            .iter()
            .filter(|change| (from..end).contains(&change.revision) && change.kv.key != "b");
        // Whether the version before still exists depends on the compaction.
        let expected: Vec<Change> = expected
            .map(|change| Change {
                prev: change.prev.clone().filter(|_| change.revision > model.compacted),
                ..change.clone()
            })
            .collect();
        let found: Vec<Change> =
            history.events.iter().map(|event| change_of(&view, event)).collect();
        let found_revisions = found.iter().map(|change| change.revision);
        assert!(found_revisions.collect::<std::collections::BTreeSet<_>>().len() <= most);
        assert!(most == 2 || end == model.revision() + 1, "all of it was asked for");
        assert_eq!(found, expected, "from {from}");
    }
    let below = view.history(Revision(model.compacted - 1), 9, &|_| true);
    assert_eq!(below.unwrap_err(), RequestError::Compacted);
    let leases = node.published().leases.clone();
    let all = leases.all().into_iter().map(|(id, _)| (id, leases.keys(id).unwrap()));
    let expected = model.leases.iter().map(|id| (*id, model.keys_of(*id)));
    assert_eq!(all.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    past::check(&view, model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// One member is driven turn by turn and checked against the model after each; a second one is given the
    /// same log in one task at the end, collects at another time, and must come to the same digest and hashes.
    #[test]
    fn a_member_agrees_with_the_model_and_with_its_peers(
        steps in vec(step(), 1..40),
        ranges in vec(range(), 1..6),
    ) {
        let mut node = Node::new();
        let mut model = Model::new(1);
        for step in steps {
            let index = i64::try_from(node.next()).unwrap();
            let request = match step {
                Step::Request(request) => Some(request),
                Step::Compact(back) => Some(compact(model.revision() - back)),
                Step::Nothing => None,
                Step::Collect(rows) => {
                    node.applier.collect(rows).unwrap();
                    check(&node, &model, &ranges);
                    continue;
                }
                Step::Crash(number) => {
                    let (before, hash) = (node.published(), node.view().hash_kv(0));
                    node.crash(number);
                    let after = node.published();
                    prop_assert_eq!(before.digest, after.digest);
                    prop_assert_eq!(&before.members, &after.members);
                    prop_assert_eq!(&before.alarms, &after.alarms);
                    prop_assert_eq!(before.view.key_count(), after.view.key_count());
                    prop_assert_eq!(hash, after.view.hash_kv(0));
                    drop((before, after));
                    check(&node, &model, &ranges);
                    continue;
                }
                Step::Sync => {
                    node.applier.sync().unwrap();
                    continue;
                }
            };
            let (before, rows) = (node.view(), node.table());
            let entry = node.append(request.clone());
            node.disk.take_commits();
            let applied = node.apply(vec![entry]).unwrap();
            prop_assert_eq!(node.disk.take_commits().len(), 1, "one turn, one batch");
            let Some(request) = request else {
                prop_assert!(applied.results.is_empty() && applied.events.is_empty());
                check(&node, &model, &ranges);
                continue;
            };
            let taken = match &request {
                Request::Compaction(compaction) => compaction.revision.max(0),
                _ => 0,
            };
            let hash = before.hash_kv(taken);
            let changes = model.changes.len();
            let expected = model.apply(index, &request);
            let outcome = applied.results[0].outcome.clone();
            prop_assert_eq!(&outcome.map(|response| read(&request, response)), &expected);
            let view = node.view();
            let events: Vec<Change> = applied.events.iter().map(|e| change_of(&view, e)).collect();
            prop_assert_eq!(&events, &model.changes[changes..]);
            if taken > 0 && expected.is_ok() {
                prop_assert_eq!(hash, view.hash_kv(taken), "what a compaction takes is hashed");
            }
            if expected.is_err() {
                let of = |table: &Table| {
                    let rows = table.iter().filter(|((space, _), _)| *space != Space::Meta);
                    rows.map(|(key, row)| (key.clone(), row.clone())).collect::<Vec<_>>()
                };
                prop_assert_eq!(of(&rows), of(&node.table()), "an error leaves no trace");
                prop_assert_eq!(before.hash_kv(0), view.hash_kv(0));
                prop_assert_eq!(before.logical_bytes(), view.logical_bytes());
            }
            drop((before, applied, view));
            check(&node, &model, &ranges);
        }
        let mut peer = Node::new();
        peer.apply(node.log.clone()).unwrap();
        let (mine, its) = (node.published(), peer.published());
        prop_assert_eq!(mine.digest, its.digest);
        let compacted = mine.view.compacted();
        for revision in 0..=model.revision() {
            let (mine, its) = (mine.view.hash_kv(revision), its.view.hash_kv(revision));
            // A crash forgets what a state was like before the compaction that took it.
            let at = |hash: &Result<HashKv, _>| hash.as_ref().map(|hash| hash.compact_revision).ok();
            if at(&mine) == at(&its) {
                prop_assert_eq!(mine, its);
            } else {
                prop_assert!(0 < revision && revision <= compacted, "{revision}: {mine:?}, {its:?}");
            }
        }
        drop((mine, its));
        check(&peer, &model, &ranges);
        let hash = peer.view().hash_kv(0);
        peer.collect_all();
        prop_assert_eq!(peer.view().hash_kv(0), hash, "dead rows do not count");
        check(&peer, &model, &ranges);
        peer.restart();
        check(&peer, &model, &ranges);
    }
}

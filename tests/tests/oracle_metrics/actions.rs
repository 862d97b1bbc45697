//! What is done on both sides. Each action answers what its client was told.

use anyhow::Result;
use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::TryStreamExt as _;
use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::watch_create_request::FilterType;
use mini_etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmType, Compare, DeleteRangeRequest, HashKvRequest, HashRequest,
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseLeasesRequest, LeaseRevokeRequest,
    LeaseTimeToLiveRequest, MemberListRequest, MoveLeaderRequest, PutRequest, RangeRequest,
    RequestOp, StatusRequest, TxnRequest, WatchCreateRequest,
};
use mini_etcd_proto::healthpb::HealthCheckRequest;
use mini_etcd_proto::healthpb::health_client::HealthClient;

use crate::side::{Side, said};

/// One action.
pub type Act = fn(&mut Side) -> LocalBoxFuture<'_, Result<String>>;

/// All of them, in order: what one leaves behind the next ones find.
pub const ACTIONS: &[(&str, Act)] = &[
    ("a put", |side| async move { Ok(side.put(put("a", "1")).await) }.boxed_local()),
    ("a put over it", |side| async move { Ok(side.put(put("a", "22")).await) }.boxed_local()),
    ("a put that wants the version before", |side| {
        async move { Ok(side.put(PutRequest { prev_kv: true, ..put("a", "3") }).await) }
            .boxed_local()
    }),
    ("a put that keeps the value", |side| {
        async move { Ok(side.put(PutRequest { ignore_value: true, ..put("a", "") }).await) }
            .boxed_local()
    }),
    ("a put that keeps the lease", |side| {
        async move { Ok(side.put(PutRequest { ignore_lease: true, ..put("a", "4") }).await) }
            .boxed_local()
    }),
    ("a put that keeps all and wants it too", |side| {
        let keeps = PutRequest { ignore_value: true, ignore_lease: true, ..put("a", "") };
        async move { Ok(side.put(PutRequest { prev_kv: true, ..keeps }).await) }.boxed_local()
    }),
    ("a put that keeps what is not there", |side| {
        async move { Ok(side.put(PutRequest { ignore_value: true, ..put("none", "") }).await) }
            .boxed_local()
    }),
    ("a put with an unknown lease", |side| {
        async move { Ok(side.put(PutRequest { lease: 77, ..put("a", "5") }).await) }.boxed_local()
    }),
    ("a put without a key", |side| async move { Ok(side.put(put("", "x")).await) }.boxed_local()),
    ("a put that is too large", |side| {
        async move { Ok(side.put(put("large", &"x".repeat(1_600_000))).await) }.boxed_local()
    }),
    ("a put that is larger than a message may be", |side| {
        async move { Ok(side.put(put("large", &"x".repeat(3 << 20))).await) }.boxed_local()
    }),
    ("three more keys", |side| {
        async move {
            for key in ["b", "c", "d"] {
                side.put(put(key, "v")).await;
            }
            Ok(String::new())
        }
        .boxed_local()
    }),
    ("a get", |side| async move { Ok(side.range(range("a", "")).await) }.boxed_local()),
    ("a get of nothing", |side| {
        async move { Ok(side.range(range("none", "")).await) }.boxed_local()
    }),
    ("a get without a key", |side| {
        async move { Ok(side.range(range("", "")).await) }.boxed_local()
    }),
    ("a serializable get", |side| {
        async move { Ok(side.range(RangeRequest { serializable: true, ..range("a", "") }).await) }
            .boxed_local()
    }),
    ("a range with a limit", |side| {
        async move { Ok(side.range(RangeRequest { limit: 2, ..range("a", "z") }).await) }
            .boxed_local()
    }),
    ("a range that is sorted", |side| {
        let (order, target) = (SortOrder::Descend as i32, SortTarget::Mod as i32);
        let sorted = RangeRequest { sort_order: order, sort_target: target, ..range("a", "z") };
        async move { Ok(side.range(sorted).await) }.boxed_local()
    }),
    ("a count", |side| {
        async move { Ok(side.range(RangeRequest { count_only: true, ..range("a", "z") }).await) }
            .boxed_local()
    }),
    ("a range in the past", |side| {
        let revision = side.revision(1);
        async move { Ok(side.range(RangeRequest { revision, ..range("a", "z") }).await) }
            .boxed_local()
    }),
    ("a range in the future", |side| {
        async move { Ok(side.range(RangeRequest { revision: 9999, ..range("a", "z") }).await) }
            .boxed_local()
    }),
    ("a delete of nothing", |side| {
        async move { Ok(side.delete(delete("none", "")).await) }.boxed_local()
    }),
    ("a delete of one", |side| async move { Ok(side.delete(delete("b", "")).await) }.boxed_local()),
    ("a delete of many", |side| {
        async move { Ok(side.delete(delete("c", "e")).await) }.boxed_local()
    }),
    ("a delete that wants what it takes", |side| {
        async move { Ok(side.delete(DeleteRangeRequest { prev_kv: true, ..delete("a", "") }).await) }
            .boxed_local()
    }),
    ("a delete of nothing that wants it", |side| {
        async move { Ok(side.delete(DeleteRangeRequest { prev_kv: true, ..delete("a", "") }).await) }
            .boxed_local()
    }),
    ("a delete without a key", |side| {
        async move { Ok(side.delete(delete("", "")).await) }.boxed_local()
    }),
    ("a txn without anything", |side| {
        async move { Ok(side.txn(TxnRequest::default()).await) }.boxed_local()
    }),
    ("a txn with one put", |side| {
        async move { Ok(side.txn(when(vec![], vec![Op::RequestPut(put("a", "t"))])).await) }
            .boxed_local()
    }),
    ("a txn of every kind", |side| {
        let ops = vec![
            Op::RequestPut(put("b", "t")),
            Op::RequestRange(range("a", "z")),
            Op::RequestDeleteRange(delete("x", "z")),
            Op::RequestPut(PutRequest { prev_kv: true, ..put("a", "tt") }),
        ];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a txn in a txn", |side| {
        let inner = when(vec![exists("a")], vec![Op::RequestPut(put("c", "n"))]);
        let ops = vec![Op::RequestTxn(inner), Op::RequestRange(range("b", ""))];
        async move { Ok(side.txn(when(vec![exists("a"), exists("b")], ops)).await) }.boxed_local()
    }),
    ("a txn whose condition fails", |side| {
        let mut txn = when(vec![exists("none")], vec![Op::RequestPut(put("d", "f"))]);
        txn.failure = vec![op(Op::RequestRange(range("a", "")))];
        async move { Ok(side.txn(txn).await) }.boxed_local()
    }),
    ("a txn whose condition fails and does nothing", |side| {
        let txn = when(vec![exists("none")], vec![Op::RequestPut(put("d", "f"))]);
        async move { Ok(side.txn(txn).await) }.boxed_local()
    }),
    ("a txn whose second of three conditions fails", |side| {
        let compares = vec![exists("a"), exists("none"), exists("b")];
        let txn = when(compares, vec![Op::RequestPut(put("d", "f"))]);
        async move { Ok(side.txn(txn).await) }.boxed_local()
    }),
    ("a txn whose condition has a range", |side| {
        let compare = Compare { range_end: "z".into(), ..exists("a") };
        let txn = when(vec![compare], vec![Op::RequestPut(put("d", "r"))]);
        async move { Ok(side.txn(txn).await) }.boxed_local()
    }),
    ("a txn that only reads", |side| {
        let ops = vec![Op::RequestRange(range("a", "")), Op::RequestRange(range("b", ""))];
        async move { Ok(side.txn(when(vec![exists("a")], ops)).await) }.boxed_local()
    }),
    ("a txn with one get", |side| {
        async move { Ok(side.txn(when(vec![], vec![Op::RequestRange(range("a", ""))])).await) }
            .boxed_local()
    }),
    ("a txn that puts a key twice", |side| {
        let ops = vec![Op::RequestPut(put("a", "1")), Op::RequestPut(put("a", "2"))];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a txn with an unknown lease", |side| {
        let leased = PutRequest { lease: 77, ..put("b", "l") };
        let ops = vec![Op::RequestPut(put("a", "l")), Op::RequestPut(leased)];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a txn that keeps a value and wants it too", |side| {
        let keeps = PutRequest { ignore_value: true, prev_kv: true, ..put("a", "") };
        let ops = vec![Op::RequestPut(keeps)];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a txn that keeps what is not there, and then what is", |side| {
        let keeps = |key: &str| PutRequest { ignore_value: true, ..put(key, "") };
        let ops = vec![Op::RequestPut(keeps("none")), Op::RequestPut(keeps("a"))];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a txn that removes and wants what it takes", |side| {
        let delete = DeleteRangeRequest { prev_kv: true, ..delete("d", "") };
        let ops = vec![Op::RequestDeleteRange(delete)];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a txn with a range in the future", |side| {
        let ahead = RangeRequest { revision: 9999, ..range("a", "") };
        let ops = vec![Op::RequestPut(put("a", "l")), Op::RequestRange(ahead)];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a txn with too many operations", |side| {
        let ops = (0..129).map(|_| Op::RequestRange(range("a", ""))).collect();
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a watch", |side| {
        side.open();
        async move { side.watch(watch("w", "x")).await }.boxed_local()
    }),
    ("an event", |side| {
        async move {
            side.put(put("w1", "1")).await;
            side.events(1).await
        }
        .boxed_local()
    }),
    ("an event that it does not see", |side| {
        async move { Ok(side.put(put("a", "w")).await) }.boxed_local()
    }),
    ("a second watch on the stream, with the versions before", |side| {
        async move { side.watch(WatchCreateRequest { prev_kv: true, ..watch("w", "x") }).await }
            .boxed_local()
    }),
    ("a third without removals", |side| {
        let filters = vec![FilterType::Nodelete as i32];
        async move { side.watch(WatchCreateRequest { filters, ..watch("w", "x") }).await }
            .boxed_local()
    }),
    ("an event for three watches, of a new key", |side| {
        async move {
            side.put(put("w2", "1")).await;
            side.events(4).await
        }
        .boxed_local()
    }),
    ("an event for three watches, of a key that was there", |side| {
        async move {
            side.put(put("w2", "2")).await;
            side.events(7).await
        }
        .boxed_local()
    }),
    ("removals for two of the three", |side| {
        async move {
            side.delete(delete("w", "x")).await;
            side.events(11).await
        }
        .boxed_local()
    }),
    ("a transaction with two events for each", |side| {
        let ops = vec![Op::RequestPut(put("w3", "1")), Op::RequestPut(put("w4", "1"))];
        async move {
            side.txn(when(vec![], ops)).await;
            side.events(17).await
        }
        .boxed_local()
    }),
    ("progress of the stream", |side| async move { side.progress().await }.boxed_local()),
    ("a watch from the past, on a stream of its own", |side| {
        let start_revision = side.revision(3);
        side.open();
        async move {
            side.watch(WatchCreateRequest { start_revision, ..watch("w", "x") }).await?;
            side.events(23).await
        }
        .boxed_local()
    }),
    ("a watch with the versions before, from the past", |side| {
        let start_revision = side.revision(3);
        async move {
            let past = WatchCreateRequest { start_revision, ..watch("w", "x") };
            side.watch(WatchCreateRequest { prev_kv: true, ..past }).await?;
            side.events(29).await
        }
        .boxed_local()
    }),
    ("a watch of an empty range", |side| {
        async move { side.watch(watch("x", "w")).await }.boxed_local()
    }),
    ("a watch with a number that is taken", |side| {
        async move { side.watch(WatchCreateRequest { watch_id: 1, ..watch("w", "") }).await }
            .boxed_local()
    }),
    ("a watch of the future", |side| {
        async move { side.watch(WatchCreateRequest { start_revision: 9999, ..watch("w", "x") }).await }
            .boxed_local()
    }),
    ("a watch that wants progress, in fragments", |side| {
        let request = WatchCreateRequest { progress_notify: true, ..watch("w", "x") };
        async move { side.watch(WatchCreateRequest { fragment: true, ..request }).await }
            .boxed_local()
    }),
    ("a thousand events for it", |side| {
        async move {
            for number in 0..10 {
                let ops = (0..100).map(|key| Op::RequestPut(put(&format!("w{key}"), "many")));
                side.txn(when(vec![], ops.collect())).await;
                anyhow::ensure!(side.revision(0) > 0, "{number}");
            }
            side.events(29 + 10 * 100 * 6).await
        }
        .boxed_local()
    }),
    ("the end of a watch", |side| async move { side.cancel(1).await }.boxed_local()),
    ("the end of a stream", |side| {
        side.close();
        async move { Ok(String::new()) }.boxed_local()
    }),
    ("a compaction", |side| {
        let revision = side.revision(6);
        async move { Ok(side.compact(revision, false).await) }.boxed_local()
    }),
    ("a compaction that waits for the disk", |side| {
        let revision = side.revision(4);
        async move { Ok(side.compact(revision, true).await) }.boxed_local()
    }),
    ("a compaction to where it is", |side| {
        let revision = side.revision(4);
        async move { Ok(side.compact(revision, false).await) }.boxed_local()
    }),
    ("a compaction of the future", |side| {
        async move { Ok(side.compact(9999, false).await) }.boxed_local()
    }),
    ("a range that is compacted", |side| {
        let revision = side.revision(8);
        async move { Ok(side.range(RangeRequest { revision, ..range("a", "z") }).await) }
            .boxed_local()
    }),
    ("a watch that is compacted", |side| {
        let start_revision = side.revision(8);
        async move { side.watch(WatchCreateRequest { start_revision, ..watch("w", "x") }).await }
            .boxed_local()
    }),
    ("the end of the other stream", |side| {
        side.close();
        async move { Ok(String::new()) }.boxed_local()
    }),
    ("a status", |side| {
        async move { Ok(said(maintenance(side).status(StatusRequest {}).await)) }.boxed_local()
    }),
    ("a hash of the keys", |side| {
        async move { Ok(said(maintenance(side).hash_kv(HashKvRequest { revision: 0 }).await)) }
            .boxed_local()
    }),
    ("a hash of the future", |side| {
        let request = HashKvRequest { revision: 9999 };
        async move { Ok(said(maintenance(side).hash_kv(request).await)) }.boxed_local()
    }),
    ("a hash of all", |side| {
        async move { Ok(said(maintenance(side).hash(HashRequest {}).await)) }.boxed_local()
    }),
    ("alarms", |side| {
        async move { Ok(said(maintenance(side).alarm(alarm(AlarmAction::Get)).await)) }
            .boxed_local()
    }),
    ("an alarm", |side| {
        async move { Ok(said(maintenance(side).alarm(alarm(AlarmAction::Activate)).await)) }
            .boxed_local()
    }),
    ("a put without space", |side| {
        async move { Ok(side.put(put("a", "full")).await) }.boxed_local()
    }),
    ("a txn without space", |side| {
        let ops = vec![Op::RequestPut(put("a", "l")), Op::RequestRange(range("b", ""))];
        async move { Ok(side.txn(when(vec![], ops)).await) }.boxed_local()
    }),
    ("a delete without space", |side| {
        async move { Ok(side.delete(delete("d", "")).await) }.boxed_local()
    }),
    ("the end of the alarm", |side| {
        async move { Ok(said(maintenance(side).alarm(alarm(AlarmAction::Deactivate)).await)) }
            .boxed_local()
    }),
    ("a lease", |side| {
        async move {
            let request = LeaseGrantRequest { id: 9, ttl: 600 };
            Ok(said(LeaseClient::new(side.channel.clone()).lease_grant(request).await))
        }
        .boxed_local()
    }),
    ("a lease that exists", |side| {
        async move {
            let request = LeaseGrantRequest { id: 9, ttl: 600 };
            Ok(said(LeaseClient::new(side.channel.clone()).lease_grant(request).await))
        }
        .boxed_local()
    }),
    ("a put with the lease", |side| {
        async move { Ok(side.put(PutRequest { lease: 9, ..put("leased/1", "1") }).await) }
            .boxed_local()
    }),
    ("another one", |side| {
        async move { Ok(side.put(PutRequest { lease: 9, ..put("leased/2", "1") }).await) }
            .boxed_local()
    }),
    ("what is left of it", |side| {
        async move {
            let request = LeaseTimeToLiveRequest { id: 9, keys: false };
            Ok(said(LeaseClient::new(side.channel.clone()).lease_time_to_live(request).await))
        }
        .boxed_local()
    }),
    ("a list of leases", |side| {
        async move {
            let request = LeaseLeasesRequest {};
            Ok(said(LeaseClient::new(side.channel.clone()).lease_leases(request).await))
        }
        .boxed_local()
    }),
    ("renewals, one of a lease that is not there", |side| {
        async move {
            let ids = [9, 9, 10].map(|id| LeaseKeepAliveRequest { id });
            let mut client = LeaseClient::new(side.channel.clone());
            let answers = client.lease_keep_alive(futures::stream::iter(ids)).await?.into_inner();
            let ttls: Vec<_> = answers.map_ok(|answer| answer.ttl).try_collect().await?;
            Ok(format!("{ttls:?}"))
        }
        .boxed_local()
    }),
    ("the end of the lease", |side| {
        async move {
            let request = LeaseRevokeRequest { id: 9 };
            Ok(said(LeaseClient::new(side.channel.clone()).lease_revoke(request).await))
        }
        .boxed_local()
    }),
    ("the end of no lease", |side| {
        async move {
            let request = LeaseRevokeRequest { id: 9 };
            Ok(said(LeaseClient::new(side.channel.clone()).lease_revoke(request).await))
        }
        .boxed_local()
    }),
    ("a list of members", |side| {
        async move {
            let request = MemberListRequest { linearizable: true };
            Ok(said(ClusterClient::new(side.channel.clone()).member_list(request).await))
        }
        .boxed_local()
    }),
    ("a transfer to nobody", |side| {
        let request = MoveLeaderRequest { target_id: 1 };
        async move { Ok(said(maintenance(side).move_leader(request).await)) }.boxed_local()
    }),
    ("a health check by gRPC", |side| {
        async move {
            let request = HealthCheckRequest::default();
            Ok(said(HealthClient::new(side.channel.clone()).check(request).await))
        }
        .boxed_local()
    }),
    ("a health check by HTTP", |side| {
        async move { side.page("/health").await.map(|body| body.contains("true").to_string()) }
            .boxed_local()
    }),
    ("a put after all", |side| async move { Ok(side.put(put("a", "end")).await) }.boxed_local()),
];

fn put(key: &str, value: &str) -> PutRequest {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    PutRequest { key, value, ..PutRequest::default() }
}

fn range(key: &str, range_end: &str) -> RangeRequest {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    RangeRequest { key, range_end, ..RangeRequest::default() }
}

fn delete(key: &str, range_end: &str) -> DeleteRangeRequest {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    DeleteRangeRequest { key, range_end, prev_kv: false }
}

fn watch(key: &str, range_end: &str) -> WatchCreateRequest {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    WatchCreateRequest { key, range_end, ..WatchCreateRequest::default() }
}

fn op(request: Op) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn when(compare: Vec<Compare>, ops: Vec<Op>) -> TxnRequest {
    TxnRequest { compare, success: ops.into_iter().map(op).collect(), failure: Vec::new() }
}

/// That `key` exists.
fn exists(key: &str) -> Compare {
    Compare {
        result: CompareResult::Greater as i32,
        target: CompareTarget::Version as i32,
        key: key.to_owned().into(),
        target_union: Some(TargetUnion::Version(0)),
        ..Compare::default()
    }
}

fn alarm(action: AlarmAction) -> AlarmRequest {
    AlarmRequest { action: action as i32, member_id: 0, alarm: AlarmType::Nospace as i32 }
}

fn maintenance(side: &Side) -> MaintenanceClient<tonic::transport::Channel> {
    MaintenanceClient::new(side.channel.clone())
}

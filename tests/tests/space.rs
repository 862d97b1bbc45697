//! The space that data takes: history that goes by itself, quota and alarms, and what goes back to the file system.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmType, CompactionRequest, DefragmentRequest, DeleteRangeRequest,
    LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest, RequestOp, StatusRequest,
    StatusResponse, TxnRequest,
};
use mini_etcd_tests::cluster::Cluster;
use mini_etcd_tests::wait::eventually;
use tonic::Code;

/// Time for anything to happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// Puts a key; answers the revision.
async fn put(cluster: &Cluster, index: usize, key: &str, bytes: usize) -> anyhow::Result<i64> {
    let mut kv = KvClient::new(cluster.channel(index)?);
    Ok(kv.put(put_of(key, bytes)).await?.into_inner().header.context("a header")?.revision)
}

/// Reads the past of a key.
async fn at(cluster: &Cluster, index: usize, revision: i64) -> Result<(), tonic::Status> {
    let channel =
        cluster.channel(index).map_err(|error| tonic::Status::internal(error.to_string()))?;
    let range = RangeRequest { key: "k".into(), revision, ..RangeRequest::default() };
    KvClient::new(channel).range(range).await.map(drop)
}

/// Goal: history goes by itself on all members, whoever leads; what is new stays. Method: a period of a second, and reads
/// of the past until they are refused; the leader is killed between two rounds.
#[tokio::test]
async fn history_goes_by_itself_after_the_retention_under_each_leader() -> anyhow::Result<()> {
    let mut cluster =
        Cluster::start_with_flags(3, &["--auto-compaction-retention=1s".to_owned()]).await?;
    for _ in 0..2 {
        let leader = cluster.leader().await?;
        let old = put(&cluster, leader, "k", 1).await?;
        let new = put(&cluster, leader, "k", 1).await?;
        ensure!(old < new, "{old} {new}");
        for index in 0..3 {
            eventually("a past that is compacted", DEADLINE, || async {
                let Err(refused) = at(&cluster, index, old).await else {
                    anyhow::bail!("revision {old} is still there");
                };
                ensure!(refused.code() == Code::OutOfRange, "{refused}");
                ensure!(refused.message().contains("has been compacted"), "{refused}");
                Ok(())
            })
            .await?;
            at(&cluster, index, new).await.context("what is new stays")?;
        }
        cluster.kill(leader)?;
        cluster.restart(leader)?;
        cluster.wait_ready().await?;
    }
    Ok(())
}

/// A quota that a thousand puts fill.
const QUOTA: i64 = 1 << 20;

async fn status(cluster: &Cluster, index: usize) -> anyhow::Result<StatusResponse> {
    let mut client = MaintenanceClient::new(cluster.channel(index)?);
    Ok(client.status(StatusRequest {}).await?.into_inner())
}

/// The alarms that are raised.
async fn alarms(cluster: &Cluster, index: usize) -> anyhow::Result<Vec<AlarmMember>> {
    let mut client = MaintenanceClient::new(cluster.channel(index)?);
    Ok(client.alarm(AlarmRequest::default()).await?.into_inner().alarms)
}

/// Clears the alarms, as etcdctl does: one after another.
async fn disarm(cluster: &Cluster, index: usize) -> anyhow::Result<()> {
    let mut client = MaintenanceClient::new(cluster.channel(index)?);
    for AlarmMember { member_id, alarm } in alarms(cluster, index).await? {
        let action = AlarmAction::Deactivate.into();
        client.alarm(AlarmRequest { action, member_id, alarm }).await?;
    }
    Ok(())
}

fn put_of(key: &str, bytes: usize) -> PutRequest {
    let value = vec![b'v'; bytes].into();
    PutRequest { key: key.to_owned().into(), value, ..PutRequest::default() }
}

fn txn_of(op: Op) -> TxnRequest {
    TxnRequest { success: vec![RequestOp { request: Some(op) }], ..TxnRequest::default() }
}

fn is_full<T>(what: &str, answer: Result<T, tonic::Status>) -> anyhow::Result<()> {
    let Err(refused) = answer else { anyhow::bail!("{what} is let in") };
    let (code, words) = (refused.code(), "etcdserver: mvcc: database space exceeded");
    ensure!(code == Code::ResourceExhausted && refused.message() == words, "{what}: {refused}");
    Ok(())
}

/// Puts the same keys over and over until the quota is used up.
async fn fill(cluster: &Cluster, index: usize) -> anyhow::Result<()> {
    let mut kv = KvClient::new(cluster.channel(index)?);
    for number in 0..5000 {
        let answer = kv.put(put_of(&format!("full/{}", number % 10), 1000)).await;
        if answer.is_err() {
            return is_full("a put", answer);
        }
    }
    anyhow::bail!("5000 puts are let in")
}

/// Goal: a quota that is used up refuses what grows on all members alike, also after a restart, and nothing else; the way
/// out is deletes and compactions, and the alarm is not cleared before. Method: overwrites through one member; each kind of
/// request on each member; the way that a person would go.
#[tokio::test]
async fn a_full_quota_refuses_what_grows_on_all_members_until_there_is_room() -> anyhow::Result<()>
{
    let mut cluster =
        Cluster::start_with_flags(3, &[format!("--quota-backend-bytes={QUOTA}")]).await?;
    let (delete, grant) = (DeleteRangeRequest { key: "none".into(), ..Default::default() }, 77);
    LeaseClient::new(cluster.channel(0)?)
        .lease_grant(LeaseGrantRequest { id: grant, ttl: 600 })
        .await?;
    fill(&cluster, 0).await?;
    for restarted in [false, true] {
        for index in 0..3 {
            let raised = eventually("an alarm", DEADLINE, || async {
                let status = status(&cluster, index).await?;
                ensure!(status.db_size_quota == QUOTA, "a quota of {}", status.db_size_quota);
                ensure!(status.errors.iter().any(|error| error.ends_with("alarm:NOSPACE")));
                alarms(&cluster, index).await
            });
            ensure!(!raised.await?.is_empty());
            let mut kv = KvClient::new(cluster.channel(index)?);
            is_full("a put", kv.put(put_of("k", 1)).await)?;
            is_full("a txn", kv.txn(txn_of(Op::RequestPut(put_of("k", 1)))).await)?;
            let mut leases = LeaseClient::new(cluster.channel(index)?);
            is_full("a grant", leases.lease_grant(LeaseGrantRequest { id: 0, ttl: 60 }).await)?;
            at(&cluster, index, 0).await?;
            kv.delete_range(delete.clone()).await?;
            kv.txn(txn_of(Op::RequestDeleteRange(delete.clone()))).await?;
            let mut client = MaintenanceClient::new(cluster.channel(index)?);
            client.defragment(DefragmentRequest {}).await?;
        }
        let refused = disarm(&cluster, 1).await.err().context("it is cleared too early")?;
        ensure!(refused.to_string().contains("database space exceeded"), "{refused}");
        ensure!(!alarms(&cluster, 1).await?.is_empty());
        if !restarted {
            for index in 0..3 {
                cluster.kill(index)?;
            }
            for index in 0..3 {
                cluster.restart(index)?;
            }
            cluster.leader().await?;
        }
    }
    let mut leases = LeaseClient::new(cluster.channel(2)?);
    leases.lease_revoke(LeaseRevokeRequest { id: grant }).await?;
    let mut kv = KvClient::new(cluster.channel(2)?);
    let keys = RangeRequest { key: "full/0".into(), ..RangeRequest::default() };
    let revision = kv.range(keys).await?.into_inner().header.context("a header")?.revision;
    kv.compact(CompactionRequest { revision, physical: false }).await?;
    disarm(&cluster, 1).await?;
    for index in 0..3 {
        ensure!(alarms(&cluster, index).await?.is_empty());
        put(&cluster, index, "k", 1).await?;
    }
    Ok(())
}

/// Goal: without a bound nothing is refused, and an alarm that somebody raised by hand is cleared at once. Method: more than
/// a small quota, and the flag for none.
#[tokio::test]
async fn a_negative_quota_bounds_nothing() -> anyhow::Result<()> {
    let cluster = Cluster::start_with_flags(1, &["--quota-backend-bytes=-1".to_owned()]).await?;
    ensure!(status(&cluster, 0).await?.db_size_quota == -1);
    ensure!(fill(&cluster, 0).await.is_err_and(|error| error.to_string().contains("are let in")));
    let (action, alarm) = (AlarmAction::Activate.into(), AlarmType::Nospace.into());
    let mut client = MaintenanceClient::new(cluster.channel(0)?);
    client.alarm(AlarmRequest { action, member_id: 5, alarm }).await?;
    is_full("a put", KvClient::new(cluster.channel(0)?).put(put_of("k", 1)).await)?;
    disarm(&cluster, 0).await?;
    put(&cluster, 0, "k", 1).await.map(drop)
}

/// Writes while it lives.
struct Load(tokio::task::JoinHandle<anyhow::Result<()>>);

impl Load {
    /// Sixteen writers of a hundred keys.
    fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let channel = cluster.channel(0)?;
        let puts = futures::stream::iter(0_u64..).map(move |number| {
            let mut kv = KvClient::new(channel.clone());
            async move { kv.put(put_of(&format!("load/{}", number % 100), 1000)).await.map(drop) }
        });
        let all = puts.buffer_unordered(16).try_for_each(|()| async { Ok(()) });
        Ok(Self(tokio::spawn(async move { Ok(all.await?) })))
    }

    /// None of its writes failed.
    async fn stop(self) -> anyhow::Result<()> {
        self.0.abort();
        match self.0.await {
            Err(aborted) if aborted.is_cancelled() => Ok(()),
            ended => ended?,
        }
    }
}

/// Goal: what is given up leaves the disk by itself, also where writes never pause, and a defragmentation runs beside them: no
/// write fails, no key is lost, and the sizes tell it. Method: a hundred keys written over and over, a compaction that is waited
/// for, and what Status says of the size on disk before and after; then defragmentations.
#[tokio::test]
async fn dead_versions_leave_the_disk_while_writes_go_on() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with_flags(1, &[]).await?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    // Tables of what does not change afterwards, so that no merge is due for them.
    let puts = futures::stream::iter((0..40_000).map(|number| {
        let mut kv = kv.clone();
        async move { kv.put(put_of(&format!("k/{}", number % 100), 4000)).await }
    }));
    let last = puts.buffer_unordered(64).try_fold(0, |last, answer| async move {
        Ok(last.max(answer.into_inner().header.unwrap_or_default().revision))
    });
    let revision = last.await?;
    let before = status(&cluster, 0).await?;
    let load = Load::start(&cluster)?;
    kv.compact(CompactionRequest { revision, physical: true }).await?;
    eventually("space is given back without being asked", DEADLINE, || async {
        let now = status(&cluster, 0).await?.db_size;
        ensure!(now * 2 < before.db_size, "{now} of {}", before.db_size);
        Ok(())
    })
    .await?;
    let mut client = MaintenanceClient::new(cluster.channel(0)?);
    // Two at a time: who comes later has a round of their own.
    let mut other = client.clone();
    tokio::try_join!(
        client.defragment(DefragmentRequest {}),
        other.defragment(DefragmentRequest {})
    )?;
    load.stop().await?;
    client.defragment(DefragmentRequest {}).await?;
    let after = status(&cluster, 0).await?;
    // What is left is one journal, for the most part.
    ensure!(after.db_size * 2 < before.db_size, "{} of {}", after.db_size, before.db_size);
    ensure!(after.db_size >= after.db_size_in_use);
    for restarted in [false, true] {
        let range = RangeRequest { key: "k/".into(), range_end: "k0".into(), ..Default::default() };
        let found = kv.range(range).await?.into_inner();
        ensure!(found.kvs.len() == 100, "{} keys", found.kvs.len());
        ensure!(found.kvs.iter().all(|kv| kv.version == 400 && kv.value.len() == 4000));
        if !restarted {
            cluster.kill(0)?;
            cluster.restart(0)?;
            cluster.wait_ready().await?;
        }
    }
    Ok(())
}

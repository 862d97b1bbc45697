//! The space that data takes: history that goes by itself, quota and alarms, and what goes back to the file system.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use mini_etcd_tests::cluster::Cluster;
use mini_etcd_tests::wait::eventually;
use tonic::Code;

/// Time for anything to happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// Puts a key; answers the revision.
async fn put(cluster: &Cluster, index: usize, key: &str, bytes: usize) -> anyhow::Result<i64> {
    let mut kv = KvClient::new(cluster.channel(index)?);
    let value = vec![b'v'; bytes].into();
    let put = PutRequest { key: key.to_owned().into(), value, ..PutRequest::default() };
    Ok(kv.put(put).await?.into_inner().header.context("a header")?.revision)
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

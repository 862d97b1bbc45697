//! `--force-new-cluster`: a member goes on alone after the quorum is lost for good.

use anyhow::{Context as _, ensure};
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wait::eventually;

use super::{DEADLINE, Writer, ended_removed, grow, members};

const FORCE: &str = "--force-new-cluster";

/// Goal: one member's data outlives the quorum, nobody of the old cluster gets back in, and the cluster grows again. Method:
/// three members with writes that all of them have; two are killed for good; the third goes on alone; the two come back, one
/// by one and together; two new ones are added.
#[tokio::test]
async fn a_member_goes_on_alone_when_the_quorum_is_lost_for_good() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let writer = Writer::start(&cluster);
    writer.goes_on().await?;
    let leader = cluster.leader().await?;
    let rest: [usize; 2] = [(leader + 1) % 3, (leader + 2) % 3];
    writer.rest(&cluster).await?;
    let kept = rest[0];
    let all = || async {
        let mut kv = KvClient::new(cluster.channel(kept)?);
        let range = RangeRequest {
            key: "w/".into(),
            range_end: "w0".into(),
            count_only: true,
            ..RangeRequest::default()
        };
        Ok(kv.range(range).await?.into_inner().count)
    };
    let count = eventually("a read", DEADLINE, all).await?;
    ensure!(usize::try_from(count)? >= writer.count());

    let refused = |cluster: &mut Cluster, says: &str| -> anyhow::Result<()> {
        let ended = cluster.wait_exit(kept, DEADLINE)?;
        let said = cluster.member(kept)?.errors();
        ensure!(ended.code() == Some(1) && said.contains(says), "{ended}: {said}");
        cluster.forget(kept)
    };
    // While the others have a leader, it is refused.
    cluster.kill(kept)?;
    cluster.flag(kept, FORCE, true)?;
    cluster.leader().await?;
    cluster.restart(kept)?;
    refused(&mut cluster, "answers that it has a leader")?;

    for index in [leader, rest[1]] {
        cluster.kill(index)?;
    }
    cluster.restart(kept)?;
    writer.ask(&cluster, &[kept]);
    writer.goes_on().await?;
    let listed = members(&cluster, kept).await?;
    ensure!(listed.len() == 1, "{listed:?}");

    // With the flag left in, another start changes nothing.
    cluster.kill(kept)?;
    cluster.restart(kept)?;
    writer.goes_on().await?;
    cluster.kill(kept)?;
    cluster.flag(kept, FORCE, false)?;
    cluster.restart(kept)?;
    writer.goes_on().await?;

    // Those of the old cluster come back: they are told, alone and where they are a quorum of what they know.
    cluster.restart(leader)?;
    ended_removed(&mut cluster, leader)?;
    cluster.restart(leader)?;
    cluster.restart(rest[1])?;
    ended_removed(&mut cluster, leader)?;
    ended_removed(&mut cluster, rest[1])?;
    writer.goes_on().await?;

    let second = grow(&mut cluster, kept).await?;
    let third = grow(&mut cluster, kept).await?;
    cluster.kill(kept)?;
    writer.ask(&cluster, &[second, third]);
    writer.goes_on().await?;
    // Ids are said as everywhere else, and who follows does not say that it leads.
    let log = cluster.member(kept)?.log()?;
    let alone = log.lines().find(|line| line.contains("goes on alone")).context("a line")?;
    let removed = alone.split_once("removed=").context("who was removed")?.1;
    let is_id = |id: &str| u64::from_str_radix(id, 16).is_ok();
    ensure!(removed.split(',').count() == 2 && removed.split(',').all(is_id), "{alone}");
    ensure!(log.contains(" follows member=") && log.contains(" leads member="), "{log}");
    writer.check(&cluster, third).await
}

/// Goal: who has nothing does not begin a cluster by a flag that is meant to keep one. Method: an empty directory.
#[tokio::test]
async fn without_data_nobody_goes_on_alone() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    cluster.kill(0)?;
    std::fs::remove_dir_all(&cluster.member(0)?.data)?;
    cluster.flag(0, FORCE, true)?;
    cluster.restart(0)?;
    let ended = cluster.wait_exit(0, DEADLINE)?;
    let said = cluster.member(0)?.errors();
    ensure!(
        ended.code() == Some(1) && said.contains("has none: say where it is"),
        "{ended}: {said}"
    );
    cluster.forget(0)
}

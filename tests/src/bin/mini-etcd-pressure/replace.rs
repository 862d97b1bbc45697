//! A member that lost its disk, replaced while writes go on.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::{MemberAddRequest, MemberPromoteRequest, MemberRemoveRequest};
use mini_etcd_tests::load::{Kind, Load, fill};
use mini_etcd_tests::usage::kilobytes;
use mini_etcd_tests::wait::eventually;

use crate::writers::Puts;
use crate::{Phase, Target, members};

/// Time for the new member to be in sync.
const DEADLINE: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Keys there are.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 1000)]
    value_bytes: usize,
    /// Puts in a second meanwhile, of values of 256 bytes.
    #[arg(long, default_value_t = 2000)]
    puts_per_second: u32,
    /// Clients that put.
    #[arg(long, default_value_t = 32)]
    writers: usize,
    /// Where the new member has its data: an empty directory of a file system of its own, as on a machine of its own.
    #[arg(long)]
    disk: Option<PathBuf>,
}

pub async fn run(target: &mut Target, arguments: &Arguments) -> anyhow::Result<Vec<Phase>> {
    let load = Load {
        kind: Kind::Put,
        clients: 64,
        connections: 1,
        value_bytes: arguments.value_bytes,
        keys: arguments.keys,
        scattered: false,
        duration: Duration::ZERO,
    };
    fill(&target.dial.address, &load).await?;
    let puts = Puts {
        dial: target.dial.clone(),
        writers: arguments.writers,
        value_bytes: 256,
        per_second: arguments.puts_per_second,
    };
    let ten_seconds = u64::from(arguments.puts_per_second) * 10;
    let alone = puts.alone(target, ten_seconds).await?;
    lose_one(target).await?;
    // Both of two have to write what one of two others had to.
    let one_less = puts.phase("one member less", target, ten_seconds).await?;
    let new = add_one(target, arguments.disk.as_deref()).await?;
    let leader = target.cluster.pid(target.leader)?;
    let before = kilobytes(leader, "VmHWM")?;
    let meanwhile = Phase::run("until the new member votes", target, async {
        let over = Cell::new(false);
        let promoted = async {
            let result = promote(target, new).await;
            over.set(true);
            result
        };
        let (done, promoted) = tokio::join!(puts.run(|_| !over.get()), promoted);
        promoted?;
        let more = kilobytes(leader, "VmHWM")?.saturating_sub(before) / 1000;
        Ok(vec![
            format!("{} puts of {} bytes", done?, puts.value_bytes),
            format!("the leader's peak of resident memory rose by {more} MB"),
        ])
    });
    Ok(vec![alone, one_less, meanwhile.await?])
}

/// Kills a follower for good, and takes its name off the list.
async fn lose_one(target: &mut Target) -> anyhow::Result<()> {
    let lost = (0..target.cluster.size()).find(|index| *index != target.leader);
    let lost = lost.context("no follower")?;
    let id = members::status(&target.cluster, lost).await?.header.context("a header")?.member_id;
    target.cluster.kill(lost)?;
    let mut cluster = ClusterClient::new(target.cluster.channel(target.leader)?);
    cluster.member_remove(MemberRemoveRequest { id }).await?;
    Ok(())
}

/// Starts a new member as a learner. Answers its id.
async fn add_one(target: &mut Target, disk: Option<&Path>) -> anyhow::Result<u64> {
    let mut cluster = ClusterClient::new(target.cluster.channel(target.leader)?);
    let added = target.cluster.add(target.leader)?;
    if let Some(disk) = disk {
        std::os::unix::fs::symlink(disk, &target.cluster.member(added)?.data)?;
    }
    let urls = vec![format!("http://{}", target.cluster.member(added)?.address)];
    let request = MemberAddRequest { peer_ur_ls: urls, is_learner: true };
    let id = cluster.member_add(request).await?.into_inner().member.context("a member")?.id;
    target.cluster.restart(added)?;
    Ok(id)
}

/// Promotes a learner as soon as the leader takes it to be in sync.
async fn promote(target: &Target, id: u64) -> anyhow::Result<()> {
    let cluster = ClusterClient::new(target.cluster.channel(target.leader)?);
    eventually("a learner in sync", DEADLINE, || {
        let mut cluster = cluster.clone();
        async move {
            cluster.member_promote(MemberPromoteRequest { id }).await.map(drop).context("promote")
        }
    })
    .await
}

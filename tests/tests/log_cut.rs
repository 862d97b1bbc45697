//! The log of real members is cut behind what those have that are there; one that was away comes back by a snapshot.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{HashKvRequest, PutRequest};
use mini_etcd_tests::cluster::Cluster;
use mini_etcd_tests::page;
use mini_etcd_tests::process::copy_directory;
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;
use tonic::transport::Channel;

/// Entries that can go after which a log is cut.
const COUNT: u64 = 1000;

/// Entries that stay: those of `--help`.
const KEPT: u64 = 5000;

/// Puts that make a log longer than it may stay.
const PUTS: u64 = 8000;

/// Keys that make a state of 40 MB.
const FILLED: u64 = 20_000;

/// Time for anything to happen.
const DEADLINE: Duration = Duration::from_secs(60);

async fn cluster() -> anyhow::Result<Cluster> {
    Cluster::start_with_flags(3, &[format!("--snapshot-count={COUNT}")]).await
}

/// Puts one of a hundred keys.
fn put(channel: &Channel, number: u64) -> impl Future<Output = Result<(), tonic::Status>> + use<> {
    let mut kv = KvClient::new(channel.clone());
    let key = format!("key/{}", number % 100).into();
    let put = PutRequest { key, value: vec![b'v'; 100].into(), ..PutRequest::default() };
    async move { kv.put(put).await.map(drop) }
}

/// Puts through a member, over and over the same keys.
async fn puts(cluster: &Cluster, through: usize) -> anyhow::Result<()> {
    let channel = cluster.channel(through)?;
    let puts = futures::stream::iter((0..PUTS).map(|number| put(&channel, number)));
    puts.buffer_unordered(64).try_collect::<()>().await?;
    Ok(())
}

/// The values of a metric.
async fn metric(cluster: &Cluster, index: usize, name: &str) -> anyhow::Result<Vec<u64>> {
    let page = page::get(&cluster.member(index)?.address, "/metrics").await?;
    let of_name =
        |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let lines = page.lines().filter(of_name);
    lines.map(|line| Ok(line.rsplit(' ').next().context("a value")?.parse()?)).collect()
}

async fn entries(cluster: &Cluster, index: usize) -> anyhow::Result<u64> {
    metric(cluster, index, "mini_etcd_log_entries").await?.first().copied().context("no metric")
}

/// Waits until no log has more entries than may stay.
async fn all_bounded(cluster: &Cluster) -> anyhow::Result<()> {
    bounded(cluster, &(0..cluster.size()).collect::<Vec<_>>()).await
}

async fn bounded(cluster: &Cluster, members: &[usize]) -> anyhow::Result<()> {
    for &index in members {
        eventually(&format!("a bounded log of n{}", index + 1), DEADLINE, || async {
            let entries = entries(cluster, index).await?;
            // Elections and addresses are entries too.
            ensure!((KEPT..KEPT + COUNT + 100).contains(&entries), "{entries} entries");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn all_equal(cluster: &Cluster) -> anyhow::Result<()> {
    let mut hashes = Vec::new();
    let mut revision = 0;
    for index in 0..cluster.size() {
        let hash = eventually("a hash", DEADLINE, || async {
            let mut client = MaintenanceClient::new(cluster.channel(index)?);
            Ok(client.hash_kv(HashKvRequest { revision }).await?.into_inner())
        });
        let hash = hash.await?;
        revision = hash.hash_revision;
        hashes.push(hash.hash);
    }
    ensure!(hashes.iter().all(|hash| hashes.first() == Some(hash)), "{hashes:?}");
    Ok(())
}

/// Goal: a log does not grow while all members live, and what was cut is needed by nobody, also not after kills. Method:
/// overwrites beyond the bound, the length of each log as the metrics tell it, and SIGKILL to each member.
#[tokio::test]
async fn logs_are_bounded_while_all_live_and_nobody_needs_what_was_cut() -> anyhow::Result<()> {
    let mut cluster = cluster().await?;
    puts(&cluster, 0).await?;
    all_bounded(&cluster).await?;
    // Kills in the middle of it: what such a put came to is not the question here.
    let writers = [0, 1, 2].map(|through| cluster.channel(through));
    let writers = writers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let load = tokio::spawn(futures::future::join_all(writers.into_iter().map(|channel| {
        let puts = futures::stream::iter((0..PUTS).map(move |number| put(&channel, number)));
        puts.buffer_unordered(32).for_each(|_| async {})
    })));
    for index in 0..3 {
        cluster.kill(index)?;
        cluster.restart(index)?;
        cluster.wait_ready().await?;
    }
    load.await?;
    all_bounded(&cluster).await?;
    all_equal(&cluster).await?;

    let leader = cluster.leader().await?;
    let waits = "mini_etcd_log_waits_for_entries";
    ensure!(metric(&cluster, leader, waits).await?.is_empty(), "it waits for nobody");
    Ok(())
}

/// Fills the state, so that a snapshot of it takes a while.
async fn fill(cluster: &Cluster, through: usize) -> anyhow::Result<()> {
    let channel = cluster.channel(through)?;
    let puts = futures::stream::iter((0..FILLED).map(|number| {
        let mut kv = KvClient::new(channel.clone());
        let key = format!("filled/{number:06}").into();
        let put = PutRequest { key, value: vec![b'f'; 2000].into(), ..PutRequest::default() };
        async move { kv.put(put).await.map(drop) }
    }));
    puts.buffer_unordered(64).try_collect::<()>().await?;
    Ok(())
}

/// Whether `member` has a directory of a state of this kind.
fn has_state(data: &Path, kind: &str) -> anyhow::Result<bool> {
    let names = std::fs::read_dir(data)?.map(|child| Ok(child?.file_name()));
    let names = names.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(names.iter().any(|name| name.to_string_lossy().starts_with(kind)))
}

/// Goal: a member that was away until its log was cut off comes back by a snapshot while writes go on, also when it is killed
/// in the middle of it and right after it took it up. Method: SIGKILL to a member, overwrites until the others cut their logs
/// past it, then starts and SIGKILLs of it as its directory shows how far it is, under puts of which none may fail.
#[tokio::test]
async fn a_member_that_is_away_for_long_comes_back_by_a_snapshot() -> anyhow::Result<()> {
    let mut cluster = cluster().await?;
    let leader = cluster.leader().await?;
    fill(&cluster, leader).await?;
    let away = (leader + 1) % 3;
    cluster.kill(away)?;
    puts(&cluster, leader).await?;
    let others: Vec<usize> = (0..3).filter(|index| *index != away).collect();
    bounded(&cluster, &others).await?;

    let channel = cluster.channel(leader)?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = tokio::spawn(async move {
        let mut answered = 0;
        while !*stopped.borrow() {
            put(&channel, answered).await?;
            answered += 1;
        }
        Ok::<_, tonic::Status>(answered)
    });
    let data = cluster.member(away)?.data.clone();
    // In the middle of the rows, then when the new state is there.
    for kind in ["state.staged", "state.0"] {
        cluster.restart(away)?;
        eventually(&format!("a directory {kind}"), DEADLINE, || async {
            // A short transfer may be over between two looks.
            ensure!(has_state(&data, kind)? || has_state(&data, "state.0")?);
            Ok(())
        })
        .await?;
        cluster.kill(away)?;
    }
    cluster.restart(away)?;
    cluster.wait_ready().await?;
    ensure!(!has_state(&data, "state.staged")?, "what was staged took the place of the state");
    stop.send(true)?;
    let answered = load.await?.context("a put failed while a member got its snapshot")?;
    ensure!(answered > 0);
    all_equal(&cluster).await?;
    let sent = metric(&cluster, leader, "mini_etcd_snapshots_sent_total").await?;
    ensure!(sent.iter().sum::<u64>() > 0, "{sent:?}");
    // It goes on like any other.
    puts(&cluster, away).await?;
    cluster.kill(away)?;
    cluster.restart(away)?;
    cluster.wait_ready().await?;
    all_equal(&cluster).await?;
    all_bounded(&cluster).await
}

/// Goal: a directory that was put back from a copy older than the others' logs gets a snapshot, and is a member again; without
/// its state it ends by name. Method: the copy of a stopped follower, and overwrites until all logs are cut.
#[tokio::test]
async fn a_copy_that_is_older_than_the_logs_of_the_others_gets_a_snapshot() -> anyhow::Result<()> {
    let mut cluster = cluster().await?;
    let member = (cluster.leader().await? + 1) % 3;
    let (data, aside) = (cluster.member(member)?.data.clone(), cluster.dir().join("copy"));
    cluster.signal(member, Signal::TERM)?;
    cluster.wait_exit(member, DEADLINE)?;
    copy_directory(&data, &aside)?;
    cluster.restart(member)?;
    cluster.wait_ready().await?;
    puts(&cluster, member).await?;
    all_bounded(&cluster).await?;
    cluster.kill(member)?;
    // Without its state the log is not enough any more, which is no quiet start either.
    std::fs::remove_dir_all(data.join("state"))?;
    cluster.restart(member)?;
    let status = cluster.wait_exit(member, DEADLINE)?;
    let errors = cluster.member(member)?.errors();
    ensure!(status.code() == Some(71) && errors.contains("there is no state"), "{errors}");
    std::fs::remove_dir_all(&data)?;
    copy_directory(&aside, &data)?;
    cluster.restart(member)?;
    cluster.wait_ready().await?;
    let errors = cluster.member(member)?.errors();
    ensure!(errors.contains("this directory is a copy"), "{errors}");
    puts(&cluster, member).await
}

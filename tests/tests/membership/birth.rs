//! Wiped members with the command line of the birth, beside a cluster that went on without them.

use anyhow::ensure;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::copy_directory;
use mini_etcd_tests::wait::eventually;

use super::replace::{ends, replace, until};
use super::{DEADLINE, LOG_MISSING, Writer, ended_removed, members, remove};

/// Exit code of a member whose data are not those of its cluster.
const STATE_DIFFERS: i32 = 74;

/// The place of the member that was replaced.
const SURVIVOR: usize = 2;

/// Three members, of which the last was replaced: its id does not follow from `--peers` any more.
async fn with_a_replaced_member() -> anyhow::Result<Cluster> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    replace_the_last(&mut cluster)?;
    Ok(cluster)
}

fn replace_the_last(cluster: &mut Cluster) -> anyhow::Result<()> {
    cluster.kill(SURVIVOR)?;
    let command = replace(cluster, &[0, 1], &["n3"])?;
    until(&command, "start it: mini-etcd")?;
    cluster.renew(SURVIVOR, 0)?;
    cluster.restart(SURVIVOR)?;
    until(&command, "is replaced by")?;
    ends(command, 0)?;
    Ok(())
}

/// The same, and the others are removed.
async fn with_one_left() -> anyhow::Result<Cluster> {
    let mut cluster = with_a_replaced_member().await?;
    for index in [0, 1] {
        remove(&mut cluster, SURVIVOR, index).await?;
    }
    Ok(cluster)
}

/// Their disks are empty, and their command line is the old one.
fn wipe(cluster: &Cluster) -> anyhow::Result<()> {
    for index in [0, 1] {
        std::fs::remove_dir_all(&cluster.member(index)?.data)?;
    }
    Ok(())
}

/// One wiped member alone, and two that would be a quorum: all are told, and the survivor goes on.
async fn nobody_founds_another(cluster: &mut Cluster) -> anyhow::Result<()> {
    wipe(cluster)?;
    let writer = Writer::start(cluster);
    writer.ask(cluster, &[SURVIVOR]);
    writer.goes_on().await?;
    cluster.restart(0)?;
    ended_removed(cluster, 0)?;
    for index in [0, 1] {
        cluster.restart(index)?;
    }
    for index in [0, 1] {
        ended_removed(cluster, index)?;
    }
    writer.goes_on().await?;
    ensure!(members(cluster, SURVIVOR).await?.len() == 1);
    writer.check(cluster, SURVIVOR).await
}

/// Goal: wiped members that were removed found no second cluster beside the one that is left, and say what to do. Method: the one
/// that is left has an id of its own.
#[tokio::test]
async fn wiped_members_that_were_removed_do_not_begin_anew_beside_the_cluster() -> anyhow::Result<()>
{
    nobody_founds_another(&mut with_one_left().await?).await
}

/// Goal: the same where the quorum was lost. Method: the survivor goes on alone by the flag.
#[tokio::test]
async fn wiped_members_do_not_begin_anew_beside_a_member_that_goes_on_alone() -> anyhow::Result<()>
{
    let mut cluster = with_a_replaced_member().await?;
    for index in [0, 1, SURVIVOR] {
        cluster.kill(index)?;
    }
    cluster.flag(SURVIVOR, "--force-new-cluster", true)?;
    cluster.restart(SURVIVOR)?;
    cluster.wait_ready().await?;
    nobody_founds_another(&mut cluster).await
}

/// Goal: where nobody could tell them, and they began anew, the two clusters do not go on side by side. Method: the survivor is down
/// until the wiped ones have written something. They end; their directories stay.
#[tokio::test]
async fn a_second_cluster_ends_when_it_meets_the_one_that_removed_its_members() -> anyhow::Result<()>
{
    let mut cluster = with_one_left().await?;
    cluster.kill(SURVIVOR)?;
    wipe(&cluster)?;
    for index in [0, 1] {
        cluster.restart(index)?;
    }
    cluster.wait_ready().await?;
    cluster.restart(SURVIVOR)?;
    for index in [0, 1] {
        let ended = cluster.wait_exit(index, DEADLINE)?;
        let said = cluster.member(index)?.errors();
        ensure!(ended.code() == Some(STATE_DIFFERS), "{ended}: {said}");
        ensure!(said.contains("two clusters of this id take writes"), "{said}");
        cluster.forget(index)?;
    }
    let writer = Writer::start(&cluster);
    writer.ask(&cluster, &[SURVIVOR]);
    writer.goes_on().await?;
    writer.check(&cluster, SURVIVOR).await
}

/// Goal: a wiped member that is still listed is told how it comes back, by one whose id it does not know. Method: nobody else is up.
#[tokio::test]
async fn a_wiped_member_is_told_what_to_do_by_one_that_it_does_not_know() -> anyhow::Result<()> {
    let mut cluster = with_a_replaced_member().await?;
    for index in [0, 1] {
        cluster.kill(index)?;
    }
    wipe(&cluster)?;
    for index in [0, 1] {
        cluster.restart(index)?;
    }
    for index in [0, 1] {
        let ended = cluster.wait_exit(index, DEADLINE)?;
        let said = cluster.member(index)?.errors();
        ensure!(ended.code() == Some(LOG_MISSING), "{ended}: {said}");
        let name = &cluster.member(index)?.name;
        ensure!(said.contains(&format!("`mini-etcdctl member replace {name}`")), "{said}");
        cluster.forget(index)?;
    }
    Ok(())
}

/// Goal: one that waits for others to begin with, since nobody could tell it, ends as soon as somebody can. Method: the survivor comes
/// back beside one wiped member, which is started again once before that.
#[tokio::test]
async fn a_wiped_member_that_waits_is_told_when_the_cluster_is_back() -> anyhow::Result<()> {
    let mut cluster = with_one_left().await?;
    cluster.kill(SURVIVOR)?;
    wipe(&cluster)?;
    cluster.restart(0)?;
    serves(&cluster, 1).await?;
    cluster.restart(SURVIVOR)?;
    ended_removed(&mut cluster, 0)?;

    cluster.kill(SURVIVOR)?;
    cluster.restart(0)?;
    serves(&cluster, 2).await?;
    cluster.kill(0)?;
    cluster.restart(SURVIVOR)?;
    cluster.wait_ready().await?;
    cluster.restart(0)?;
    ended_removed(&mut cluster, 0)?;
    ensure!(
        cluster.member(0)?.log()?.matches(" serving ").count() == 2,
        "it was told at its start"
    );
    Ok(())
}

/// Goal: a member that was replaced and comes back with its directory and the flag to go on alone takes no part and ends nobody. Method: the
/// others are there, who say that they go on; then they are not, and meet it at the address of the one in its place.
#[tokio::test]
async fn who_was_replaced_does_not_end_the_others_by_going_on_alone() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    cluster.kill(SURVIVOR)?;
    let data = cluster.member(SURVIVOR)?.data.clone();
    let old = data.with_extension("old");
    copy_directory(&data, &old)?;
    cluster.restart(SURVIVOR)?;
    replace_the_last(&mut cluster)?;
    cluster.kill(SURVIVOR)?;
    std::fs::remove_dir_all(&data)?;
    std::fs::rename(&old, &data)?;
    cluster.flag(SURVIVOR, "--force-new-cluster", true)?;
    cluster.restart(SURVIVOR)?;
    let ended = cluster.wait_exit(SURVIVOR, DEADLINE)?;
    let said = cluster.member(SURVIVOR)?.errors();
    ensure!(
        ended.code() == Some(1) && said.contains("it goes on without this one"),
        "{ended}: {said}"
    );
    cluster.forget(SURVIVOR)?;

    for index in [0, 1] {
        cluster.kill(index)?;
    }
    cluster.restart(SURVIVOR)?;
    eventually("a member alone", DEADLINE, || async {
        ensure!(members(&cluster, SURVIVOR).await?.len() == 1);
        Ok(())
    })
    .await?;
    for index in [0, 1] {
        cluster.restart(index)?;
    }
    for index in [0, 1] {
        eventually("a refusal", DEADLINE, || async {
            let log = cluster.member(index)?.log()?;
            ensure!(log.contains("is not at this address any more"), "{log}");
            Ok(())
        })
        .await?;
    }
    let writer = Writer::start(&cluster);
    writer.ask(&cluster, &[0, 1]);
    writer.goes_on().await?;
    writer.check(&cluster, 0).await
}

/// Waits until the first member has begun to serve so many times.
async fn serves(cluster: &Cluster, times: usize) -> anyhow::Result<()> {
    eventually("a member that serves", DEADLINE, || async {
        let log = cluster.member(0)?.log()?;
        ensure!(log.matches(" serving ").count() >= times, "{log}");
        Ok(())
    })
    .await
}

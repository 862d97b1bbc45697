//! `lock` and `elect` beside etcdctl: what they print, and that the two programs wait for each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wait::eventually;
use regex::Regex;

use crate::printed::{Printed, SESSIONS_TTL, programs, run_line};
use crate::running::Running;
use crate::since37::VARIABLE;

/// Time for anything that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// Lines that end by themselves.
const LINES: &[&str] = &[
    "lock",
    "lock x -- true",
    "lock x -- false",
    "lock x -- sh -c 'exit 7'",
    "lock x -- sh -c 'kill -9 $$'",
    "lock x -- sh -c 'echo $ETCD_LOCK_KEY $ETCD_LOCK_REV'",
    "lock x --ttl 30 -- echo held",
    "lock x no-such-program",
    "lock x ./no-such-program",
    "lock x -w table -- true",
    "lock x --ttl y",
    "elect",
    "elect x",
    "elect x y z",
    "elect x y -l",
];

/// Without the numbers of leases and revisions.
fn masked(mut printed: Printed) -> anyhow::Result<Printed> {
    let lease = Regex::new(r"/[0-9a-f]{12,16}\b( \d+)?")?;
    printed.out = lease.replace_all(&printed.out, "/LEASE").into_owned();
    Ok(printed)
}

#[tokio::test]
async fn locks_and_elections_that_end_print_what_etcdctl_prints() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let mut different = Vec::new();
    for line in LINES {
        let run = |binary: &Path| masked(run_line(binary, &endpoint, line, "")?);
        let (ours, theirs) = (run(&ours)?, run(&theirs)?);
        if ours != theirs {
            different.push(format!("{line:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

/// Goal: a time to live that cannot be is told and is that of sessions, as etcdctl 3.7.3 has it. Method: what the program
/// under the lock sees of its lease; etcdctl 3.7.3 does it too where there is one.
#[tokio::test]
async fn a_time_to_live_that_cannot_be_is_told_and_is_that_of_sessions() -> anyhow::Result<()> {
    let [ours, ctl] = programs()?;
    let newest = std::env::var_os(VARIABLE).map(PathBuf::from);
    for binary in [Some(ours), newest].into_iter().flatten() {
        // etcdctl leaves its leases to end by themselves.
        let cluster = Cluster::start(Flavor::Etcd, 1).await?;
        let endpoint = cluster.member(0)?.address.clone();
        let ctl = format!("{} --endpoints={endpoint} lease", ctl.display());
        for ttl in ["0", "-1"] {
            let sees = format!(
                "for id in $({ctl} list | tail -n +2); do {ctl} timetolive $id; {ctl} revoke $id; done"
            );
            let line = format!("lock x --ttl={ttl} -- sh -c '{sees}'");
            let printed = run_line(&binary, &endpoint, &line, "")?;
            ensure!(printed.out.contains("granted with TTL(60s)"), "{line}: {printed:?}");
            ensure!(printed.err.contains(SESSIONS_TTL), "{line}: {printed:?}");
        }
    }
    Ok(())
}

/// How many keys there are below a prefix, as a third asks.
async fn until_keys(ctl: &Path, endpoint: &str, prefix: &str, count: usize) -> anyhow::Result<()> {
    let there = || async {
        let listed =
            run_line(ctl, endpoint, &format!("get {prefix} --prefix --keys-only"), "")?.out;
        let keys = listed.lines().filter(|line| !line.is_empty()).count();
        ensure!(keys == count, "{listed}");
        Ok(())
    };
    eventually("the keys of who waits", DEADLINE, there).await
}

/// Goal: mutual exclusion between the programs, on both servers. Method: each takes what the other has, and may not have
/// it before the first lets go.
#[tokio::test]
async fn each_program_waits_for_what_the_other_holds() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    for flavor in [Flavor::Etcd, Flavor::Mini] {
        let cluster = Cluster::start(flavor, 1).await?;
        let endpoint = cluster.member(0)?.address.clone();
        for (line, key) in [("lock m", "m/"), ("elect e v", "e/")] {
            for [first, second] in [[&ours, &theirs], [&theirs, &ours], [&ours, &ours]] {
                let mut holds = Running::start(first, &endpoint, line)?;
                holds.says(key).await?;
                let mut waits = Running::start(second, &endpoint, line)?;
                until_keys(&theirs, &endpoint, key, 2).await?;
                ensure!(waits.said()?.is_empty(), "{line}: both have it: {}", waits.said()?);
                ensure!(holds.interrupt().await?.code() == Some(0), "{line}");
                waits.says(key).await?;
                ensure!(waits.interrupt().await?.code() == Some(0), "{line}");
                until_keys(&theirs, &endpoint, key, 0).await?;
            }
        }
    }
    Ok(())
}

/// Who is interrupted while waiting leaves the line, and says so.
#[tokio::test]
async fn who_gives_up_waiting_leaves_no_key() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let holds = Running::start(&theirs, &endpoint, "lock m")?;
    holds.says("m/").await?;
    let mut waits = Running::start(&ours, &endpoint, "lock m")?;
    until_keys(&theirs, &endpoint, "m/", 2).await?;
    ensure!(waits.interrupt().await?.code() == Some(1));
    until_keys(&theirs, &endpoint, "m/", 1).await
}

/// Goal: an observer tells of everybody who is elected, and of what they say later. Method: one program stands for
/// election, the other observes; then a second one is elected.
#[tokio::test]
async fn an_observer_tells_who_is_elected_and_who_is_next() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    for [stands, observes] in [[&theirs, &ours], [&ours, &theirs]] {
        let mut observer = Running::start(observes, &endpoint, "elect -l e")?;
        let mut first = Running::start(stands, &endpoint, "elect e one")?;
        observer.says("one").await?;
        first.says("one").await?;
        let key = first.said()?.lines().next().context("a key")?.to_owned();
        let put = run_line(&theirs, &endpoint, &format!("put {key} other"), "")?;
        ensure!(put.code == Some(0), "{put:?}");
        observer.says("other").await?;
        let mut second = Running::start(stands, &endpoint, "elect e two")?;
        until_keys(&theirs, &endpoint, "e/", 2).await?;
        ensure!(first.interrupt().await?.code() == Some(0));
        observer.says("two").await?;
        ensure!(observer.interrupt().await?.code() == Some(0));
        ensure!(second.interrupt().await?.code() == Some(0));
        until_keys(&theirs, &endpoint, "e/", 0).await?;
    }
    Ok(())
}

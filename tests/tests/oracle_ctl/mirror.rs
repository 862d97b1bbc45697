//! `make-mirror` beside etcdctl: what is at the destination after the same history.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wait::eventually;

use crate::printed::{programs, run_line};
use crate::running::Running;

/// Time for a key to come over.
const DEADLINE: Duration = Duration::from_secs(30);

/// What is copied where.
const FLAGS: &[&str] = &[
    "",
    "--prefix a/",
    "--prefix a/ --dest-prefix copy/",
    "--prefix a/ --no-dest-prefix",
    "--dest-prefix copy/",
];

/// Copies and then changes; answers the keys at the destination.
async fn mirrored(
    (program, ctl): (&Path, &Path),
    (source, destination): (&str, &str),
    flags: &str,
) -> anyhow::Result<String> {
    let run = |endpoint: &str, line: &str, input: &str| -> anyhow::Result<String> {
        let printed = run_line(ctl, endpoint, line, input)?;
        ensure!(printed.code == Some(0), "{line}: {printed:?}");
        Ok(printed.out)
    };
    for endpoint in [source, destination] {
        run(endpoint, "del '' --from-key", "")?;
    }
    for line in ["put a/1 one", "put a/2 two", "put a/3 three", "put b other"] {
        run(source, line, "")?;
    }
    run(destination, "put own stays", "")?;
    let mut mirror =
        Running::start(program, source, &format!("make-mirror {destination} {flags}"))?;
    let comes = async |value: &str| {
        let there = || async {
            let all = run(destination, "get '' --from-key", "")?;
            ensure!(all.lines().any(|line| line == value), "{all}");
            Ok(())
        };
        eventually(value, DEADLINE, there).await
    };
    comes("three").await?;
    run(source, "txn", "\nput a/1 changed\ndel a/2\nput a/4 new\n\n\n")?;
    run(source, "put a/5 last", "")?;
    comes("last").await?;
    mirror.interrupt().await?;
    run(destination, "get '' --from-key", "")
}

#[tokio::test]
async fn a_mirror_has_what_etcdctls_has() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let source = Cluster::start(Flavor::Etcd, 1).await?;
    let destination = Cluster::start(Flavor::Mini, 1).await?;
    let (from, to) = (&source.member(0)?.address, &destination.member(0)?.address);
    for flags in FLAGS {
        let our = mirrored((&ours, &theirs), (from, to), flags).await?;
        let their = mirrored((&theirs, &theirs), (from, to), flags).await?;
        ensure!(our == their, "{flags}\nours\n{our}\ntheirs\n{their}");
    }
    Ok(())
}

/// Goal: a mirror that ended goes on without a gap. Method: from a revision on only what came after it is copied.
#[tokio::test]
async fn a_mirror_goes_on_from_a_revision() -> anyhow::Result<()> {
    let [ours, ctl] = programs()?;
    let source = Cluster::start(Flavor::Mini, 1).await?;
    let destination = Cluster::start(Flavor::Etcd, 1).await?;
    let (from, to) = (&source.member(0)?.address, &destination.member(0)?.address);
    run_line(&ctl, from, "put a/1 before", "")?;
    let put =
        crate::printed::raw(crate::printed::command(&ctl, Some(from), "put a/2 from -w json"), "")?;
    let revision: serde_json::Value = serde_json::from_str(&put.out)?;
    let revision = &revision["header"]["revision"];
    run_line(&ctl, from, "put a/3 after", "")?;
    let line = format!("make-mirror {to} --prefix a/ --dest-prefix c/ --rev {revision}");
    let mut mirror = Running::start(&ours, from, &line)?;
    let there = || async {
        let all = run_line(&ctl, to, "get c/ --prefix", "")?.out;
        ensure!(all == "c/2\nfrom\nc/3\nafter\n", "{all}");
        Ok(())
    };
    eventually("what came after", DEADLINE, there).await?;
    mirror.interrupt().await?;
    Ok(())
}

//! Backups beside stock etcd: its etcdctl saves, checks and restores ours, and ours takes its.
//!
//! `ETCD_BIN` names etcd 3.5.1's server, `ETCDCTL_BIN` its etcdctl.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use mini_etcd_tests::backup::{Writes, compare, fill, printed, restored, revision_of, text};
use mini_etcd_tests::cluster::{Cluster, Flavor, Member};
use mini_etcd_tests::process::{etcd_binary, workspace_binary};

fn programs() -> anyhow::Result<[PathBuf; 2]> {
    Ok([etcd_binary("ETCDCTL_BIN")?, workspace_binary("mini-etcdctl")?])
}

/// Saves a backup of the first member with this program.
fn save(cluster: &Cluster, program: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = cluster.dir().join(name);
    let endpoint = format!("--endpoints={}", cluster.member(0)?.address);
    let said = printed(program, &[&endpoint, "snapshot", "save", text(&path)?])?;
    ensure!(said == format!("Snapshot saved at {}\n", path.display()), "{said:?}");
    Ok(path)
}

/// Goal: either program saves a backup of either server, and tells the same of it. Method: both, on both, under load.
#[tokio::test]
async fn both_programs_save_both_servers_and_tell_the_same() -> anyhow::Result<()> {
    for flavor in [Flavor::Mini, Flavor::Etcd] {
        let cluster = Cluster::start(flavor, 1).await?;
        fill(&cluster).await?;
        let _writes = Writes::start(&cluster)?;
        for (place, program) in programs()?.iter().enumerate() {
            let backup = save(&cluster, program, &format!("{place}.db"))?;
            for format in ["simple", "json", "fields", "table"] {
                let args = ["snapshot", "status", text(&backup)?, "-w", format];
                let [theirs, ours] = programs()?.map(|program| printed(&program, &args));
                let (theirs, ours) = (theirs?, ours?);
                ensure!(ours == theirs, "{flavor:?} {place}: ours {ours} theirs {theirs}");
            }
        }
    }
    Ok(())
}

/// Goal: people can go back to etcd. Method: etcdctl restores a backup of a loaded mini-etcd, and etcd serves the same.
#[tokio::test]
async fn an_etcd_restored_from_our_backup_serves_the_same() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 3).await?;
    fill(&origin).await?;
    let [etcdctl, _] = programs()?;
    let writes = Writes::start(&origin)?;
    let backup = save(&origin, &etcdctl, "b.db")?;
    drop(writes);
    for size in [1, 3] {
        let restore = |member: &Member, peers: &str| {
            let own =
                peers.split(',').find_map(|peer| peer.strip_prefix(&*format!("{}=", member.name)));
            let own = format!("--initial-advertise-peer-urls={}", own.unwrap_or_default());
            let args = ["snapshot", "restore", text(&backup)?, "--name", &member.name, &own];
            let more = ["--initial-cluster", peers, "--data-dir", text(&member.data)?];
            printed(&etcdctl, &[args.as_slice(), &more].concat()).map(drop)
        };
        let copy = Cluster::start_restored(Flavor::Etcd, size, restore).await?;
        compare(&origin, &copy, revision_of(&backup)?).await?;
    }
    Ok(())
}

/// Goal: people can come from etcd. Method: a backup of a loaded etcd 3.5.1, and a copy of its database file, as clusters of one
/// and three.
#[tokio::test]
async fn a_mini_etcd_restored_from_a_backup_of_etcd_serves_the_same() -> anyhow::Result<()> {
    let mut origin = Cluster::start(Flavor::Etcd, 1).await?;
    fill(&origin).await?;
    let [etcdctl, _] = programs()?;
    let writes = Writes::start(&origin)?;
    let backup = save(&origin, &etcdctl, "b.db")?;
    drop(writes);
    for size in [1, 3] {
        let copy = restored(&backup, size, &[]).await?;
        compare(&origin, &copy, revision_of(&backup)?).await?;
    }
    origin.kill(0)?;
    let file = origin.member(0)?.data.join("member/snap/db");
    let copy = restored(&file, 1, &["--skip-hash-check"]).await?;
    let revision = revision_of(&file)?;
    origin.restart(0)?;
    origin.wait_ready().await?;
    compare(&origin, &copy, revision).await
}

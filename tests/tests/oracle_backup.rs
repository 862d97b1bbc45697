//! Backups beside stock etcd: its etcdctl saves, checks and restores ours, and ours takes its.
//!
//! `ETCD_BIN` names etcd 3.5.1's server, `ETCDCTL_BIN` its etcdctl.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, ensure};
use mini_etcd_tests::backup::{
    Writes, compare, fill, output, printed, restored, revision_of, text,
};
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

/// A new cluster of etcd from a backup, by its own etcdctl.
async fn restored_as_etcd(backup: &Path, size: usize) -> anyhow::Result<Cluster> {
    let [etcdctl, _] = programs()?;
    let restore = |member: &Member, peers: &str| {
        let own =
            peers.split(',').find_map(|peer| peer.strip_prefix(&*format!("{}=", member.name)));
        let own = format!("--initial-advertise-peer-urls={}", own.unwrap_or_default());
        let args = ["snapshot", "restore", text(backup)?, "--name", &member.name, &own];
        let more = ["--initial-cluster", peers, "--data-dir", text(&member.data)?];
        printed(&etcdctl, &[args.as_slice(), &more].concat()).map(drop)
    };
    Cluster::start_restored(Flavor::Etcd, size, restore).await
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
            let args = ["snapshot", "status", text(&backup)?];
            let [theirs, ours] = programs()?.map(|program| printed(&program, &args));
            let (theirs, ours) = (theirs?, ours?);
            // Hash, revision and size; since 3.6 the third is the number of keys, and a version follows.
            let same = |line: &str| {
                let columns: Vec<_> =
                    line.trim_end_matches('\n').split(", ").map(str::to_owned).collect();
                [0, 1, 3].map(|at| columns.get(at).cloned())
            };
            ensure!(
                same(&ours) == same(&theirs),
                "{flavor:?} {place}: ours {ours} theirs {theirs}"
            );
        }
    }
    Ok(())
}

/// Goal: what `snapshot status` and `hashkv` say of a file is what etcdutl 3.7.3 says of it. `ETCDUTL37_BIN` names that.
/// Without it only this is shown: the hash of a file is that which the server prints that it is of.
#[tokio::test]
async fn the_hash_of_a_file_is_that_of_its_server_and_etcdutl_says_the_same() -> anyhow::Result<()>
{
    let [etcdctl, ours] = programs()?;
    let theirs =
        std::env::var_os("ETCDUTL37_BIN").map(|_| etcd_binary("ETCDUTL37_BIN")).transpose()?;
    if theirs.is_none() {
        eprintln!("ETCDUTL37_BIN is not set: what etcdutl 3.7.3 says is not compared");
    }
    for flavor in [Flavor::Mini, Flavor::Etcd] {
        let cluster = Cluster::start(flavor, 1).await?;
        fill(&cluster).await?;
        let endpoint = format!("--endpoints={}", cluster.member(0)?.address);
        let now = printed(&etcdctl, &[&endpoint, "get", "k", "-w", "json"])?;
        let now: serde_json::Value = serde_json::from_str(&now)?;
        let now = now["header"]["revision"].as_i64().context("a revision")?;
        for compacted in [None, Some(now - 3), Some(now)] {
            if let Some(revision) = compacted {
                printed(&etcdctl, &[&endpoint, "compaction", &revision.to_string(), "--physical"])?;
            }
            let backup = save(&cluster, &etcdctl, "h.db")?;
            let served = printed(&etcdctl, &[&endpoint, "endpoint", "hashkv"])?;
            let hash = printed(&ours, &["hashkv", text(&backup)?])?;
            let first = |line: &str, at| line.trim().split(", ").nth(at).map(str::to_owned);
            ensure!(
                first(&served, 1) == first(&hash, 0),
                "{flavor:?} {compacted:?}: {served}{hash}"
            );
            let Some(program) = &theirs else { continue };
            for format in ["simple", "json", "fields", "table"] {
                for what in [&["snapshot", "status"][..], &["hashkv"]] {
                    // etcdutl writes into what it hashes.
                    let copy = cluster.dir().join("copy.db");
                    std::fs::copy(&backup, &copy)?;
                    let args = |file: &Path| -> anyhow::Result<_> {
                        Ok([what, &[text(file)?, "-w", format]].concat().join(" "))
                    };
                    let said = |program: &Path, file: &Path| {
                        let args = args(file)?;
                        printed(program, &args.split(' ').collect::<Vec<_>>())
                    };
                    let (our, their) = (said(&ours, &backup)?, said(program, &copy)?);
                    ensure!(our == their, "{flavor:?} {what:?} {format}\n{our}{their}");
                }
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
        let copy = restored_as_etcd(&backup, size).await?;
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

/// Asks the first member, with stock etcdctl, as a user and its password, or as nobody.
fn asked(cluster: &Cluster, user: Option<&str>, args: &[&str]) -> anyhow::Result<Output> {
    let [etcdctl, _] = programs()?;
    let endpoint = format!("--endpoints={}", cluster.member(0)?.address);
    let user = user.map(|user| format!("--user={user}"));
    let flags = [Some(endpoint.as_str()), user.as_deref()].into_iter().flatten();
    output(&etcdctl, &flags.chain(args.iter().copied()).collect::<Vec<_>>())
}

fn told(cluster: &Cluster, user: Option<&str>, args: &[&str]) -> anyhow::Result<String> {
    let output = asked(cluster, user, args)?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{user:?} {args:?}: {err}");
    Ok(String::from_utf8(output.stdout)?)
}

fn refused(cluster: &Cluster, user: Option<&str>, args: &[&str], why: &str) -> anyhow::Result<()> {
    let output = asked(cluster, user, args)?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success() && err.contains(why), "{user:?} {args:?}: {err}");
    Ok(())
}

/// Keys, and a root, a reader of some of them and one without password, who count.
fn close(cluster: &Cluster) -> anyhow::Result<()> {
    for line in [
        "put a/1 first",
        "put b/1 second",
        "user add root:deep",
        "user grant-role root root",
        "role add readers",
        "role grant-permission readers --prefix=true read a/",
        "user add ann:secret",
        "user grant-role ann readers",
        "user add cert --no-password",
    ] {
        // 3.5.1 knows the role root by itself only once it counts.
        if line == "user grant-role root root" {
            told(cluster, None, &["role", "add", "root"])?;
        }
        told(cluster, None, &line.split(' ').collect::<Vec<_>>())?;
    }
    told(cluster, None, &["auth", "enable"]).map(drop)
}

/// Goal: who could not read a cluster cannot read what is restored of it, and who could can. Method: users who count, from and to
/// either server; what each may do, and that the passwords are the old ones.
#[tokio::test]
async fn users_of_a_backup_count_where_it_is_restored() -> anyhow::Result<()> {
    let (root, ann) = (Some("root:deep"), Some("ann:secret"));
    for (from, to) in
        [(Flavor::Mini, Flavor::Mini), (Flavor::Mini, Flavor::Etcd), (Flavor::Etcd, Flavor::Mini)]
    {
        let origin = Cluster::start(from, 1).await?;
        close(&origin)?;
        let backup = origin.dir().join("b.db");
        told(&origin, root, &["snapshot", "save", text(&backup)?])?;
        let [_, ours] = programs()?;
        let dry = printed(&ours, &["snapshot", "restore", text(&backup)?, "--dry-run"])?;
        ensure!(dry.contains("users 3, roles 2, authentication enabled"), "{from:?}: {dry}");
        // A restored cluster is ready when it answers a write: here it refuses one, which is an answer.
        let copy = match to {
            Flavor::Mini => restored(&backup, 1, &[]).await?,
            Flavor::Etcd => restored_as_etcd(&backup, 1).await?,
        };
        let all = ["get", "", "--prefix"];
        refused(&copy, None, &all, "user name is empty")?;
        refused(&copy, Some("ann:wrong"), &["get", "a/1"], "authentication failed")?;
        refused(&copy, Some("cert:"), &["get", "a/1"], "authentication failed").or_else(|_| {
            refused(&copy, Some("cert:x"), &["get", "a/1"], "authentication failed")
        })?;
        ensure!(told(&copy, ann, &["get", "a/", "--prefix"])? == "a/1\nfirst\n", "{from:?} {to:?}");
        refused(&copy, ann, &["get", "b/1"], "permission denied")?;
        refused(&copy, ann, &["put", "a/1", "x"], "permission denied")?;
        for args in ["user list", "role list", "role get readers", "user get ann", "auth status"] {
            let args: Vec<_> = args.split(' ').collect();
            let [before, after] = [&origin, &copy].map(|cluster| told(cluster, root, &args));
            let (before, after) = (before?, after?);
            ensure!(before == after, "{from:?} {to:?} {args:?}: {before} {after}");
        }
    }
    Ok(())
}

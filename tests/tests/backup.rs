//! Backups with our own programs: saved under load, restored as clusters of other sizes, and refused where they are none.

use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mini_etcd_proto::etcdserverpb::PutRequest;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_tests::backup::{
    Writes, compare, fill, hash_at, keys_at, output, printed, restored, revision_of, text,
};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::{Process, free_ports, workspace_binary};
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;

/// Time for anything to happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// Saves a backup of the first member beside the cluster's data.
fn save(cluster: &Cluster, name: &str) -> anyhow::Result<PathBuf> {
    let path = cluster.dir().join(name);
    let endpoint = format!("--endpoints={}", cluster.member(0)?.address);
    let ctl = workspace_binary("mini-etcdctl")?;
    let said = printed(&ctl, &[&endpoint, "snapshot", "save", text(&path)?])?;
    ensure!(said == format!("Snapshot saved at {}\n", path.display()), "{said:?}");
    Ok(path)
}

async fn put(cluster: &Cluster, key: &str) -> anyhow::Result<i64> {
    let put = PutRequest { key: key.to_owned().into(), ..PutRequest::default() };
    let answer = KvClient::new(cluster.channel(0)?).put(put).await?.into_inner();
    Ok(answer.header.context("a header")?.revision)
}

/// Goal: a backup that is taken while others write is one state, and a cluster of any size comes of it. Method: hash, keys now
/// and in the past and leases of each restored member beside those of the origin at the revision of the backup.
#[tokio::test]
async fn a_backup_under_load_becomes_clusters_of_one_and_three() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 3).await?;
    fill(&origin).await?;
    let writes = Writes::start(&origin)?;
    let before = put(&origin, "before").await?;
    let backup = save(&origin, "b.db")?;
    drop(writes);
    let revision = revision_of(&backup)?;
    ensure!(revision >= before, "{revision} {before}");
    for size in [1, 3] {
        let copy = restored(&backup, size, &[]).await?;
        compare(&origin, &copy, revision).await?;
        ensure!(put(&copy, "after").await? > revision, "revisions go on");
    }
    Ok(())
}

/// Goal: what a restore says to start the member with starts it as it stands. Method: the members of two clusters are started by
/// those very lines, one by addresses and one by names that mean this machine.
#[tokio::test]
async fn the_line_that_a_restore_prints_starts_the_member() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 1).await?;
    put(&origin, "before").await?;
    let backup = save(&origin, "b.db")?;
    let ctl = workspace_binary("mini-etcdctl")?;
    for (item, host) in [("=http://127.0.0.1:", "127.0.0.1"), (":", "localhost")] {
        let ports = free_ports(3)?;
        // As they were typed, whatever the order of their numbers.
        let peers = ports.iter().zip([3, 1, 2]).map(|(port, n)| format!("n{n}{item}{port}"));
        let peers = peers.collect::<Vec<_>>().join(",");
        let mut members = Vec::new();
        for (port, n) in ports.iter().zip([3, 1, 2]) {
            let data = origin.dir().join(format!("{host}-n{n}"));
            let name = format!("n{n}");
            let args = ["--name", &name, "--peers", &peers, "--data", text(&data)?];
            let said =
                printed(&ctl, &[&["snapshot", "restore", text(&backup)?], &args[..]].concat())?;
            let line = said.lines().last().unwrap_or_default();
            let line =
                line.strip_prefix("restored; start it with: mini-etcd ").context(said.clone())?;
            let typed = peers.replace("http://", "");
            let expected = format!(
                "--name {name} --data {} --listen {host}:{port} --peers {typed}",
                data.display()
            );
            ensure!(line == expected, "{line}\n{expected}");
            let mut command = Command::new(workspace_binary("mini-etcd")?);
            command.args(line.split(' '));
            members.push(Process::start(&name, &mut command, &data.with_extension("stderr"))?);
        }
        for member in &members {
            ensure!(member.line(DEADLINE)?.contains(" answers at "), "{}", member.errors());
        }
    }
    Ok(())
}

/// Goal: what was restored is a state like any other. Method: it is saved and restored again.
#[tokio::test]
async fn a_backup_of_what_was_restored_is_the_same_again() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 1).await?;
    fill(&origin).await?;
    let first = save(&origin, "first.db")?;
    let copy = restored(&first, 1, &[]).await?;
    let second = restored(&save(&copy, "second.db")?, 1, &[]).await?;
    compare(&origin, &second, revision_of(&first)?).await
}

/// Goal: who watched or cached the origin does not take an older state for a newer one. Method: a raised revision without
/// history; a backup of that has the revision too.
#[tokio::test]
async fn a_raised_revision_has_the_keys_and_no_history() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 1).await?;
    fill(&origin).await?;
    let backup = save(&origin, "b.db")?;
    let revision = revision_of(&backup)?;
    let keys = keys_at(origin.channel(0)?, revision).await?;
    let copy = restored(&backup, 3, &["--bump-revision=1000", "--mark-compacted"]).await?;
    let raised = revision + 1000;
    for index in 0..3 {
        ensure!(keys_at(copy.channel(index)?, raised).await? == keys, "the keys stay");
        let past = keys_at(copy.channel(index)?, raised - 1).await;
        ensure!(past.is_err_and(|error| error.to_string().contains("compacted")), "no history");
    }
    ensure!(revision_of(&save(&copy, "raised.db")?)? >= raised, "the revision is in a backup");
    ensure!(put(&copy, "after").await? > raised, "revisions go on");
    Ok(())
}

/// Goal: members that do not have the same past do not become one cluster. Method: one of two is restored from another backup.
#[tokio::test]
async fn members_that_were_restored_from_different_backups_stay_apart() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 1).await?;
    fill(&origin).await?;
    let backups = [save(&origin, "old.db")?, {
        put(&origin, "news").await?;
        save(&origin, "new.db")?
    }];
    let ctl = workspace_binary("mini-etcdctl")?;
    let restore = |member: &mini_etcd_tests::cluster::Member, peers: &str| {
        let backup = backups.get(usize::from(member.name == "n3")).context("a backup")?;
        let args = ["snapshot", "restore", text(backup)?, "--name", &member.name];
        let more = ["--initial-cluster", peers, "--data-dir", text(&member.data)?];
        printed(&ctl, &[args.as_slice(), &more].concat()).map(drop)
    };
    // The third never answers, so that the cluster does not come up as a whole.
    let started = Cluster::start_restored(Flavor::Mini, 3, restore).await;
    let error = started.err().context("three members of two pasts are no cluster")?;
    ensure!(format!("{error:#}").contains("not within"), "{error:#}");
    Ok(())
}

/// Goal: a restore makes a directory or nothing. Method: files that are none or damaged, and places that are taken.
#[tokio::test]
async fn what_cannot_be_restored_leaves_nothing() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 1).await?;
    fill(&origin).await?;
    let dir = origin.dir().to_path_buf();
    let backup = save(&origin, "b.db")?;
    let sound = std::fs::read(&backup)?;
    let file = |name: &str, bytes: &[u8]| -> anyhow::Result<PathBuf> {
        std::fs::write(dir.join(name), bytes)?;
        Ok(dir.join(name))
    };
    let mut flipped = sound.clone();
    *flipped.get_mut(9000).context("a byte")? ^= 1;
    let without_sum = sound.get(..sound.len() - 32).context("a sum")?;
    let half = sound.get(..sound.len() / 2).context("a half")?;
    let cut = sound.get(..sound.len() / 2 + 32).context("a half")?;
    let cases: [(PathBuf, &[&str], &str); 10] = [
        (dir.join("none.db"), &[], "No such file"),
        (file("junk.db", &[7; 5000])?, &[], "snapshot missing hash"),
        (file("junk.db", &[7; 5000])?, &["--skip-hash-check"], "invalid database"),
        (file("flipped.db", &flipped)?, &[], "sha256 checksum"),
        (file("bare.db", without_sum)?, &[], "snapshot missing hash"),
        (file("half.db", half)?, &["--skip-hash-check"], "the database has"),
        // Cut off, with what may be taken for a sum at its end or not.
        (file("half.db", half)?, &[], "the database has"),
        (file("half.db", half)?, &["--dry-run"], "the database has"),
        (file("cut.db", cut)?, &[], "the database has"),
        (backup.clone(), &["--bump-revision=5"], "--mark-compacted required"),
    ];
    let ctl = workspace_binary("mini-etcdctl")?;
    let data = dir.join("restored");
    let restore = |backup: &Path, flags: &[&str]| -> anyhow::Result<(bool, String)> {
        let args = ["snapshot", "restore", text(backup)?, "--data-dir", text(&data)?];
        let output = output(&ctl, &[&args, flags].concat())?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let beside = dir.join("restored.restoring");
    for (backup, flags, why) in cases {
        let (done, said) = restore(&backup, flags)?;
        ensure!(!done && said.contains(why), "{}: {said}", backup.display());
        ensure!(!data.exists() && !beside.exists(), "{} left something", backup.display());
    }
    let (done, _) = restore(&backup, &["--dry-run"])?;
    ensure!(done && !data.exists() && !beside.exists(), "a dry run changes nothing");
    // What a restore leaves that was killed.
    std::fs::create_dir_all(beside.join("log"))?;
    ensure!(restore(&backup, &[])?.0 && !beside.exists(), "it begins anew");
    let (done, said) = restore(&backup, &[])?;
    ensure!(!done && said.contains("not empty"), "{said}");
    Ok(())
}

/// Goal: a backup is never slower than its client, and no client holds a member for ever. Method: clients that take nothing, more
/// than a member serves; writes go on, and who goes away makes room.
#[tokio::test]
async fn clients_that_take_nothing_hold_nobody_up() -> anyhow::Result<()> {
    use mini_etcd_proto::etcdserverpb::SnapshotRequest;
    use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
    let origin = Cluster::start(Flavor::Mini, 1).await?;
    // More than a connection takes that nobody reads from.
    for at in 0..8 {
        let (key, value) = (format!("large{at}").into(), vec![b'x'; 1_000_000].into());
        let put = PutRequest { key, value, ..PutRequest::default() };
        KvClient::new(origin.channel(0)?).put(put).await?;
    }
    let ask = || async {
        let mut maintenance = MaintenanceClient::new(origin.channel(0)?);
        Ok::<_, anyhow::Error>(maintenance.snapshot(SnapshotRequest {}).await?.into_inner())
    };
    let mut held = Vec::new();
    let refused = loop {
        match ask().await {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
        ensure!(held.len() < 100, "there is no bound");
    };
    ensure!(refused.to_string().contains("too many requests"), "{refused}");
    put(&origin, "meanwhile").await?;
    drop(held);
    eventually("room for another backup", DEADLINE, || async { ask().await.map(drop) }).await?;
    hash_at(origin.channel(0)?, 0).await?;
    Ok(())
}

/// An address behind which the member at `address` answers so many bytes to each connection, and then no more.
fn that_stalls(address: &str, bytes: u64) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (front, address) = (listener.local_addr()?.to_string(), address.to_owned());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, member) = (client?, TcpStream::connect(&address)?);
            let (mut asks, mut hears) = (client.try_clone()?, member.try_clone()?);
            std::thread::spawn(move || io::copy(&mut asks, &mut hears));
            let (mut says, mut told) = (member.take(bytes), client);
            std::thread::spawn(move || io::copy(&mut says, &mut told));
        }
        io::Result::Ok(())
    });
    Ok(front)
}

/// Goal: a backup that is ended leaves nothing of itself, and what was there. Method: each signal in the middle of one, over an
/// earlier backup.
#[tokio::test]
async fn a_backup_that_is_ended_by_a_signal_leaves_nothing() -> anyhow::Result<()> {
    let origin = Cluster::start(Flavor::Mini, 1).await?;
    let backup = save(&origin, "b.db")?;
    let before = std::fs::read(&backup)?;
    for at in 0..4 {
        let (key, value) = (format!("large{at}").into(), vec![b'x'; 1_000_000].into());
        let put = PutRequest { key, value, ..PutRequest::default() };
        KvClient::new(origin.channel(0)?).put(put).await?;
    }
    let front = that_stalls(&origin.member(0)?.address, 1 << 20)?;
    let part = backup.with_extension("db.part");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = Command::new(workspace_binary("mini-etcdctl")?);
        command.args([&format!("--endpoints={front}"), "snapshot", "save", text(&backup)?]);
        let errors = origin.dir().join("save.stderr");
        let mut saving = Process::start("mini-etcdctl", &mut command, &errors)?;
        eventually("a part of it", DEADLINE, || async {
            ensure!(std::fs::metadata(&part)?.len() > 1 << 19, "{}", part.display());
            Ok(())
        })
        .await?;
        saving.signal(signal)?;
        let ended = saving.wait(DEADLINE)?;
        ensure!(ended.code() == Some(code), "{ended}: {}", saving.errors());
        ensure!(saving.errors().contains("is there whole, or as it was"), "{}", saving.errors());
        ensure!(!part.exists() && std::fs::read(&backup)? == before, "it left something");
    }
    Ok(())
}

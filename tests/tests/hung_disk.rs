//! A disk that hangs: every write to it waits, those of the log and those of the state, until the disk is back.
//!
//! `TEST_HANGING_DISK` names a mounted ext4 that this test may freeze.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::disk::HangingDisk;
use mini_etcd_tests::page;
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;
use tokio::sync::{Mutex, MutexGuard};

/// Time for one step.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long the disk hangs.
const HANGS: Duration = Duration::from_secs(20);

/// Longest time without an acknowledged write through the members whose disks work.
const GAP_MAX: Duration = Duration::from_secs(2);

/// Longest until a request to the member whose disk hangs has its answer, an error too; the server gives up after seven
/// seconds.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Longest until a member that is told to stop has done what it can; it gives itself five seconds.
const STOP_MAX: Duration = Duration::from_secs(10);

/// One test at a time has the disk.
static TURN: Mutex<()> = Mutex::const_new(());

/// The disk, for the one test that has it.
struct Disk {
    disk: HangingDisk,
    _turn: MutexGuard<'static, ()>,
}

impl Disk {
    async fn take() -> anyhow::Result<Self> {
        let path = std::env::var_os("TEST_HANGING_DISK").map(PathBuf::from);
        let path = path.context(
            "TEST_HANGING_DISK is not set: mount an ext4 of 512 MiB and name it, as `.ci/run` does",
        )?;
        Ok(Self { disk: HangingDisk::new(path), _turn: TURN.lock().await })
    }
}

impl Deref for Disk {
    type Target = HangingDisk;

    fn deref(&self) -> &HangingDisk {
        &self.disk
    }
}

/// Writes that were acknowledged, each with the revision that its answer names.
#[derive(Default)]
struct Writes {
    done: Vec<(String, i64)>,
    /// Longest time from one acknowledgement, or the beginning, to the next.
    gap: Duration,
}

/// Puts keys of its own, one after the other, until told to stop. Any refusal is an error.
#[expect(clippy::disallowed_methods, reason = "a gap is measured on the wall clock")]
fn write(
    cluster: &Cluster,
    member: usize,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<tokio::task::JoinHandle<anyhow::Result<Writes>>> {
    let mut kv = KvClient::new(cluster.channel(member)?);
    Ok(tokio::spawn(async move {
        let mut writes = Writes::default();
        let mut last = Instant::now();
        while !stop.load(Relaxed) {
            let key = format!("member{member}/{}", writes.done.len());
            let (name, value) = (key.clone().into(), key.clone().into());
            let put = PutRequest { key: name, value, ..PutRequest::default() };
            let answer = kv.put(put).await.with_context(|| format!("put of {key}"))?.into_inner();
            writes.done.push((key, answer.header.context("a header")?.revision));
            writes.gap = writes.gap.max(last.elapsed());
            last = Instant::now();
        }
        writes.gap = writes.gap.max(last.elapsed());
        Ok(writes)
    }))
}

/// What is promised is there: each write at the revision of its answer.
async fn check(cluster: &Cluster, member: usize, writes: &Writes) -> anyhow::Result<()> {
    let mut kv = KvClient::new(cluster.channel(member)?).max_decoding_message_size(usize::MAX);
    let (key, range_end) = ("member".into(), "membes".into());
    let range = RangeRequest { key, range_end, ..RangeRequest::default() };
    let found = kv.range(range).await?.into_inner().kvs;
    let found: HashMap<_, _> = found.iter().map(|kv| (&*kv.key, kv)).collect();
    for (key, revision) in &writes.done {
        let kv = found.get(key.as_bytes()).with_context(|| format!("{key} is lost"))?;
        ensure!(kv.value == key.as_bytes(), "{key} is not what was written");
        ensure!(kv.mod_revision == *revision, "{key} is at {}, not {revision}", kv.mod_revision);
    }
    Ok(())
}

/// Status line and text of a page of a member.
async fn answer(cluster: &Cluster, member: usize, path: &str) -> anyhow::Result<String> {
    let get = page::answer(&cluster.member(member)?.address, path);
    tokio::time::timeout(ANSWER_MAX, get).await.with_context(|| format!("{path} hangs"))?
}

/// Health and readiness name the disk, and the process is still called alive.
async fn names_the_disk(cluster: &Cluster, member: usize) -> anyhow::Result<()> {
    for path in ["/health", "/readyz"] {
        let text = answer(cluster, member, path).await?;
        ensure!(text.starts_with("HTTP/1.1 503"), "{path}: {text}");
        ensure!(text.contains("DISK STALLED"), "{path}: {text}");
    }
    let live = answer(cluster, member, "/livez").await?;
    ensure!(live.starts_with("HTTP/1.1 200"), "/livez: {live}");
    Ok(())
}

async fn is_healthy(cluster: &Cluster, member: usize) -> anyhow::Result<()> {
    for path in ["/health", "/readyz"] {
        let text = answer(cluster, member, path).await?;
        ensure!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
    }
    Ok(())
}

/// A write and a read that need the disk end with an error; a read of what the member knows is answered.
async fn requests_to_the_member_end(cluster: &Cluster, member: usize) -> anyhow::Result<()> {
    let kv = KvClient::new(cluster.channel(member)?);
    let put = async {
        let put = PutRequest { key: "unknown".into(), value: "1".into(), ..PutRequest::default() };
        kv.clone().put(put).await
    };
    let (put, known) = tokio::join!(tokio::time::timeout(ANSWER_MAX, put), async {
        let (key, serializable) = ("harness/ready".into(), true);
        let range = RangeRequest { key, serializable, ..RangeRequest::default() };
        tokio::time::timeout(ANSWER_MAX, kv.clone().range(range)).await
    });
    let refused = put.context("a put hangs")?.err().context("a put that cannot be durable")?;
    let words = ["etcdserver: request timed out", "etcdserver: too many requests"];
    ensure!(words.iter().any(|it| refused.message().starts_with(it)), "{refused:?}");
    ensure!(known.context("a read of the own state hangs")??.into_inner().count == 1);
    Ok(())
}

/// Every thread of a process is at its end, but those that the disk holds.
fn only_the_disk_holds(pid: i32) -> anyhow::Result<()> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let (name, state) = stat.rsplit_once(") ").context("a state")?;
        ensure!(state.starts_with(['D', 'Z', 'X']), "{name}) goes on: {stat}");
    }
    Ok(())
}

/// Goal: the hanging disk of a leader of three holds up nobody but its own clients, and changes nothing that was
/// promised. Method: clients write through the two others while it hangs for twenty seconds.
#[tokio::test]
async fn a_leader_whose_disk_hangs_holds_up_only_its_own_clients() -> anyhow::Result<()> {
    let disk = Disk::take().await?;
    let mut cluster = Cluster::start_with_disk(Flavor::Mini, 3, &disk.place("leader")?).await?;
    cluster.let_lead(0).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = [write(&cluster, 1, stop.clone())?, write(&cluster, 2, stop.clone())?];
    disk.hang()?;
    // The fault that is injected: a disk that hangs for so long.
    let hangs = tokio::time::sleep(HANGS);
    eventually("another member leads", DEADLINE, || async {
        ensure!(cluster.leader().await? != 0, "the first leads");
        names_the_disk(&cluster, 0).await
    })
    .await?;
    requests_to_the_member_end(&cluster, 0).await?;
    hangs.await;
    names_the_disk(&cluster, 0).await?;
    disk.work()?;
    eventually("it is healthy", DEADLINE, || is_healthy(&cluster, 0)).await?;
    stop.store(true, Relaxed);
    let mut all = Writes::default();
    for client in clients {
        let mut writes = client.await??;
        ensure!(writes.gap < GAP_MAX, "{:?} without an acknowledged write", writes.gap);
        ensure!(writes.done.len() > 100, "{} writes in {HANGS:?}", writes.done.len());
        println!("{} writes, longest gap {:?}", writes.done.len(), writes.gap);
        all.done.append(&mut writes.done);
    }
    check(&cluster, 0, &all).await?;
    cluster.kill(0)?;
    cluster.restart(0)?;
    cluster.wait_ready().await?;
    check(&cluster, 0, &all).await?;
    it_happened_at_most_once(&cluster, 0).await
}

/// The write that nobody acknowledged happened once or not at all.
async fn it_happened_at_most_once(cluster: &Cluster, member: usize) -> anyhow::Result<()> {
    let mut kv = KvClient::new(cluster.channel(member)?);
    let range = RangeRequest { key: "unknown".into(), ..RangeRequest::default() };
    let found = kv.range(range).await?.into_inner();
    ensure!(found.kvs.iter().all(|kv| kv.version == 1 && kv.value == "1"), "{found:?}");
    Ok(())
}

/// Goal: a member alone says that its disk hangs, and stops as far as it can when told to. Method: it is told while the
/// disk hangs. A thread that the kernel holds cannot end before the disk is back; all others can.
#[tokio::test]
async fn a_lone_member_names_its_hanging_disk_and_stops() -> anyhow::Result<()> {
    let disk = Disk::take().await?;
    let mut cluster = Cluster::start_with_disk(Flavor::Mini, 1, &disk.place("lone")?).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let client = write(&cluster, 0, stop.clone())?;
    eventually("it is healthy", DEADLINE, || is_healthy(&cluster, 0)).await?;
    stop.store(true, Relaxed);
    let writes = client.await??;
    disk.hang()?;
    requests_to_the_member_end(&cluster, 0).await?;
    names_the_disk(&cluster, 0).await?;
    let pid = cluster.pid(0)?;
    cluster.signal(0, Signal::TERM)?;
    eventually("it stops", STOP_MAX, || async { only_the_disk_holds(pid) }).await?;
    disk.work()?;
    let status = cluster.wait_exit(0, DEADLINE)?;
    ensure!(status.success(), "it ended with {status}");
    cluster.restart(0)?;
    cluster.wait_ready().await?;
    check(&cluster, 0, &writes).await?;
    it_happened_at_most_once(&cluster, 0).await?;
    is_healthy(&cluster, 0).await
}

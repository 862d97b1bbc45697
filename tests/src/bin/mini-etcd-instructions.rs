//! `mini-etcd-instructions`: how many instructions a member takes for a put, a get, a range and an event.
//!
//! The clock of a shared machine says little about a small change; the count of a program's own instructions hardly
//! moves. A member runs under valgrind's callgrind, which counts those of user space, and answers one request after the
//! other; each figure is the least of several batches, which the timers of the member disturb least. What the kernel does
//! is not in it, and neither is waiting.
//!
//! Without arguments it holds the figures against the recorded ones and fails when one has grown by more than a tenth.

#![expect(clippy::print_stdout, reason = "the figures are the program's result")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::Parser;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use mini_etcd_tests::cluster::Cluster;
use mini_etcd_tests::fan_out::Watchers;
use mini_etcd_tests::load::{Kind, Load, RANGE_KEYS, fill, key};
use mini_etcd_tests::wire::Wire;

/// Keys there are.
const KEYS: u64 = 2000;
/// Bytes of a value.
const VALUE_BYTES: usize = 256;
/// Batches of each kind, and requests of a batch.
const BATCHES: usize = 5;
const REQUESTS: u64 = 100;
/// Watchers of each event.
const WATCHERS: usize = 20;
/// Growth from which on a figure fails.
const GROWTH_MAX: f64 = 1.10;

/// Counts the instructions of a put, a get, a range of 100 and an event.
#[derive(Debug, Parser)]
struct Arguments {
    /// The recorded figures.
    #[arg(long, default_value = "tests/instructions.txt")]
    recorded: PathBuf,
    /// Writes the figures there instead of comparing them.
    #[arg(long)]
    record: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let figures = count().await?;
    if arguments.record {
        let mut text = String::new();
        for (what, instructions) in &figures {
            writeln!(text, "{what} {instructions}")?;
        }
        print!("{text}");
        return fs::write(&arguments.recorded, text).context("recording the figures");
    }
    let recorded = recorded(&arguments.recorded)?;
    let mut grown = Vec::new();
    println!("{:<12} {:>12} {:>12} {:>7}", "instructions", "now", "recorded", "ratio");
    for (what, now) in &figures {
        let before = recorded.iter().find(|(name, _)| name == what);
        let before = before.with_context(|| format!("no recorded figure for {what}"))?.1;
        let ratio = ratio(*now, before);
        println!("{what:<12} {now:>12} {before:>12} {ratio:>7.3}");
        if ratio > GROWTH_MAX {
            grown.push(*what);
        }
    }
    if !grown.is_empty() {
        bail!(
            "more than a tenth above the record: {}. If that is meant, run with --record and commit {}",
            grown.join(", "),
            arguments.recorded.display()
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn ratio(now: u64, before: u64) -> f64 {
    now as f64 / before.max(1) as f64
}

fn recorded(path: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let figure = |line: &str| {
        let (what, number) = line.rsplit_once(' ')?;
        Some((what.to_owned(), number.parse().ok()?))
    };
    text.lines().map(|line| figure(line).with_context(|| format!("no figure: {line:?}"))).collect()
}

/// A member whose instructions are counted.
struct Counted {
    cluster: Cluster,
    /// Where the counts go; each gets a number behind it.
    counts: PathBuf,
    taken: usize,
}

impl Counted {
    async fn start() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?.keep();
        let counts = dir.join("counts");
        let valgrind = [
            "valgrind".to_owned(),
            "--quiet".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", counts.display()),
        ];
        let cluster = Cluster::start_under(1, &valgrind).await?;
        Ok(Self { cluster, counts, taken: 0 })
    }

    /// Instructions since the last call.
    fn take(&mut self) -> anyhow::Result<u64> {
        self.taken += 1;
        let pid = format!("--pid={}", self.cluster.pid(0)?);
        let dumped = Command::new("vgdb").args([&pid, "dump"]).output().context("starting vgdb")?;
        ensure!(dumped.status.success(), "vgdb: {}", String::from_utf8_lossy(&dumped.stderr));
        let path = self.counts.with_extension(self.taken.to_string());
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        Ok(total.context("no total")?.trim().parse()?)
    }
}

async fn count() -> anyhow::Result<Vec<(&'static str, u64)>> {
    let mut member = Counted::start().await?;
    let address = member.cluster.member(0)?.address.clone();
    let load = Load {
        kind: Kind::Put,
        clients: 1,
        connections: 1,
        value_bytes: VALUE_BYTES,
        keys: KEYS,
        scattered: false,
        duration: Duration::ZERO,
    };
    fill(&address, &load).await?;
    let client = Client { wire: Wire::connect(&address).await? };
    let put = least(&mut member, async |number| client.clone().put(number).await).await?;
    let get = least(&mut member, async |number| client.clone().get(number).await).await?;
    let range = least(&mut member, async |number| client.clone().range(number).await).await?;
    let mut watchers = Watchers::open(WATCHERS, &load, std::slice::from_ref(&address)).await?;
    let watched = least(&mut member, async |number| {
        client.clone().put(number).await?;
        watchers.all_saw(1).await
    });
    let event = watched.await?.saturating_sub(put) / WATCHERS as u64;
    fs::remove_dir_all(member.counts.parent().context("a directory")?)?;
    Ok(vec![("put", put), ("get", get), ("range of 100", range), ("event", event)])
}

/// Instructions of one request, in that batch which took least.
async fn least(
    member: &mut Counted,
    mut request: impl AsyncFnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut least = u64::MAX;
    // The first batch warms up.
    for _ in 0..=BATCHES {
        member.take()?;
        for number in 0..REQUESTS {
            request(number).await?;
        }
        least = least.min(member.take()?);
    }
    Ok(least / REQUESTS)
}

#[derive(Clone)]
struct Client {
    wire: Wire,
}

impl Client {
    async fn put(mut self, number: u64) -> anyhow::Result<()> {
        let method = self.wire.method("/etcdserverpb.KV/Put")?;
        let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
        let put = PutRequest { key: key(number), value, ..PutRequest::default() };
        self.wire.call::<PutResponse>(&method, &put).await.map(drop)
    }

    async fn get(mut self, number: u64) -> anyhow::Result<()> {
        let request = RangeRequest { key: key(number), ..RangeRequest::default() };
        self.read(&request, 1).await
    }

    async fn range(mut self, number: u64) -> anyhow::Result<()> {
        let count = u64::from(RANGE_KEYS);
        let (key, range_end) = (key(number), key(number + count));
        let request = RangeRequest { key, range_end, ..RangeRequest::default() };
        self.read(&request, count).await
    }

    async fn read(&mut self, request: &RangeRequest, keys: u64) -> anyhow::Result<()> {
        let method = self.wire.method("/etcdserverpb.KV/Range")?;
        let answer: RangeResponse = self.wire.call(&method, request).await?;
        ensure!(answer.kvs.len() as u64 == keys, "{} keys", answer.kvs.len());
        Ok(())
    }
}

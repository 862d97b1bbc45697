//! `mini-etcd-outages`: for how long writes stand still when members of a cluster of three fail, or lose each other.
//!
//! Again and again members fail, and one client for each member that can be of use then puts: measured is the time until the
//! first of them gets an answer. It judges nothing.

#![expect(clippy::disallowed_methods, reason = "an outage is measured on the wall clock")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};
use futures::future::select_ok;
use hdrhistogram::Histogram;
use mimalloc::MiMalloc;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::disk::HangingDisk;
use mini_etcd_tests::network::Network;
use mini_etcd_tests::wire::Dial;
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const PUT: &str = "/etcdserverpb.KV/Put";
/// Members.
const SIZE: usize = 3;
/// Pause before a client that was refused asks again.
const AGAIN: Duration = Duration::from_millis(2);
/// After this an outage is a failure of the run.
const DEADLINE: Duration = Duration::from_secs(60);

/// The kinds that need nothing but the programs.
const OF_PROCESSES: [Kind; 5] = [Kind::Kill, Kind::Stop, Kind::Term, Kind::Two, Kind::All];

/// Lets members fail, and shows how long nobody could write.
#[derive(Debug, Parser)]
struct Arguments {
    /// How they fail. `cut`, `deaf` and `mute` need root, and put each member into a network namespace of its own; `disk` needs
    /// `--disk`.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = OF_PROCESSES)]
    kinds: Vec<Kind>,
    /// Outages of each kind.
    #[arg(long, default_value_t = 50)]
    times: usize,
    /// A mounted ext4 that this program may freeze: for `disk`, which then is the only kind.
    #[arg(long)]
    disk: Option<PathBuf>,
    /// The program that `ETCD_BIN` names, instead of mini-etcd.
    #[arg(long)]
    etcd: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// SIGKILL to the leader; from then on.
    Kill,
    /// SIGSTOP to the leader; from then on.
    Stop,
    /// SIGTERM to the leader; from then on.
    Term,
    /// SIGKILL to the leader and another member, and both started again; from the last start on.
    Two,
    /// SIGKILL to all, and all started again; from the last start on.
    All,
    /// The leader and the others hear nothing of each other; from then on, through the others.
    Cut,
    /// The leader hears nobody, and is heard; from then on.
    Deaf,
    /// The leader is heard by nobody, and hears; from then on.
    Mute,
    /// The leader's disk hangs; from then on, through the others.
    Disk,
}

impl Kind {
    /// The links that are cut, from and to.
    fn links(self, leader: usize) -> Vec<(usize, usize)> {
        let others = (0..SIZE).filter(|index| *index != leader);
        let (hears, is_heard) = match self {
            Self::Cut => (false, false),
            Self::Deaf => (false, true),
            Self::Mute => (true, false),
            _ => (true, true),
        };
        let both = others.flat_map(|other| {
            [(!hears).then_some((other, leader)), (!is_heard).then_some((leader, other))]
        });
        both.flatten().collect()
    }

    /// The members that fail themselves, or are of no use to a client meanwhile.
    fn failing(self, leader: usize) -> Vec<usize> {
        match self {
            Self::Kill | Self::Stop | Self::Term | Self::Cut | Self::Disk => vec![leader],
            Self::Two => vec![leader, (leader + 1) % SIZE],
            Self::All => (0..SIZE).collect(),
            Self::Deaf | Self::Mute => Vec::new(),
        }
    }
}

/// A cluster, and what it can lose beside its members.
struct Site {
    cluster: Cluster,
    network: Option<Network>,
    disk: Option<HangingDisk>,
}

impl Site {
    async fn new(kinds: &[Kind], flavor: Flavor, disk: Option<PathBuf>) -> anyhow::Result<Self> {
        let needs_disk = kinds.contains(&Kind::Disk);
        ensure!(!needs_disk || kinds == [Kind::Disk], "`disk` is a kind for a run of its own");
        if needs_disk {
            let disk =
                disk.context("`disk` needs --disk DIR: a mounted ext4 that may be frozen")?;
            let disk = HangingDisk::new(disk);
            let cluster = Cluster::start_with_disk(flavor, SIZE, &disk.place("outages")?).await?;
            return Ok(Self { cluster, network: None, disk: Some(disk) });
        }
        if kinds.iter().all(|kind| OF_PROCESSES.contains(kind)) {
            return Ok(Self {
                cluster: Cluster::start(flavor, SIZE).await?,
                network: None,
                disk: None,
            });
        }
        let network = Network::new(SIZE)?;
        let cluster = Cluster::start_in(&network, flavor, SIZE).await?;
        Ok(Self { cluster, network: Some(network), disk: None })
    }

    /// Waits for a cluster at rest, and tells who leads.
    async fn rest(&self, kind: Kind) -> anyhow::Result<usize> {
        self.cluster.wait_ready().await?;
        self.cluster.wait_agreed().await?;
        if kind == Kind::Disk {
            // Only the first has the disk.
            self.cluster.let_lead(0).await?;
            self.cluster.wait_agreed().await?;
        }
        self.cluster.leader().await
    }

    /// One outage, from a cluster at rest to a cluster that is whole again.
    async fn outage(&mut self, kind: Kind) -> anyhow::Result<Duration> {
        let leader = self.rest(kind).await?;
        let starts = matches!(kind, Kind::Two | Kind::All);
        let failing = kind.failing(leader);
        let asked = (0..SIZE).filter(|index| starts || !failing.contains(index));
        let dials = asked.map(|index| self.cluster.dial(index)).collect::<anyhow::Result<Vec<_>>>();
        let dials = dials?;
        let told = Instant::now();
        self.fail(kind, leader)?;
        if starts {
            failing.iter().try_for_each(|index| self.cluster.restart(*index))?;
        }
        // A signal works at once, the programs that cut links and freeze disks take their time before it.
        let is_signal = matches!(kind, Kind::Kill | Kind::Stop | Kind::Term);
        let begun = if is_signal { told } else { Instant::now() };
        timeout(DEADLINE, first_write(&dials)).await.with_context(|| format!("{kind:?}"))??;
        let outage = begun.elapsed();
        self.mend(kind, leader)?;
        Ok(outage)
    }

    fn fail(&mut self, kind: Kind, leader: usize) -> anyhow::Result<()> {
        for (from, to) in kind.links(leader) {
            self.network.as_ref().context("a network")?.cut(from, to)?;
        }
        for index in kind.failing(leader) {
            match kind {
                Kind::Stop => self.cluster.signal(index, Signal::STOP)?,
                Kind::Term => self.cluster.signal(index, Signal::TERM)?,
                Kind::Kill | Kind::Two | Kind::All => self.cluster.kill(index)?,
                Kind::Disk => self.disk.as_ref().context("a disk")?.hang()?,
                Kind::Cut | Kind::Deaf | Kind::Mute => {}
            }
        }
        Ok(())
    }

    fn mend(&mut self, kind: Kind, leader: usize) -> anyhow::Result<()> {
        for (from, to) in kind.links(leader) {
            self.network.as_ref().context("a network")?.heal(from, to)?;
        }
        match kind {
            Kind::Kill => self.cluster.restart(leader),
            Kind::Stop => self.cluster.signal(leader, Signal::CONT),
            Kind::Term => {
                self.cluster.wait_exit(leader, DEADLINE)?;
                self.cluster.forget(leader)?;
                self.cluster.restart(leader)
            }
            Kind::Disk => self.disk.as_ref().context("a disk")?.work(),
            Kind::Two | Kind::All | Kind::Cut | Kind::Deaf | Kind::Mute => Ok(()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the table is the program's result")]
async fn main() -> anyhow::Result<()> {
    let Arguments { kinds, times, disk, etcd } = Arguments::parse();
    let flavor = if etcd { Flavor::Etcd } else { Flavor::Mini };
    let mut site = Site::new(&kinds, flavor, disk).await?;
    println!("{flavor:?}, members: {SIZE}, no write for so long, in ms");
    println!("{:6} {:>6} {:>8} {:>8} {:>8}", "kind", "times", "p50", "p99", "longest");
    for kind in kinds {
        let mut outages = Histogram::<u64>::new(3)?;
        for _ in 0..times {
            outages.record(u64::try_from(site.outage(kind).await?.as_micros())?)?;
        }
        let [p50, p99] = [0.5, 0.99].map(|part| milliseconds(outages.value_at_quantile(part)));
        let (name, longest) = (format!("{kind:?}").to_lowercase(), milliseconds(outages.max()));
        println!("{name:6} {times:>6} {p50:>8.1} {p99:>8.1} {longest:>8.1}");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

/// Waits until a put through any of these is answered.
async fn first_write(dials: &[Dial]) -> anyhow::Result<()> {
    let writers = dials.iter().map(|dial| {
        Box::pin(async move {
            loop {
                if put(dial).await.is_ok() {
                    return anyhow::Ok(());
                }
                sleep(AGAIN).await;
            }
        })
    });
    select_ok(writers).await.map(drop)
}

async fn put(dial: &Dial) -> anyhow::Result<()> {
    let mut wire = dial.wire().await?;
    let method = wire.method(PUT)?;
    let request = PutRequest { key: "outage".into(), ..PutRequest::default() };
    wire.call::<PutResponse>(&method, &request).await.map(drop)
}

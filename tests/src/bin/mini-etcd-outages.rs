//! `mini-etcd-outages`: for how long writes stand still when members of a cluster of three fail, or lose each other.
//!
//! Again and again members fail, and one client for each member that can be of use then puts: measured is the time until the
//! first of them gets an answer. It judges nothing.

#![expect(clippy::disallowed_methods, reason = "an outage is measured on the wall clock")]

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use futures::future::select_ok;
use hdrhistogram::Histogram;
use mimalloc::MiMalloc;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse};
use mini_etcd_tests::cluster::{Cluster, Flavor};
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
    /// How they fail. `cut`, `deaf` and `mute` need root, and put each member into a network namespace of its own.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = OF_PROCESSES)]
    kinds: Vec<Kind>,
    /// Outages of each kind.
    #[arg(long, default_value_t = 50)]
    times: usize,
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
}

impl Kind {
    /// The links that are cut, from and to.
    fn links(self, leader: usize) -> Vec<(usize, usize)> {
        let others = (0..SIZE).filter(|index| *index != leader);
        let (hears, is_heard) = match self {
            Self::Cut => (false, false),
            Self::Deaf => (false, true),
            Self::Mute => (true, false),
            Self::Kill | Self::Stop | Self::Term | Self::Two | Self::All => (true, true),
        };
        let both = others.flat_map(|other| {
            [(!hears).then_some((other, leader)), (!is_heard).then_some((leader, other))]
        });
        both.flatten().collect()
    }

    /// The members that fail themselves, or are of no use to a client meanwhile.
    fn failing(self, leader: usize) -> Vec<usize> {
        match self {
            Self::Kill | Self::Stop | Self::Term | Self::Cut => vec![leader],
            Self::Two => vec![leader, (leader + 1) % SIZE],
            Self::All => (0..SIZE).collect(),
            Self::Deaf | Self::Mute => Vec::new(),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the table is the program's result")]
async fn main() -> anyhow::Result<()> {
    let Arguments { kinds, times, etcd } = Arguments::parse();
    let flavor = if etcd { Flavor::Etcd } else { Flavor::Mini };
    let needs_network = kinds.iter().any(|kind| !OF_PROCESSES.contains(kind));
    let network = needs_network.then(|| Network::new(SIZE)).transpose()?;
    let mut cluster = match &network {
        Some(network) => Cluster::start_in(network, flavor, SIZE).await?,
        None => Cluster::start(flavor, SIZE).await?,
    };
    println!("{flavor:?}, members: {SIZE}, no write for so long, in ms");
    println!("{:6} {:>6} {:>8} {:>8} {:>8}", "kind", "times", "p50", "p99", "longest");
    for kind in kinds {
        let mut outages = Histogram::<u64>::new(3)?;
        for _ in 0..times {
            let outage = outage(&mut cluster, network.as_ref(), kind).await?;
            outages.record(u64::try_from(outage.as_micros())?)?;
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

/// One outage, from a cluster at rest to a cluster that is whole again.
async fn outage(
    cluster: &mut Cluster,
    network: Option<&Network>,
    kind: Kind,
) -> anyhow::Result<Duration> {
    cluster.wait_ready().await?;
    cluster.wait_agreed().await?;
    let leader = cluster.leader().await?;
    let (failing, links) = (kind.failing(leader), kind.links(leader));
    let starts = matches!(kind, Kind::Two | Kind::All);
    let asked = (0..SIZE).filter(|index| starts || !failing.contains(index));
    let dials = asked.map(|index| cluster.dial(index)).collect::<anyhow::Result<Vec<_>>>()?;
    let failed = Instant::now();
    for index in &failing {
        match kind {
            Kind::Stop => cluster.signal(*index, Signal::STOP)?,
            Kind::Term => cluster.signal(*index, Signal::TERM)?,
            Kind::Kill | Kind::Two | Kind::All => cluster.kill(*index)?,
            Kind::Cut | Kind::Deaf | Kind::Mute => {}
        }
    }
    for (from, to) in &links {
        network.context("a network")?.cut(*from, *to)?;
    }
    if starts {
        failing.iter().try_for_each(|index| cluster.restart(*index))?;
    }
    let begun = if starts || !links.is_empty() { Instant::now() } else { failed };
    timeout(DEADLINE, first_write(&dials)).await.with_context(|| format!("{kind:?}"))??;
    let outage = begun.elapsed();
    match kind {
        Kind::Kill => cluster.restart(leader)?,
        Kind::Stop => cluster.signal(leader, Signal::CONT)?,
        Kind::Term => {
            cluster.wait_exit(leader, DEADLINE)?;
            cluster.kill(leader)?;
            cluster.restart(leader)?;
        }
        Kind::Two | Kind::All | Kind::Cut | Kind::Deaf | Kind::Mute => {}
    }
    for (from, to) in &links {
        network.context("a network")?.heal(*from, *to)?;
    }
    Ok(outage)
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

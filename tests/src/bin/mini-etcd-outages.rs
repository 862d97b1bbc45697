//! `mini-etcd-outages`: for how long writes stand still when members of a cluster of three fail.
//!
//! Again and again members fail, and one client for each member that runs then puts: measured is the time until the first
//! of them gets an answer. It judges nothing.

#![expect(clippy::disallowed_methods, reason = "an outage is measured on the wall clock")]

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use futures::future::select_ok;
use hdrhistogram::Histogram;
use mimalloc::MiMalloc;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse};
use mini_etcd_tests::cluster::{Cluster, Flavor};
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
/// Time for the cluster to come to rest before the next outage.
const REST: Duration = Duration::from_millis(300);

/// Lets members fail, and shows how long nobody could write.
#[derive(Debug, Parser)]
struct Arguments {
    /// How they fail.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::value_variants().to_vec())]
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
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the table is the program's result")]
async fn main() -> anyhow::Result<()> {
    let Arguments { kinds, times, etcd } = Arguments::parse();
    let flavor = if etcd { Flavor::Etcd } else { Flavor::Mini };
    let mut cluster = Cluster::start(flavor, SIZE).await?;
    println!("{flavor:?}, members: {SIZE}, no write for so long, in ms");
    println!("{:6} {:>6} {:>8} {:>8} {:>8}", "kind", "times", "p50", "p99", "longest");
    for kind in kinds {
        let mut outages = Histogram::<u64>::new(3)?;
        for _ in 0..times {
            let outage = outage(&mut cluster, kind).await?;
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
async fn outage(cluster: &mut Cluster, kind: Kind) -> anyhow::Result<Duration> {
    cluster.wait_ready().await?;
    sleep(REST).await;
    let leader = cluster.leader().await?;
    let next = (leader + 1) % SIZE;
    let failing = match kind {
        Kind::Kill | Kind::Stop | Kind::Term => vec![leader],
        Kind::Two => vec![leader, next],
        Kind::All => (0..SIZE).collect(),
    };
    let starts = matches!(kind, Kind::Two | Kind::All);
    let asked = (0..SIZE).filter(|index| starts || !failing.contains(index));
    let dials = asked.map(|index| cluster.dial(index)).collect::<anyhow::Result<Vec<_>>>()?;
    let failed = Instant::now();
    for index in &failing {
        match kind {
            Kind::Stop => cluster.signal(*index, Signal::STOP)?,
            Kind::Term => cluster.signal(*index, Signal::TERM)?,
            Kind::Kill | Kind::Two | Kind::All => cluster.kill(*index)?,
        }
    }
    if starts {
        failing.iter().try_for_each(|index| cluster.restart(*index))?;
    }
    let begun = if starts { Instant::now() } else { failed };
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
        Kind::Two | Kind::All => {}
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

//! `mini-etcd-bench`: mini-etcd beside etcd in the same run on the same machine, as ratios.
//!
//! `ETCD_BIN` names etcd's server. The two clusters stand beside each other and get the load in turn, round by round,
//! so that a machine that speeds up or slows down moves both sides.

use std::time::Duration;

use clap::Parser;
use mimalloc::MiMalloc;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::load::{Kind, Load, Measured, fill, run};

/// The load shares two cores with what it measures, on both sides: what it does not use is theirs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures puts and gets on mini-etcd and etcd side by side.
#[derive(Debug, Parser)]
struct Arguments {
    /// Sizes of the clusters to compare.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    sizes: Vec<usize>,
    /// Clients at the same time.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Connections they share.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Keys there are.
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measurements of each kind on each side.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measure mini-etcd alone.
    #[arg(long)]
    alone: bool,
    /// Fail when a ratio is below this.
    #[arg(long, default_value_t = 0.0)]
    at_least: f64,
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the table is the program's result")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    println!(
        "{} clients on {} connections, values of {} bytes, {} keys; {} rounds of {} s; median (least, most)",
        arguments.clients,
        arguments.connections,
        arguments.value_bytes,
        arguments.keys,
        arguments.rounds,
        arguments.seconds
    );
    println!(
        "members  request  side       rate/s (least, most)         p50 us   p99 us   ratio (least, most)"
    );
    let mut lowest = f64::INFINITY;
    for &size in &arguments.sizes {
        let mini = Cluster::start(Flavor::Mini, size).await?;
        let etcd =
            if arguments.alone { None } else { Some(Cluster::start(Flavor::Etcd, size).await?) };
        for kind in [Kind::Put, Kind::Get, Kind::GetStale] {
            let ratio = compare(&arguments, kind, &mini, etcd.as_ref()).await?;
            // Stale reads are shown for completeness; the aim is for what is consistent.
            if kind != Kind::GetStale {
                lowest = lowest.min(ratio);
            }
        }
    }
    anyhow::ensure!(
        lowest >= arguments.at_least,
        "a ratio of {lowest:.2} is below {}",
        arguments.at_least
    );
    Ok(())
}

/// Runs both sides in turn, prints them, and answers the median of the ratios (infinite without etcd).
#[expect(clippy::print_stdout, reason = "the table is the program's result")]
async fn compare(
    arguments: &Arguments,
    kind: Kind,
    mini: &Cluster,
    etcd: Option<&Cluster>,
) -> anyhow::Result<f64> {
    let load = Load {
        kind,
        clients: arguments.clients,
        connections: arguments.connections,
        value_bytes: arguments.value_bytes,
        keys: arguments.keys,
        duration: Duration::from_secs(arguments.seconds),
    };
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=arguments.rounds {
        let a = side(&load, mini, round).await?;
        let b = match etcd {
            Some(etcd) => Some(side(&load, etcd, round).await?),
            None => None,
        };
        // The first round fills, connects and warms up.
        if round == 0 {
            continue;
        }
        if let Some(b) = b {
            ratios.push(a.rate() / b.rate());
            theirs.push(b);
        }
        ours.push(a);
    }
    let ratio = Spread::of(ratios);
    for (name, mut runs, ratio) in [("mini-etcd", ours, ratio), ("etcd", theirs, None)] {
        let Some(rate) = Spread::of(runs.iter().map(Measured::rate).collect()) else { continue };
        let failed: u64 = runs.iter().map(|run| run.failed).sum();
        let Some(mut latency) = runs.pop().map(|run| run.latency_us) else { continue };
        for run in &runs {
            latency.add(&run.latency_us)?;
        }
        println!(
            "{:>7}  {:<7}  {name:<9}  {:>8.0} ({:>7.0}, {:>7.0})  {:>8} {:>8}   {}{}",
            mini.size(),
            format!("{kind:?}").to_lowercase(),
            rate.median,
            rate.least,
            rate.most,
            latency.value_at_quantile(0.5),
            latency.value_at_quantile(0.99),
            ratio.map_or(String::new(), |r| format!(
                "{:.2} ({:.2}, {:.2})",
                r.median, r.least, r.most
            )),
            if failed > 0 { format!("  {failed} FAILED") } else { String::new() },
        );
    }
    Ok(ratio.map_or(f64::INFINITY, |ratio| ratio.median))
}

async fn side(load: &Load, cluster: &Cluster, round: usize) -> anyhow::Result<Measured> {
    let addresses = cluster.addresses();
    if round == 0 {
        fill(&cluster.member(0)?.address, load).await?;
        let warm_up = Load { duration: Duration::from_secs(1), ..load.clone() };
        return run(&warm_up, &addresses).await;
    }
    run(load, &addresses).await
}

/// The middle and the ends of some figures.
#[derive(Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let median = *figures.get(figures.len() / 2)?;
        Some(Self { least: *figures.first()?, median, most: *figures.last()? })
    }
}

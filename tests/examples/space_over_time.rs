//! What the data of one member takes while the same keys are written over and over, and what giving space back costs.
//!
//! ```sh
//! cargo build --release --workspace --bins
//! TEST_BIN_DIR=target/release cargo run --release -p mini-etcd-tests --example space_over_time overwrites
//! TEST_BIN_DIR=target/release cargo run --release -p mini-etcd-tests --example space_over_time defragment
//! ```
//!
//! It judges nothing.

#![expect(clippy::disallowed_methods, reason = "a rate is measured on the wall clock")]
#![expect(clippy::print_stdout, reason = "the table is the program's result")]

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use hdrhistogram::Histogram;
use mimalloc::MiMalloc;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DefragmentRequest, StatusRequest, StatusResponse,
};
use mini_etcd_tests::cluster::Cluster;
use mini_etcd_tests::load::{Kind, Load, run};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Clients at the same time, on eight connections.
    #[arg(long, default_value_t = 64, global = true)]
    clients: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256, global = true)]
    value_bytes: usize,
    /// Keys there are.
    #[arg(long, default_value_t = 1000, global = true)]
    keys: u64,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Many puts with automatic compaction, then a restart.
    Overwrites {
        #[arg(long, default_value_t = 5_000_000)]
        puts: u64,
        #[arg(long, default_value = "10s")]
        retention: String,
    },
    /// The latency of puts before and during a defragmentation.
    Defragment {
        /// Puts before it, of which a compaction gives up all but the last of each key.
        #[arg(long, default_value_t = 3_000_000)]
        puts: u64,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.what {
        What::Overwrites { puts, retention } => overwrites(&arguments, *puts, retention).await,
        What::Defragment { puts } => defragment(&arguments, *puts).await,
    }
}

fn puts(arguments: &Arguments, duration: Duration) -> Load {
    let Arguments { clients, value_bytes, keys, .. } = *arguments;
    Load { kind: Kind::Put, clients, connections: 8, value_bytes, keys, scattered: false, duration }
}

/// Bytes that the files below `path` occupy.
fn occupied(path: &Path) -> u64 {
    let children = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    let sizes = children.map(|child| match child.metadata() {
        Ok(metadata) if metadata.is_dir() => occupied(&child.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

/// Resident memory, in kB.
fn resident(cluster: &Cluster) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.pid(0)?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

async fn status(cluster: &Cluster) -> anyhow::Result<StatusResponse> {
    let mut client = MaintenanceClient::new(cluster.channel(0)?);
    Ok(client.status(StatusRequest {}).await?.into_inner())
}

async fn show(cluster: &Cluster, what: &str) -> anyhow::Result<()> {
    let (data, status) = (&cluster.member(0)?.data, status(cluster).await?);
    let mb = |bytes: u64| bytes / 1_000_000;
    println!(
        "{what}: live and history {} MB; on disk: state {} MB, all {} MB; resident {} MB",
        mb(status.db_size_in_use.unsigned_abs()),
        mb(status.db_size.unsigned_abs()),
        mb(occupied(data)),
        resident(cluster)? / 1000,
    );
    Ok(())
}

/// Gives up all but the newest versions, and waits until they are off the disk.
async fn compact(cluster: &Cluster) -> anyhow::Result<()> {
    let revision = status(cluster).await?.header.context("a header")?.revision;
    let mut kv = KvClient::new(cluster.channel(0)?);
    kv.compact(CompactionRequest { revision, physical: true }).await?;
    Ok(())
}

async fn overwrites(arguments: &Arguments, all: u64, retention: &str) -> anyhow::Result<()> {
    let flags = [format!("--auto-compaction-retention={retention}")];
    let mut cluster = Cluster::start_with_flags(1, &flags).await?;
    let mut answered = 0;
    while answered < all {
        let measured = run(&puts(arguments, Duration::from_secs(10)), &cluster.addresses()).await?;
        answered += measured.answered;
        let p99 = measured.latency_us.value_at_quantile(0.99);
        let what = format!("{answered} puts, {:.0}/s, p99 {p99} us", measured.rate());
        show(&cluster, &what).await?;
    }
    start_again(&mut cluster).await?;
    compact(&cluster).await?;
    show(&cluster, "after a last compaction").await?;
    start_again(&mut cluster).await?;
    let start = Instant::now();
    MaintenanceClient::new(cluster.channel(0)?).defragment(DefragmentRequest {}).await?;
    show(&cluster, &format!("after a defragmentation of {:?}", start.elapsed())).await?;
    start_again(&mut cluster).await
}

async fn start_again(cluster: &mut Cluster) -> anyhow::Result<()> {
    cluster.kill(0)?;
    let start = Instant::now();
    cluster.restart(0)?;
    cluster.wait_ready().await?;
    show(cluster, &format!("killed, and its first write after {:?}", start.elapsed())).await
}

async fn defragment(arguments: &Arguments, all: u64) -> anyhow::Result<()> {
    let cluster = Cluster::start_with_flags(1, &["--quota-backend-bytes=-1".to_owned()]).await?;
    let mut answered = 0;
    while answered < all {
        answered +=
            run(&puts(arguments, Duration::from_secs(5)), &cluster.addresses()).await?.answered;
    }
    compact(&cluster).await?;
    show(&cluster, &format!("{answered} puts, compacted")).await?;
    let second = puts(arguments, Duration::from_secs(1));
    let said = |what: &str, took: usize, latency: &Histogram<u64>| {
        let at = |quantile| latency.value_at_quantile(quantile);
        let (p50, p99, most) = (at(0.5), at(0.99), latency.max());
        println!(
            "{what} ({took} s): {} puts, p50 {p50} us, p99 {p99} us, longest {most} us",
            latency.len()
        );
    };
    for round in 1..=3 {
        let mut before = Histogram::new(3)?;
        for _ in 0..10 {
            before.add(&run(&second, &cluster.addresses()).await?.latency_us)?;
        }
        said(&format!("round {round}, before"), 10, &before);
        let mut client = MaintenanceClient::new(cluster.channel(0)?);
        let running = tokio::spawn(async move { client.defragment(DefragmentRequest {}).await });
        let (mut during, mut seconds) = (Histogram::new(3)?, 0);
        while !running.is_finished() {
            during.add(&run(&second, &cluster.addresses()).await?.latency_us)?;
            seconds += 1;
        }
        running.await??;
        said(&format!("round {round}, during"), seconds, &during);
        show(&cluster, "after it").await?;
    }
    Ok(())
}

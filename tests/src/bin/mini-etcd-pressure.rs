//! `mini-etcd-pressure`: what many large answers at once do to memory and to everybody else.
//!
//! Writers commit transactions of some fifty bytes whose answers have hundreds of megabytes, all at once, while one
//! client puts and gets a small key. Shown are the peak of each member's resident memory, that client's latencies
//! before and meanwhile, and whether the leader changed.

#![expect(clippy::disallowed_methods, reason = "a rate is measured on the wall clock")]

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Parser;
use futures::future::join_all;
use hdrhistogram::Histogram;
use mimalloc::MiMalloc;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{
    PutRequest, PutResponse, RangeRequest, RangeResponse, RequestOp, StatusRequest, TxnRequest,
};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wire::Wire;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const PUT: &str = "/etcdserverpb.KV/Put";
const RANGE: &str = "/etcdserverpb.KV/Range";
const TXN: &str = "/etcdserverpb.KV/Txn";

/// Commits large transactions at once and shows what they cost.
#[derive(Debug, Parser)]
struct Arguments {
    /// Sizes of the clusters.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    sizes: Vec<usize>,
    /// Transactions at once.
    #[arg(long, default_value_t = 40)]
    writers: usize,
    /// Ranges of each.
    #[arg(long, default_value_t = 3)]
    ranges: usize,
    /// Values of each range.
    #[arg(long, default_value_t = 68)]
    values: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 1_000_000)]
    value_bytes: usize,
    /// Seconds of measuring without load.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the table is the program's result")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    for size in &arguments.sizes {
        let cluster = Cluster::start(Flavor::Mini, *size).await?;
        let leader = cluster.leader().await?;
        let address = cluster.member(leader)?.address.clone();
        fill(&address, &arguments).await?;
        let term = term(&cluster, leader).await?;
        let (stop, quiet) = tokio::sync::watch::channel(false);
        let calm = tokio::spawn(others(address.clone(), quiet));
        tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
        stop.send(true)?;
        let calm = calm.await??;
        let (stop, quiet) = tokio::sync::watch::channel(false);
        let loaded = tokio::spawn(others(address.clone(), quiet));
        let begun = Instant::now();
        let answers = join_all((0..arguments.writers).map(|_| large(&address, &arguments))).await;
        let elapsed = begun.elapsed();
        stop.send(true)?;
        let loaded = loaded.await??;
        let bytes: Vec<u64> =
            answers.iter().filter_map(|answer| answer.as_ref().ok().copied()).collect();
        println!(
            "members {size}: {} of {} answered, {} MB in {elapsed:.1?}",
            bytes.len(),
            answers.len(),
            bytes.iter().sum::<u64>() / 1_000_000
        );
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()).take(2) {
            println!("  refused: {error:.200}");
        }
        for (name, histogram) in [("before", &calm), ("meanwhile", &loaded)] {
            println!(
                "  others {name}: {} calls, p50 {} us, p99 {} us, max {} us",
                histogram.len(),
                histogram.value_at_quantile(0.5),
                histogram.value_at_quantile(0.99),
                histogram.max()
            );
        }
        for index in 0..*size {
            let peak = peak_kilobytes(&cluster, index)? / 1000;
            let role = if index == leader { "leader" } else { "follower" };
            println!(
                "  {} ({role}): peak of resident memory {peak} MB",
                cluster.member(index)?.name
            );
        }
        let now = self::term(&cluster, cluster.leader().await?).await?;
        println!("  terms: {term} before, {now} after");
    }
    Ok(())
}

async fn fill(address: &str, arguments: &Arguments) -> anyhow::Result<()> {
    let mut wire = Wire::connect(address).await?;
    let method = wire.method(PUT)?;
    let value = Bytes::from(vec![b'v'; arguments.value_bytes]);
    for number in 0..arguments.values {
        let key = format!("/large/{number:08}").into();
        let put = PutRequest { key, value: value.clone(), ..PutRequest::default() };
        wire.call::<PutResponse>(&method, &put).await?;
    }
    Ok(())
}

/// One transaction: a put and the ranges. Answers the bytes that came.
async fn large(address: &str, arguments: &Arguments) -> anyhow::Result<u64> {
    let mut wire = Wire::connect(address).await?;
    let method = wire.method(TXN)?;
    let range = RangeRequest {
        key: "/large/".into(),
        range_end: "/large0".into(),
        ..RangeRequest::default()
    };
    let put = PutRequest { key: "x".into(), ..PutRequest::default() };
    let ops = std::iter::once(Op::RequestPut(put))
        .chain((0..arguments.ranges).map(|_| Op::RequestRange(range.clone())));
    let success = ops.map(|op| RequestOp { request: Some(op) }).collect();
    wire.drain(&method, &TxnRequest { success, ..TxnRequest::default() }).await
}

/// Puts and gets one key, in turn, until told to stop. Latencies in microseconds.
async fn others(
    address: String,
    quiet: tokio::sync::watch::Receiver<bool>,
) -> anyhow::Result<Histogram<u64>> {
    let mut wire = Wire::connect(&address).await?;
    let (put, get) = (wire.method(PUT)?, wire.method(RANGE)?);
    let mut latencies = Histogram::new(3)?;
    while !*quiet.borrow() {
        let begun = Instant::now();
        let request = PutRequest { key: "small".into(), ..PutRequest::default() };
        wire.call::<PutResponse>(&put, &request).await?;
        latencies.record(u64::try_from(begun.elapsed().as_micros())?)?;
        let begun = Instant::now();
        let request = RangeRequest { key: "small".into(), ..RangeRequest::default() };
        wire.call::<RangeResponse>(&get, &request).await?;
        latencies.record(u64::try_from(begun.elapsed().as_micros())?)?;
    }
    Ok(latencies)
}

async fn term(cluster: &Cluster, index: usize) -> anyhow::Result<u64> {
    let mut client = MaintenanceClient::new(cluster.channel(index)?);
    Ok(client.status(StatusRequest {}).await?.into_inner().raft_term)
}

/// The most memory that a member ever had.
fn peak_kilobytes(cluster: &Cluster, index: usize) -> anyhow::Result<u64> {
    let pid = cluster.pid(index)?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    let kilobytes = number.parse()?;
    ensure!(kilobytes > 0, "no memory");
    Ok(kilobytes)
}

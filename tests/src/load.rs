//! Rates and latencies of one kind of request, for the comparison beside etcd.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt, SeedableRng};

use crate::wire::Wire;

const PUT: &str = "/etcdserverpb.KV/Put";
const RANGE: &str = "/etcdserverpb.KV/Range";

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Writes of random keys.
    Put,
    /// Linearizable reads of random keys.
    Get,
    /// Reads of random keys from the member's own state.
    GetStale,
    /// Linearizable reads of [`RANGE_KEYS`] keys from a random one on.
    Range,
}

/// Keys of one range.
pub const RANGE_KEYS: u32 = 100;

/// One measurement.
#[derive(Clone, Debug)]
pub struct Load {
    /// What the clients do.
    pub kind: Kind,
    /// Clients at the same time, each with one request under way.
    pub clients: usize,
    /// Connections they share, spread evenly over the addresses.
    pub connections: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Keys there are.
    pub keys: u64,
    /// Whether [`fill`] writes them in another order than theirs, so that neighbours were not written one after the
    /// other.
    pub scattered: bool,
    /// How long.
    pub duration: Duration,
}

/// What a measurement gave.
#[derive(Debug)]
pub struct Measured {
    /// Requests answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Latencies in microseconds.
    pub latency_us: Histogram<u64>,
}

impl Measured {
    /// Answers per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with few digits")]
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }
}

/// Name of a key; keys that are read were written by [`fill`].
#[must_use]
pub fn key(number: u64) -> Bytes {
    Bytes::from(format!("/bench/{number:08}"))
}

/// Writes every key once.
///
/// # Errors
/// When a write fails.
pub async fn fill(address: &str, load: &Load) -> anyhow::Result<()> {
    let wire = Wire::connect(address).await?;
    let method = wire.method(PUT)?;
    let value = Bytes::from(vec![b'v'; load.value_bytes]);
    let mut order: Vec<u64> = (0..load.keys).collect();
    if load.scattered {
        order.shuffle(&mut StdRng::seed_from_u64(0));
    }
    let order: Arc<[u64]> = order.into();
    let writers = (0..load.clients).map(|writer| {
        let (mut wire, method) = (wire.clone(), method.clone());
        let (value, order, load) = (value.clone(), Arc::clone(&order), load.clone());
        async move {
            for &number in order.iter().skip(writer).step_by(load.clients) {
                let put =
                    PutRequest { key: key(number), value: value.clone(), ..PutRequest::default() };
                wire.call::<PutResponse>(&method, &put).await.context("filling")?;
            }
            anyhow::Ok(())
        }
    });
    futures::future::try_join_all(writers).await?;
    Ok(())
}

/// Runs the load against the members at `addresses`.
///
/// # Errors
/// When a member cannot be reached, or a client of the load panics.
#[expect(clippy::disallowed_methods, reason = "a rate is measured on the wall clock")]
pub async fn run(load: &Load, addresses: &[String]) -> anyhow::Result<Measured> {
    let mut wires = Vec::new();
    for address in addresses.iter().cycle().take(load.connections.max(1)) {
        wires.push(Wire::connect(address).await?);
    }
    let start = Instant::now();
    let clients = (0..load.clients)
        .zip(wires.iter().cycle())
        .map(|(client, wire)| tokio::spawn(one_client(load.clone(), wire.clone(), client, start)));
    let mut all = Measured {
        answered: 0,
        failed: 0,
        elapsed: Duration::ZERO,
        latency_us: Histogram::new(3)?,
    };
    for client in futures::future::join_all(clients).await {
        let one = client??;
        all.answered += one.answered;
        all.failed += one.failed;
        all.latency_us.add(&one.latency_us)?;
    }
    all.elapsed = start.elapsed();
    Ok(all)
}

/// A range that has all its keys. It ends behind the last: etcd counts what follows, up to all keys there are.
fn range(load: &Load, rng: &mut StdRng) -> RangeRequest {
    let count = u64::from(RANGE_KEYS);
    let first = rng.random_range(0..=load.keys.saturating_sub(count));
    RangeRequest { key: key(first), range_end: key(first + count), ..RangeRequest::default() }
}

async fn one_client(
    load: Load,
    mut wire: Wire,
    number: usize,
    start: Instant,
) -> anyhow::Result<Measured> {
    let method = wire.method(if load.kind == Kind::Put { PUT } else { RANGE })?;
    let mut rng = StdRng::seed_from_u64(number as u64);
    let value = Bytes::from(vec![b'v'; load.value_bytes]);
    let mut measured = Measured {
        answered: 0,
        failed: 0,
        elapsed: Duration::ZERO,
        latency_us: Histogram::new(3)?,
    };
    if load.kind == Kind::Range {
        let found: RangeResponse = wire.call(&method, &range(&load, &mut rng)).await?;
        ensure!(found.kvs.len() == RANGE_KEYS as usize, "a range of {} keys", found.kvs.len());
    }
    let mut sent = start.elapsed();
    while sent < load.duration {
        let key = key(rng.random_range(0..load.keys));
        let done = match load.kind {
            Kind::Put => {
                let put = PutRequest { key, value: value.clone(), ..PutRequest::default() };
                wire.call::<PutResponse>(&method, &put).await.is_ok()
            }
            Kind::Get | Kind::GetStale => {
                let serializable = load.kind == Kind::GetStale;
                let range = RangeRequest { key, serializable, ..RangeRequest::default() };
                wire.call::<RangeResponse>(&method, &range).await.is_ok()
            }
            // What comes is passed over: to take it apart would cost the load as much as it costs the server.
            Kind::Range => wire.call::<()>(&method, &range(&load, &mut rng)).await.is_ok(),
        };
        let now = start.elapsed();
        if done {
            measured.answered += 1;
            measured.latency_us.record(u64::try_from(now.saturating_sub(sent).as_micros())?)?;
        } else {
            measured.failed += 1;
        }
        sent = now;
    }
    Ok(measured)
}

//! The other client: one that asks for little, and is to notice nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::anyhow;
use hdrhistogram::Histogram;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use mini_etcd_tests::wire::Wire;

use crate::writers::PUT;

const RANGE: &str = "/etcdserverpb.KV/Range";

/// A client that puts and gets one key, in turn, until it is stopped. It has a thread and a runtime of its own: in
/// that of the load its latencies would be those of the load's own queue.
pub struct Other {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Latencies>>,
}

/// What it saw, in microseconds.
pub struct Latencies {
    all: Histogram<u64>,
    /// Calls that were refused, and the last one's words.
    refused: (u64, String),
}

impl Other {
    pub fn start(address: &str) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, address) = (Arc::clone(&stop), address.to_owned());
        let thread = thread::Builder::new().name("other".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(calls(&address, &stopped))
        })?;
        Ok(Self { stop, thread })
    }

    pub async fn stop(self) -> anyhow::Result<Latencies> {
        self.stop.store(true, Relaxed);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await?;
        ended.map_err(|_| anyhow!("the other client panicked"))?
    }
}

async fn calls(address: &str, stop: &AtomicBool) -> anyhow::Result<Latencies> {
    let mut wire = Wire::connect(address).await?;
    let (put, get) = (wire.method(PUT)?, wire.method(RANGE)?);
    let mut seen = Latencies { all: Histogram::new(3)?, refused: (0, String::new()) };
    while !stop.load(Relaxed) {
        let begun = Instant::now();
        let request = PutRequest { key: "small".into(), ..PutRequest::default() };
        let answer = wire.call::<PutResponse>(&put, &request).await.map(drop);
        seen.note(begun, answer)?;
        let begun = Instant::now();
        let request = RangeRequest { key: "small".into(), ..RangeRequest::default() };
        let answer = wire.call::<RangeResponse>(&get, &request).await.map(drop);
        seen.note(begun, answer)?;
    }
    Ok(seen)
}

impl Latencies {
    fn note(&mut self, begun: Instant, answer: anyhow::Result<()>) -> anyhow::Result<()> {
        self.all.record(u64::try_from(begun.elapsed().as_micros())?)?;
        if let Err(error) = answer {
            self.refused = (self.refused.0 + 1, format!("{error:.200}"));
        }
        Ok(())
    }

    fn p99(&self) -> u64 {
        self.all.value_at_quantile(0.99)
    }

    /// How many times the p99 of `before` this one's is.
    #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
    pub fn beside(&self, before: &Self) -> f64 {
        self.p99() as f64 / before.p99() as f64
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, p50) = (&self.all, self.all.value_at_quantile(0.5));
        write!(f, "{} calls, p50 {p50} us, p99 {} us, ", all.len(), self.p99())?;
        write!(f, "max {} us", all.max())?;
        match &self.refused {
            (0, _) => Ok(()),
            (number, words) => write!(f, "; {number} refused, the last: {words}"),
        }
    }
}

//! The other client: one that asks for little, and is to notice nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use mini_etcd_tests::wire::Dial;
use tokio::sync::oneshot;

use crate::writers::PUT;

const RANGE: &str = "/etcdserverpb.KV/Range";

/// A client that puts and gets one key, in turn, each time until it is stopped. It has a thread and a runtime of its own:
/// in that of the load its latencies would be those of the load's own queue. And it keeps the priority of whom it was made
/// by, while the load may stand back: else, on a machine that they share, it measures how long it waits for the load.
#[derive(Clone)]
pub struct Other(Sender<Turn>);

struct Turn {
    dial: Dial,
    stop: Arc<AtomicBool>,
    result: oneshot::Sender<anyhow::Result<Latencies>>,
}

/// The other client at work.
pub struct Probe {
    stop: Arc<AtomicBool>,
    seen: oneshot::Receiver<anyhow::Result<Latencies>>,
}

/// What it saw, in microseconds.
pub struct Latencies {
    all: Histogram<u64>,
    /// Calls that were refused, and the last one's words.
    refused: (u64, String),
}

impl Other {
    /// One that waits for its turns.
    pub fn new() -> anyhow::Result<Self> {
        let (turns, waiting) = channel::<Turn>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("other".to_owned()).spawn(move || {
            for Turn { dial, stop, result } in waiting {
                // Nobody waits for it when the load failed.
                let _ = result.send(runtime.block_on(calls(&dial, &stop)));
            }
        })?;
        Ok(Self(turns))
    }

    pub fn start(&self, dial: &Dial) -> anyhow::Result<Probe> {
        let stop = Arc::<AtomicBool>::default();
        let (result, seen) = oneshot::channel();
        let turn = Turn { dial: dial.clone(), stop: Arc::clone(&stop), result };
        self.0.send(turn).ok().context("the other client has ended")?;
        Ok(Probe { stop, seen })
    }
}

impl Probe {
    pub async fn stop(self) -> anyhow::Result<Latencies> {
        self.stop.store(true, Relaxed);
        self.seen.await.context("the other client panicked")?
    }
}

async fn calls(dial: &Dial, stop: &AtomicBool) -> anyhow::Result<Latencies> {
    let mut wire = dial.wire().await?;
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

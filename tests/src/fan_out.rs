//! Watchers that all see the same writes, for the comparison beside etcd.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::load::{Kind, Load, Measured, run};
use crate::wire::{Call, Wire};

const WATCH: &str = "/etcdserverpb.Watch/Watch";

/// Time for the events of all puts to come.
const EVENTS_DEADLINE: Duration = Duration::from_secs(30);

/// As much of a `WatchResponse` as it takes to count its events: their content is passed over.
#[derive(Clone, PartialEq, prost::Message)]
struct Events {
    #[prost(message, repeated, tag = "11")]
    events: Vec<()>,
}

/// Watchers of all keys of the load, each with a stream of its own; they end when this is dropped.
pub struct Watchers {
    seen: Arc<Seen>,
    /// Events that the puts so far bring to all of them.
    awaited: u64,
    tasks: JoinSet<anyhow::Result<()>>,
}

/// What all of them saw.
#[derive(Default)]
struct Seen {
    events: AtomicU64,
    more: Notify,
}

impl Watchers {
    /// Opens `count` of them on the load's number of connections.
    ///
    /// # Errors
    /// When a member cannot be reached or refuses.
    pub async fn open(count: usize, load: &Load, addresses: &[String]) -> anyhow::Result<Self> {
        let mut wires = Vec::new();
        for address in addresses.iter().cycle().take(load.connections.max(1)) {
            wires.push(Wire::connect(address).await?);
        }
        let seen = Arc::<Seen>::default();
        let mut tasks = JoinSet::new();
        for wire in wires.iter().cycle().take(count) {
            let call = watch(wire.clone()).await?;
            tasks.spawn(count_events(call, Arc::clone(&seen)));
        }
        Ok(Self { seen, awaited: 0, tasks })
    }

    /// Runs the load's puts and counts the events that the watchers got meanwhile. `answered` are the events;
    /// latencies are those of the puts.
    ///
    /// # Errors
    /// As for [`run`], and when a watch ends.
    #[expect(clippy::disallowed_methods, reason = "a rate is measured on the wall clock")]
    pub async fn run(&mut self, load: &Load, addresses: &[String]) -> anyhow::Result<Measured> {
        let puts = Load { kind: Kind::Put, ..load.clone() };
        let (start, before) = (Instant::now(), self.seen.events.load(Relaxed));
        let measured = run(&puts, addresses).await?;
        let (elapsed, answered) = (start.elapsed(), self.seen.events.load(Relaxed) - before);
        // What is under way belongs to no measurement.
        self.awaited = before + measured.answered * self.tasks.len() as u64;
        self.all_seen().await?;
        Ok(Measured { answered, elapsed, ..measured })
    }

    /// Returns once each watcher has seen so many `puts` more.
    ///
    /// # Errors
    /// When a watch ends, or the events do not come in time.
    pub async fn all_saw(&mut self, puts: u64) -> anyhow::Result<()> {
        self.awaited += puts * self.tasks.len() as u64;
        self.all_seen().await
    }

    async fn all_seen(&mut self) -> anyhow::Result<()> {
        let (seen, awaited) = (&self.seen, self.awaited);
        let all = async {
            while seen.events.load(Relaxed) < awaited {
                seen.more.notified().await;
            }
        };
        tokio::select! {
            all = tokio::time::timeout(EVENTS_DEADLINE, all) => all.context("events are missing"),
            Some(ended) = self.tasks.join_next() => ended?,
        }
    }
}

async fn watch(mut wire: Wire) -> anyhow::Result<Call> {
    let create = WatchCreateRequest {
        key: "/bench/".into(),
        range_end: "/bench0".into(),
        ..WatchCreateRequest::default()
    };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let method = wire.method(WATCH)?;
    let mut call = wire.open(&method, &create, false).await?;
    let created: Option<WatchResponse> = call.message().await?;
    ensure!(created.is_some_and(|answer| answer.created), "the watch was not created");
    Ok(call)
}

async fn count_events(mut call: Call, seen: Arc<Seen>) -> anyhow::Result<()> {
    while let Some(answer) = call.message::<Events>().await? {
        seen.events.fetch_add(answer.events.len() as u64, Relaxed);
        seen.more.notify_one();
    }
    bail!("a watch ended")
}

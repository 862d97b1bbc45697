//! What apply, reads and the index cost on this machine. Run by hand:
//!
//! ```text
//! cargo run --release -p mini-etcd-server --example apply_bench [KEYS]
//! ```
//!
//! The engine takes batches and forgets them, so the figures are those of the modules above it. Times are processor
//! time of this thread, so that whatever else runs on the machine counts little.

#![expect(clippy::print_stdout, reason = "figures for whoever runs it")]

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{CompactionRequest, PutRequest, RangeRequest};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{Command, ConfState, Entry};
use mini_etcd_server::apply::{Applier, ApplyTask, Birth, Identity};
use mini_etcd_server::mvcc::View;
use mini_etcd_server::storage::{Batch, Durability, Engine, Reader, Space, StorageError, Visit};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};
use prost::Message;

/// An engine that forgets.
struct Nowhere;

impl Engine for Nowhere {
    fn commit(&mut self, _: Batch, _: Durability) -> Result<(), StorageError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn is_synced(&self) -> bool {
        true
    }

    fn discard_below(&mut self, _: Space, _: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    fn reader(&mut self) -> Arc<dyn Reader> {
        Arc::new(Self)
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn table_bytes(&self) -> u64 {
        0
    }
}

impl Reader for Nowhere {
    fn get(&self, _: Space, _: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Ok(None)
    }

    fn scan(
        &self,
        _: Space,
        _: (Bound<&[u8]>, Bound<&[u8]>),
        _: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        Ok(())
    }

    fn last(&self, _: Space) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        Ok(None)
    }

    fn at_or_before(&self, _: Space, _: &[u8]) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        Ok(None)
    }
}

struct Bench {
    applier: Applier<Nowhere>,
    index: u64,
    /// Entries of one batch.
    batch: u64,
    keys: u64,
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("/registry/pods/ns-{:03}/{number:010}", number % 100))
}

fn range(key: Bytes, range_end: &'static [u8]) -> RangeRequest {
    RangeRequest { key, range_end: Bytes::from_static(range_end), ..RangeRequest::default() }
}

impl Bench {
    fn new(keys: u64) -> anyhow::Result<Self> {
        let identity = Identity { cluster_id: ClusterId(1), member_id: MemberId(1) };
        let conf_state = ConfState::default();
        let birth = Birth { index: LogIndex(1), term: Term(1), conf_state, members: Vec::new() };
        let applier = Applier::create(Nowhere, identity, &birth)?;
        Ok(Self { applier, index: 1, batch: 64, keys })
    }

    fn view(&self) -> View {
        self.applier.published().view.clone()
    }

    fn entry(&mut self, request: Request) -> Entry {
        self.index += 1;
        let command = Command {
            origin: 1,
            sequence: self.index,
            incarnation: 1,
            request: Some(request),
            asker: None,
        };
        let data = command.encode_to_vec().into();
        Entry { kind: 0, term: 1, index: self.index, data }
    }

    /// Puts once on each key, in scattered order; the time of apply alone.
    fn put_all(&mut self, value: &Bytes) -> anyhow::Result<Duration> {
        let mut spent = Duration::ZERO;
        let mut done = 0;
        while done < self.keys {
            let mut task = ApplyTask::default();
            for number in done..(done + self.batch).min(self.keys) {
                // A multiplier without a common factor visits every key once.
                let key = key(number * 7_368_787 % self.keys);
                let put = PutRequest { key, value: value.clone(), ..PutRequest::default() };
                let entry = self.entry(Request::Put(put));
                task.entries.push(entry);
            }
            done += self.batch;
            let started = now();
            let applied = self.applier.apply(&task)?;
            spent += since(started);
            drop(applied);
        }
        Ok(spent)
    }
}

fn timed(name: &str, times: u32, mut work: impl FnMut(u32)) {
    let started = now();
    (0..times).for_each(&mut work);
    let each = since(started) / times;
    println!("{name:44} {each:>12.3?}");
}

/// Processor time of the main thread.
fn now() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let spent = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(spent.unwrap_or_default())
}

fn since(started: Duration) -> Duration {
    now().saturating_sub(started)
}

/// Memory of the process in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096
}

fn memory(bench: &Bench, name: &str, before: u64) {
    let view = bench.view();
    let (index, cache) = (view.index_bytes() / bench.keys, view.cache_bytes());
    let grown = resident().saturating_sub(before).saturating_sub(cache) / bench.keys;
    println!("{name:44} {index:>5} B counted, {grown} B resident per key, key bytes included");
}

fn main() -> anyhow::Result<()> {
    let keys = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let mut bench = Bench::new(keys)?;
    println!("{keys} keys of {} B, values of 300 B, batches of {}", key(0).len(), bench.batch);
    let value = Bytes::from(vec![7; 300]);
    let before = resident();
    let rounds = ["create, per put", "update 1, per put", "update 2, per put", "update 3, per put"];
    for name in rounds {
        let spent = bench.put_all(&value)?;
        println!("{name:44} {:>12.3?}", spent / u32::try_from(keys)?);
        memory(&bench, "  memory after it", before);
    }
    let view = bench.view();
    let hot: Vec<Bytes> = (keys - 1000..keys).map(|n| key(n * 7_368_787 % keys)).collect();
    timed("get of one cached key", 1_000_000, |n| {
        let key = hot.get(n as usize % hot.len()).cloned().unwrap_or_default();
        let answer = view.range(&range(key, b"")).map(|answer| answer.count);
        assert_eq!(answer, Ok(1), "the row is cached");
    });
    let all = RangeRequest { count_only: true, ..range(Bytes::from_static(b"\0"), b"\0") };
    timed("count of all keys", 10_000, |_| {
        std::hint::black_box(view.range(&all).ok());
    });
    let half = RangeRequest { count_only: true, ..range(key(keys / 2), b"\0") };
    timed("count from the middle", 10_000, |_| {
        std::hint::black_box(view.range(&half).ok());
    });
    let old = RangeRequest { revision: view.revision().0 - 100, ..all.clone() };
    timed("count of all keys 100 changes ago", 1_000, |_| {
        std::hint::black_box(view.range(&old).ok());
    });
    drop(view);
    let revision = bench.view().revision().0;
    let request = Request::Compaction(CompactionRequest { revision, physical: false });
    let entry = bench.entry(request);
    bench.applier.apply(&ApplyTask { entries: vec![entry], conf_states: Vec::new() })?;
    let started = now();
    while bench.applier.collect(1000)? {}
    let spent = since(started);
    println!("{:44} {:>12.3?}", "collecting, per dead row", spent / u32::try_from(3 * keys)?);
    memory(&bench, "  memory after it", before);
    Ok(())
}

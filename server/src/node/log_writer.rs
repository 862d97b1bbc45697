//! [`LogWriter`]: the thread that owns the log. What waits becomes one write and one sync.

use std::sync::Arc;
use std::thread::JoinHandle;

use mini_etcd_proto::internalpb::Entry;
use mini_etcd_shared::clock::Clock;
use prost::Message as _;

use super::inbox::Inbox;
use super::queue::{Queue, Taken};
use super::transport::Outgoing;
use crate::fatal;
use crate::limits::{
    DISK_MEASURE_INTERVAL, GUARD_SYNC_INTERVAL, LOG_BATCH_BYTES_MAX, LOG_BATCH_TASKS_MAX,
};
use crate::log::{GuardFile, LogError, LogStore, LogWrite};
use crate::metrics::Metrics;
use crate::node::Shown;
use crate::raft::{Input, Outbound, WriteTask};
use crate::storage::Engine;

/// What the thread works with.
pub(crate) struct LogWriter<E: Engine, G: GuardFile, C: Clock> {
    pub store: LogStore<E, G, C>,
    pub tasks: Arc<Queue<WriteTask>>,
    pub inbox: Arc<Inbox>,
    pub outgoing: Outgoing,
    pub shown: Arc<Shown>,
    pub metrics: Metrics,
    pub clock: C,
}

impl<E: Engine, G: GuardFile, C: Clock> LogWriter<E, G, C> {
    /// Starts the thread. It ends, with the log closed, once the queue is closed and empty.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        fatal::spawn("log", move || {
            if let Err(error) = self.run() {
                fatal::end(error.exit_code(), error);
            }
        })
    }

    fn run(mut self) -> Result<(), LogError> {
        // A quiet log has a synced guard and nothing to wake up for.
        let mut guard_due = false;
        let mut measured = self.clock.now();
        self.metrics.log_disk_bytes.set(self.store.disk_bytes());
        loop {
            let wait = guard_due.then_some(GUARD_SYNC_INTERVAL);
            let mut batch = BatchSize::default();
            match self.tasks.take(wait, |task| batch.takes(task)) {
                Taken::Items(tasks) => {
                    guard_due |= self.write(tasks)?;
                }
                Taken::Idle => guard_due = false,
                Taken::Closed => return self.store.close(),
            }
            self.store.sync_guard_if_due()?;
            if self.clock.now().since(measured) >= DISK_MEASURE_INTERVAL {
                self.metrics.log_disk_bytes.set(self.store.disk_bytes());
                measured = self.clock.now();
            }
        }
    }

    /// Makes the tasks durable with one sync, then tells Raft, then sends what waited; says whether it wrote.
    fn write(&mut self, tasks: Vec<WriteTask>) -> Result<bool, LogError> {
        let mut write = LogWrite::default();
        let mut messages: Vec<Outbound> = Vec::new();
        let mut number = 0;
        for task in tasks {
            number = task.number;
            merge(&mut write, task.write);
            messages.extend(task.then_send);
        }
        let has_content = !write.entries.is_empty() || write.hard_state.is_some();
        if has_content {
            let began = self.clock.now();
            let reader = self.store.append(&write)?;
            // Next to its sync nothing else of a write takes time.
            let took = self.clock.now().since(began);
            self.metrics.log_write_seconds.observe(took);
            self.metrics.sync_seconds.observe(took);
            let bytes = write.entries.iter().map(|entry| entry.data.len() as u64).sum();
            self.metrics.log_written_bytes.inc_by(bytes);
            self.shown.log.store(Arc::new(reader));
        }
        // SAFETY-RAFT: the notice is in the inbox before a message that promises it can leave.
        let reader = (**self.shown.log.load()).clone();
        self.inbox.control(Input::Persisted { number, reader });
        self.outgoing.send(messages);
        Ok(has_content)
    }
}

/// How much one sync takes along.
#[derive(Default)]
struct BatchSize {
    tasks: usize,
    bytes: usize,
}

impl BatchSize {
    fn takes(&mut self, task: &WriteTask) -> bool {
        self.tasks += 1;
        self.bytes += task.write.entries.iter().map(Entry::encoded_len).sum::<usize>();
        self.tasks <= LOG_BATCH_TASKS_MAX && self.bytes <= LOG_BATCH_BYTES_MAX
    }
}

/// Adds what `next` writes to `write`, as if one came after the other: entries that `next` replaces are gone.
fn merge(write: &mut LogWrite, next: LogWrite) {
    if let Some(first) = next.entries.first() {
        let keep = write.entries.partition_point(|entry| entry.index < first.index);
        write.entries.truncate(keep);
        if write.entries.is_empty() {
            write.entries = next.entries;
        } else {
            write.entries.extend(next.entries);
        }
    }
    if next.hard_state.is_some() {
        write.hard_state = next.hard_state;
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::internalpb::HardState;

    use super::*;

    fn write(term: u64, indexes: std::ops::Range<u64>, vote: Option<u64>) -> LogWrite {
        let entry = |index| Entry { term, index, ..Entry::default() };
        LogWrite {
            entries: indexes.map(entry).collect(),
            hard_state: vote.map(|vote| HardState { term, vote, commit: 0 }),
        }
    }

    #[test]
    fn merged_writes_are_what_one_after_the_other_would_leave() {
        let mut merged = LogWrite::default();
        merge(&mut merged, write(1, 2..6, Some(7)));
        merge(&mut merged, write(1, 6..8, None));
        merge(&mut merged, write(2, 4..5, Some(9)));
        let entries: Vec<_> =
            merged.entries.iter().map(|entry| (entry.term, entry.index)).collect();
        assert_eq!(entries, [(1, 2), (1, 3), (2, 4)]);
        assert_eq!(merged.hard_state.unwrap().vote, 9);
    }

    #[test]
    fn a_batch_ends_at_its_bounds() {
        let task = |bytes: usize| WriteTask {
            number: 1,
            write: LogWrite {
                entries: vec![Entry { data: vec![0; bytes].into(), ..Entry::default() }],
                hard_state: None,
            },
            then_send: Vec::new(),
        };
        let mut batch = BatchSize::default();
        assert!(batch.takes(&task(LOG_BATCH_BYTES_MAX / 2)));
        assert!(!batch.takes(&task(LOG_BATCH_BYTES_MAX / 2)));
        let mut batch = BatchSize::default();
        assert!((0..LOG_BATCH_TASKS_MAX).all(|_| batch.takes(&task(0))));
        assert!(!batch.takes(&task(0)));
    }
}

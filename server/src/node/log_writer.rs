//! [`LogWriter`] owns the log: what waits becomes one write and one sync.

use std::sync::Arc;
use std::time::Duration;

use mini_etcd_proto::internalpb::Entry;
use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::{LogIndex, Term};
use prost::Message as _;

use super::inbox::Inbox;
use super::transport::Outgoing;
use super::worker::{Size, Task, Work};
use crate::limits::{
    DISK_MEASURE_INTERVAL, GUARD_SYNC_INTERVAL, LOG_BATCH_BYTES_MAX, LOG_BATCH_ENTRIES_MAX,
};
use crate::log::{GuardFile, LogError, LogStore, LogWrite};
use crate::metrics::Metrics;
use crate::node::Shown;
use crate::raft::{Input, Outbound, WriteTask};
use crate::storage::Engine;

/// Owns the log.
pub(crate) struct LogWriter<E: Engine, G: GuardFile, C: Clock> {
    pub store: LogStore<E, G, C>,
    pub inbox: Arc<Inbox>,
    pub outgoing: Outgoing,
    pub shown: Arc<Shown>,
    pub metrics: Metrics,
    pub clock: C,
    pub chores: LogChores,
}

/// What the log writer is asked to do.
#[derive(Debug)]
pub(crate) enum LogTask {
    /// To make durable.
    Write(WriteTask),
    /// To give up the entries up to and with this index.
    Cut(LogIndex),
    /// To begin anew behind a snapshot of the state, which is durable.
    Reset(LogIndex, Term),
}

/// What is due beside the writes.
#[derive(Clone, Copy, Default)]
pub(crate) struct LogChores {
    /// Number of the last task that was written.
    number: u64,
    /// The guard is not synced. A quiet log has a synced guard and nothing to wake up for.
    guard_due: bool,
    /// When the disk was last measured.
    measured: Option<Moment>,
}

impl Task for LogTask {
    fn size(&self) -> Size {
        let entries = match self {
            Self::Write(task) => &task.write.entries,
            // They are for the thread alone.
            Self::Cut(_) | Self::Reset(..) => {
                return Size { items: LOG_BATCH_ENTRIES_MAX, bytes: 0 };
            }
        };
        let bytes = entries.iter().map(Entry::encoded_len).sum();
        Size { items: entries.len().max(1), bytes }
    }
}

impl<E: Engine, G: GuardFile, C: Clock> Work for LogWriter<E, G, C> {
    type Task = LogTask;
    type Error = LogError;
    const NAME: &'static str = "log";
    const BATCH_MAX: Size = Size { items: LOG_BATCH_ENTRIES_MAX, bytes: LOG_BATCH_BYTES_MAX };

    /// Makes the tasks durable with one sync, then tells Raft, then sends what waited. A cut comes last, for nothing waits for it,
    /// or a reset, which comes alone.
    fn work(&mut self, tasks: Vec<LogTask>) -> Result<Duration, LogError> {
        let mut write = LogWrite::default();
        let mut messages: Vec<Outbound> = Vec::new();
        let (mut cut, mut reset) = (None, None);
        for task in tasks {
            match task {
                LogTask::Write(task) => {
                    self.chores.number = task.number;
                    merge(&mut write, task.write);
                    messages.extend(task.then_send);
                }
                LogTask::Cut(upto) => cut = Some(upto),
                LogTask::Reset(index, term) => reset = Some((index, term)),
            }
        }
        let mut took = Duration::ZERO;
        let waits = !write.entries.is_empty() || write.hard_state.is_some();
        if waits || write.acked.is_some() {
            let began = self.clock.now();
            let reader = self.store.append(&write)?;
            // Next to its sync nothing else of a write takes time.
            took = self.clock.now().since(began);
            if waits {
                self.metrics.log_write_seconds.observe(took);
                self.metrics.sync_seconds.observe(took);
            }
            let bytes = write.entries.iter().map(|entry| entry.data.len() as u64).sum();
            self.metrics.log_written_bytes.inc_by(bytes);
            self.shown.log.store(Arc::new(reader));
            self.chores.guard_due = true;
        }
        // SAFETY-RAFT: the notice is in the inbox before a message that promises it can leave.
        self.report();
        self.outgoing.send(messages);
        if let Some(upto) = cut {
            self.store.truncate_prefix(upto)?;
            self.shown.log.store(Arc::new(self.store.reader()));
            self.report();
        }
        if let Some(place) = reset {
            let log = self.store.reset(place)?;
            self.shown.log.store(Arc::new(log.reader.clone()));
            self.chores = LogChores { number: 0, guard_due: true, ..self.chores };
            self.inbox.control(Input::LogReset(log));
        }
        Ok(took)
    }

    fn patience(&self) -> Option<Duration> {
        self.chores.guard_due.then_some(GUARD_SYNC_INTERVAL)
    }

    fn idle(&mut self) -> Result<(), LogError> {
        self.chores.guard_due = false;
        Ok(())
    }

    fn look_after(&mut self) -> Result<(), LogError> {
        self.store.sync_guard_if_due()?;
        let now = self.clock.now();
        let is_due = |at: Moment| now.since(at) >= DISK_MEASURE_INTERVAL;
        if self.chores.measured.is_none_or(is_due) {
            self.metrics.log_disk_bytes.set(self.store.disk_bytes());
            self.chores.measured = Some(now);
        }
        Ok(())
    }

    fn close(self) -> Result<(), LogError> {
        self.store.close()
    }

    fn exit_code(error: &LogError) -> u8 {
        error.exit_code()
    }
}

impl<E: Engine, G: GuardFile, C: Clock> LogWriter<E, G, C> {
    /// Tells Raft what is durable, and shows it the log.
    fn report(&self) {
        let reader = (**self.shown.log.load()).clone();
        self.inbox.control(Input::Persisted { number: self.chores.number, reader });
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
    if next.acked.is_some() {
        write.acked = next.acked;
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::internalpb::HardState;
    use mini_etcd_shared::types::{MemberId, Term};

    use super::*;
    use crate::log::Acked;

    fn write(term: u64, indexes: std::ops::Range<u64>, vote: Option<u64>) -> LogWrite {
        let entry = |index| Entry { term, index, ..Entry::default() };
        LogWrite {
            entries: indexes.map(entry).collect(),
            hard_state: vote.map(|vote| HardState { term, vote, commit: 0 }),
            acked: vote.map(|member| {
                vec![Acked { member: MemberId(member), index: LogIndex(1), term: Term(term) }]
            }),
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
        assert_eq!(merged.acked.unwrap()[0].member, MemberId(9));
    }

    #[test]
    fn a_task_that_only_sends_counts_too() {
        let task = |write| LogTask::Write(WriteTask { number: 1, write, then_send: Vec::new() });
        assert_eq!(task(LogWrite::default()).size(), Size { items: 1, bytes: 0 });
        let task = task(write(1, 2..6, None));
        assert_eq!(task.size().items, 4);
        assert!(task.size().bytes > 0, "what an entry has beside its data counts");
    }
}

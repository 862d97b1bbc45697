//! [`ApplyThread`]: owns the applied state. batches in, results, events and a new published state out.

use std::mem;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::MemberId;

use super::inbox::Inbox;
use super::parked_reads::ParkedReads;
use super::queue::{Queue, Taken};
use crate::apply::{Applied, Applier, ApplyError, ApplyTask, Response};
use crate::fatal;
use crate::limits::{
    APPLY_BATCH_BYTES_MAX, APPLY_BATCH_ENTRIES_MAX, COLLECT_PAUSE, COLLECT_ROWS_MAX,
    DISK_MEASURE_INTERVAL, STATE_SYNC_INTERVAL,
};
use crate::metrics::Metrics;
use crate::mvcc::Hashes;
use crate::node::{Completion, Completions, Shown};
use crate::raft::Input;
use crate::storage::Engine;

/// What the thread works with.
pub(crate) struct ApplyThread<E: Engine, C: Clock> {
    pub applier: Applier<E>,
    pub me: MemberId,
    pub incarnation: u64,
    pub tasks: Arc<Queue<ApplyTask>>,
    pub inbox: Arc<Inbox>,
    pub shown: Arc<Shown>,
    pub completions: Arc<Completions>,
    pub parked: Arc<ParkedReads>,
    /// Hears of every batch after it is published: the watch hub. Must not block.
    pub listener: Box<dyn FnMut(&Applied) + Send>,
    /// What the hash thread computes. It ends with this one.
    pub hashes: Arc<Hashes>,
    pub metrics: Metrics,
    pub clock: C,
}

/// What is left to do when nothing is to be applied.
struct Chores {
    /// Something was applied since the last sync.
    unsynced: bool,
    /// Rows of given-up history may be on the disk.
    collecting: bool,
    /// When the disk was last measured.
    measured: Moment,
}

impl<E: Engine, C: Clock> ApplyThread<E, C> {
    /// Starts the thread. It ends, with the state synced, once the queue is closed and empty.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        fatal::spawn("apply", move || {
            if let Err(error) = self.run() {
                fatal::end(error.exit_code(), error);
            }
        })
    }

    fn run(mut self) -> Result<(), ApplyError> {
        // The process before may have stopped in the middle of a collection.
        let mut chores = Chores { unsynced: false, collecting: true, measured: self.clock.now() };
        self.metrics.state_disk_bytes.set(self.applier.disk_bytes());
        loop {
            let mut batch = BatchSize::default();
            match self.tasks.take(chores.patience(), |task| batch.takes(task)) {
                Taken::Items(tasks) => self.turn(tasks, &mut chores)?,
                Taken::Idle => self.idle(&mut chores)?,
                Taken::Closed => {
                    self.hashes.stop();
                    return self.applier.sync();
                }
            }
            self.measure(&mut chores);
        }
    }

    fn turn(&mut self, tasks: Vec<ApplyTask>, chores: &mut Chores) -> Result<(), ApplyError> {
        let mut all = ApplyTask::default();
        for mut task in tasks {
            all.entries.append(&mut task.entries);
            all.conf_states.append(&mut task.conf_states);
        }
        self.apply(all, chores)
    }

    /// Applies a task in batches of bounded size.
    fn apply(&mut self, task: ApplyTask, chores: &mut Chores) -> Result<(), ApplyError> {
        if task.entries.len() <= APPLY_BATCH_ENTRIES_MAX {
            return self.batch(&task, chores);
        }
        let ApplyTask { entries, mut conf_states } = task;
        for entries in entries.chunks(APPLY_BATCH_ENTRIES_MAX) {
            let end = entries.last().map_or(0, |entry| entry.index);
            let later = conf_states.split_off(conf_states.partition_point(|(i, _)| i.0 <= end));
            let now = mem::replace(&mut conf_states, later);
            self.batch(&ApplyTask { entries: entries.to_vec(), conf_states: now }, chores)?;
        }
        Ok(())
    }

    /// One batch: apply, publish, answer, tell watchers, tell Raft.
    fn batch(&mut self, task: &ApplyTask, chores: &mut Chores) -> Result<(), ApplyError> {
        if task.entries.is_empty() {
            return Ok(());
        }
        let started = self.clock.now();
        let mut applied = self.applier.apply(task)?;
        let before = self.shown.published.swap(applied.published.clone());
        let members = &applied.published.members;
        if !Arc::ptr_eq(&before.members, members) {
            self.shown.members.send_replace(Arc::clone(members));
        }
        self.metrics.apply_seconds.observe(self.clock.now().since(started));
        chores.note(&applied);
        self.metrics.count(&applied.counts);
        let mut results = mem::take(&mut applied.results);
        // IMPORTANT: of this very start. The numbers of an earlier one say nothing about who waits now, and a directory
        // that was put back from a copy may have this member meet its own commands of a future that it forgot.
        results.retain(|it| it.origin == self.me && it.incarnation == self.incarnation);
        let sequences: Vec<u64> = results.iter().map(|result| result.sequence).collect();
        if !results.is_empty() {
            self.completions.push(Completion::Applied(results));
        }
        let (index, term) = (applied.published.applied, applied.published.applied_term);
        self.parked.release(index);
        (self.listener)(&applied);
        self.inbox.control(Input::Applied { index, term, sequences });
        Ok(())
    }

    fn idle(&mut self, chores: &mut Chores) -> Result<(), ApplyError> {
        if chores.collecting {
            chores.collecting = self.applier.collect(COLLECT_ROWS_MAX)?;
            self.metrics.count(&self.applier.take_counts());
            let published = self.applier.published();
            let finished = published.compact_finished;
            self.shown.published.store(published);
            self.shown.compacted.send_if_modified(|seen| mem::replace(seen, finished) != finished);
        } else if mem::take(&mut chores.unsynced) {
            // What a restart must apply again stays small.
            self.applier.sync()?;
        }
        Ok(())
    }

    /// Looks at the size on disk, which takes a walk through the directory: now and then.
    fn measure(&self, chores: &mut Chores) {
        let now = self.clock.now();
        if now.since(chores.measured) >= DISK_MEASURE_INTERVAL {
            self.metrics.state_disk_bytes.set(self.applier.disk_bytes());
            chores.measured = now;
        }
    }
}

/// How much one batch takes along.
#[derive(Default)]
struct BatchSize {
    entries: usize,
    bytes: usize,
}

impl BatchSize {
    fn takes(&mut self, task: &ApplyTask) -> bool {
        self.entries += task.entries.len();
        self.bytes += task.entries.iter().map(|entry| entry.data.len()).sum::<usize>();
        self.entries <= APPLY_BATCH_ENTRIES_MAX && self.bytes <= APPLY_BATCH_BYTES_MAX
    }
}

impl Chores {
    /// How long to wait for entries before there is something else to do.
    fn patience(&self) -> Option<Duration> {
        if self.collecting {
            Some(COLLECT_PAUSE)
        } else {
            self.unsynced.then_some(STATE_SYNC_INTERVAL)
        }
    }

    fn note(&mut self, applied: &Applied) {
        self.unsynced = true;
        self.collecting |= applied
            .results
            .iter()
            .any(|result| matches!(result.outcome, Ok(Response::Compaction(_))));
    }
}

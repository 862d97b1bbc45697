//! [`StateApplier`] owns the applied state: batches in, results, events and a new published state out.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::{LogIndex, MemberId};

use super::defragmenter::{self, Defragmentation, Next};
use super::inbox::Inbox;
use super::parked_reads::ParkedReads;
use super::worker::{Size, Task, Work};
use crate::apply::{Applied, Applier, ApplyError, ApplyTask, EntryResponse};
use crate::lease::LeaseChange;
use crate::limits::{
    APPLY_BATCH_BYTES_MAX, APPLY_BATCH_ENTRIES_MAX, AUTO_DEFRAGMENT_PAUSE, COLLECT_PAUSE,
    COLLECT_PAUSE_BUSY, COLLECT_ROWS_BUSY_MAX, COLLECT_ROWS_MAX, DISK_MEASURE_INTERVAL,
    STATE_SYNC_INTERVAL,
};
use crate::metrics::{Metrics, SLOW};
use crate::mvcc::Hashes;
use crate::node::{Completion, Completions, Shown};
use crate::raft::{Input, StagedSnapshot};
use crate::storage::{Engine, Home, ReclaimStep};

/// Owns the applied state.
pub(crate) struct StateApplier<E: Engine, C: Clock> {
    pub applier: Applier<E>,
    /// Where its database stands, and another one is staged.
    pub home: Arc<dyn Home<Engine = E>>,
    pub me: MemberId,
    pub incarnation: u64,
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
    pub chores: ApplyChores,
}

/// What apply is asked to do.
#[derive(Debug)]
pub(crate) enum ApplyWork {
    Entries(ApplyTask),
    /// To take the snapshot up in place of the state.
    Install(StagedSnapshot),
}

/// What is left to do when nothing is to be applied.
pub(crate) struct ApplyChores {
    /// Something was applied since the last sync.
    unsynced: bool,
    /// Rows of given-up history may be on the disk.
    collecting: bool,
    /// When the disk was last measured.
    measured: Option<Moment>,
    /// Raft was told that the state is durable up to here.
    synced: LogIndex,
    /// How far giving space back is.
    defragmentation: Defragmentation,
    /// When it began.
    defragmenting: Option<Moment>,
    /// When dead versions were last taken off the disk.
    collected: Moment,
    /// When space was last given back without being asked.
    reclaimed: Option<Moment>,
}

impl Task for ApplyWork {
    fn size(&self) -> Size {
        let entries = match self {
            Self::Entries(task) => &task.entries,
            // It is for the thread alone.
            Self::Install(_) => return Size { items: APPLY_BATCH_ENTRIES_MAX, bytes: 0 },
        };
        let bytes = entries.iter().map(|entry| entry.data.len()).sum();
        Size { items: entries.len(), bytes }
    }
}

impl<E: Engine + Send + 'static, C: Clock> Work for StateApplier<E, C> {
    type Task = ApplyWork;
    type Error = ApplyError;
    const NAME: &'static str = "apply";
    const BATCH_MAX: Size = Size { items: APPLY_BATCH_ENTRIES_MAX, bytes: APPLY_BATCH_BYTES_MAX };

    fn work(&mut self, tasks: Vec<ApplyWork>) -> Result<Duration, ApplyError> {
        let began = self.clock.now();
        let mut all = ApplyTask::default();
        for task in tasks {
            match task {
                ApplyWork::Entries(mut task) => {
                    all.entries.append(&mut task.entries);
                    all.conf_states.append(&mut task.conf_states);
                }
                ApplyWork::Install(staged) => {
                    self.apply(mem::take(&mut all))?;
                    self.install(&staged)?;
                }
            }
        }
        self.apply(all)?;
        Ok(self.clock.now().since(began))
    }

    fn patience(&self) -> Option<Duration> {
        if self.chores.collecting {
            Some(COLLECT_PAUSE)
        } else if self.chores.defragmentation.is_under_way() {
            Some(defragmenter::LOOK)
        } else {
            self.chores.unsynced.then_some(STATE_SYNC_INTERVAL)
        }
    }

    fn idle(&mut self) -> Result<(), ApplyError> {
        if self.chores.collecting {
            self.collect(COLLECT_ROWS_MAX)?;
        } else if mem::take(&mut self.chores.unsynced) {
            // What a restart must apply again stays small.
            self.applier.sync()?;
            self.tell_synced();
        }
        Ok(())
    }

    /// Looks at the size on disk, which takes a walk through the directory: now and then. Where there is always something to
    /// apply, what a compaction gave up goes here, a little at a time.
    fn look_after(&mut self) -> Result<(), ApplyError> {
        let now = self.clock.now();
        if self.chores.collecting && now.since(self.chores.collected) >= COLLECT_PAUSE_BUSY {
            self.collect(COLLECT_ROWS_BUSY_MAX)?;
        }
        let is_due = |at: Moment| now.since(at) >= DISK_MEASURE_INTERVAL;
        if self.chores.measured.is_none_or(is_due) {
            self.measure();
            self.avoid_waste(now);
        }
        self.defragment()
    }

    fn close(mut self) -> Result<(), ApplyError> {
        self.hashes.stop();
        self.applier.sync()
    }

    fn exit_code(error: &ApplyError) -> u8 {
        error.exit_code()
    }
}

impl<E: Engine, C: Clock> StateApplier<E, C> {
    /// Applies a task in batches of bounded size.
    fn apply(&mut self, task: ApplyTask) -> Result<(), ApplyError> {
        if task.entries.len() <= APPLY_BATCH_ENTRIES_MAX {
            return self.batch(&task);
        }
        let ApplyTask { entries, mut conf_states } = task;
        for entries in entries.chunks(APPLY_BATCH_ENTRIES_MAX) {
            let end = entries.last().map_or(0, |entry| entry.index);
            let later = conf_states.split_off(conf_states.partition_point(|(i, _)| i.0 <= end));
            let now = mem::replace(&mut conf_states, later);
            self.batch(&ApplyTask { entries: entries.to_vec(), conf_states: now })?;
        }
        Ok(())
    }

    /// Takes up to about `max_rows` dead versions off the disk.
    fn collect(&mut self, max_rows: usize) -> Result<(), ApplyError> {
        self.chores.collecting = self.applier.collect(max_rows)?;
        self.chores.collected = self.clock.now();
        if !self.chores.collecting {
            // Nothing may come that would wake this thread to look at it.
            self.chores.measured = None;
        }
        self.metrics.count(&self.applier.take_counts());
        let published = self.applier.published();
        let finished = published.compact_finished;
        self.shown.published.store(published);
        self.shown.compacted.send_if_modified(|seen| mem::replace(seen, finished) != finished);
        Ok(())
    }

    /// Goes on giving space back to the file system, if somebody asked for it. Dead versions go first.
    fn defragment(&mut self) -> Result<(), ApplyError> {
        if self.chores.collecting {
            return Ok(());
        }
        let is_busy = !self.applier.is_reclaimed()?;
        match self.chores.defragmentation.next(&self.shown.defragmenter, is_busy) {
            Next::Nothing => {}
            Next::Begin(step) => {
                let lacks = self.applier.reclaim_lacks();
                if step == ReclaimStep::Rewrite && lacks > 0 {
                    let given_up = self.chores.defragmentation.give_up();
                    self.shown.defragmenter.tell(given_up, lacks);
                    return Ok(());
                }
                if self.chores.defragmenting.is_none() {
                    self.chores.defragmenting = Some(self.clock.now());
                    self.metrics.defragmenting.set(1);
                }
                let applied = self.applier.renew()?;
                self.shown.published.store(applied.published.clone());
                (self.listener)(&applied);
                self.applier.begin_reclaim(step)?;
            }
            Next::Tell(done) => {
                if let Some(began) = self.chores.defragmenting.take() {
                    self.metrics.defragment_seconds.observe(self.clock.now().since(began));
                    self.metrics.defragmenting.set(0);
                }
                self.measure();
                self.shown.defragmenter.tell(done, 0);
            }
        }
        Ok(())
    }

    /// Asks for space to be given back where the tables hold little but what was removed.
    fn avoid_waste(&mut self, now: Moment) {
        let is_due = |at: Moment| now.since(at) >= AUTO_DEFRAGMENT_PAUSE;
        let chores = &mut self.chores;
        let may = !chores.collecting && !chores.defragmentation.is_under_way();
        if may && chores.reclaimed.is_none_or(is_due) && self.applier.is_wasteful() {
            chores.reclaimed = Some(now);
            tracing::info!(
                "the tables of the state hold far more than what is in it: writes them anew"
            );
            self.shown.defragmenter.ask();
        }
    }

    fn measure(&mut self) {
        self.metrics.state_disk_bytes.set(self.applier.disk_bytes());
        self.chores.measured = Some(self.clock.now());
    }

    /// One batch: apply, publish, tell watchers, answer, tell Raft.
    fn batch(&mut self, task: &ApplyTask) -> Result<(), ApplyError> {
        if task.entries.is_empty() {
            return Ok(());
        }
        let started = self.clock.now();
        let mut applied = self.applier.apply(task)?;
        self.show(&applied);
        let took = self.clock.now().since(started);
        self.metrics.apply_seconds.observe(took);
        if took > SLOW {
            self.metrics.slow_applies.inc();
        }
        self.chores.note(&applied);
        self.metrics.count(&applied.counts);
        for change in &applied.leases {
            match change {
                LeaseChange::Granted(..) => self.metrics.leases_granted.inc(),
                LeaseChange::Revoked(_) => self.metrics.leases_revoked.inc(),
                LeaseChange::Checkpointed(..) => continue,
            };
        }
        let mut results = mem::take(&mut applied.results);
        // IMPORTANT: of this very start. The numbers of an earlier one say nothing about who waits now, and a directory
        // that was put back from a copy may have this member meet its own commands of a future that it forgot.
        results.retain(|it| it.origin == self.me && it.incarnation == self.incarnation);
        let sequences: Vec<u64> = results.iter().map(|result| result.sequence).collect();
        let (index, term) = (applied.published.applied, applied.published.applied_term);
        // IMPORTANT: before the results. Who watches, or lists leases, behind a write that was answered sees it.
        (self.listener)(&applied);
        if !results.is_empty() {
            self.completions.push(Completion::Applied(results));
        }
        self.parked.release(index);
        self.inbox.control(Input::Applied { index, term, sequences });
        self.tell_synced();
        Ok(())
    }

    /// A snapshot takes the place of the state.
    fn install(&mut self, staged: &StagedSnapshot) -> Result<(), ApplyError> {
        self.metrics.installing.set(1);
        let engine = self.home.switch(staged.index.0)?;
        let (applied, old) = self.applier.install(engine)?;
        self.home.retire(old);
        self.show(&applied);
        self.chores.collecting = true;
        let finished = applied.published.compact_finished;
        self.shown.compacted.send_replace(finished);
        (self.listener)(&applied);
        self.parked.release(applied.published.applied);
        self.metrics.snapshots_installed.inc();
        self.metrics.installing.set(0);
        self.inbox.control(Input::Installed);
        self.tell_synced();
        Ok(())
    }

    fn show(&self, applied: &Applied) {
        // IMPORTANT: the tokens first. Who is shown a state must know the tokens of its entries, and not those that they ended.
        self.shown.tokens.take(&applied.tokens);
        let before = self.shown.published.swap(applied.published.clone());
        let members = &applied.published.members;
        if !Arc::ptr_eq(&before.members, members) {
            self.shown.members.send_replace(Arc::clone(members));
            self.inbox.control(Input::Members(Arc::clone(members)));
        }
    }

    /// Tells Raft how far the state is durable, if that is news: so far the log is not needed any more.
    fn tell_synced(&mut self) {
        let applied = self.applier.synced();
        if mem::replace(&mut self.chores.synced, applied) != applied {
            self.inbox.control(Input::StateSynced { applied });
        }
    }
}

impl Default for ApplyChores {
    /// The process before may have stopped in the middle of a collection, and before a sync.
    fn default() -> Self {
        Self {
            unsynced: true,
            collecting: true,
            measured: None,
            synced: LogIndex(0),
            defragmentation: Defragmentation::default(),
            defragmenting: None,
            collected: Moment::default(),
            reclaimed: None,
        }
    }
}

impl ApplyChores {
    fn note(&mut self, applied: &Applied) {
        self.unsynced = true;
        self.collecting |= applied
            .results
            .iter()
            .any(|result| matches!(result.outcome, Ok(EntryResponse::Compaction(_))));
    }
}

//! The log of one member on an engine.

use std::sync::Arc;

use mini_etcd_proto::internalpb::{Entry, HardState};
use mini_etcd_shared::clock::Clock;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use prost::Message;

use super::codec::{self, Acked, Truncated};
use super::error::{Finding, LogError};
use super::guard::{self, Found, Guard, GuardFile, Mark, Slot};
use super::reader::LogReader;
use super::recovery;
use crate::limits;
use crate::storage::{Batch, Durability, Engine, Space};

/// What one turn of Raft has to make durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogWrite {
    /// Contiguous; the first may lie at or before the last entry of the log, whose suffix is then replaced.
    pub entries: Vec<Entry>,
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// What is remembered of what members acknowledged, in the order of their ids; where it changed. It waits for no sync of its
    /// own.
    pub acked: Option<Vec<Acked>>,
}

/// What a log holds when it is opened.
#[derive(Debug)]
pub struct Recovered {
    /// Term, vote, and the highest index that was known to be committed when something was last written.
    pub hard_state: HardState,
    /// Index and term in front of the first entry.
    pub truncated: (LogIndex, Term),
    /// Index and term of the last entry.
    pub last: (LogIndex, Term),
    /// What is remembered of what members acknowledged.
    pub acked: Vec<Acked>,
    /// The newest entries, up to [`limits::LOG_TAIL_BYTES_MAX`], contiguous up to `last`.
    pub tail: Vec<Entry>,
    /// The log as it stands.
    pub reader: LogReader,
    /// The log was closed in order.
    pub clean: bool,
}

/// What stands on disk, as far as the next write needs to know.
#[derive(Clone, Copy)]
struct Shape {
    truncated: Truncated,
    last: (LogIndex, Term),
    /// Crc of the last row.
    crc: u32,
    hard_state: HardState,
}

impl Shape {
    fn born((index, term): (LogIndex, Term)) -> Self {
        let truncated = Truncated { epoch: 1, kept: index, index, term, crc: 0 };
        let hard_state = HardState { term: term.0, vote: 0, commit: index.0 };
        Self { truncated, last: (index, term), crc: truncated.crc, hard_state }
    }

    fn mark(&self) -> Mark {
        Mark {
            epoch: self.truncated.epoch,
            last: self.last.0,
            last_term: self.last.1,
            crc: self.crc,
            term: Term(self.hard_state.term),
            vote: MemberId(self.hard_state.vote),
        }
    }
}

/// The mark of a log that is born behind `birth`.
pub(super) fn birth_mark(birth: (LogIndex, Term)) -> Mark {
    Shape::born(birth).mark()
}

/// The slot of a guard that a log can be compared with.
pub(super) fn usable_slot(guard: &impl GuardFile) -> Result<Slot, LogError> {
    let place = guard.place();
    match guard::inspect(guard)? {
        Found::Slot(slot) if !slot.newborn => Ok(slot),
        Found::Slot(_) => Err(LogError::Missing { place, finding: Finding::NoLog }),
        Found::Nothing => Err(LogError::Missing { place, finding: Finding::NoGuard }),
        Found::Unreadable => Err(LogError::Damaged { place, finding: Finding::GuardUnreadable }),
    }
}

/// The log of one member. One thread owns it.
pub struct LogStore<E, G, C> {
    engine: E,
    guard: Guard<G, C>,
    shape: Shape,
    acked: Vec<Acked>,
    place: Arc<str>,
}

impl<E: Engine, G: GuardFile, C: Clock> LogStore<E, G, C> {
    /// A new log, born behind `birth`, durable when this returns. The engine is empty, or holds what a creation left
    /// that did not come to its end.
    ///
    /// # Errors
    /// Any refusal of the disk.
    pub fn create(
        mut engine: E,
        guard: G,
        clock: C,
        birth: (LogIndex, Term),
    ) -> Result<(Self, Recovered), LogError> {
        let shape = Shape::born(birth);
        let mut guard = Guard::new(guard, clock)?;
        // A creation that stops here is begun again, because the guard says so; without the guard it would look like
        // a log whose guard was lost.
        guard.announce(shape.mark())?;
        let mut batch = Batch::new();
        batch.put(Space::LogMeta, codec::KEY_TRUNCATED, shape.truncated.encode());
        let row = codec::encode_hard_state(&shape.hard_state);
        batch.put(Space::LogMeta, codec::KEY_HARD_STATE, row);
        engine.commit(batch, Durability::Synced)?;
        guard.settle(shape.mark())?;
        let place = guard.place().into();
        let mut store = Self { engine, guard, shape, acked: Vec::new(), place };
        let recovered = store.recovered(Vec::new(), true);
        Ok((store, recovered))
    }

    /// Opens the log after checking all of it (see [`super`]).
    ///
    /// # Errors
    /// What was acknowledged is missing or damaged; any refusal of the disk.
    pub fn open(mut engine: E, guard: G, clock: C) -> Result<(Self, Recovered), LogError> {
        let place: Arc<str> = guard.place().into();
        let slot = usable_slot(&guard)?;
        let found = recovery::recover(&*engine.reader(), &slot, &place)?;
        if let Some((fault, keys)) = found.residue {
            tracing::warn!(
                rows = keys.len(), after = found.last.0.0, %fault,
                "removing what a crash left behind the acknowledged log"
            );
            let mut batch = Batch::new();
            for key in keys {
                batch.remove(Space::Log, key);
            }
            engine.commit(batch, Durability::Synced)?;
        }
        let shape = Shape {
            truncated: found.truncated,
            last: found.last,
            crc: found.crc,
            hard_state: found.hard_state,
        };
        // What was found counts from now on, whether or not a sync had covered it.
        engine.sync()?;
        // A cut may have come to no more than its marker.
        engine.discard_below(Space::Log, &found.first_row)?;
        let mut guard = Guard::new(guard, clock)?;
        guard.settle(shape.mark())?;
        let mut store = Self { engine, guard, shape, acked: found.acked, place };
        let recovered = store.recovered(found.tail, slot.clean);
        Ok((store, recovered))
    }

    /// Makes entries and hard state durable, then writes the guard. A write that only raises the commit index waits
    /// for nothing.
    ///
    /// # Errors
    /// Any refusal of the disk; what became of the write is then not known, and the store is of no more use.
    ///
    /// # Panics
    /// When the entries do not continue the log, or would replace committed ones.
    pub fn append(&mut self, write: &LogWrite) -> Result<LogReader, LogError> {
        let mut batch = Batch::new();
        let mut shape = self.shape;
        let mut durability = Durability::Buffered;
        if let Some(hard_state) = write.hard_state {
            assert!(hard_state.term >= shape.hard_state.term, "terms never fall");
            durability = Durability::Synced;
            shape.hard_state = hard_state;
            let row = codec::encode_hard_state(&hard_state);
            batch.put(Space::LogMeta, codec::KEY_HARD_STATE, row);
        }
        if let Some(first) = write.entries.first() {
            durability = Durability::Synced;
            self.cut_suffix(LogIndex(first.index), &mut batch, &mut shape)?;
            add_rows(&write.entries, &mut batch, &mut shape);
        }
        if let Some(acked) = &write.acked {
            batch.put(Space::LogMeta, codec::KEY_ACKED, codec::encode_acked(acked));
            self.acked.clone_from(acked);
        }
        if !batch.is_empty() {
            self.engine.commit(batch, durability)?;
        }
        self.shape = shape;
        // SAFETY-RAFT: the guard follows the sync of the log and precedes its report.
        if durability == Durability::Synced {
            self.guard.record(shape.mark())?;
        }
        Ok(self.reader())
    }

    /// Syncs the guard if [`limits::GUARD_SYNC_INTERVAL`] has passed; for after an append and for idle times.
    ///
    /// # Errors
    /// Any refusal of the disk.
    pub fn sync_guard_if_due(&mut self) -> Result<(), LogError> {
        Ok(self.guard.sync_if_due()?)
    }

    /// Gives up the entries up to and with `upto`, which are applied durably here and are on the disk of every member.
    /// Whole rows go; a row that also holds later entries stays. That they are given up is durable before the engine may
    /// drop any of them (I9), which it does in its own time.
    ///
    /// # Errors
    /// Any refusal of the disk.
    ///
    /// # Panics
    /// When `upto` lies behind the last entry.
    pub fn truncate_prefix(&mut self, upto: LogIndex) -> Result<(), LogError> {
        assert!(upto <= self.shape.last.0, "only entries that are here can be given up");
        if upto <= self.shape.truncated.index {
            return Ok(());
        }
        let reader = self.reader();
        let Some(term) = reader.term(upto)? else { return Ok(()) };
        let row = reader.row_with(upto)?;
        let ends_here = row.entries.last().is_some_and(|entry| entry.index == upto.0);
        let kept_row = LogIndex(match row.entries.first() {
            Some(first) if !ends_here => first.index,
            _ => upto.0 + 1,
        });
        let crc = if ends_here { row.crc } else { row.before };
        let mut shape = self.shape;
        shape.truncated = Truncated {
            epoch: shape.truncated.epoch + 1,
            kept: shape.last.0,
            index: upto,
            term,
            crc,
        };
        let mut batch = Batch::new();
        batch.put(Space::LogMeta, codec::KEY_TRUNCATED, shape.truncated.encode());
        self.engine.commit(batch, Durability::Synced)?;
        self.shape = shape;
        self.guard.record(shape.mark())?;
        Ok(self.engine.discard_below(Space::Log, &codec::row_key(kept_row))?)
    }

    /// Begins anew behind a snapshot of the state as of `index`, which is durable here: no entry is left. Answers the log as
    /// it stands. Term and vote stay, unless the snapshot is of a later term.
    ///
    /// # Errors
    /// Any refusal of the disk.
    ///
    /// # Panics
    /// When entries behind `index` were given up before, or the log has the entry at `index`.
    pub fn reset(&mut self, (index, term): (LogIndex, Term)) -> Result<Recovered, LogError> {
        assert!(index > self.shape.truncated.index, "a log never begins earlier than before");
        let reader = self.reader();
        assert!(reader.term(index)? != Some(term), "entries behind {index} may be acknowledged");
        let mut shape = self.shape;
        let before = shape.hard_state;
        let vote = if term.0 > before.term { 0 } else { before.vote };
        shape.hard_state = HardState { term: before.term.max(term.0), vote, commit: index.0 };
        shape.truncated = Truncated::behind_snapshot(shape.truncated.epoch + 1, index, term);
        shape.last = (index, term);
        shape.crc = shape.truncated.crc;
        let mut batch = Batch::new();
        // What was never committed, and would be taken for what follows the snapshot.
        for key in reader.row_keys_from(LogIndex(index.0 + 1))? {
            batch.remove(Space::Log, key);
        }
        if index <= self.shape.last.0
            && let Some(head) = reader.row_with(index)?.entries.first()
        {
            batch.remove(Space::Log, codec::row_key(LogIndex(head.index)));
        }
        batch.put(Space::LogMeta, codec::KEY_TRUNCATED, shape.truncated.encode());
        let row = codec::encode_hard_state(&shape.hard_state);
        batch.put(Space::LogMeta, codec::KEY_HARD_STATE, row);
        self.engine.commit(batch, Durability::Synced)?;
        self.shape = shape;
        self.guard.record(shape.mark())?;
        self.engine.discard_below(Space::Log, &codec::row_key(LogIndex(index.0 + 1)))?;
        Ok(self.recovered(Vec::new(), false))
    }

    /// Ends in order: the next open need not expect what a crash leaves.
    ///
    /// # Errors
    /// Any refusal of the disk.
    pub fn close(mut self) -> Result<(), LogError> {
        self.engine.sync()?;
        Ok(self.guard.close(self.shape.mark())?)
    }

    /// The log as it stands.
    pub fn reader(&mut self) -> LogReader {
        let truncated = (self.shape.truncated.index, self.shape.truncated.term);
        let place = Arc::clone(&self.place);
        LogReader::new(self.engine.reader(), place, truncated, self.shape.last)
    }

    pub fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    /// What stands in the database.
    #[cfg(test)]
    pub(super) fn raw_reader(&mut self) -> Arc<dyn crate::storage::Reader> {
        self.engine.reader()
    }

    fn recovered(&mut self, tail: Vec<Entry>, clean: bool) -> Recovered {
        let reader = self.reader();
        Recovered {
            hard_state: self.shape.hard_state,
            truncated: reader.truncated(),
            last: self.shape.last,
            acked: self.acked.clone(),
            tail,
            reader,
            clean,
        }
    }

    /// Prepares the log for entries from `first` on: removes the rows there, and shortens the row that it falls into.
    fn cut_suffix(
        &mut self,
        first: LogIndex,
        batch: &mut Batch,
        shape: &mut Shape,
    ) -> Result<(), LogError> {
        let (last, begin) = (shape.last.0, shape.truncated.index);
        assert!(first.0 <= last.0 + 1, "entries continue the log: {first} after {last}");
        assert!(first > begin, "entries lie behind the truncation: {first} after {begin}");
        if first.0 == last.0 + 1 {
            return Ok(());
        }
        // The commit index that counts is the one before this write: it may raise it over the new entries.
        let committed = LogIndex(self.shape.hard_state.commit);
        assert!(first > committed, "committed entries are never replaced: {first} at {committed}");
        let kept = LogIndex(first.0 - 1);
        let reader = self.reader();
        let mut row = reader.row_with(first)?;
        row.entries.retain(|entry| entry.index < first.0);
        for key in reader.row_keys_from(first)? {
            batch.remove(Space::Log, key);
        }
        shape.crc = row.before;
        if let Some(head) = row.entries.first() {
            let key = codec::row_key(LogIndex(head.index));
            if kept > begin {
                let (value, crc) = codec::encode_row(&row.entries, row.before);
                batch.put(Space::Log, key, value);
                shape.crc = crc;
            } else {
                // What is left of the row was given up with the prefix.
                batch.remove(Space::Log, key);
            }
        }
        let term = reader.term(kept)?.unwrap_or_default();
        shape.last = (kept, term);
        shape.truncated.epoch += 1;
        shape.truncated.kept = kept;
        batch.put(Space::LogMeta, codec::KEY_TRUNCATED, shape.truncated.encode());
        Ok(())
    }
}

/// Adds entries as rows of at most [`limits::LOG_ROW_BYTES_MAX`], or of one entry.
fn add_rows(entries: &[Entry], batch: &mut Batch, shape: &mut Shape) {
    let mut rest = entries;
    while let Some(head) = rest.first() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|entry| {
            bytes += entry.encoded_len();
            bytes <= limits::LOG_ROW_BYTES_MAX
        });
        let (row, later) = rest.split_at(fits.count().max(1));
        for entry in row {
            assert_eq!(entry.index, shape.last.0.0 + 1, "entries are contiguous");
            assert!(entry.term >= shape.last.1.0, "terms of entries never fall");
            shape.last = (LogIndex(entry.index), Term(entry.term));
        }
        let (value, crc) = codec::encode_row(row, shape.crc);
        batch.put(Space::Log, codec::row_key(LogIndex(head.index)), value);
        shape.crc = crc;
        rest = later;
    }
    let term = Term(shape.hard_state.term);
    assert!(shape.last.1 <= term, "no entry is of a later term than the member's: {term}");
}

//! [`LogView`]: the log as Raft reads it. The newest entries in memory, older ones from disk.

use std::cell::Cell;
use std::collections::VecDeque;

use mini_etcd_proto::internalpb::Entry;
use mini_etcd_shared::types::LogIndex;
use raft::eraftpb;
use raft::{GetEntriesContext, RaftState, Storage, StorageError as RaftStorageError};

use super::convert::entry_in;
use super::cut::Extent;
use crate::limits::LOG_TAIL_BYTES_MAX;
use crate::log::{LogError, LogReader};

/// The log as Raft reads it.
///
/// I1: the tail is contiguous and ends with the last entry, durable or not.
/// I2: every entry before the tail is in `reader`, or was cut off: only what a [`LogReader`] has seen leaves the tail.
/// I3: the log begins where that of `reader` does.
pub struct LogView {
    initial: RaftState,
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    reader: LogReader,
    /// The log in blocks of [`BLOCK_BYTES`], as far as it was seen here: first index and bytes of each.
    blocks: VecDeque<(u64, u64)>,
    /// What a snapshot has.
    applied: u64,
    /// The next member that needs a snapshot may get one.
    offered: Cell<bool>,
}

impl LogView {
    /// The log at start. `tail` are the newest entries up to the last.
    pub fn new(initial: RaftState, tail: &[Entry], reader: LogReader, applied: LogIndex) -> Self {
        let mut view = Self {
            initial,
            tail: VecDeque::new(),
            tail_bytes: 0,
            reader,
            blocks: VecDeque::new(),
            applied: applied.0,
            offered: Cell::new(false),
        };
        view.add(tail);
        view
    }

    /// Takes entries that Raft appended; what it had from the first of them on is gone.
    pub fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        while self.tail.back().is_some_and(|entry| entry.index >= first.index) {
            self.tail_bytes -= self.tail.pop_back().map_or(0, |entry| size(&entry));
        }
        if let Some(last) = self.tail.back() {
            assert_eq!(last.index + 1, first.index, "I1: the tail has no gap");
        }
        while self.blocks.back().is_some_and(|(start, _)| *start >= first.index) {
            self.blocks.pop_back();
        }
        self.add(entries);
    }

    fn add(&mut self, entries: &[Entry]) {
        for entry in entries {
            let bytes = size(entry);
            self.tail_bytes += bytes;
            match self.blocks.back_mut().filter(|(_, bytes)| *bytes < BLOCK_BYTES) {
                Some((_, sum)) => *sum += bytes as u64,
                None => self.blocks.push_back((entry.index, bytes as u64)),
            }
        }
        self.tail.extend(entries.iter().cloned());
    }

    /// Index of an entry that has more than `bytes` of entries behind it; 0 where there is none, or none is known.
    pub fn far_behind(&self, bytes: u64) -> u64 {
        let mut sum = 0;
        let far = self.blocks.iter().rev().find(|(_, block)| {
            sum += block;
            sum > bytes
        });
        far.map_or(0, |(first, _)| first.saturating_sub(1))
    }

    /// Entries up to `index` are applied.
    pub fn applied(&mut self, index: u64) {
        self.applied = index;
    }

    /// The next member that needs a snapshot may get one.
    pub fn offer_snapshot(&self) {
        self.offered.set(true);
    }

    /// The log on disk is now this; `persisted` is what Raft counts as durable.
    pub fn persisted(&mut self, reader: LogReader, persisted: u64) {
        self.reader = reader;
        let truncated = self.truncated().0;
        while self.blocks.get(1).is_some_and(|(first, _)| *first <= truncated + 1) {
            self.blocks.pop_front();
        }
        // I2: `reader` holds all up to `persisted`, and one entry stays so that I1 can be checked.
        while let Some(first) = self.tail.front().filter(|_| self.tail.len() > 1) {
            let is_cut = first.index <= truncated;
            if !is_cut && (self.tail_bytes <= LOG_TAIL_BYTES_MAX || first.index > persisted) {
                break;
            }
            self.tail_bytes -= self.tail.pop_front().map_or(0, |entry| size(&entry));
        }
    }

    /// What there is, and what of it is not among the newest: `entries` of them, of at most `bytes`, but one at least.
    pub fn extent(&self, entries: u64, bytes: usize) -> Extent {
        let (truncated, last) = (self.truncated().0, self.last());
        let is_whole = self.tail_start() <= truncated + 1;
        let mut kept = 0;
        let newest = self.tail.iter().rev().take(usize::try_from(entries).unwrap_or(usize::MAX));
        let newest = newest.take_while(|entry| {
            kept += size(entry);
            kept <= bytes
        });
        let spare = last.saturating_sub(newest.count().max(1) as u64);
        Extent {
            truncated: LogIndex(truncated),
            bytes: if is_whole { self.tail_bytes } else { usize::MAX },
            spare: LogIndex(spare),
        }
    }

    /// Index in front of the first entry, and its term.
    fn truncated(&self) -> (u64, u64) {
        let (index, term) = self.reader.truncated();
        (index.0, term.0)
    }

    /// Entries from `low` up to and without `high`, at least one and about `max_bytes`.
    ///
    /// # Errors
    /// A refusal of the disk.
    pub fn read(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, LogError> {
        let start = self.tail_start();
        let mut bytes = 0_u64;
        let mut entries = Vec::new();
        if low < start {
            entries = self.reader.entries(LogIndex(low), LogIndex(high.min(start)), max_bytes)?;
            bytes = entries.iter().map(|entry| size(entry) as u64).sum();
            if entries.last().is_none_or(|entry| entry.index + 1 < high.min(start)) {
                return Ok(entries);
            }
        }
        for index in low.max(start)..high {
            let Some(entry) = self.in_tail(index) else { break };
            bytes += size(entry) as u64;
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }

    /// Index of the first entry in memory; the one after the last when there is none.
    fn tail_start(&self) -> u64 {
        self.tail.front().map_or_else(|| self.reader.last().0 + 1, |entry| entry.index)
    }

    fn last(&self) -> u64 {
        self.tail.back().map_or_else(|| self.reader.last().0, |entry| entry.index)
    }

    fn in_tail(&self, index: u64) -> Option<&Entry> {
        let place = index.checked_sub(self.tail_start())?;
        self.tail.get(usize::try_from(place).ok()?)
    }
}

/// Bytes of a block of [`LogView::blocks`], at the least.
const BLOCK_BYTES: u64 = 1 << 20;

/// What an entry takes in memory.
fn size(entry: &Entry) -> usize {
    entry.data.len() + size_of::<Entry>()
}

/// A refusal of the disk, in the crate's terms. The crate panics on it, which ends the process, as it must.
fn refused(error: LogError) -> raft::Error {
    raft::Error::Store(RaftStorageError::Other(Box::new(error)))
}

impl Storage for LogView {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(self.initial.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<eraftpb::Entry>> {
        if low <= self.truncated().0 {
            return Err(raft::Error::Store(RaftStorageError::Compacted));
        }
        let entries = self.read(low, high, max_size.into().unwrap_or(u64::MAX)).map_err(refused)?;
        Ok(entries.into_iter().map(entry_in).collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.truncated().0 {
            return Ok(self.truncated().1);
        }
        if index < self.truncated().0 {
            return Err(raft::Error::Store(RaftStorageError::Compacted));
        }
        if let Some(entry) = self.in_tail(index) {
            return Ok(entry.term);
        }
        if index >= self.tail_start() {
            return Err(raft::Error::Store(RaftStorageError::Unavailable));
        }
        match self.reader.term(LogIndex(index)).map_err(refused)? {
            Some(term) => Ok(term.0),
            None => Err(raft::Error::Store(RaftStorageError::Unavailable)),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.truncated().0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// Where a snapshot would stand: Raft counts its member as caught up with it from there on. What is sent is the state as
    /// it is by then, or later, and says itself where it stands.
    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<eraftpb::Snapshot> {
        let (true, Ok(term)) = (self.offered.take(), self.term(self.applied)) else {
            return Err(raft::Error::Store(RaftStorageError::SnapshotTemporarilyUnavailable));
        };
        let mut snapshot = eraftpb::Snapshot::default();
        snapshot.mut_metadata().index = self.applied;
        snapshot.mut_metadata().term = term;
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::internalpb::HardState;
    use mini_etcd_shared::types::Term;

    use super::*;
    use crate::log::{LogStore, LogWrite, MemoryGuard};
    use crate::raft::testing::{BIRTH, NoTime};
    use crate::storage::SimDisk;

    fn view(count: u64) -> (LogView, LogStore<crate::storage::SimEngine, MemoryGuard, NoTime>) {
        let guard = MemoryGuard::new();
        let (mut log, _) = LogStore::create(SimDisk::new().open(), guard, NoTime, BIRTH).unwrap();
        let data = vec![7; 100];
        let entry = |index| Entry { kind: 0, term: 1, index, data: data.clone().into() };
        let entries: Vec<Entry> = (2..2 + count).map(entry).collect();
        let hard_state = Some(HardState { term: 1, vote: 0, commit: 1 });
        let reader =
            log.append(&LogWrite { entries: entries.clone(), hard_state, acked: None }).unwrap();
        (LogView::new(RaftState::default(), &entries, reader, LogIndex(9)), log)
    }

    #[test]
    fn the_newest_stay_by_number_and_by_size_and_one_always_does() {
        let (view, _) = view(10);
        let one = size(view.tail.back().unwrap());
        for (entries, bytes, spare) in
            [(3, usize::MAX, 8), (100, usize::MAX, 1), (100, 4 * one, 7), (3, 0, 10), (0, 0, 10)]
        {
            let extent = view.extent(entries, bytes);
            assert_eq!(extent.spare, LogIndex(spare), "{entries} entries of {bytes} bytes");
            assert_eq!(extent.truncated, LogIndex(1));
            assert_eq!(extent.bytes, 10 * one);
        }
    }

    #[test]
    fn what_is_cut_off_leaves_the_memory_and_is_made_up_for_by_a_snapshot() {
        let (mut view, mut log) = view(10);
        let (one, context) = (size(view.tail.back().unwrap()), GetEntriesContext::empty(false));
        log.truncate_prefix(LogIndex(8)).unwrap();
        view.persisted(log.reader(), 11);
        assert_eq!((view.first_index(), view.last_index()), (Ok(9), Ok(11)));
        assert_eq!((view.tail.len(), view.tail_bytes), (3, 3 * one));
        assert_eq!((view.term(8), view.term(9)), (Ok(Term(1).0), Ok(1)));
        let compacted = raft::Error::Store(RaftStorageError::Compacted);
        assert_eq!(view.term(7), Err(compacted));
        assert!(view.entries(8, 10, None, context).is_err());
        assert!(view.snapshot(0, 3).is_err());
        view.offer_snapshot();
        let snapshot = view.snapshot(0, 3).unwrap();
        assert_eq!((snapshot.get_metadata().index, snapshot.get_metadata().term), (9, 1));
        assert!(view.snapshot(0, 2).is_err(), "one for each offer");
        // All but the last of what is in memory may go.
        log.truncate_prefix(LogIndex(11)).unwrap();
        view.persisted(log.reader(), 11);
        assert_eq!((view.first_index(), view.last_index()), (Ok(12), Ok(11)));
        assert_eq!(view.term(11), Ok(1));
    }
}

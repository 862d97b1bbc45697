//! [`LogView`]: the log as Raft reads it. The newest entries in memory, older ones from disk.

use std::collections::VecDeque;

use mini_etcd_proto::internalpb::Entry;
use mini_etcd_shared::types::LogIndex;
use raft::eraftpb;
use raft::{GetEntriesContext, RaftState, Storage, StorageError as RaftStorageError};

use super::convert::entry_in;
use crate::limits::LOG_TAIL_BYTES_MAX;
use crate::log::{LogError, LogReader};

/// The log as Raft reads it.
///
/// I1: the tail is contiguous and ends with the last entry, durable or not.
/// I2: every entry before the tail is in `reader`: only what a [`LogReader`] has seen leaves the tail.
pub struct LogView {
    initial: RaftState,
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    reader: LogReader,
    /// First index and the term before it, as long as nothing is cut off at the front.
    truncated: (u64, u64),
}

impl LogView {
    /// The log at start. `tail` are the newest entries up to the last.
    pub fn new(
        initial: RaftState,
        truncated: (u64, u64),
        tail: Vec<Entry>,
        reader: LogReader,
    ) -> Self {
        let tail_bytes = tail.iter().map(size).sum();
        Self { initial, tail: tail.into(), tail_bytes, reader, truncated }
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
        self.tail_bytes += entries.iter().map(size).sum::<usize>();
        self.tail.extend(entries.iter().cloned());
    }

    /// The log on disk is now this; `persisted` is what Raft counts as durable.
    pub fn persisted(&mut self, reader: LogReader, persisted: u64) {
        self.reader = reader;
        // I2: `reader` holds all up to `persisted`, and one entry stays so that I1 can be checked.
        while self.tail_bytes > LOG_TAIL_BYTES_MAX && self.tail.len() > 1 {
            if self.tail.front().is_none_or(|entry| entry.index > persisted) {
                break;
            }
            self.tail_bytes -= self.tail.pop_front().map_or(0, |entry| size(&entry));
        }
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
        if low <= self.truncated.0 {
            return Err(raft::Error::Store(RaftStorageError::Compacted));
        }
        let entries = self.read(low, high, max_size.into().unwrap_or(u64::MAX)).map_err(refused)?;
        Ok(entries.into_iter().map(entry_in).collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.truncated.0 {
            return Ok(self.truncated.1);
        }
        if index < self.truncated.0 {
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
        Ok(self.truncated.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// Snapshots are not built yet, and as the log is whole nobody needs one.
    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<eraftpb::Snapshot> {
        Err(raft::Error::Store(RaftStorageError::SnapshotTemporarilyUnavailable))
    }
}

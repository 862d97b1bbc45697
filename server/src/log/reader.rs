//! The log as it stood after some append.

use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;
use mini_etcd_proto::internalpb::Entry;
use mini_etcd_shared::types::{LogIndex, Term};
use prost::Message;

use super::codec::{self, Row, RowFault};
use super::error::{Finding, LogError};
use crate::storage::{Reader, Space};

/// The log after some append. Later appends do not change it; clones share it.
#[derive(Clone)]
pub struct LogReader {
    reader: Arc<dyn Reader>,
    place: Arc<str>,
    truncated: (LogIndex, Term),
    last: (LogIndex, Term),
}

impl LogReader {
    pub(super) fn new(
        reader: Arc<dyn Reader>,
        place: Arc<str>,
        truncated: (LogIndex, Term),
        last: (LogIndex, Term),
    ) -> Self {
        Self { reader, place, truncated, last }
    }

    /// First index that is here; one above [`LogReader::last`] when the log is empty.
    #[must_use]
    pub fn first(&self) -> LogIndex {
        LogIndex(self.truncated.0.0 + 1)
    }

    /// Last index; that of the truncation when the log is empty.
    #[must_use]
    pub fn last(&self) -> LogIndex {
        self.last.0
    }

    /// Index and term in front of the first entry.
    #[must_use]
    pub fn truncated(&self) -> (LogIndex, Term) {
        self.truncated
    }

    /// Entries from `low` up to and without `high`: as many as there are and as fit into `max_bytes` encoded, but at
    /// least one if there is any.
    ///
    /// # Errors
    /// A refusal of the disk, or damage.
    pub fn entries(
        &self,
        low: LogIndex,
        high: LogIndex,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, LogError> {
        let low = low.max(self.first());
        let high = high.min(LogIndex(self.last.0.0 + 1));
        let mut take = Take { low, high, room: max_bytes, entries: Vec::new() };
        if low >= high {
            return Ok(take.entries);
        }
        let row = self.row_with(low)?;
        if !take.row(row) {
            return Ok(take.entries);
        }
        let mut fault = None;
        let from = codec::row_key(LogIndex(take.next()));
        let until = codec::row_key(high);
        let bounds = (Bound::Included(from.as_slice()), Bound::Excluded(until.as_slice()));
        self.reader.scan(Space::Log, bounds, &mut |key, value| {
            let read = codec::decode_row(key, Bytes::copy_from_slice(value));
            let more = match read {
                Ok(row) => take.row(row),
                Err(found) => {
                    fault = Some(found);
                    false
                }
            };
            if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match fault {
            Some(fault) => Err(self.damaged(LogIndex(take.next()), fault)),
            None => Ok(take.entries),
        }
    }

    /// Term of the entry at `index`, also of the one in front of the first; nothing outside of the log.
    ///
    /// # Errors
    /// A refusal of the disk, or damage.
    pub fn term(&self, index: LogIndex) -> Result<Option<Term>, LogError> {
        if index == self.truncated.0 {
            return Ok(Some(self.truncated.1));
        }
        if index == self.last.0 {
            return Ok(Some(self.last.1));
        }
        if index < self.first() || index > self.last.0 {
            return Ok(None);
        }
        let row = self.row_with(index)?;
        let entry = row.entries.iter().find(|entry| entry.index == index.0);
        Ok(entry.map(|entry| Term(entry.term)))
    }

    /// The row that holds `index`, which lies within the log.
    pub(super) fn row_with(&self, index: LogIndex) -> Result<Row, LogError> {
        let found = self.reader.at_or_before(Space::Log, &codec::row_key(index))?;
        let (key, value) = found.ok_or_else(|| self.damaged(index, RowFault::Gap))?;
        let row = codec::decode_row(&key, value).map_err(|fault| self.damaged(index, fault))?;
        if row.entries.last().is_none_or(|entry| entry.index < index.0) {
            return Err(self.damaged(index, RowFault::Gap));
        }
        Ok(row)
    }

    /// Keys of the rows that begin with `from` or behind it.
    pub(super) fn row_keys_from(&self, from: LogIndex) -> Result<Vec<Vec<u8>>, LogError> {
        let mut keys = Vec::new();
        let from = codec::row_key(from);
        let bounds = (Bound::Included(from.as_slice()), Bound::Unbounded);
        self.reader.scan(Space::Log, bounds, &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(keys)
    }

    fn damaged(&self, at: LogIndex, fault: RowFault) -> LogError {
        let after = LogIndex(at.0.saturating_sub(1));
        LogError::Damaged { place: self.place.to_string(), finding: Finding::Row { after, fault } }
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("LogReader");
        out.field("truncated", &self.truncated).field("last", &self.last).finish_non_exhaustive()
    }
}

/// Entries being collected.
struct Take {
    low: LogIndex,
    high: LogIndex,
    room: u64,
    entries: Vec<Entry>,
}

impl Take {
    /// Takes what is wanted of a row; whether more may follow.
    fn row(&mut self, row: Row) -> bool {
        for entry in row.entries {
            if entry.index < self.low.0 {
                continue;
            }
            let size = u64::try_from(entry.encoded_len()).unwrap_or(u64::MAX);
            let fits = size <= self.room || self.entries.is_empty();
            if entry.index >= self.high.0 || !fits {
                return false;
            }
            self.room = self.room.saturating_sub(size);
            self.entries.push(entry);
        }
        true
    }

    /// Index that comes next.
    fn next(&self) -> u64 {
        self.entries.last().map_or(self.low.0, |entry| entry.index + 1)
    }
}

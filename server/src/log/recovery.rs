//! Reads a log from its first row to its last, and compares it with the guard.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use mini_etcd_proto::internalpb::{Entry, HardState};
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use prost::Message;

use super::codec::{self, Acked, Row, RowFault, Truncated};
use super::error::{Finding, LogError};
use super::guard::Slot;
use crate::limits;
use crate::storage::{Reader, Space};

/// What a sound log holds.
pub(super) struct Recovery {
    pub truncated: Truncated,
    /// Key of the first row, or that of the row to come; what lies before it was given up.
    pub first_row: Vec<u8>,
    pub hard_state: HardState,
    pub last: (LogIndex, Term),
    pub crc: u32,
    pub acked: Vec<Acked>,
    pub tail: Vec<Entry>,
    /// Keys of what a crash left behind the last sound row, and why it does not count.
    pub residue: Option<(RowFault, Vec<Vec<u8>>)>,
}

/// Recovers the log that `guard` speaks of. Writes nothing.
pub(super) fn recover(
    reader: &dyn Reader,
    guard: &Slot,
    place: &str,
) -> Result<Recovery, LogError> {
    let judge = Judge { guard, place };
    let (truncated, hard_state) = judge.meta(reader)?;
    let acked = judge.acked(reader)?;
    let mut walk = Walk::new(&truncated, &hard_state, guard.mark.last);
    let first_row = first_row(reader, &truncated)?;
    reader.scan(Space::Log, (Bound::Included(&first_row), Bound::Unbounded), &mut |key, row| {
        walk.visit(key, row);
        ControlFlow::Continue(())
    })?;
    judge.end(&truncated, &walk)?;
    let commit = hard_state.commit.clamp(truncated.index.0, walk.last.0.0);
    Ok(Recovery {
        truncated,
        first_row,
        hard_state: HardState { commit, ..hard_state },
        last: walk.last,
        crc: walk.crc,
        acked,
        tail: walk.tail.into(),
        residue: walk.fault.map(|fault| (fault, walk.residue)),
    })
}

/// Key from which rows count. Rows before it were given up, and any of them may still be there: it is the last row that
/// begins at or before the first entry, unless that row was given up whole.
fn first_row(reader: &dyn Reader, truncated: &Truncated) -> Result<Vec<u8>, LogError> {
    let first = codec::row_key(LogIndex(truncated.index.0 + 1));
    let Some((key, row)) = reader.at_or_before(Space::Log, &first)? else {
        return Ok(first.to_vec());
    };
    match codec::decode_row(&key, row) {
        // An older form of a row in front may go further than the row that it was replaced by; it continues another one.
        Ok(row) if *key < first[..] && !goes_on(&row, truncated) => Ok(first.to_vec()),
        // What cannot be read is the walk's to find.
        _ => Ok(key.to_vec()),
    }
}

/// Whether a row that begins in front of the log has entries of it.
fn goes_on(row: &Row, truncated: &Truncated) -> bool {
    let ends_behind = row.entries.last().is_some_and(|last| last.index > truncated.index.0);
    ends_behind && row.before == truncated.crc
}

/// Decides what a finding means.
struct Judge<'a> {
    guard: &'a Slot,
    place: &'a str,
}

impl Judge<'_> {
    fn missing(&self, finding: Finding) -> LogError {
        LogError::Missing { place: self.place.to_owned(), finding }
    }

    fn damaged(&self, finding: Finding) -> LogError {
        LogError::Damaged { place: self.place.to_owned(), finding }
    }

    /// The rows beside the entries, if they are not older than the guard.
    fn meta(&self, reader: &dyn Reader) -> Result<(Truncated, HardState), LogError> {
        let truncated = reader.get(Space::LogMeta, codec::KEY_TRUNCATED)?;
        let hard_state = reader.get(Space::LogMeta, codec::KEY_HARD_STATE)?;
        let (Some(truncated), Some(hard_state)) = (truncated, hard_state) else {
            return Err(self.missing(Finding::NoLog));
        };
        let truncated =
            Truncated::decode(truncated).ok_or_else(|| self.damaged(Finding::Meta("truncated")))?;
        let hard_state = codec::decode_hard_state(hard_state)
            .ok_or_else(|| self.damaged(Finding::Meta("hard_state")))?;
        self.compare_meta(&truncated, &hard_state)?;
        Ok((truncated, hard_state))
    }

    /// What is remembered of members; nothing in a log of an earlier version.
    fn acked(&self, reader: &dyn Reader) -> Result<Vec<Acked>, LogError> {
        let row = reader.get(Space::LogMeta, codec::KEY_ACKED)?;
        let read = row.map(|row| {
            codec::decode_acked(row).ok_or_else(|| self.damaged(Finding::Meta("acked")))
        });
        read.transpose().map(Option::unwrap_or_default)
    }

    fn compare_meta(&self, truncated: &Truncated, hard_state: &HardState) -> Result<(), LogError> {
        let mark = &self.guard.mark;
        let (term, vote) = (Term(hard_state.term), MemberId(hard_state.vote));
        let same_term = term == mark.term;
        let other_vote = mark.vote != MemberId(0) && vote != mark.vote;
        let clean_and_other = self.guard.clean && (term, vote) != (mark.term, mark.vote);
        if term < mark.term || (same_term && other_vote) || clean_and_other {
            return Err(self.missing(Finding::Vote {
                term,
                vote,
                guarded_term: mark.term,
                guarded_vote: mark.vote,
            }));
        }
        if truncated.epoch < mark.epoch || (self.guard.clean && truncated.epoch != mark.epoch) {
            let (found, guarded) = (truncated.epoch, mark.epoch);
            return Err(self.missing(Finding::Epoch { found, guarded }));
        }
        Ok(())
    }

    /// The last index that must be there.
    fn floor(&self, truncated: &Truncated) -> LogIndex {
        let guarded = self.guard.mark.last;
        if truncated.epoch == self.guard.mark.epoch {
            guarded
        } else {
            // A truncation was not reported yet when the process ended: what it left untouched still counts.
            guarded.min(truncated.kept)
        }
    }

    fn end(&self, truncated: &Truncated, walk: &Walk) -> Result<(), LogError> {
        let (last, mark) = (walk.last.0, &self.guard.mark);
        let floor = self.floor(truncated);
        if let Some(fault) = walk.fault
            && (last < floor || self.guard.clean)
        {
            return Err(self.damaged(Finding::Row { after: last, fault }));
        }
        if last < floor {
            return Err(self.missing(Finding::Shorter { last, guarded: mark.last }));
        }
        if self.guard.clean && last != mark.last {
            return Err(self.damaged(Finding::Longer { last, guarded: mark.last }));
        }
        if truncated.epoch == mark.epoch && walk.crc_at_guard != Some(mark.crc) {
            return Err(self.damaged(Finding::Other { at: mark.last }));
        }
        Ok(())
    }
}

/// The state of a walk over the rows.
struct Walk {
    /// Index in front of the log.
    begin: LogIndex,
    /// Term that no entry exceeds.
    term_max: Term,
    last: (LogIndex, Term),
    crc: u32,
    rows: u64,
    guarded: LogIndex,
    /// Crc where the guard's last index is.
    crc_at_guard: Option<u32>,
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    fault: Option<RowFault>,
    residue: Vec<Vec<u8>>,
}

impl Walk {
    fn new(truncated: &Truncated, hard_state: &HardState, guarded: LogIndex) -> Self {
        Self {
            begin: truncated.index,
            term_max: Term(hard_state.term),
            last: (truncated.index, truncated.term),
            crc: truncated.crc,
            rows: 0,
            guarded,
            crc_at_guard: (truncated.index == guarded).then_some(truncated.crc),
            tail: VecDeque::new(),
            tail_bytes: 0,
            fault: None,
            residue: Vec::new(),
        }
    }

    fn visit(&mut self, key: &[u8], row: &[u8]) {
        if self.fault.is_none() {
            let read = codec::decode_row(key, Bytes::copy_from_slice(row));
            match read.and_then(|row| self.follow(key, row)) {
                Ok(()) => return,
                Err(fault) => self.fault = Some(fault),
            }
        }
        self.residue.push(key.to_vec());
    }

    /// Takes a row if it is what follows.
    fn follow(&mut self, key: &[u8], row: Row) -> Result<(), RowFault> {
        let first = codec::row_index(key)?;
        // The first row may begin in front of the log: a truncation drops whole rows only.
        let follows =
            if self.rows == 0 { first.0 <= self.begin.0 + 1 } else { first.0 == self.last.0.0 + 1 };
        if !follows {
            return Err(RowFault::Gap);
        }
        if row.before != self.crc {
            return Err(RowFault::Chain);
        }
        let (Some(head), Some(end)) = (row.entries.first(), row.entries.last()) else {
            return Err(RowFault::Entries);
        };
        let last = (LogIndex(end.index), Term(end.term));
        let falls = self.rows > 0 && Term(head.term) < self.last.1;
        if falls || last.1 > self.term_max || last.0 <= self.begin {
            return Err(RowFault::Entries);
        }
        self.rows += 1;
        self.last = last;
        self.crc = row.crc;
        if last.0 == self.guarded {
            self.crc_at_guard = Some(row.crc);
        }
        self.keep(row.entries);
        Ok(())
    }

    fn keep(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().filter(|entry| entry.index > self.begin.0) {
            self.tail_bytes += entry.encoded_len();
            self.tail.push_back(entry);
        }
        while self.tail_bytes > limits::LOG_TAIL_BYTES_MAX && self.tail.len() > 1 {
            let Some(entry) = self.tail.pop_front() else { return };
            self.tail_bytes -= entry.encoded_len();
        }
    }
}

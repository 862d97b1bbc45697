//! [`Waiters`]: the table of proposals without a result.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mini_etcd_proto::internalpb::EntryKind;
use mini_etcd_shared::types::Term;

use super::admission::Load;

/// What one entry is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Number of the request at the member that proposes it.
    pub sequence: u64,
    /// What `data` is.
    pub kind: EntryKind,
    /// The entry's data.
    pub data: Bytes,
}

/// One proposal without a result.
#[derive(Debug)]
pub(super) struct Waiter {
    kind: EntryKind,
    data: Bytes,
    begun: u64,
    /// The only term in which it may be appended; none while nobody was given it.
    bound: Option<Term>,
}

/// The table. A proposal is *waiting* until it is given to a leader, then *bound* to the leader's term.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// IMPORTANT: ordered, so that what is lost is proposed again in the order in which it came.
    table: BTreeMap<u64, Waiter>,
    /// Numbers of the waiting ones; a number that left the table is skipped when met.
    queue: VecDeque<u64>,
    /// As `queue`, of changes of membership: these go one at a time.
    changes: VecDeque<u64>,
    /// In the order of arrival, which is that of the deadlines.
    arrivals: VecDeque<(u64, u64)>,
    waiting: Load,
    bound: Load,
}

/// A proposal whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expired {
    /// Its number.
    pub sequence: u64,
    /// When it began.
    pub begun: u64,
    /// No leader has it.
    pub waits: bool,
}

impl Waiters {
    /// What nobody was given yet.
    pub fn waiting(&self) -> Load {
        self.waiting
    }

    /// What a leader was given.
    pub fn bound(&self) -> Load {
        self.bound
    }

    /// Adds a proposal that begins at tick `now`.
    pub fn insert(&mut self, now: u64, proposal: Proposal) {
        let Proposal { sequence, kind, data } = proposal;
        self.waiting.add(data.len());
        self.arrivals.push_back((now, sequence));
        let old = self.table.insert(sequence, Waiter { kind, data, begun: now, bound: None });
        assert!(old.is_none(), "sequence {sequence} was used twice");
        self.line_of(kind).push_back(sequence);
    }

    /// The next waiting proposal, bound to `term`; changes of membership only when `changes`.
    pub fn bind_next(&mut self, term: Term, changes: bool) -> Option<Proposal> {
        let change = if changes { self.pop(true) } else { None };
        let sequence = match change {
            Some(sequence) => sequence,
            None => self.pop(false)?,
        };
        let waiter = self.table.get_mut(&sequence)?;
        waiter.bound = Some(term);
        self.waiting.remove(waiter.data.len());
        self.bound.add(waiter.data.len());
        Some(Proposal { sequence, kind: waiter.kind, data: waiter.data.clone() })
    }

    fn pop(&mut self, changes: bool) -> Option<u64> {
        let line = if changes { &mut self.changes } else { &mut self.queue };
        while let Some(sequence) = line.pop_front() {
            if self.table.contains_key(&sequence) {
                return Some(sequence);
            }
        }
        None
    }

    /// Removes a proposal that has its result; false when it is not there (any more).
    pub fn finish(&mut self, sequence: u64) -> bool {
        let Some(waiter) = self.table.remove(&sequence) else { return false };
        match waiter.bound {
            Some(_) => self.bound.remove(waiter.data.len()),
            None => self.waiting.remove(waiter.data.len()),
        }
        true
    }

    /// Whether `sequence` is bound to `term`.
    pub fn is_bound_to(&self, sequence: u64, term: Term) -> bool {
        self.table.get(&sequence).is_some_and(|waiter| waiter.bound == Some(term))
    }

    /// Puts these back before everything that waits, in the order given.
    pub fn release(&mut self, sequences: &[u64]) {
        for &sequence in sequences.iter().rev() {
            let Some(waiter) = self.table.get_mut(&sequence) else { continue };
            if waiter.bound.take().is_none() {
                continue;
            }
            let (kind, bytes) = (waiter.kind, waiter.data.len());
            self.bound.remove(bytes);
            self.waiting.add(bytes);
            self.line_of(kind).push_front(sequence);
        }
    }

    /// Those bound to a term before `term`, in order.
    pub fn bound_before(&self, term: Term) -> Vec<u64> {
        let lost = |waiter: &Waiter| waiter.bound.is_some_and(|bound| bound < term);
        self.table.iter().filter(|(_, waiter)| lost(waiter)).map(|(number, _)| *number).collect()
    }

    /// Removes and returns the next one that began at or before tick `limit`, with its begin.
    pub fn expire(&mut self, limit: u64) -> Option<Expired> {
        while let Some(&(begun, sequence)) = self.arrivals.front() {
            // A number that comes twice is refused, so an arrival speaks of this very waiter.
            let open = self.table.get(&sequence).is_some_and(|waiter| waiter.begun == begun);
            if open && begun > limit {
                return None;
            }
            self.arrivals.pop_front();
            let waits = self.table.get(&sequence).is_some_and(|waiter| waiter.bound.is_none());
            if open && self.finish(sequence) {
                self.forget_gone();
                return Some(Expired { sequence, begun, waits });
            }
        }
        None
    }

    /// Keeps the lines from growing with expired numbers while nobody leads.
    fn forget_gone(&mut self) {
        for line in [&mut self.queue, &mut self.changes] {
            while line.front().is_some_and(|sequence| !self.table.contains_key(sequence)) {
                line.pop_front();
            }
        }
    }

    fn line_of(&mut self, kind: EntryKind) -> &mut VecDeque<u64> {
        match kind {
            EntryKind::Normal => &mut self.queue,
            EntryKind::ConfChange => &mut self.changes,
        }
    }
}

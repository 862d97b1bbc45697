//! [`Proposals`]: which proposal may go to which leader, and when it is known to be lost.

use mini_etcd_proto::peerpb::forward_refused::Reason;
use mini_etcd_shared::types::Term;

use super::super::leadership::Leadership;
use super::admission::Load;
use super::outage::Outage;
use super::waiters::{Expired, Proposal, Waiters};
use crate::config::Timing;
use crate::error::RequestError;
use crate::limits::{
    APPEND_BYTES_MAX, PROPOSALS_IN_FLIGHT_MAX, PROPOSALS_PER_TURN_MAX, UNCOMMITTED_BYTES_MAX,
};

/// Requests that end with the same error.
pub type Failed = (RequestError, Vec<u64>);

/// The writes of this member's clients, from the request to the result.
///
/// Exactly once: a proposal is given to a leader for one term only (its own append, or `Forward.term`), and a
/// leader appends it in that term or never. Committed terms never fall, so once an entry of a later term is
/// applied and the proposal was not among the applied, it never will be: it is proposed again. A leader that
/// answers "not appended" frees it at once. Nothing else does, so nothing is ever appended twice.
#[derive(Debug)]
pub struct Proposals {
    /// Ticks that a proposal waits for its result, at the most.
    patience: u64,
    now: u64,
    waiters: Waiters,
    applied_term: Term,
    /// After a refusal nothing is forwarded until this tick, so that two members do not bounce a proposal back and forth.
    hold_until: u64,
}

/// What may be taken from the queue now.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// Changes of membership too.
    pub changes: bool,
}

impl Proposals {
    /// Without any.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        Self {
            patience: timing.request_ticks(),
            now: 0,
            waiters: Waiters::default(),
            applied_term: Term::default(),
            hold_until: 0,
        }
    }

    /// A request that was admitted arrives.
    pub fn add(&mut self, proposal: Proposal) {
        self.waiters.insert(self.now, proposal);
    }

    /// The next batch for the leader, bound to its term; empty when it is to wait.
    pub fn take(&mut self, leadership: Leadership, gate: Gate) -> Vec<Proposal> {
        let mut batch = Vec::new();
        if !leadership.has_leader() || self.now < self.hold_until {
            return batch;
        }
        let (mut bytes, mut changes) = (0, gate.changes);
        while batch.len() < PROPOSALS_PER_TURN_MAX && bytes < APPEND_BYTES_MAX {
            if !may_bind(self.waiters.bound()) {
                break;
            }
            let Some(proposal) = self.waiters.bind_next(leadership.term, changes) else { break };
            changes = false;
            bytes += proposal.data.len() as u64;
            batch.push(proposal);
        }
        batch
    }

    /// What waits to be taken.
    #[must_use]
    pub fn waiting(&self) -> Load {
        self.waiters.waiting()
    }

    /// Whether something waits to hear that entries are applied: room, or an entry of `term` that shows what is lost.
    #[must_use]
    pub fn heed_applied(&self, term: Term) -> bool {
        self.waiting().count > 0 || self.applied_term < term
    }

    /// Proposals without a result.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.waiters.waiting().count + self.waiters.bound().count
    }

    /// These were taken and not appended: they wait again, before all others.
    pub fn give_back(&mut self, sequences: &[u64]) {
        self.waiters.release(sequences);
    }

    /// These were taken and are refused for good.
    pub fn fail(&mut self, sequences: &[u64]) {
        for sequence in sequences {
            self.waiters.finish(*sequence);
        }
    }

    /// Entries up to one of `term` are applied, among them these of this member.
    pub fn applied(&mut self, term: Term, sequences: &[u64]) {
        // SAFETY-RAFT: the results first. What is still bound to an earlier term after that is lost; the other
        // way round it would be proposed a second time.
        for sequence in sequences {
            self.waiters.finish(*sequence);
        }
        if term > self.applied_term {
            self.applied_term = term;
            let lost = self.waiters.bound_before(term);
            self.waiters.release(&lost);
        }
    }

    /// A snapshot took the place of the state; its last entry is of `term`. Returns the numbers of those that may be in it or
    /// not: what was bound to a later term is in none of its entries, and what waits was given to nobody.
    pub fn installed(&mut self, term: Term) -> Vec<u64> {
        let unknown = self.waiters.bound_before(Term(term.0 + 1));
        self.fail(&unknown);
        self.applied_term = self.applied_term.max(term);
        unknown
    }

    /// A leader did not append what it was sent for `term`. Returns what its clients are told of.
    pub fn refused(&mut self, term: Term, sequences: &[u64], reason: Reason) -> Option<Failed> {
        // A late refusal of an earlier term says nothing about the present binding.
        let waiters = &self.waiters;
        let held = |sequence: &u64| waiters.is_bound_to(*sequence, term);
        let refused: Vec<u64> = sequences.iter().copied().filter(held).collect();
        match reason {
            Reason::NotLeader => {
                if !refused.is_empty() {
                    self.waiters.release(&refused);
                    self.hold_until = self.now + 1;
                }
                None
            }
            reason => {
                self.fail(&refused);
                let error = refusal_of(reason).unwrap_or(RequestError::TooManyRequests);
                (!refused.is_empty()).then_some((error, refused))
            }
        }
    }

    /// One tick passed. Returns what ran out of time.
    pub fn tick(&mut self, leadership: Leadership, outage: &Outage, peers: usize) -> Vec<Failed> {
        self.now += 1;
        let mut failed: Vec<Failed> = Vec::new();
        let Some(limit) = self.now.checked_sub(self.patience) else { return failed };
        while let Some(Expired { sequence, begun, waits }) = self.waiters.expire(limit) {
            // In etcd it is the caller's own deadline that ends the wait for a leader.
            let error = if waits && !leadership.has_leader() {
                RequestError::DeadlineExceeded
            } else {
                outage.timeout(begun, leadership, peers)
            };
            match failed.iter_mut().find(|(known, _)| *known == error) {
                Some((_, sequences)) => sequences.push(sequence),
                None => failed.push((error, vec![sequence])),
            }
        }
        failed
    }
}

/// What a client hears of a change of membership that the leader refuses; none for other reasons.
pub fn refusal_of(reason: Reason) -> Option<RequestError> {
    Some(match reason {
        Reason::NotLeader | Reason::Overloaded => return None,
        Reason::MemberNotFound => RequestError::MemberNotFound,
        Reason::MemberExists => RequestError::MemberExists,
        Reason::PeerUrlExists => RequestError::PeerUrlExists,
        Reason::NotLearner => RequestError::MemberNotLearner,
        Reason::LearnerNotReady => RequestError::LearnerNotReady,
        Reason::TooManyLearners => RequestError::TooManyLearners,
        Reason::NotEnoughStarted => RequestError::NotEnoughStarted,
        Reason::Unhealthy => RequestError::Unhealthy,
    })
}

/// Whether one more proposal may be given to a leader beside `bound`.
fn may_bind(bound: Load) -> bool {
    bound.count < PROPOSALS_IN_FLIGHT_MAX && (bound.bytes as u64) < UNCOMMITTED_BYTES_MAX
}

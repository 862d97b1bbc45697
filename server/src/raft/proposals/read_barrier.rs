//! [`ReadBarrier`]: finds the read index of linearizable reads, many at a time.

use std::collections::VecDeque;

use mini_etcd_shared::types::MemberId;

use super::super::leadership::Leadership;
use crate::config::Timing;
use crate::limits::{READ_RETRY_INTERVAL, READ_ROUNDS_MAX, TICK};

/// The question to ask next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// This member leads: confirm with a quorum, under this number.
    Quorum { round: u64 },
    /// Ask the leader, under this number.
    Ask { leader: MemberId, round: u64 },
}

/// What a finished round releases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Reads of this member.
    pub ids: Vec<u64>,
    /// Rounds of other members.
    pub answers: Vec<(MemberId, u64)>,
}

/// One question under way.
#[derive(Debug)]
struct Round {
    number: u64,
    begun: u64,
    reads: Vec<Read>,
    asked: Vec<(MemberId, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    id: u64,
    begun: u64,
}

/// The reads of this member and, where it leads, the rounds of the others.
///
/// A read joins the next round that begins after its arrival, never one under way: the index of a round is only
/// known to be new enough for what was there before it. Numbers are never used twice in the cluster's life, so a
/// late answer cannot be taken for another's.
#[derive(Debug)]
pub struct ReadBarrier {
    /// Ticks that a read waits, at the most.
    patience: u64,
    now: u64,
    leadership: Leadership,
    waiting: Vec<Read>,
    asked: Vec<(MemberId, u64)>,
    rounds: VecDeque<Round>,
    count: usize,
    first_number: u64,
    last_number: u64,
}

impl ReadBarrier {
    /// `first_number` differs at each start of the member.
    #[must_use]
    pub fn new(first_number: u64, timing: Timing) -> Self {
        Self {
            patience: timing.request_ticks(),
            now: 0,
            leadership: Leadership::default(),
            waiting: Vec::new(),
            asked: Vec::new(),
            rounds: VecDeque::new(),
            count: 0,
            first_number,
            last_number: first_number,
        }
    }

    /// A read that was admitted arrives.
    pub fn add(&mut self, id: u64) {
        self.count += 1;
        self.waiting.push(Read { id, begun: self.now });
    }

    /// Another member asks. Where this member does not lead nothing comes of it: the other asks again.
    pub fn ask(&mut self, from: MemberId, round: u64) {
        // One open question per member is enough: a later one replaces those not in a round yet.
        if self.leadership.leads() {
            self.asked.retain(|(member, _)| *member != from);
            self.asked.push((from, round));
        }
    }

    /// Who leads changed: questions under way are void, and asked again of the new leader. A read has no effect,
    /// so that is safe; etcd fails it with "leader changed" instead.
    pub fn moved(&mut self, leadership: Leadership) {
        if leadership == self.leadership {
            return;
        }
        self.leadership = leadership;
        self.asked.clear();
        self.reopen();
    }

    /// The next question, if one is due. `ready` is false while a leader has committed nothing in its term.
    pub fn question(&mut self, ready: bool) -> Option<Question> {
        let idle = self.waiting.is_empty() && self.asked.is_empty();
        if idle || self.rounds.len() >= READ_ROUNDS_MAX || !self.leadership.has_leader() {
            return None;
        }
        if self.leadership.leads() && !ready {
            return None;
        }
        self.last_number += 1;
        let number = self.last_number;
        self.rounds.push_back(Round {
            number,
            begun: self.now,
            reads: std::mem::take(&mut self.waiting),
            asked: std::mem::take(&mut self.asked),
        });
        Some(if self.leadership.leads() {
            Question::Quorum { round: number }
        } else {
            Question::Ask { leader: self.leadership.leader, round: number }
        })
    }

    /// Round `number` has its answer; it holds for every round that began before, too.
    pub fn answered(&mut self, number: u64) -> Released {
        let mut released = Released::default();
        if number <= self.first_number || number > self.last_number {
            return released;
        }
        while self.rounds.front().is_some_and(|round| round.number <= number) {
            let Some(round) = self.rounds.pop_front() else { break };
            self.count -= round.reads.len();
            released.ids.extend(round.reads.iter().map(|read| read.id));
            released.answers.extend(round.asked);
        }
        released
    }

    /// One tick passed. Returns the reads that ran out of time.
    pub fn tick(&mut self) -> Vec<u64> {
        self.now += 1;
        let retry = u64::try_from(READ_RETRY_INTERVAL.as_millis() / TICK.as_millis());
        let stale = self.now.saturating_sub(retry.unwrap_or(u64::MAX));
        if self.rounds.front().is_some_and(|round| round.begun <= stale) {
            // IMPORTANT: under a new number. Raft ignores a number it knows and would keep the old, lower index.
            self.reopen();
        }
        self.expire()
    }

    /// Reads without an answer.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.count
    }

    fn reopen(&mut self) {
        if self.rounds.is_empty() {
            return;
        }
        let mut reads = Vec::new();
        let mut asked = Vec::new();
        for round in self.rounds.drain(..) {
            reads.extend(round.reads);
            asked.extend(round.asked);
        }
        reads.append(&mut self.waiting);
        self.waiting = reads;
        if self.leadership.leads() {
            asked.append(&mut self.asked);
            self.asked = asked;
        }
    }

    fn expire(&mut self) -> Vec<u64> {
        let Some(limit) = self.now.checked_sub(self.patience) else { return Vec::new() };
        let mut late = Vec::new();
        let groups = self.rounds.iter_mut().map(|round| &mut round.reads);
        for reads in groups.chain([&mut self.waiting]) {
            // In the order of arrival: the first decides whether there is anything to do.
            let end = reads.iter().take_while(|read| read.begun <= limit).count();
            late.extend(reads.drain(..end).map(|read| read.id));
        }
        self.count -= late.len();
        late
    }
}

//! [`Doubts`]: members whose log may lack what they acknowledged, this one or others.
//!
//! A member is *in doubt* when its directory was put back from a copy, or when a peer remembers more of it than its log has.
//! It may have promised what it has forgotten: votes, terms, entries that are committed by its word. So, until that is
//! settled, what it says is marked with its boot nonce, and whoever receives it does this:
//!
//! - D1: a leader does not count its acknowledgements for a commit, nor its answers for a read or for its own quorum. It
//!   replicates to it as to a learner, and begins anew to find out where its log ends.
//! - D2: a candidate counts its vote only when all voters vote for that candidate, and one that is in doubt itself wins by
//!   all votes alone. Each other voter then has nothing that the winner lacks.
//! - D3: the doubt ends when the log has an entry that the leader names (`Proof`): what was committed when, after it had heard
//!   of the doubt, a quorum without that member confirmed that it leads; or, for a leader that was elected by all, its first
//!   own entry. A leader that was elected by all is in doubt no more.
//!
//! Who leads by a quorum without the member has every entry that was committed by its word, for two quorums share a member, and
//! it is not this one. What the peers remember ([`Memory`]) is noted by the leader with each acknowledgement, told the others
//! with each heartbeat, and written with the next write of the log: it costs no sync.

use std::collections::{BTreeMap, BTreeSet};

use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_proto::peerpb::{Acked as AckedMessage, Proof, RaftMessage};
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::core::Effects;
use super::driver::Driver;
use super::job::{Job, WriteTask};
use super::membership;
use super::status::Role;
use crate::limits::ACKED_MAX;
use crate::log::{Acked, LogWrite};

/// Why a member is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Its directory is a copy, or was put back from one.
    Copied,
    /// It acknowledged the entry at this index, as a peer remembers, and its log ends before it.
    Behind(LogIndex),
}

/// What is remembered of what members acknowledged, the own one as its peers tell it.
#[derive(Debug, Default)]
pub(super) struct Memory {
    of: BTreeMap<MemberId, Acked>,
    is_changed: bool,
}

impl Memory {
    fn new(stored: &[Acked]) -> Self {
        Self { of: stored.iter().map(|acked| (acked.member, *acked)).collect(), is_changed: false }
    }

    /// Keeps what is further than what is known.
    fn note(&mut self, acked: Acked) {
        let known = self.of.get(&acked.member);
        if known.is_none_or(|known| known.is_before(acked.index, acked.term)) {
            self.of.insert(acked.member, acked);
            self.is_changed = true;
        }
    }

    pub fn get(&self, member: MemberId) -> Option<Acked> {
        self.of.get(&member).copied()
    }

    /// All of it.
    pub fn all(&self) -> Vec<Acked> {
        self.of.values().take(ACKED_MAX).copied().collect()
    }
}

/// A member in doubt, as the leader of a term knows it.
#[derive(Debug)]
struct Noted {
    /// Of the start that is in doubt.
    nonce: u64,
    term: Term,
    is_asked: bool,
    /// The entry that ends the doubt.
    proof: Option<(LogIndex, Term)>,
}

/// The votes of an election in which this member stands.
#[derive(Debug, Default)]
struct Ballot {
    /// Kind and term of the votes.
    of: (i32, u64),
    granted: BTreeSet<MemberId>,
    /// Votes that count only when all voters vote so.
    held: Vec<RaftMessage>,
    /// Who is in doubt of those who voted, with its nonce.
    doubtful: BTreeMap<MemberId, u64>,
}

/// What a member knows of doubts.
#[derive(Debug)]
pub(super) struct Doubts {
    nonce: u64,
    own: Option<Doubt>,
    pub memory: Memory,
    /// Peers that know of doubts.
    heeding: BTreeSet<MemberId>,
    noted: BTreeMap<MemberId, Noted>,
    ballot: Ballot,
}

impl Doubts {
    /// Of a member in its start `nonce` with what it remembers.
    pub fn new(nonce: u64, stored: &[Acked], own: Option<Doubt>) -> Self {
        Self {
            nonce: nonce.max(1),
            own,
            memory: Memory::new(stored),
            heeding: BTreeSet::new(),
            noted: BTreeMap::new(),
            ballot: Ballot::default(),
        }
    }

    /// Why this member is in doubt.
    pub fn own(&self) -> Option<Doubt> {
        self.own
    }

    /// Whether the leader that this member is takes `member` for one in doubt.
    pub fn is_noted(&self, member: MemberId) -> bool {
        self.noted.contains_key(&member)
    }

    /// Other members that are in doubt as far as is known.
    pub fn others(&self) -> Vec<MemberId> {
        self.noted
            .keys()
            .chain(self.ballot.doubtful.keys())
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Another member leads, and knows who is in doubt.
    pub fn follow(&mut self) {
        self.noted.clear();
        self.ballot = Ballot::default();
    }

    /// What is to be written, where something is new.
    pub fn take_changed(&mut self) -> Option<Vec<Acked>> {
        std::mem::take(&mut self.memory.is_changed).then(|| self.memory.all())
    }
}

/// What a round for a [`Proof`] carries through Raft. Longer than that of a read; never used twice, as a term has one leader
/// and a member one nonce for each start.
fn context_of(term: Term, member: MemberId, nonce: u64) -> Vec<u8> {
    [term.0, member.0, nonce].map(u64::to_be_bytes).concat()
}

impl Driver {
    /// A peer said hello, and what it remembers of this member.
    pub(super) fn on_memory(&mut self, from: MemberId, acked: Option<Acked>, heeds_doubt: bool) {
        if heeds_doubt {
            self.doubts.heeding.insert(from);
        } else {
            self.doubts.heeding.remove(&from);
        }
        if let Some(acked) = acked.filter(|acked| acked.member == self.id) {
            self.remember(acked);
        }
    }

    fn remember(&mut self, acked: Acked) {
        // Of an earlier version, which knows no term; it is held against the log and not kept.
        if acked.term == Term(0) {
            if self.core.last_index() < acked.index {
                self.begin_doubt(acked.index);
            }
            return;
        }
        self.doubts.memory.note(acked);
        if acked.member == self.id {
            self.compare_with_memory();
        }
    }

    /// Begins to doubt where the log is behind what this member is known to have acknowledged.
    pub(super) fn compare_with_memory(&mut self) {
        if let Some(acked) = self.lacks() {
            self.begin_doubt(acked.index);
        }
    }

    /// What this member acknowledged, as is remembered, and its log has not.
    fn lacks(&self) -> Option<Acked> {
        self.doubts.memory.get(self.id).filter(|acked| self.is_lacked(acked))
    }

    /// Whether this is of this member, and its log ends before it.
    fn is_lacked(&self, acked: &Acked) -> bool {
        let last = self.core.last_index();
        let term = self.core.log_term(last).unwrap_or_default();
        let last = Acked { member: self.id, index: last, term };
        acked.member == self.id && last.is_before(acked.index, acked.term)
    }

    fn begin_doubt(&mut self, index: LogIndex) {
        let is_alone = membership::is_only_voter(&self.conf_state, self.id);
        if self.doubts.own.is_none() && !is_alone && !self.core.is_leader() {
            let last = self.core.last_index();
            tracing::warn!(
                member = %self.id, acknowledged = %index, %last,
                "this log lacks what it acknowledged, as a peer remembers: no vote before a leader has made up for it"
            );
            self.doubts.own = Some(Doubt::Behind(index));
        }
    }

    fn end_doubt(&mut self, how: &str) {
        if self.doubts.own.take().is_some() {
            tracing::warn!(member = %self.id, how, "the log has what it may have lost: this member votes again");
        }
    }

    /// Marks what leaves.
    pub(super) fn mark(&self, effects: &mut Effects) {
        let Doubts { own, nonce, heeding, noted, .. } = &self.doubts;
        let mut acked = None;
        for messages in [&mut effects.send_now, &mut effects.send_after] {
            if own.is_some() {
                // Who knows of no doubt would count the vote.
                messages.retain(|message| {
                    !is_vote(message) || message.reject || heeding.contains(&MemberId(message.to))
                });
            }
            for message in messages {
                match message.kind() {
                    Kind::AppendResponse
                    | Kind::HeartbeatResponse
                    | Kind::RequestVoteResponse
                    | Kind::RequestPreVoteResponse
                        if own.is_some() =>
                    {
                        message.doubt = *nonce;
                    }
                    Kind::Heartbeat => {
                        message.acked.clone_from(acked.get_or_insert_with(|| self.told()));
                        let noted = noted.get(&MemberId(message.to));
                        let noted = noted.filter(|noted| noted.term.0 == message.term);
                        message.proof = noted.and_then(|noted| {
                            let (index, term) = noted.proof?;
                            Some(Proof { nonce: noted.nonce, index: index.0, term: term.0 })
                        });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Takes a message of Raft, as much of it as may count.
    pub(super) fn weigh(&mut self, from: MemberId, mut message: RaftMessage) {
        match message.kind() {
            // Who is in doubt waits for a leader.
            Kind::TimeoutNow if self.doubts.own.is_some() => {}
            Kind::RequestVoteResponse | Kind::RequestPreVoteResponse => self.vote(from, message),
            Kind::AppendResponse | Kind::HeartbeatResponse => {
                let acks = message.kind() == Kind::AppendResponse && !message.reject;
                let (index, term) = (LogIndex(message.index), Term(message.term));
                self.discount(from, &mut message);
                let counts = self.raft(from, message) && acks && self.core.is_leader();
                if counts && self.core.leadership().term == term {
                    self.note_ack(from, index);
                }
            }
            Kind::Heartbeat => {
                let (proof, acked) = (message.proof.take(), std::mem::take(&mut message.acked));
                let term = Term(message.term);
                let lacks = acked.iter().map(of_message).any(|acked| self.is_lacked(&acked));
                if self.doubts.own.is_some() || lacks {
                    // A leader that does not know yet of the doubt speaks of what this log had. The answer tells it.
                    message.commit = message.commit.min(self.core.commit_index().0);
                }
                let now = |driver: &Self| driver.core.leadership();
                if self.raft(from, message) && (now(self).leader, now(self).term) == (from, term) {
                    for acked in acked.iter().map(of_message) {
                        self.remember(acked);
                    }
                    self.on_proof(proof);
                }
            }
            _ => {
                self.raft(from, message);
            }
        }
    }

    /// What a leader tells of all: what it remembers, and what is on its own disk.
    fn told(&self) -> Vec<AckedMessage> {
        let durable = self.core.persisted_index();
        let own = self.core.log_term(durable);
        let own = own.map(|term| Acked { member: self.id, index: durable, term });
        let others = self.doubts.memory.of.values().filter(|acked| acked.member != self.id);
        own.iter().chain(others).take(ACKED_MAX).map(to_message).collect()
    }

    fn note_ack(&mut self, from: MemberId, index: LogIndex) {
        if let Some(term) = self.core.log_term(index).filter(|_| index > LogIndex(0)) {
            self.doubts.memory.note(Acked { member: from, index, term });
        }
    }

    /// D1: takes out of an answer what does not count.
    fn discount(&mut self, from: MemberId, message: &mut RaftMessage) {
        let term = self.core.leadership().term;
        if !self.core.is_leader() || message.term != term.0 {
            return;
        }
        let nonce = message.doubt;
        if nonce == 0 {
            if self.doubts.noted.remove(&from).is_some() {
                tracing::info!(member = %self.id, peer = %from, "the peer is in doubt no more");
            }
            return;
        }
        let noted = self.doubts.noted.get(&from);
        if noted.is_none_or(|noted| (noted.nonce, noted.term) != (nonce, term)) {
            tracing::warn!(
                member = %self.id, peer = %from,
                "the peer's log may lack what it acknowledged: it counts for nothing until it has caught up"
            );
            self.core.forget_match(from);
            let noted = Noted { nonce, term, is_asked: false, proof: None };
            self.doubts.noted.insert(from, noted);
        }
        match message.kind() {
            Kind::AppendResponse if !message.reject => {
                message.index = message.index.min(self.core.commit_index().0);
            }
            Kind::HeartbeatResponse => message.context.clear(),
            _ => {}
        }
    }

    /// D2.
    fn vote(&mut self, from: MemberId, message: RaftMessage) {
        let stands = match message.kind() {
            Kind::RequestPreVoteResponse => Role::PreCandidate,
            _ => Role::Candidate,
        };
        if message.reject || self.core.role() != stands {
            self.raft(from, message);
            return;
        }
        let of = (message.kind, message.term);
        let ballot = &mut self.doubts.ballot;
        if ballot.of != of {
            *ballot = Ballot { of, ..Ballot::default() };
        }
        ballot.granted.insert(from);
        if message.doubt != 0 {
            ballot.doubtful.insert(from, message.doubt);
        }
        if message.doubt == 0 && self.doubts.own.is_none() {
            self.raft(from, message);
        } else {
            ballot.held.push(message);
        }
        if self.lacks_votes().is_empty() {
            for message in std::mem::take(&mut self.doubts.ballot.held) {
                self.raft(MemberId(message.from), message);
            }
        }
    }

    /// Voters that did not vote for this member in the election in which it stands.
    fn lacks_votes(&self) -> Vec<MemberId> {
        let state = &self.conf_state;
        let voters = state.voters.iter().chain(&state.voters_outgoing).copied().map(MemberId);
        let granted = &self.doubts.ballot.granted;
        voters.filter(|voter| *voter != self.id && !granted.contains(voter)).collect()
    }

    /// This member begins to lead. D3: an election by all needs no other proof.
    pub(super) fn begin_to_lead(&mut self) {
        let (last, term) = (self.core.last_index(), self.core.leadership().term);
        self.doubts.noted.clear();
        let is_by_all = self.lacks_votes().is_empty()
            && self.doubts.ballot.of == (Kind::RequestVoteResponse as i32, term.0);
        let ballot = std::mem::take(&mut self.doubts.ballot);
        if is_by_all {
            for (member, nonce) in ballot.doubtful {
                let noted = Noted { nonce, term, is_asked: true, proof: Some((last, term)) };
                self.doubts.noted.insert(member, noted);
            }
        }
        self.end_doubt("elected by all");
    }

    /// D3: asks for a proof where one is needed.
    pub(super) fn ask_for_proofs(&mut self) {
        if self.doubts.noted.is_empty() || !self.core.has_committed_in_term() {
            return;
        }
        for (member, noted) in &mut self.doubts.noted {
            if !std::mem::replace(&mut noted.is_asked, true) {
                self.core.read_index(context_of(noted.term, *member, noted.nonce));
            }
        }
    }

    /// A quorum confirmed that this member leads, where `context` is that of a round for a proof.
    pub(super) fn on_confirmed(&mut self, context: &[u8]) {
        // What was committed when the round began may be cut off by now; this is not, and is no less.
        let index = self.core.commit_index();
        let Some(term) = self.core.log_term(index) else { return };
        for (member, noted) in &mut self.doubts.noted {
            if context == context_of(noted.term, *member, noted.nonce) {
                noted.proof = Some((index, term));
            }
        }
    }

    fn on_proof(&mut self, proof: Option<Proof>) {
        let Some(proof) = proof.filter(|proof| proof.nonce == self.doubts.nonce) else { return };
        let index = LogIndex(proof.index);
        let is_there =
            index < self.core.first_index() || self.core.log_term(index) == Some(Term(proof.term));
        if is_there && self.core.persisted_index() >= index && self.lacks().is_none() {
            self.end_doubt("the leader has caught it up");
        }
    }

    /// Votes that an earlier start of `peer` gave in an election under way count no more.
    pub(super) fn forget_vote_of(&mut self, peer: MemberId) {
        let stands = matches!(self.core.role(), Role::PreCandidate | Role::Candidate);
        if stands && self.doubts.ballot.granted.contains(&peer) {
            self.doubts.ballot = Ballot::default();
            self.core.step_down();
        }
    }

    /// What is remembered goes with the last write of the turn, or alone with a tick; it waits for no sync.
    pub(super) fn write_memory(&mut self, jobs: &mut Vec<Job>, ticked: bool) {
        let state = &self.conf_state;
        let of = &mut self.doubts.memory.of;
        let before = of.len();
        of.retain(|member, _| membership::contains(state, *member) || *member == self.id);
        self.doubts.memory.is_changed |= of.len() != before;
        let last = jobs.iter_mut().rev().find_map(|job| match job {
            Job::Write(task) => Some(task),
            _ => None,
        });
        match last {
            Some(task) => {
                self.last_write = task.number;
                if let Some(acked) = self.doubts.take_changed() {
                    task.write.acked = Some(acked);
                }
            }
            None if ticked && self.installing.is_none() => {
                if let Some(acked) = self.doubts.take_changed() {
                    let write = LogWrite { acked: Some(acked), ..Default::default() };
                    let (number, then_send) = (self.last_write, Vec::new());
                    jobs.push(Job::Write(WriteTask { number, write, then_send }));
                }
            }
            None => {}
        }
    }
}

fn is_vote(message: &RaftMessage) -> bool {
    matches!(message.kind(), Kind::RequestVoteResponse | Kind::RequestPreVoteResponse)
}

fn to_message(acked: &Acked) -> AckedMessage {
    AckedMessage { member_id: acked.member.0, index: acked.index.0, term: acked.term.0 }
}

fn of_message(acked: &AckedMessage) -> Acked {
    Acked {
        member: MemberId(acked.member_id),
        index: LogIndex(acked.index),
        term: Term(acked.term),
    }
}

//! [`Driver`]: decides what may be sent, written, applied and answered, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use mini_etcd_proto::internalpb::{ConfState, EntryKind};
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_proto::peerpb::{RaftMessage, ReadBarrier as BarrierRequest, ReadIndex};
use mini_etcd_shared::clock::Moment;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::applying::Applying;
use super::changes::Changes;
use super::core::{CoreConfig, CoreError, Effects, NodeCore};
use super::cut::{CutPolicy, Cutting};
use super::doubt::{Doubt, Doubts};
use super::driver_install::{Installing, Snapshots};
use super::job::{Input, Job};
use super::leadership::Leadership;
use super::membership;
use super::proposals::{Admission, Outage, Proposal, Proposals, Question, ReadBarrier};
use super::stall::Stall;
use super::status::Role;
use super::suspicion::Suspicion;
use super::turn::Turn;
use super::validate::Refusal;
use crate::apply::Members;
use crate::config::Timing;
use crate::error::RequestError;
use crate::limits;
use crate::log::Recovered;
use crate::repeats::{Repeats, Say};

/// Why a driver cannot start.
pub type DriverError = CoreError;

/// What a driver starts with.
pub struct DriverConfig {
    pub id: MemberId,
    /// The log as it was found.
    pub log: Recovered,
    /// Index of the last applied entry.
    pub applied: LogIndex,
    /// Membership as of that entry.
    pub conf_state: ConfState,
    /// The members as of that entry.
    pub members: Arc<Members>,
    /// How long a member waits for a leader.
    pub timing: Timing,
    /// Drawn anew at each start of the member.
    pub boot_nonce: u64,
    /// When the log is cut; none for never.
    pub cut: Option<CutPolicy>,
    /// The directory is a copy, or was put back from one.
    pub is_copied: bool,
}

/// The pure sequencer of a member. See the module for its rules.
pub struct Driver {
    pub(super) id: MemberId,
    pub(super) core: NodeCore,
    pub(super) proposals: Proposals,
    pub(super) barrier: ReadBarrier,
    pub(super) applying: Applying,
    pub(super) changes: Changes,
    pub(super) conf_state: ConfState,
    /// As of what is applied.
    pub(super) members: Arc<Members>,
    pub(super) outage: Outage,
    pub(super) forwarded: Vec<Forwarded>,
    pub(super) leadership: Leadership,
    /// Whether there is a connection to a peer, where that was said.
    pub(super) connected: BTreeMap<MemberId, bool>,
    /// Tick since which the present voters have the present leader: what was heard before says nothing of them.
    pub(super) quorum_since: u64,
    pub(super) suspicion: Suspicion,
    pub(super) doubts: Doubts,
    /// Number of the last write that was handed out.
    pub(super) last_write: u64,
    stall: Stall,
    pub(super) cutting: Cutting,
    pub(super) snapshots: Snapshots,
    /// A snapshot is about to take the place of state and log. Raft stands still meanwhile.
    pub(super) installing: Option<Installing>,
    pub(super) timing: Timing,
    /// Ticks so far.
    pub(super) now: u64,
    last_leader: MemberId,
    pub(super) leader_changes: u64,
    pub(super) messages_refused: u64,
    /// Refusals in the log: a peer whose messages are refused sends them again and again.
    refusals: Repeats<(MemberId, Refusal)>,
    removed: bool,
    /// Who leads with other data than this member has.
    differs_from: Option<MemberId>,
    /// The inputs of a turn after those that go first; kept for its memory.
    later: Vec<Input>,
}

/// A proposal of another member.
pub(super) struct Forwarded {
    pub from: MemberId,
    pub term: Term,
    pub proposal: Proposal,
}

impl Driver {
    /// A driver on what was found on disk.
    ///
    /// # Errors
    /// When log and state do not fit each other.
    pub fn new(config: DriverConfig) -> Result<Self, DriverError> {
        let DriverConfig { id, log, applied, conf_state, members, boot_nonce, .. } = config;
        let DriverConfig { timing, cut, .. } = config;
        let alone = membership::is_only_voter(&conf_state, id);
        // Who is alone has nobody to ask.
        let own = (config.is_copied && !alone).then_some(Doubt::Copied);
        let doubts = Doubts::new(boot_nonce, &log.acked, own);
        let core =
            NodeCore::new(CoreConfig { id, log, applied, conf_state: conf_state.clone(), timing })?;
        let mut driver = Self {
            id,
            core,
            proposals: Proposals::new(timing),
            // Rounds of different starts must not meet: an answer may outlive the process that asked.
            barrier: ReadBarrier::new(boot_nonce << 32, timing),
            applying: Applying::new(applied),
            changes: Changes::default(),
            conf_state,
            members,
            outage: Outage::new(timing),
            forwarded: Vec::new(),
            leadership: Leadership { me: id, ..Leadership::default() },
            connected: BTreeMap::new(),
            quorum_since: 0,
            suspicion: Suspicion::default(),
            doubts,
            last_write: 0,
            stall: Stall::new(timing),
            cutting: Cutting::new(cut),
            snapshots: Snapshots::default(),
            installing: None,
            timing,
            now: 0,
            last_leader: MemberId(0),
            leader_changes: 0,
            messages_refused: 0,
            refusals: Repeats::default(),
            removed: false,
            differs_from: None,
            later: Vec::new(),
        };
        driver.compare_with_memory();
        if alone {
            // Nobody else can lead, so there is nobody to wait for.
            driver.core.campaign();
        }
        Ok(driver)
    }

    /// One turn: takes all inputs, answers with what is to be done, in order.
    pub fn step(&mut self, inputs: &mut Vec<Input>) -> Vec<Job> {
        let mut turn = Turn::default();
        if self.removed || self.differs_from.is_some() {
            inputs.clear();
            return turn.into_jobs();
        }
        // Before anything else: what is committed in this turn travels with the appends of this turn.
        let more = inputs.iter().any(brings_entries) || self.proposals.waiting().count > 0;
        self.core.more_will_follow(more);
        self.offer_snapshot();
        let mut ticked = false;
        let mut later = std::mem::take(&mut self.later);
        for input in inputs.drain(..) {
            match input {
                // IMPORTANT: first. The answer to what a write allowed to be said may be in the same turn.
                Input::Persisted { number, reader } => {
                    self.stall.ended(number);
                    self.core.persisted(number, reader);
                }
                Input::StateSynced { applied } => self.cutting.synced(applied),
                Input::Members(members) => self.members = members,
                Input::Applied { index, term, sequences } => {
                    self.on_applied(index, term, &sequences, &mut turn);
                }
                // Ticks that piled up while this thread stood still count once: what the others said meanwhile
                // is in the same inbox, and nobody shall be deposed for this member's pause.
                Input::Tick => ticked = true,
                other => later.push(other),
            }
        }
        for input in later.drain(..) {
            self.take(input, &mut turn);
        }
        self.later = later;
        if ticked {
            self.tick(&mut turn);
        }
        self.observe();
        if self.installing.is_none() {
            self.propose_all(&mut turn);
        }
        self.ask(&mut turn);
        self.ask_for_proofs();
        if self.installing.as_ref().is_none_or(Installing::is_draining) {
            self.change(&mut turn);
            if !self.removed {
                self.settle(&mut turn);
            }
        }
        self.install(&mut turn);
        let mut jobs = turn.into_jobs();
        self.write_memory(&mut jobs, ticked);
        for job in &jobs {
            if let Job::Write(task) = job {
                self.stall.began(task.number, self.now);
            }
        }
        if self.removed {
            jobs.push(Job::Removed);
        }
        jobs.extend(self.differs_from.map(|leader| Job::Differs { leader }));
        jobs
    }

    /// Whether something waits for [`Input::Applied`]. If not, it may come with any later turn.
    #[must_use]
    pub fn heeds_applied(&self) -> bool {
        self.installing.is_some()
            || self.applying.is_behind()
            || self.proposals.heed_applied(self.leadership.term)
    }

    fn take(&mut self, input: Input, turn: &mut Turn) {
        match input {
            Input::Message { from, body } => self.on_message(from, body, turn),
            Input::Propose { sequence, kind, data } => {
                self.proposals.add(Proposal { sequence, kind, data });
            }
            Input::Read { id } => self.barrier.add(id),
            Input::PeerHello { id, boot_nonce, acked, heeds_doubt } => {
                self.outage.heard(self.now, id);
                self.on_memory(id, acked, heeds_doubt);
                if self.suspicion.hello(id, boot_nonce) {
                    self.forget_vote_of(id);
                    self.suspect(id, "it was restarted");
                }
            }
            Input::PeerRefused { id } => {
                self.outage.lost(id);
                self.suspect(id, "nobody listens there");
            }
            Input::PeerUnreachable { id } => self.unreachable(id),
            Input::PeerConnected { id } => {
                self.meet(id);
            }
            Input::PeerDisconnected { id } => {
                self.connected.insert(id, false);
                self.unreachable(id);
            }
            Input::TransferLeader { to } => self.transfer(to),
            Input::Snapshot(staged) => self.on_snapshot(staged),
            Input::Installed => self.on_installed(turn),
            Input::LogReset(log) => self.on_log_reset(log, turn),
            Input::SnapshotSent { to, done } => self.on_snapshot_sent(to, done),
            Input::Tick
            | Input::Persisted { .. }
            | Input::StateSynced { .. }
            | Input::Members(_)
            | Input::Applied { .. } => {}
        }
    }

    fn on_message(&mut self, from: MemberId, body: Body, turn: &mut Turn) {
        self.outage.heard(self.now, from);
        match body {
            // A vote for itself could not become durable; whoever sent this finds another in time.
            // What Raft would answer is soon not true any more.
            Body::Raft(_) if self.installing.is_some() => {}
            Body::Raft(message)
                if message.kind() == Kind::TimeoutNow && self.stall.is_stalled(self.now) => {}
            Body::Raft(message) => self.weigh(from, message),
            Body::Forward(forward) => self.on_forward(from, forward, turn),
            Body::ForwardRefused(refused) => {
                let (term, reason) = (Term(refused.term), refused.reason());
                if let Some((error, sequences)) =
                    self.proposals.refused(term, &refused.sequences, reason)
                {
                    turn.fail_writes(error, sequences);
                }
            }
            Body::ReadBarrier(BarrierRequest { round }) => {
                if membership::contains(&self.conf_state, from) {
                    self.observe();
                    self.barrier.ask(from, round);
                }
            }
            Body::ReadIndex(ReadIndex { round, index }) => {
                let released = self.barrier.answered(round);
                turn.reads_ready(released.ids, LogIndex(index));
            }
            // Not of Raft: whoever receives them hands them to the keeper of leases.
            Body::LeaseQuestions(_) | Body::LeaseAnswers(_) => {}
        }
    }

    fn unreachable(&mut self, id: MemberId) {
        self.outage.lost(id);
        self.core.unreachable(id);
    }

    /// Raft takes a message; false when it is dropped.
    pub(super) fn raft(&mut self, from: MemberId, message: RaftMessage) -> bool {
        match self.core.message(from, message) {
            Ok(()) => self.suspicion.heard(self.now, from),
            Err(Refusal::Differs) => self.differs_from = Some(from),
            Err(refusal) => {
                self.refused(from, refusal);
                return false;
            }
        }
        true
    }

    fn refused(&mut self, from: MemberId, refusal: Refusal) {
        self.messages_refused += 1;
        let now = Moment(limits::TICK.saturating_mul(u32::try_from(self.now).unwrap_or(u32::MAX)));
        if let Some(Say { more }) = self.refusals.say((from, refusal), now) {
            tracing::warn!(%from, %refusal, more, "a peer's message was dropped");
        }
    }

    fn on_applied(&mut self, index: LogIndex, term: Term, own: &[u64], turn: &mut Turn) {
        self.applying.applied(index);
        self.core.applied(index);
        self.proposals.applied(term, own);
        if self.installing.is_none() {
            self.hand_backlog(turn);
        }
    }

    fn tick(&mut self, turn: &mut Turn) {
        self.now += 1;
        let stalled = self.stall.is_stalled(self.now);
        if stalled {
            self.core.wait_with_campaign();
        }
        // Before the tick, which may forget who answered lately.
        self.heed_disk();
        if self.installing.is_none() {
            self.tick_raft(stalled);
        }
        let peers = self.conf_state.voters.len().saturating_sub(1);
        for (error, sequences) in self.proposals.tick(self.leadership, &self.outage, peers) {
            turn.fail_writes(error, sequences);
        }
        turn.fail_reads(RequestError::Timeout, self.barrier.tick());
        if self.installing.is_none() {
            self.look_at_log(turn);
        }
    }

    fn tick_raft(&mut self, stalled: bool) {
        if self.leadership.leads() {
            self.core.tell_held(self.held());
        }
        self.tick_core();
        if self.suspicion.due(self.now, self.core.leadership().leader) && !stalled {
            self.stand_early();
        }
        self.observe();
    }

    fn stand_early(&mut self) {
        match self.core.role() {
            Role::Candidate | Role::PreCandidate if !self.core.may_ask_again() => return,
            Role::Candidate | Role::PreCandidate => {}
            Role::Follower | Role::Leader => {
                tracing::info!(member = %self.id, "stands for election before the timeout: nobody leads");
            }
        }
        self.core.campaign();
    }

    /// A leader whose disk does not finish a write hands over to a member that has on its disk what this one has not.
    /// Where there is none, every disk is slow, and a change of leaders would only add to it.
    fn heed_disk(&mut self) {
        if let Some(stalled) = self.stall.turns(self.now) {
            if stalled {
                tracing::warn!(member = %self.id, "a write of the log does not end: look at the disk");
            } else {
                tracing::warn!(member = %self.id, "the disk writes again");
            }
        }
        let hands_over = self.core.transferring_to().is_some();
        if self.stall.is_stalled(self.now) && self.core.leadership().leads() && !hands_over {
            let durable = self.core.persisted_index();
            if let Some(to) =
                self.furthest(|peer| peer.recently_active && peer.match_index > durable)
            {
                tracing::warn!(member = %self.id, %to, "hands leadership over: its disk stalls");
                self.core.transfer(to);
            }
        }
    }

    /// Requests of this member's clients that wait here, for the [`Admission`] of more.
    #[must_use]
    pub fn waiting(&self) -> Admission {
        Admission { proposals: self.proposals.waiting(), reads: self.barrier.pending() }
    }

    /// Whether a write of the log takes longer than the shortest election timeout.
    #[must_use]
    pub fn is_disk_stalled(&self) -> bool {
        self.stall.is_stalled(self.now)
    }

    /// The leader's process is gone, by a strong hint.
    fn suspect(&mut self, id: MemberId, hint: &str) {
        if self.core.leadership().leader != id {
            return;
        }
        let Some(rank) = membership::rank(&self.conf_state, id, self.id) else { return };
        if self.suspicion.suspect(self.now, id, rank) {
            tracing::info!(leader = %id, rank, hint, "the leader is lost");
            self.core.end_lease();
        }
    }

    /// Looks who leads now, and tells those whom it concerns.
    pub(super) fn observe(&mut self) {
        let leadership = self.core.leadership();
        if leadership == self.leadership {
            return;
        }
        if leadership.leader != self.leadership.leader || leadership.has_leader() {
            self.outage.moved(self.now, leadership);
        }
        if leadership.has_leader() && leadership.leader != self.last_leader {
            self.last_leader = leadership.leader;
            self.leader_changes += 1;
            let (member, term) = (self.id, leadership.term);
            if leadership.leads() {
                tracing::info!(%member, %term, "leads");
            } else {
                tracing::info!(%member, leader = %leadership.leader, %term, "follows");
            }
        }
        if leadership.has_leader() && !leadership.leads() {
            self.doubts.follow();
        }
        if leadership.leads() {
            self.begin_to_lead();
            self.snapshots.leads(self.now);
            self.quorum_since = self.now;
        }
        self.leadership = leadership;
        self.barrier.moved(leadership);
    }

    /// Begins a round for the reads that wait.
    fn ask(&mut self, turn: &mut Turn) {
        match self.barrier.question(self.core.has_committed_in_term()) {
            Some(Question::Quorum { round }) => {
                self.core.read_index(context_of(self.leadership.term, round));
            }
            Some(Question::Ask { leader, round }) => {
                turn.send(leader, Body::ReadBarrier(BarrierRequest { round }));
            }
            None => {}
        }
    }

    /// Takes from Raft until it has nothing more to say.
    fn settle(&mut self, turn: &mut Turn) {
        while let Some(mut effects) = self.core.effects() {
            self.mark(&mut effects);
            turn.write(&mut effects);
            self.on_reads(&effects, turn);
            for to in std::mem::take(&mut effects.snapshots) {
                self.send_snapshot(to, turn);
            }
            self.on_committed(effects, turn);
            if self.removed {
                // SAFETY-RAFT: a leader that removed itself must not take another step; the crate panics on the
                // next one. What it had to say is said.
                break;
            }
        }
        self.observe();
    }

    fn on_reads(&mut self, effects: &Effects, turn: &mut Turn) {
        for (context, index) in &effects.reads {
            let Some(round) = round_of(context) else {
                self.on_confirmed(context);
                continue;
            };
            let released = self.barrier.answered(round);
            turn.reads_ready(released.ids, *index);
            for (member, round) in released.answers {
                turn.send(member, Body::ReadIndex(ReadIndex { round, index: index.0 }));
            }
        }
    }

    fn on_committed(&mut self, effects: Effects, turn: &mut Turn) {
        for entry in &effects.committed {
            if entry.kind == EntryKind::ConfChange as i32 {
                self.changes.add(entry, effects.number, self.now);
            }
        }
        let left = self.make_changes();
        if let Some(task) = self.applying.committed(effects.committed) {
            turn.apply(task);
        }
        if left {
            self.leave(turn);
        }
    }

    /// Makes changes of membership that waited, if they hold by now, and goes on to what is behind them.
    fn change(&mut self, turn: &mut Turn) {
        if self.changes.first().is_none() {
            return;
        }
        let left = self.make_changes();
        self.hand_backlog(turn);
        if left {
            self.leave(turn);
        }
    }

    /// Makes the changes of membership that hold by now. Answers whether this member has left.
    fn make_changes(&mut self) -> bool {
        let mut left = false;
        let longest = 2 * self.timing.election_ticks_max() as u64;
        while let Some((entry, removes)) = self.changes.due(&self.core, self.now, longest) {
            // IMPORTANT: here, before apply hears of the entry. Raft must know the new members before it is told that the
            // change is applied.
            let was_in = membership::contains(&self.conf_state, self.id);
            if removes.is_some() {
                // Whoever it removes hears of it now: afterwards nobody speaks to him any more.
                self.core.announce_commit();
            }
            self.conf_state = self.core.apply_change(&entry);
            // One who joins reads of changes that came before its own.
            left |= was_in && !membership::contains(&self.conf_state, self.id);
            self.quorum_since = self.now;
            self.applying.changed(LogIndex(entry.index), self.conf_state.clone());
        }
        self.applying.hold_from(self.changes.first());
        left
    }

    /// This member was removed: the others learn what is committed, then it stops.
    fn leave(&mut self, turn: &mut Turn) {
        let leads = self.core.is_leader();
        self.core.announce_commit();
        if let Some(mut effects) = self.core.effects() {
            if leads {
                // The others need it, and this member has no use for its disk any more.
                effects.send_now.append(&mut effects.send_after);
            }
            turn.write(&mut effects);
        }
        self.removed = true;
    }

    fn hand_backlog(&mut self, turn: &mut Turn) {
        while let Some((low, high)) = self.applying.backlog() {
            match self.core.entries(low, high) {
                Ok(entries) => turn.apply(self.applying.hand(entries)),
                // As where Raft itself reads: a disk that refuses ends the process.
                Err(error) => panic!("committed entries cannot be read: {error}"),
            }
        }
    }
}

fn brings_entries(input: &Input) -> bool {
    matches!(input, Input::Propose { .. } | Input::Message { body: Body::Forward(_), .. })
}

/// What a round carries through Raft. Unique in the cluster's life: one member leads a term, once.
fn context_of(term: Term, round: u64) -> Vec<u8> {
    [term.0.to_be_bytes(), round.to_be_bytes()].concat()
}

fn round_of(context: &[u8]) -> Option<u64> {
    let context: &[u8; 16] = context.try_into().ok()?;
    let (_, round) = context.split_last_chunk()?;
    Some(u64::from_be_bytes(*round))
}

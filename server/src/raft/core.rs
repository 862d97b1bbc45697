//! [`NodeCore`]: raft-rs, with our types around it. Messages and completions in, effects out.

mod queries;

use bytes::Bytes;
use mini_etcd_proto::internalpb::{ConfChange, ConfState, Entry, EntryKind, HardState};
use mini_etcd_proto::peerpb::RaftMessage;
use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use raft::eraftpb::{self, MessageType};
use raft::{Config, RaftState, RawNode, ReadOnlyOption, SnapshotStatus, StateRole};

use super::validate::{self, Frame, Refusal};
use super::view::LogView;
use super::{convert, logging, membership};
use crate::config::Timing;
use crate::limits::{
    APPEND_BYTES_MAX, APPENDS_IN_FLIGHT_MAX, COMMITTED_BYTES_MAX, UNCOMMITTED_BYTES_MAX,
};
use crate::log::{LogError, LogReader, Recovered};

/// Why a member cannot start with what is on its disk.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The state is newer than the log. For the operator; exit code 71.
    #[error("the state was applied up to index {applied}, but the log ends at {last}")]
    AppliedBeyondLog {
        /// Index of the last applied entry.
        applied: LogIndex,
        last: LogIndex,
    },
    /// The state is older than the start of the log. For the operator; exit code 71.
    #[error("the state was applied up to index {applied}, but the log starts after {truncated}")]
    AppliedBeforeLog {
        /// Index of the last applied entry.
        applied: LogIndex,
        /// Index before the log's first.
        truncated: LogIndex,
    },
    /// The log is known to have been longer. For the operator; exit code 71.
    #[error("index {commit} was committed, but the log ends at {last}")]
    CommitBeyondLog {
        /// The commit index that was stored.
        commit: LogIndex,
        last: LogIndex,
    },
    /// Raft refuses its configuration. For nobody.
    #[error("raft cannot start: {0}")]
    Raft(String),
}

impl CoreError {
    /// Exit code of a process that ends with this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Raft(_) => 1,
            _ => 71,
        }
    }
}

/// Raft did not take a proposal: it leads no more, hands leadership over, or holds too much that is uncommitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

/// What a core starts with.
pub struct CoreConfig {
    pub id: MemberId,
    /// The log as it was found.
    pub log: Recovered,
    /// Index of the last applied entry.
    pub applied: LogIndex,
    /// Membership as of that entry.
    pub conf_state: ConfState,
    pub timing: Timing,
}

/// What is to be done after a step.
#[derive(Debug, Default)]
pub struct Effects {
    /// Number of this set; see [`NodeCore::persisted`].
    pub number: u64,
    /// May leave at once.
    pub send_now: Vec<RaftMessage>,
    /// Must be durable before `send_after` leaves; replaces what the log has from the first on.
    pub entries: Vec<Entry>,
    /// Must be durable before `send_after` leaves. Only when term or vote changed, or a removal is committed.
    pub hard_state: Option<HardState>,
    /// Must wait until this set and all before are durable.
    pub send_after: Vec<RaftMessage>,
    /// To apply, in order.
    pub committed: Vec<Entry>,
    /// Members that only a snapshot can help.
    pub snapshots: Vec<MemberId>,
    /// Rounds of reads that a quorum confirmed: context and index.
    pub reads: Vec<(Vec<u8>, LogIndex)>,
}

/// A node of Raft. What it knows of itself is asked in `queries`; nobody else reaches the crate's node.
pub struct NodeCore {
    raw: RawNode<LogView>,
    timing: Timing,
    /// The leader is believed dead: see [`NodeCore::end_lease`].
    lease_ended: bool,
    /// What is held by all that the leader of a term waits for, as it says, and that term.
    held: (Term, LogIndex),
    /// Term and vote as they were last handed out to be written.
    written: (u64, u64),
    /// Number of the last effects that changed term or vote.
    written_number: u64,
    /// Number of the last effects that had something to write.
    write_number: u64,
    /// Number of the last effects.
    last_number: u64,
    /// Number up to which everything is durable.
    persisted_number: u64,
}

impl NodeCore {
    /// Raft on a log as it was found.
    ///
    /// # Errors
    /// When log and state do not fit each other.
    pub fn new(config: CoreConfig) -> Result<Self, CoreError> {
        let CoreConfig { id, log, applied, conf_state, timing } = config;
        let (truncated, last) = (log.truncated, log.last.0);
        let commit = LogIndex(log.hard_state.commit.max(applied.0));
        if applied > last {
            return Err(CoreError::AppliedBeyondLog { applied, last });
        }
        if applied < truncated.0 {
            return Err(CoreError::AppliedBeforeLog { applied, truncated: truncated.0 });
        }
        if commit > last {
            return Err(CoreError::CommitBeyondLog { commit, last });
        }
        let hard_state = HardState { commit: commit.0, ..log.hard_state };
        let initial = RaftState {
            hard_state: convert::hard_state_in(&hard_state),
            conf_state: convert::conf_state_in(&conf_state),
        };
        let view = LogView::new(initial, &log.tail, log.reader, applied);
        let raw = RawNode::new(&raft_config(id, applied, timing), view, &logging::logger())
            .map_err(|error| CoreError::Raft(error.to_string()))?;
        let mut core = Self {
            raw,
            timing,
            lease_ended: false,
            held: Default::default(),
            written: (hard_state.term, hard_state.vote),
            written_number: 0,
            write_number: 0,
            last_number: 0,
            persisted_number: 0,
        };
        core.fix_timeout();
        Ok(core)
    }

    /// One tick passed. Answers whether this member stands for election with it.
    pub fn tick(&mut self) -> bool {
        let leads = self.is_leader();
        let stands = self.raw.tick() && !leads;
        self.fix_timeout();
        stands
    }

    /// A peer sent a message.
    ///
    /// # Errors
    /// When no sound member would have sent it; it is then dropped.
    pub fn message(&mut self, from: MemberId, message: RaftMessage) -> Result<(), Refusal> {
        validate::check(&message, &self.frame(from))?;
        if self.differs(&message) {
            return Err(Refusal::Differs);
        }
        let of_leader = matches!(message.kind(), Kind::Append | Kind::Heartbeat);
        let (term, held) = (Term(message.term), LogIndex(message.held));
        let message = convert::message_in(message).ok_or(Refusal::Kind)?;
        // What is left to be refused concerns nobody but the sender, who learns of it in time.
        let _ = self.raw.step(message);
        let now = self.leadership();
        if of_leader && now.leader == from {
            self.lease_ended = false;
            if now.term == term && held > LogIndex(0) {
                self.held = (term, held);
            }
        }
        self.fix_timeout();
        Ok(())
    }

    /// Whether a leader's append has another entry where one is committed here: then one of the two has lost what was
    /// promised, and the leader has a quorum behind it.
    fn differs(&self, message: &RaftMessage) -> bool {
        let (committed, term) = (self.commit_index(), self.raw.raft.term);
        let is_other = |index: u64, term: u64| {
            index <= committed.0
                && self.log_term(LogIndex(index)).is_some_and(|known| known != Term(term))
        };
        if message.kind() != Kind::Append || message.term < term || message.index > committed.0 {
            return false;
        }
        let entries = message.entries.iter().take_while(|entry| entry.index <= committed.0);
        is_other(message.index, message.log_term)
            || entries.into_iter().any(|entry| is_other(entry.index, entry.term))
    }

    /// How far the log of `peer` agrees is found out anew, as after an election.
    pub fn forget_match(&mut self, peer: MemberId) {
        let last = self.raw.raft.raft_log.last_index();
        if let Some(progress) = self.raw.raft.mut_prs().get_mut(peer.0) {
            progress.matched = 0;
            progress.become_probe();
            progress.next_idx = last + 1;
        }
    }

    fn frame(&self, from: MemberId) -> Frame {
        let raft = &self.raw.raft;
        Frame {
            me: MemberId(raft.id),
            from,
            is_member: raft.prs().get(from.0).is_some(),
            leader: MemberId(raft.leader_id),
            term: Term(raft.term),
            last: LogIndex(raft.raft_log.last_index()),
        }
    }

    /// Proposes entries, all in one message: it costs the same as one entry.
    ///
    /// # Errors
    /// [`Dropped`], and none is appended.
    pub fn propose(&mut self, contents: Vec<Bytes>) -> Result<(), Dropped> {
        if contents.is_empty() {
            return Ok(());
        }
        let entry = |data| {
            let mut entry = eraftpb::Entry::default();
            entry.set_data(data);
            entry
        };
        let mut message = eraftpb::Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.raw.raft.id;
        message.set_entries(contents.into_iter().map(entry).collect::<Vec<_>>().into());
        self.if_leading(|raw| raw.step(message))
    }

    /// Proposes a change of membership; `data` is its entry's content.
    ///
    /// # Errors
    /// [`Dropped`], also while another change is under way.
    pub fn propose_change(&mut self, change: &ConfChange, data: &Bytes) -> Result<(), Dropped> {
        // The crate would append an empty entry instead, and nobody would hear of it.
        if self.has_pending_change() {
            return Err(Dropped);
        }
        let change = membership::change_in(change);
        self.if_leading(|raw| raw.propose_conf_change(data.to_vec(), change))
    }

    /// A follower would pass a proposal on by itself and never tell what became of it.
    fn if_leading(
        &mut self,
        act: impl FnOnce(&mut RawNode<LogView>) -> raft::Result<()>,
    ) -> Result<(), Dropped> {
        if !self.is_leader() {
            return Err(Dropped);
        }
        let done = act(&mut self.raw).map_err(|_| Dropped);
        self.fix_timeout();
        done
    }

    /// Asks a quorum whether this member still leads. The context must never have been used before.
    pub fn read_index(&mut self, context: Vec<u8>) {
        self.raw.read_index(context);
    }

    /// Effects up to `number` are durable and in `reader`.
    pub fn persisted(&mut self, number: u64, reader: LogReader) {
        self.persisted_number = self.persisted_number.max(number);
        // Effects after the last write have nothing to wait for.
        let number = if number >= self.write_number { self.last_number } else { number };
        self.raw.on_persist_ready(number);
        let persisted = self.raw.raft.raft_log.persisted;
        self.raw.mut_store().persisted(reader, persisted);
        self.fix_timeout();
    }

    /// Entries up to `index` are applied.
    pub fn applied(&mut self, index: LogIndex) {
        self.raw.advance_apply_to(index.0);
        self.raw.mut_store().applied(index.0);
    }

    /// A committed change of membership takes effect. One that Raft refuses changes nothing, on every member.
    pub fn apply_change(&mut self, entry: &Entry) -> ConfState {
        if let Some(change) = membership::change_of(entry) {
            let change = membership::change_in(&change);
            if let Err(error) = self.raw.apply_conf_change(&change) {
                tracing::warn!(index = entry.index, %error, "a change of membership has no effect");
            }
        }
        self.conf_state()
    }

    /// Tells all what is committed, before this member leaves.
    pub fn announce_commit(&mut self) {
        if self.is_leader() {
            self.raw.raft.bcast_append();
        }
    }

    /// Stands for election now, asking first whether it would win.
    pub fn campaign(&mut self) {
        if !self.raw.raft.promotable() {
            return;
        }
        self.raw.raft.election_elapsed = 0;
        let _ = self.raw.campaign();
        self.fix_timeout();
    }

    /// The time until this member would stand for election begins anew.
    pub fn wait_with_campaign(&mut self) {
        if !self.is_leader() {
            self.raw.raft.election_elapsed = 0;
        }
    }

    /// The leader is believed dead: others may be voted for at once, and the own campaign waits for its turn.
    pub fn end_lease(&mut self) {
        if self.raw.raft.state == StateRole::Follower {
            self.lease_ended = true;
            self.raw.raft.election_elapsed = self.timing.election_ticks_min();
            self.fix_timeout();
        }
    }

    /// Starts to hand leadership to `to`.
    pub fn transfer(&mut self, to: MemberId) {
        if self.is_leader() {
            self.raw.transfer_leader(to.0);
        }
    }

    /// Stops to lead, in the same term.
    pub fn step_down(&mut self) {
        let term = self.raw.raft.term;
        self.raw.raft.become_follower(term, 0);
        self.fix_timeout();
    }

    /// Tells `to` to stand for election at once.
    pub fn tell_to_campaign(&mut self, to: MemberId) {
        self.raw.raft.send_timeout_now(to.0);
    }

    /// What was sent to `peer` may be lost.
    pub fn unreachable(&mut self, peer: MemberId) {
        self.raw.report_unreachable(peer.0);
    }

    /// All that this member waits for, as the leader, have the log up to here.
    pub fn tell_held(&mut self, index: LogIndex) {
        self.held = (Term(self.raw.raft.term), index);
    }

    /// A snapshot of the state as of the applied index may be sent to the next member that needs one.
    pub fn offer_snapshot(&mut self) {
        self.raw.mut_store().offer_snapshot();
    }

    /// A snapshot is on the disk of `peer`, or was lost.
    pub fn snapshot_sent(&mut self, peer: MemberId, done: bool) {
        let status = if done { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.raw.report_snapshot(peer.0, status);
    }

    /// Whether followers need no message of their own to learn what is committed: the next append is near.
    pub fn more_will_follow(&mut self, more: bool) {
        self.raw.skip_bcast_commit(more);
    }

    /// Committed entries from `low` up to and without `high`.
    ///
    /// # Errors
    /// A refusal of the disk.
    pub fn entries(&self, low: LogIndex, high: LogIndex) -> Result<Vec<Entry>, LogError> {
        self.raw.store().read(low.0, high.0, COMMITTED_BYTES_MAX)
    }

    /// What is to be done, if anything.
    ///
    /// # Panics
    /// When Raft wants a snapshot installed: those never go through it (see [`super::driver_install`]).
    pub fn effects(&mut self) -> Option<Effects> {
        if !self.raw.has_ready() {
            return None;
        }
        let mut ready = self.raw.ready();
        assert!(ready.snapshot().is_empty(), "validation lets no snapshot in");
        let mut effects = Effects { number: ready.number(), ..Effects::default() };
        self.last_number = effects.number;
        effects.entries = ready.take_entries().into_iter().map(convert::entry_out).collect();
        effects.committed =
            ready.take_committed_entries().into_iter().map(convert::entry_out).collect();
        effects.hard_state = self.changed_hard_state(&effects.committed);
        let states = ready.take_read_states().into_iter();
        effects.reads = states.map(|state| (state.request_ctx, LogIndex(state.index))).collect();
        if !effects.entries.is_empty() || effects.hard_state.is_some() {
            self.write_number = effects.number;
        }
        self.sort_messages(&mut ready, &mut effects);
        self.raw.mut_store().append(&effects.entries);
        self.raw.advance_append_async(ready);
        if self.write_number <= self.persisted_number {
            self.raw.on_persist_ready(effects.number);
        }
        self.fix_timeout();
        Some(effects)
    }

    fn changed_hard_state(&mut self, committed: &[Entry]) -> Option<HardState> {
        // The commit index alone is not worth a sync: it is found again from the applied index and the peers. But who is
        // removed stops once it hears of that, and cannot be asked any more.
        let removes = committed.iter().any(|entry| {
            entry.kind == EntryKind::ConfChange as i32 && membership::removed(entry).is_some()
        });
        let state = convert::hard_state_out(&self.raw.raft.hard_state());
        let now = (state.term, state.vote);
        if now == self.written && !removes {
            return None;
        }
        self.written = now;
        self.written_number = self.last_number;
        Some(state)
    }

    /// SAFETY-RAFT: a leader's messages may leave before its own sync, a follower's promises may not. Nobody may
    /// speak in a term that is not durable: after a crash the member could do other things in that term. The
    /// crate lets a sole voter do that towards its learners; here it waits.
    fn sort_messages(&self, ready: &mut raft::Ready, effects: &mut Effects) {
        let term_is_durable = self.written_number <= self.persisted_number;
        let messages = ready.take_messages().into_iter().chain(ready.take_persisted_messages());
        let leads = self.is_leader();
        let held = self.held();
        for mut message in messages {
            if message.get_msg_type() == MessageType::MsgSnapshot {
                effects.snapshots.push(MemberId(message.to));
            }
            if !self.set_place(&mut message) {
                continue;
            }
            let Some(mut message) = convert::message_out(message) else { continue };
            if message.kind() == Kind::Heartbeat {
                message.held = held.0;
            }
            // The answer to a heartbeat promises nothing but that this member is in the leader's term, and reads
            // wait for it.
            // Nor does the last word of one that led.
            let promises =
                !leads && !matches!(message.kind(), Kind::HeartbeatResponse | Kind::TimeoutNow);
            if term_is_durable && !promises {
                effects.send_now.push(message);
            } else {
                effects.send_after.push(message);
            }
        }
        let nothing_under_way = self.write_number <= self.persisted_number;
        if nothing_under_way {
            effects.send_now.append(&mut effects.send_after);
        }
    }

    /// Sets where the entries of an append stand to where they do; false when nobody knows what stands before them, so
    /// that the message must be lost. The crate adds entries to an append that is still queued for the same member, and
    /// where that one is empty it does not look whether they continue it: after `unreachable` they begin elsewhere.
    fn set_place(&self, message: &mut eraftpb::Message) -> bool {
        let first = message.get_entries().first().map_or(0, |entry| entry.index);
        if first == 0 || first == message.index + 1 {
            return true;
        }
        let before = first - 1;
        let Ok(term) = self.raw.raft.raft_log.term(before) else { return false };
        message.index = before;
        message.log_term = term;
        true
    }

    /// Replaces the timeout that the crate drew: with one that follows from voters, member and term, so that no two voters
    /// have the same, and a run can be repeated. After every call that may have drawn one.
    fn fix_timeout(&mut self) {
        let raft = &self.raw.raft;
        let ticks = if self.lease_ended {
            self.timing.election_ticks_max() - 1
        } else {
            let voters = raft.prs().conf().voters().ids();
            election_ticks(self.timing, voters.iter(), raft.id, raft.term)
        };
        self.raw.raft.set_randomized_election_timeout(ticks);
    }
}

fn raft_config(id: MemberId, applied: LogIndex, timing: Timing) -> Config {
    Config {
        id: id.0,
        election_tick: timing.election_ticks_min(),
        heartbeat_tick: timing.heartbeat_ticks(),
        min_election_tick: timing.election_ticks_min(),
        max_election_tick: timing.election_ticks_max(),
        applied: applied.0,
        max_size_per_msg: APPEND_BYTES_MAX,
        max_inflight_msgs: APPENDS_IN_FLIGHT_MAX,
        check_quorum: true,
        pre_vote: true,
        read_only_option: ReadOnlyOption::Safe,
        skip_bcast_commit: false,
        batch_append: true,
        priority: 0,
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: COMMITTED_BYTES_MAX,
    }
}

/// Election timeout of a member in a term. The voters stand in line, and the range is shared out among them, so that none asks
/// for votes while another does, and all are asked when they heard no leader for the shortest timeout either. With each term
/// the first goes to the end of the line, so that who stands and does not win makes room.
fn election_ticks(timing: Timing, voters: impl Iterator<Item = u64>, id: u64, term: u64) -> usize {
    let (mut count, mut before) = (0, 0);
    for voter in voters {
        count += 1;
        before += u64::from(voter < id);
    }
    let count: u64 = count.max(1);
    // The first term of a cluster is 1.
    let gone = term.saturating_sub(1) % count;
    let place = (before + count - gone) % count;
    let (least, most) = (timing.election_ticks_min() + 1, timing.election_ticks_max());
    let ticks = place * (most - least) as u64 / count;
    least + usize::try_from(ticks).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_stand_for_election_one_after_the_other() {
        let slow = Timing::new(Some(500), Some(5000)).unwrap();
        let fast = Timing::new(Some(10), Some(50)).unwrap();
        for (timing, most) in [(fast, 4), (Timing::default(), 9), (slow, 49)] {
            for voters in [1, 2, 3, 4, 5, 7, 9, 49].into_iter().filter(|voters| *voters <= most) {
                let ids = (0..voters).map(|place| 7 * place + 1);
                for term in 1..20 {
                    let mut all: Vec<usize> = ids
                        .clone()
                        .map(|id| election_ticks(timing, ids.clone(), id, term))
                        .collect();
                    all.sort_unstable();
                    assert_eq!(all[0], timing.election_ticks_min() + 1);
                    assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{voters}: {all:?}");
                    assert!(all.last().is_some_and(|last| *last < timing.election_ticks_max()));
                }
            }
        }
        let line = |term| [4, 5, 6].map(|id| election_ticks(Timing::default(), 4..7, id, term));
        assert_eq!(
            [1, 2, 3, 4].map(line),
            [[21, 24, 27], [27, 21, 24], [24, 27, 21], [21, 24, 27]]
        );
    }

    #[test]
    fn a_timeout_is_in_its_range_whoever_asks() {
        for (voters, id) in [(0..0, 3), (1..4, 0), (1..4, 9), (0..100, 99)] {
            let ticks = election_ticks(Timing::default(), voters, id, u64::MAX);
            assert!((20..30).contains(&ticks), "{ticks}");
        }
    }
}

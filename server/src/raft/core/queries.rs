//! What a [`NodeCore`] knows: its role and term, the indexes of its log, the members and how far they are.

use mini_etcd_proto::internalpb::ConfState;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use raft::{Progress, StateRole};

use super::NodeCore;
use crate::raft::convert;
use crate::raft::cut::Extent;
use crate::raft::leadership::Leadership;
use crate::raft::status::{PeerProgress, ProgressState, Role};

impl NodeCore {
    /// Who leads, in which term.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        let raft = &self.raw.raft;
        Leadership {
            me: MemberId(raft.id),
            leader: MemberId(raft.leader_id),
            term: Term(raft.term),
        }
    }

    /// What this member is in its term.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.raw.raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate => Role::PreCandidate,
            StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        }
    }

    /// Whether this member stands for election, or asks whether it would win, and asking anew may help. A candidate whose
    /// votes are on their way, or on a disk, would not count them any more.
    #[must_use]
    pub fn may_ask_again(&self) -> bool {
        let raft = &self.raw.raft;
        match raft.state {
            StateRole::PreCandidate => true,
            StateRole::Candidate => raft.prs().tally_votes().1 > 0,
            StateRole::Follower | StateRole::Leader => false,
        }
    }

    /// Whether this member leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    /// Whom this member voted for in its term; 0 for nobody.
    #[must_use]
    pub fn vote(&self) -> MemberId {
        MemberId(self.raw.raft.vote)
    }

    #[must_use]
    pub fn first_index(&self) -> LogIndex {
        LogIndex(self.raw.raft.raft_log.first_index())
    }

    /// Last index of the log, durable or not.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        LogIndex(self.raw.raft.raft_log.last_index())
    }

    /// Highest index that is durable here.
    #[must_use]
    pub fn persisted_index(&self) -> LogIndex {
        LogIndex(self.raw.raft.raft_log.persisted)
    }

    /// Highest index known to be committed.
    #[must_use]
    pub fn commit_index(&self) -> LogIndex {
        LogIndex(self.raw.raft.raft_log.committed)
    }

    /// Every member that the leader of this term waits for has the log up to here, as it says; 0 where nothing is known.
    #[must_use]
    pub fn held(&self) -> LogIndex {
        let (term, index) = self.held;
        if term.0 == self.raw.raft.term { index } else { LogIndex(0) }
    }

    /// Term of the entry at `index`, also of the one in front of the first; none outside of the log.
    #[must_use]
    pub fn log_term(&self, index: LogIndex) -> Option<Term> {
        let log = &self.raw.raft.raft_log;
        let is_within = index.0 + 1 >= log.first_index() && index.0 <= log.last_index();
        is_within.then(|| log.term(index.0).ok().map(Term)).flatten()
    }

    /// Whether all that was handed out to be written is durable.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.is_written(self.write_number)
    }

    /// Whether what the effects of this number had to write is durable.
    #[must_use]
    pub fn is_written(&self, number: u64) -> bool {
        number <= self.persisted_number
    }

    /// Whether a quorum of the voters beside `member` has said that it knows everything up to `index` to be committed.
    /// Of a leader.
    #[must_use]
    pub fn is_known_beside(&self, member: MemberId, index: LogIndex) -> bool {
        let peers = self.raw.raft.prs();
        let voters = peers.conf().voters().ids();
        let others: Vec<u64> = voters.iter().filter(|id| *id != member.0).collect();
        let knows = |id: &&u64| peers.get(**id).is_some_and(|it| it.committed_index >= index.0);
        others.iter().filter(knows).count() > others.len() / 2
    }

    /// What the log holds, with `entries` of the newest, of at most `bytes`, to stay.
    pub(in crate::raft) fn extent(&self, entries: u64, bytes: usize) -> Extent {
        self.raw.store().extent(entries, bytes)
    }

    /// Index of an entry with about so many entries, of so many bytes, behind it.
    pub(in crate::raft) fn far_behind(&self, entries: u64, bytes: u64) -> LogIndex {
        let by_entries = self.last_index().0.saturating_sub(entries);
        LogIndex(by_entries.max(self.raw.store().far_behind(bytes)))
    }

    /// Highest index that Raft was told is applied.
    #[must_use]
    pub fn applied_index(&self) -> LogIndex {
        LogIndex(self.raw.raft.raft_log.applied)
    }

    /// Whether this member leads and an entry of its term is committed: only then does it know all that is, and may
    /// answer reads.
    #[must_use]
    pub fn has_committed_in_term(&self) -> bool {
        self.is_leader() && self.raw.raft.commit_to_current_term()
    }

    /// The present membership.
    #[must_use]
    pub fn conf_state(&self) -> ConfState {
        convert::conf_state_out(&self.raw.raft.prs().conf().to_conf_state())
    }

    /// Whether a change of membership may be under way.
    #[must_use]
    pub fn has_pending_change(&self) -> bool {
        self.raw.raft.has_pending_conf()
    }

    /// Whom leadership is being handed to.
    #[must_use]
    pub fn transferring_to(&self) -> Option<MemberId> {
        self.raw.raft.lead_transferee.map(MemberId)
    }

    /// How far the other members are as this one counts while it leads, in the order of their ids.
    #[must_use]
    pub fn progress(&self) -> Vec<PeerProgress> {
        let (prs, me) = (self.raw.raft.prs(), self.raw.raft.id);
        let learners = prs.conf().learners();
        let others = prs.iter().filter(|(id, _)| **id != me);
        let mut list: Vec<_> =
            others.map(|(id, one)| progress_of(*id, one, learners.contains(id))).collect();
        list.sort_unstable_by_key(|progress| progress.id);
        list
    }

    /// Ticks after which this member stands for election.
    #[cfg(test)]
    pub fn election_timeout(&self) -> usize {
        self.raw.raft.randomized_election_timeout()
    }
}

fn progress_of(id: u64, progress: &Progress, is_learner: bool) -> PeerProgress {
    PeerProgress {
        id: MemberId(id),
        match_index: LogIndex(progress.matched),
        next_index: LogIndex(progress.next_idx),
        state: match progress.state {
            raft::ProgressState::Probe => ProgressState::Probe,
            raft::ProgressState::Replicate => ProgressState::Replicate,
            raft::ProgressState::Snapshot => ProgressState::Snapshot,
        },
        in_flight: progress.ins.count(),
        recently_active: progress.recent_active,
        is_learner,
    }
}

//! [`RaftStatus`]: role, term, indexes and followers of a member, as plain data.

use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::doubt::Doubt;
use super::driver::Driver;
use crate::limits;
use crate::log::Acked;

/// What a member is in its term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Follows, or waits for a leader.
    #[default]
    Follower,
    /// Asks whether it would be elected.
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

/// How the leader sends to a follower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressState {
    /// One message at a time, until it is known where the logs agree.
    #[default]
    Probe,
    /// As fast as it goes.
    Replicate,
    /// It waits for a snapshot.
    Snapshot,
}

/// A follower as the leader sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerProgress {
    /// The follower.
    pub id: MemberId,
    /// Its log agrees up to here.
    pub match_index: LogIndex,
    /// The next entry to send.
    pub next_index: LogIndex,
    /// How it is sent to.
    pub state: ProgressState,
    /// Append messages on their way.
    pub in_flight: usize,
    /// It answered within the last election timeout.
    pub recently_active: bool,
    /// It does not vote.
    pub is_learner: bool,
}

/// Where a member stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftStatus {
    /// What it is.
    pub role: Role,
    /// Who leads; 0 for nobody.
    pub leader: MemberId,
    /// Current term.
    pub term: Term,
    /// Whom it voted for in that term; 0 for nobody.
    pub vote: MemberId,
    /// Highest index known to be committed.
    pub commit: LogIndex,
    /// Whether it leads and an entry of its term is committed; before that a leader does not know all that is.
    pub committed_in_term: bool,
    /// Highest applied index that Raft was told of.
    pub applied: LogIndex,
    pub first: LogIndex,
    pub last: LogIndex,
    /// Highest index that is durable here.
    pub persisted: LogIndex,
    /// The followers, in the order of their ids; empty where this member does not lead.
    pub progress: Vec<PeerProgress>,
    /// Times that the leader changed since this member started.
    pub leader_changes: u64,
    /// Whom leadership is going to; 0 for nobody.
    pub transferring_to: MemberId,
    /// Voters, in order.
    pub voters: Vec<MemberId>,
    /// Learners, in order.
    pub learners: Vec<MemberId>,
    /// Writes without a result.
    pub proposals_pending: usize,
    /// Reads without a result.
    pub reads_pending: usize,
    /// Peer messages refused since this member started.
    pub messages_refused: u64,
    /// A write of the log takes longer than the shortest election timeout.
    pub disk_stalled: bool,
    /// Why this member is in doubt.
    pub doubt: Option<Doubt>,
    /// Other members in doubt, as far as this one knows.
    pub doubtful: Vec<MemberId>,
    /// Voters that this member has no connection to.
    pub away: Vec<MemberId>,
    /// What is remembered of what members acknowledged.
    pub acked: Vec<Acked>,
}

impl RaftStatus {
    /// Whether this member leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role == Role::Leader
    }

    /// Index that a linearizable read has to see, where no round has to confirm it: at a leader that is the only voter.
    ///
    /// A round would ask a quorum whether this member still leads, and the quorum is this member (Raft dissertation,
    /// 6.4). Whoever could lead after it needs its vote or its acknowledgement first, and then it is not shown as the
    /// only voter, or not as leader, any more.
    #[must_use]
    pub fn read_index_alone(&self) -> Option<LogIndex> {
        let is_alone = self.leads() && self.voters.len() == 1 && self.committed_in_term;
        is_alone.then_some(self.commit)
    }
}

impl RaftStatus {
    /// Members that are there and lack more entries than stay in the log anyway, and how many each lacks: the log is cut no further
    /// while the leader waits for them. Only it knows.
    pub fn log_waits_for(&self) -> impl Iterator<Item = (MemberId, u64)> {
        let lacks = |peer: &PeerProgress| {
            (peer.id, self.last.0.saturating_sub(peer.match_index.0.max(self.first.0 - 1)))
        };
        let there = self.progress.iter().filter(|peer| peer.recently_active);
        there.map(lacks).filter(|(_, lacks)| *lacks > limits::LOG_KEPT_ENTRIES)
    }
}

impl Driver {
    /// Where this member stands.
    #[must_use]
    pub fn status(&self) -> RaftStatus {
        let core = &self.core;
        let (role, leadership) = (core.role(), core.leadership());
        RaftStatus {
            role,
            leader: leadership.leader,
            term: leadership.term,
            vote: core.vote(),
            commit: core.commit_index(),
            committed_in_term: core.has_committed_in_term(),
            applied: core.applied_index(),
            first: core.first_index(),
            last: core.last_index(),
            persisted: core.persisted_index(),
            progress: if role == Role::Leader { core.progress() } else { Vec::new() },
            leader_changes: self.leader_changes,
            transferring_to: core.transferring_to().unwrap_or_default(),
            voters: self.conf_state.voters.iter().copied().map(MemberId).collect(),
            learners: self.conf_state.learners.iter().copied().map(MemberId).collect(),
            proposals_pending: self.proposals.pending(),
            reads_pending: self.barrier.pending(),
            messages_refused: self.messages_refused,
            disk_stalled: self.is_disk_stalled(),
            doubt: self.doubts.own(),
            doubtful: self.doubts.others(),
            away: self.away(),
            acked: self.doubts.memory.all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leader_alone_that_knows_what_is_committed_reads_without_a_round() {
        let alone = RaftStatus {
            role: Role::Leader,
            commit: LogIndex(7),
            committed_in_term: true,
            voters: vec![MemberId(1)],
            ..RaftStatus::default()
        };
        assert_eq!(alone.read_index_alone(), Some(LogIndex(7)));
        let with_learner = RaftStatus { learners: vec![MemberId(2)], ..alone.clone() };
        assert_eq!(with_learner.read_index_alone(), Some(LogIndex(7)));
        for other in [
            RaftStatus { role: Role::Follower, ..alone.clone() },
            RaftStatus { role: Role::Candidate, ..alone.clone() },
            RaftStatus { committed_in_term: false, ..alone.clone() },
            RaftStatus { voters: vec![MemberId(1), MemberId(2)], ..alone },
        ] {
            assert_eq!(other.read_index_alone(), None, "{other:?}");
        }
    }
}

//! [`Seen`]: what this member saw of the logs of its peers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mini_etcd_proto::peerpb::RaftMessage;
use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_shared::types::{LogIndex, MemberId};

use crate::raft::{PeerProgress, RaftStatus};

/// How far the log of each peer was seen to reach.
#[derive(Default)]
pub(crate) struct Seen {
    peers: Mutex<BTreeMap<MemberId, Reached>>,
}

/// What was seen of a peer's log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    /// It had an entry with this index.
    pub seen: LogIndex,
    /// It acknowledged this one, which is committed: no sound log ever ends before it.
    pub acked: LogIndex,
}

impl Reached {
    pub fn add(&mut self, more: Self) {
        self.seen = self.seen.max(more.seen);
        self.acked = self.acked.max(more.acked);
    }

    pub fn of(progress: &PeerProgress, status: &RaftStatus) -> Self {
        let seen = progress.match_index;
        Self { seen, acked: seen.min(status.commit) }
    }
}

impl Seen {
    /// Keeps what a leader knows of its followers beyond its term of office.
    pub fn keep(&self, status: &RaftStatus) {
        let mut peers = self.lock();
        for progress in &status.progress {
            peers.entry(progress.id).or_default().add(Reached::of(progress, status));
        }
    }

    /// Keeps what a message tells of its sender's log; says whether that is more than its birth.
    pub fn note(&self, from: MemberId, message: &RaftMessage) -> bool {
        let index = reaches(message);
        let mut peers = self.lock();
        let reached = peers.entry(from).or_default();
        reached.seen = reached.seen.max(index);
        reached.seen > LogIndex::BIRTH
    }

    pub(super) fn of(&self, peer: MemberId) -> Reached {
        self.lock().get(&peer).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MemberId, Reached>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An index that the sender's log reaches, going by what only a member with such a log says.
fn reaches(message: &RaftMessage) -> LogIndex {
    LogIndex(match message.kind() {
        Kind::Append => message.entries.last().map_or(message.index, |entry| entry.index),
        Kind::AppendResponse if !message.reject => message.index,
        Kind::RequestVote | Kind::RequestPreVote => message.index,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::internalpb::Entry;

    use super::*;

    /// Goal: nobody is told that he lost what he need not have any more. Method: a leader whose log is further than what is
    /// committed, and its followers, one behind the commit index and one in front of it.
    #[test]
    fn only_what_is_committed_counts_as_acknowledged() {
        let progress = |id, index| PeerProgress {
            id: MemberId(id),
            match_index: LogIndex(index),
            ..PeerProgress::default()
        };
        let status = RaftStatus {
            commit: LogIndex(10),
            progress: vec![progress(2, 12), progress(3, 7)],
            ..RaftStatus::default()
        };
        let seen = Seen::default();
        seen.keep(&status);
        seen.keep(&RaftStatus { progress: vec![progress(2, 0)], ..status });
        let of = |id| (seen.of(MemberId(id)).seen.0, seen.of(MemberId(id)).acked.0);
        assert_eq!((of(2), of(3)), ((12, 10), (7, 7)));
    }

    fn said(kind: Kind, index: u64, entries: &[u64]) -> RaftMessage {
        let entries =
            entries.iter().map(|index| Entry { index: *index, ..Entry::default() }).collect();
        RaftMessage { kind: kind.into(), index, entries, ..RaftMessage::default() }
    }

    #[test]
    fn a_log_is_seen_by_what_only_its_owner_says() {
        let (seen, peer) = (Seen::default(), MemberId(7));
        assert!(!seen.note(peer, &said(Kind::RequestVote, 1, &[])));
        assert!(!seen.note(peer, &said(Kind::HeartbeatResponse, 9, &[])));
        let refusal = RaftMessage { reject: true, ..said(Kind::AppendResponse, 9, &[]) };
        assert!(!seen.note(peer, &refusal));
        assert!(seen.note(peer, &said(Kind::Append, 1, &[2, 3])));
        assert_eq!(seen.of(peer).seen, LogIndex(3));
        assert!(seen.note(peer, &said(Kind::AppendResponse, 5, &[])));
        assert!(seen.note(peer, &said(Kind::RequestPreVote, 4, &[])));
        assert_eq!(seen.of(peer).seen, LogIndex(5));
    }
}

//! Changes of membership, and questions about who is who.

use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{ConfChange, ConfState, Entry};
use mini_etcd_shared::types::MemberId;
use prost::Message as _;
use raft::eraftpb;

/// The change that an entry asks for; none when it cannot be read, which is the same on every member.
pub fn change_of(entry: &Entry) -> Option<ConfChange> {
    ConfChange::decode(entry.data.clone()).ok()
}

/// Whom the entry of a change removes.
pub fn removed(entry: &Entry) -> Option<MemberId> {
    let change = change_of(entry)?;
    (change.kind() == Kind::Remove).then_some(MemberId(change.member_id))
}

/// A change in the crate's words.
pub fn change_in(change: &ConfChange) -> eraftpb::ConfChange {
    let mut out = eraftpb::ConfChange::default();
    out.set_change_type(match change.kind() {
        // Of nobody where it is nothing to Raft: the crate leaves such a change out.
        Kind::AddVoter | Kind::Update => eraftpb::ConfChangeType::AddNode,
        Kind::Remove => eraftpb::ConfChangeType::RemoveNode,
        Kind::AddLearner => eraftpb::ConfChangeType::AddLearnerNode,
    });
    out.node_id = if change.kind() == Kind::Update { 0 } else { change.member_id };
    out
}

/// Who votes and who listens after a change, as the crate has it; for entries that are applied without Raft.
pub fn after(state: &ConfState, change: &ConfChange) -> ConfState {
    let mut state = state.clone();
    let (kind, id) = (change.kind(), change.member_id);
    if kind == Kind::Update {
        return state;
    }
    state.voters.retain(|voter| *voter != id);
    state.learners.retain(|learner| *learner != id);
    match kind {
        Kind::AddVoter => state.voters.push(id),
        Kind::AddLearner => state.learners.push(id),
        Kind::Remove | Kind::Update => {}
    }
    state
}

/// Whether `id` is a voter or learner.
pub fn contains(state: &ConfState, id: MemberId) -> bool {
    state.voters.contains(&id.0) || state.learners.contains(&id.0)
}

/// Whether `id` is the one voter there is.
pub fn is_only_voter(state: &ConfState, id: MemberId) -> bool {
    state.voters == [id.0] && state.voters_outgoing.is_empty()
}

/// Place of `id` in the line of those who may follow `leader`; none for one who cannot.
pub fn rank(state: &ConfState, leader: MemberId, id: MemberId) -> Option<usize> {
    // The line starts behind the leader, so that the same member does not win every time.
    let mut heirs: Vec<u64> =
        state.voters.iter().copied().filter(|voter| *voter != leader.0).collect();
    heirs.sort_unstable();
    let start = heirs.iter().filter(|heir| **heir < leader.0).count();
    heirs.rotate_left(start);
    heirs.iter().position(|heir| *heir == id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heirs_stand_in_line_behind_the_leader() {
        let state = ConfState { voters: vec![3, 1, 2], ..ConfState::default() };
        let line = |leader| [1, 2, 3].map(|id| rank(&state, MemberId(leader), MemberId(id)));
        assert_eq!(line(1), [None, Some(0), Some(1)]);
        assert_eq!(line(2), [Some(1), None, Some(0)]);
        assert_eq!(line(3), [Some(0), Some(1), None]);
        let outside = rank(&state, MemberId(1), MemberId(9));
        assert_eq!(outside, None, "a learner inherits nothing");
    }
}

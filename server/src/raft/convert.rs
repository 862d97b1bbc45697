//! Our messages to the crate's and back. Contents are shared, never copied.

use mini_etcd_proto::internalpb::{ConfState, Entry, EntryKind, HardState};
use mini_etcd_proto::peerpb::RaftMessage;
use mini_etcd_proto::peerpb::raft_message::Kind;
use raft::eraftpb;
use raft::eraftpb::MessageType;

/// An entry for the crate.
///
/// The crate wants its own encoding of a change of membership in `data`, but reads it only where the change is
/// proposed. So ours travels in `context`, and `data` stays empty on every other way.
pub fn entry_in(entry: Entry) -> eraftpb::Entry {
    let mut out = eraftpb::Entry::default();
    out.set_index(entry.index);
    out.set_term(entry.term);
    if entry.kind == EntryKind::ConfChange as i32 {
        out.set_entry_type(eraftpb::EntryType::EntryConfChange);
        out.context = entry.data;
    } else {
        out.data = entry.data;
    }
    out
}

/// An entry of the crate.
pub fn entry_out(entry: eraftpb::Entry) -> Entry {
    let (kind, data) = match entry.get_entry_type() {
        eraftpb::EntryType::EntryNormal => (EntryKind::Normal, entry.data),
        _ => (EntryKind::ConfChange, entry.context),
    };
    Entry { kind: kind as i32, term: entry.term, index: entry.index, data }
}

/// A message for the crate; none for a kind that never goes in.
pub fn message_in(message: RaftMessage) -> Option<eraftpb::Message> {
    let mut out = eraftpb::Message::default();
    out.set_msg_type(type_in(message.kind())?);
    out.to = message.to;
    out.from = message.from;
    out.term = message.term;
    out.log_term = message.log_term;
    out.index = message.index;
    out.commit = message.commit;
    out.commit_term = message.commit_term;
    out.reject = message.reject;
    out.reject_hint = message.reject_hint;
    out.context = message.context;
    out.priority = message.priority;
    out.set_entries(message.entries.into_iter().map(entry_in).collect::<Vec<_>>().into());
    Some(out)
}

/// A message of the crate; none for a kind that never goes out.
pub fn message_out(mut message: eraftpb::Message) -> Option<RaftMessage> {
    let kind = type_out(message.get_msg_type())?;
    let entries = message.take_entries().into_vec();
    Some(RaftMessage {
        kind: kind as i32,
        to: message.to,
        from: message.from,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries: entries.into_iter().map(entry_out).collect(),
        commit: message.commit,
        commit_term: message.commit_term,
        reject: message.reject,
        reject_hint: message.reject_hint,
        request_snapshot: message.request_snapshot,
        context: message.context,
        priority: message.priority,
        held: 0,
        doubt: 0,
        proof: None,
        acked: Vec::new(),
    })
}

/// What the crate is to start with.
pub fn hard_state_in(state: &HardState) -> eraftpb::HardState {
    let mut out = eraftpb::HardState::default();
    out.set_term(state.term);
    out.set_vote(state.vote);
    out.set_commit(state.commit);
    out
}

/// What is to be durable.
pub fn hard_state_out(state: &eraftpb::HardState) -> HardState {
    HardState { term: state.term, vote: state.vote, commit: state.commit }
}

/// Membership for the crate.
pub fn conf_state_in(state: &ConfState) -> eraftpb::ConfState {
    let mut out = eraftpb::ConfState::default();
    out.set_voters(state.voters.clone());
    out.set_learners(state.learners.clone());
    out.set_voters_outgoing(state.voters_outgoing.clone());
    out.set_learners_next(state.learners_next.clone());
    out.set_auto_leave(state.auto_leave);
    out
}

/// Membership of the crate, with every list in order: the crate keeps them in hash order, and what is stored
/// must be equal on every member.
pub fn conf_state_out(state: &eraftpb::ConfState) -> ConfState {
    let sorted = |ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    ConfState {
        voters: sorted(state.get_voters()),
        learners: sorted(state.get_learners()),
        voters_outgoing: sorted(state.get_voters_outgoing()),
        learners_next: sorted(state.get_learners_next()),
        auto_leave: state.get_auto_leave(),
    }
}

fn type_in(kind: Kind) -> Option<MessageType> {
    Some(match kind {
        Kind::Append => MessageType::MsgAppend,
        Kind::AppendResponse => MessageType::MsgAppendResponse,
        Kind::RequestVote => MessageType::MsgRequestVote,
        Kind::RequestVoteResponse => MessageType::MsgRequestVoteResponse,
        Kind::Heartbeat => MessageType::MsgHeartbeat,
        Kind::HeartbeatResponse => MessageType::MsgHeartbeatResponse,
        Kind::TimeoutNow => MessageType::MsgTimeoutNow,
        Kind::RequestPreVote => MessageType::MsgRequestPreVote,
        Kind::RequestPreVoteResponse => MessageType::MsgRequestPreVoteResponse,
        Kind::Unspecified | Kind::Snapshot => return None,
    })
}

fn type_out(kind: MessageType) -> Option<Kind> {
    Some(match kind {
        MessageType::MsgAppend => Kind::Append,
        MessageType::MsgAppendResponse => Kind::AppendResponse,
        MessageType::MsgRequestVote => Kind::RequestVote,
        MessageType::MsgRequestVoteResponse => Kind::RequestVoteResponse,
        MessageType::MsgHeartbeat => Kind::Heartbeat,
        MessageType::MsgHeartbeatResponse => Kind::HeartbeatResponse,
        MessageType::MsgTimeoutNow => Kind::TimeoutNow,
        MessageType::MsgRequestPreVote => Kind::RequestPreVote,
        MessageType::MsgRequestPreVoteResponse => Kind::RequestPreVoteResponse,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_goes_in_comes_out_again() {
        let entry = |kind: EntryKind| Entry {
            kind: kind as i32,
            term: 3,
            index: 8,
            data: Bytes::from_static(b"data"),
        };
        let message = RaftMessage {
            kind: Kind::Append as i32,
            to: 1,
            from: 2,
            term: 4,
            log_term: 3,
            index: 7,
            entries: vec![entry(EntryKind::Normal), entry(EntryKind::ConfChange)],
            commit: 6,
            commit_term: 2,
            reject: true,
            reject_hint: 5,
            request_snapshot: 0,
            context: Bytes::from_static(b"context"),
            priority: -1,
            held: 0,
            ..RaftMessage::default()
        };
        assert_eq!(message_in(message.clone()).and_then(message_out), Some(message));
    }

    #[test]
    fn contents_are_shared_and_not_copied() {
        let data = Bytes::from(vec![7; 64]);
        let entry = Entry { kind: 0, term: 1, index: 2, data: data.clone() };
        assert_eq!(entry_out(entry_in(entry)).data.as_ptr(), data.as_ptr());
    }

    #[test]
    fn requests_of_clients_never_go_in_or_out_as_raft_messages() {
        let mut message = eraftpb::Message::default();
        for kind in [
            MessageType::MsgPropose,
            MessageType::MsgReadIndex,
            MessageType::MsgReadIndexResp,
            MessageType::MsgTransferLeader,
            MessageType::MsgSnapshot,
        ] {
            message.set_msg_type(kind);
            assert_eq!(message_out(message.clone()), None);
        }
    }
}

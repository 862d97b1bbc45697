//! Checks messages of peers. raft-rs trusts its messages and panics on many that no sound peer sends; those end here.

use mini_etcd_proto::internalpb::{ConfChange, Entry, EntryKind};
use mini_etcd_proto::peerpb::RaftMessage;
use mini_etcd_proto::peerpb::raft_message::Kind;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use prost::Message as _;

use crate::limits::{ACKED_MAX, PEER_BATCH_BYTES_MAX, REQUEST_BYTES_CEILING};

/// Largest term, index or commit that is believed: a revision is a signed number made from an index.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// Largest context of a message in bytes.
const CONTEXT_BYTES_MAX: usize = 64;

/// Context of a vote request that a leader's transfer caused; the crate's word.
const TRANSFER: &[u8] = b"CampaignTransfer";

/// Bytes that an entry's data may have over the largest request, for what the command adds.
const ENTRY_OVERHEAD_MAX: usize = 1024;

/// Why a message of a peer was dropped. For the operator, in the log; the peer hears nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// A kind that does not exist, or is not built yet.
    #[error("a kind of message that is not taken")]
    Kind,
    /// Sender or receiver is not who the connection says.
    #[error("the addresses do not fit the connection")]
    Address,
    /// Term 0, or a number beyond belief.
    #[error("a number that no sound member sends")]
    Number,
    /// Entries with gaps, falling terms, or content that is none.
    #[error("entries that are no piece of a log")]
    Entries,
    /// Something that is too large.
    #[error("larger than the limit")]
    Size,
    /// The peer speaks of entries that this member never had: this disk or the peer's went back in time.
    #[error("speaks of entries that this log does not have")]
    Beyond,
    /// The leader's log has another entry where one is committed here: this member's data is not that of the cluster.
    #[error("has another entry where one is committed here")]
    Differs,
    /// An order that only the leader may give.
    #[error("not from the leader")]
    NotLeader,
    /// An answer of somebody who is no member.
    #[error("not from a member")]
    Stranger,
}

/// What a message is held against.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub me: MemberId,
    /// Whose connection it came on.
    pub from: MemberId,
    /// Whether that is a member of the configuration.
    pub is_member: bool,
    /// The leader; 0 for none.
    pub leader: MemberId,
    pub term: Term,
    /// Last index of the log here.
    pub last: LogIndex,
}

/// Checks a message before Raft sees it.
///
/// Requests of a peer that this member's configuration does not know are let through: the configuration here may
/// be older than the peer's. Who may connect at all is the transport's to say.
///
/// # Errors
/// Why it must be dropped.
pub fn check(message: &RaftMessage, frame: &Frame) -> Result<(), Refusal> {
    addresses(message, frame)?;
    numbers(message)?;
    if message.context.len() > CONTEXT_BYTES_MAX || message.acked.len() > ACKED_MAX {
        return Err(Refusal::Size);
    }
    let kind = Kind::try_from(message.kind).map_err(|_| Refusal::Kind)?;
    if kind != Kind::Append && !message.entries.is_empty() {
        return Err(Refusal::Entries);
    }
    // Snapshots travel apart from messages, and nobody asks for one.
    if message.request_snapshot != 0 {
        return Err(Refusal::Kind);
    }
    by_kind(kind, message, frame)
}

fn by_kind(kind: Kind, message: &RaftMessage, frame: &Frame) -> Result<(), Refusal> {
    let only = |right: bool, refusal: Refusal| if right { Ok(()) } else { Err(refusal) };
    // What an earlier term said is ignored by Raft; the log may have been rewritten since.
    let current = message.term >= frame.term.0;
    match kind {
        Kind::Unspecified | Kind::Snapshot => Err(Refusal::Kind),
        Kind::Append => piece_of_log(message),
        Kind::AppendResponse => {
            only(frame.is_member, Refusal::Stranger)?;
            only(!current || message.reject || message.index <= frame.last.0, Refusal::Beyond)
        }
        Kind::Heartbeat => only(!current || message.commit <= frame.last.0, Refusal::Beyond),
        Kind::HeartbeatResponse | Kind::RequestVoteResponse | Kind::RequestPreVoteResponse => {
            only(frame.is_member, Refusal::Stranger)
        }
        Kind::RequestVote => {
            only(message.context.is_empty() || message.context == TRANSFER, Refusal::Kind)
        }
        Kind::RequestPreVote => only(message.context.is_empty(), Refusal::Kind),
        Kind::TimeoutNow => only(frame.leader == frame.from, Refusal::NotLeader),
    }
}

fn addresses(message: &RaftMessage, frame: &Frame) -> Result<(), Refusal> {
    let right = message.to == frame.me.0
        && message.from == frame.from.0
        && frame.from != frame.me
        && frame.from != MemberId(0);
    if right { Ok(()) } else { Err(Refusal::Address) }
}

fn numbers(message: &RaftMessage) -> Result<(), Refusal> {
    let numbers = [
        message.term,
        message.log_term,
        message.index,
        message.commit,
        message.commit_term,
        message.reject_hint,
        message.held,
    ];
    let acked = message.acked.iter().flat_map(|acked| [acked.index, acked.term]);
    let proof = message.proof.iter().flat_map(|proof| [proof.index, proof.term]);
    let mut numbers = numbers.into_iter().chain(acked).chain(proof);
    let right = message.term != 0 && numbers.all(|number| number < NUMBER_MAX);
    if right { Ok(()) } else { Err(Refusal::Number) }
}

fn piece_of_log(message: &RaftMessage) -> Result<(), Refusal> {
    if message.log_term > message.term || (message.index == 0 && message.log_term != 0) {
        return Err(Refusal::Number);
    }
    let (mut index, mut term, mut bytes) = (message.index, message.log_term, 0_usize);
    for entry in &message.entries {
        let follows = entry.index == index + 1 && entry.term >= term && entry.term <= message.term;
        if !follows || entry.term == 0 || entry.index >= NUMBER_MAX {
            return Err(Refusal::Entries);
        }
        (index, term) = (entry.index, entry.term);
        bytes = bytes.saturating_add(entry.data.len());
        content(entry)?;
    }
    if bytes > PEER_BATCH_BYTES_MAX { Err(Refusal::Size) } else { Ok(()) }
}

/// Checks what an entry holds, from a message or a forward.
///
/// # Errors
/// Why it must not become part of the log.
pub fn content(entry: &Entry) -> Result<(), Refusal> {
    if entry.data.len() > REQUEST_BYTES_CEILING + ENTRY_OVERHEAD_MAX {
        return Err(Refusal::Size);
    }
    match EntryKind::try_from(entry.kind) {
        Ok(EntryKind::Normal) => Ok(()),
        Ok(EntryKind::ConfChange) => match ConfChange::decode(entry.data.clone()) {
            Ok(change) if change.member_id != 0 => Ok(()),
            _ => Err(Refusal::Entries),
        },
        Err(_) => Err(Refusal::Entries),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mini_etcd_proto::peerpb::{Acked, Proof};

    use super::*;

    fn frame() -> Frame {
        let leader = MemberId(2);
        Frame {
            me: MemberId(1),
            from: leader,
            is_member: true,
            leader,
            term: Term(5),
            last: LogIndex(10),
        }
    }

    fn message(kind: Kind) -> RaftMessage {
        RaftMessage { kind: kind as i32, to: 1, from: 2, term: 5, ..RaftMessage::default() }
    }

    fn entry(index: u64, term: u64) -> Entry {
        Entry { kind: 0, term, index, data: Bytes::new() }
    }

    fn append(entries: Vec<Entry>) -> RaftMessage {
        RaftMessage { index: 10, log_term: 4, entries, ..message(Kind::Append) }
    }

    #[test]
    fn every_kind_that_raft_sends_passes() {
        for kind in [
            Kind::Append,
            Kind::AppendResponse,
            Kind::RequestVote,
            Kind::RequestVoteResponse,
            Kind::Heartbeat,
            Kind::HeartbeatResponse,
            Kind::TimeoutNow,
            Kind::RequestPreVote,
            Kind::RequestPreVoteResponse,
        ] {
            assert_eq!(check(&message(kind), &frame()), Ok(()), "{kind:?}");
        }
        assert_eq!(check(&append(vec![entry(11, 4), entry(12, 5)]), &frame()), Ok(()));
    }

    #[test]
    fn kinds_that_are_none_are_refused() {
        for kind in [0, 5, 11, -1] {
            let message = RaftMessage { kind, ..message(Kind::Append) };
            assert_eq!(check(&message, &frame()), Err(Refusal::Kind));
        }
        let asks = RaftMessage { request_snapshot: 3, ..message(Kind::AppendResponse) };
        assert_eq!(check(&asks, &frame()), Err(Refusal::Kind));
    }

    #[test]
    fn addresses_must_be_those_of_the_connection() {
        let heartbeat = message(Kind::Heartbeat);
        for wrong in [
            RaftMessage { to: 3, ..heartbeat.clone() },
            RaftMessage { from: 3, ..heartbeat.clone() },
            RaftMessage { from: 0, ..heartbeat.clone() },
        ] {
            assert_eq!(check(&wrong, &frame()), Err(Refusal::Address));
        }
        let own = RaftMessage { from: 1, ..heartbeat };
        assert_eq!(check(&own, &Frame { from: MemberId(1), ..frame() }), Err(Refusal::Address));
    }

    #[test]
    fn numbers_beyond_belief_are_refused() {
        let heartbeat = message(Kind::Heartbeat);
        for wrong in [
            RaftMessage { term: 0, ..heartbeat.clone() },
            RaftMessage { term: u64::MAX, ..heartbeat.clone() },
            RaftMessage { commit: u64::MAX, ..heartbeat.clone() },
            RaftMessage { index: NUMBER_MAX, ..message(Kind::Append) },
            RaftMessage {
                acked: vec![Acked { index: NUMBER_MAX, ..Acked::default() }],
                ..heartbeat.clone()
            },
            RaftMessage {
                proof: Some(Proof { term: u64::MAX, ..Proof::default() }),
                ..heartbeat.clone()
            },
            RaftMessage { log_term: 6, ..message(Kind::Append) },
        ] {
            assert_eq!(check(&wrong, &frame()), Err(Refusal::Number));
        }
    }

    #[test]
    fn entries_must_be_a_piece_of_a_log() {
        for entries in [
            vec![entry(12, 4)],
            vec![entry(10, 4)],
            vec![entry(11, 3)],
            vec![entry(11, 6)],
            vec![entry(11, 5), entry(12, 4)],
            vec![entry(11, 5), entry(13, 5)],
            vec![Entry { kind: 9, ..entry(11, 5) }],
            vec![Entry { kind: 1, ..entry(11, 5) }],
            vec![Entry { kind: 1, data: Bytes::from_static(b"\xff"), ..entry(11, 5) }],
        ] {
            assert_eq!(check(&append(entries), &frame()), Err(Refusal::Entries));
        }
        let elsewhere = RaftMessage { entries: vec![entry(1, 1)], ..message(Kind::Heartbeat) };
        assert_eq!(check(&elsewhere, &frame()), Err(Refusal::Entries));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let data = Bytes::from(vec![0; REQUEST_BYTES_CEILING + ENTRY_OVERHEAD_MAX + 1]);
        let large = append(vec![Entry { data, ..entry(11, 4) }]);
        assert_eq!(check(&large, &frame()), Err(Refusal::Size));
        let context = Bytes::from(vec![0; CONTEXT_BYTES_MAX + 1]);
        let wide = RaftMessage { context, ..message(Kind::Heartbeat) };
        assert_eq!(check(&wide, &frame()), Err(Refusal::Size));
        let acked = vec![Acked::default(); ACKED_MAX + 1];
        let long = RaftMessage { acked, ..message(Kind::Heartbeat) };
        assert_eq!(check(&long, &frame()), Err(Refusal::Size));
    }

    #[test]
    fn a_peer_cannot_speak_of_entries_that_never_were() {
        let heartbeat = RaftMessage { commit: 11, ..message(Kind::Heartbeat) };
        assert_eq!(check(&heartbeat, &frame()), Err(Refusal::Beyond));
        let ack = RaftMessage { index: 11, ..message(Kind::AppendResponse) };
        assert_eq!(check(&ack, &frame()), Err(Refusal::Beyond));
        let old = RaftMessage { term: 4, ..ack };
        assert_eq!(check(&old, &frame()), Ok(()), "Raft itself ignores earlier terms");
    }

    #[test]
    fn strangers_do_not_answer_and_followers_do_not_order() {
        let stranger = Frame { is_member: false, ..frame() };
        for kind in [Kind::AppendResponse, Kind::HeartbeatResponse, Kind::RequestVoteResponse] {
            assert_eq!(check(&message(kind), &stranger), Err(Refusal::Stranger));
        }
        assert_eq!(check(&message(Kind::Append), &stranger), Ok(()));
        let led_by_another = Frame { leader: MemberId(3), ..frame() };
        assert_eq!(check(&message(Kind::TimeoutNow), &led_by_another), Err(Refusal::NotLeader));
    }
}

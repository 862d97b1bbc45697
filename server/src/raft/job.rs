//! [`Input`] and [`Job`]: what goes into the driver and what comes out of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mini_etcd_proto::internalpb::{ConfState, EntryKind};
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use crate::apply::{ApplyTask, Members};
use crate::error::RequestError;
use crate::log::{Acked, LogReader, LogWrite, Recovered};

/// Something happened.
pub enum Input {
    /// [`crate::limits::TICK`] passed.
    Tick,
    /// A peer said something. `from` is who the connection belongs to.
    Message { from: MemberId, body: Body },
    /// A client of this member wants an entry.
    Propose {
        /// Number of the request; never used twice by one start of the member.
        sequence: u64,
        /// What `data` is.
        kind: EntryKind,
        data: Bytes,
    },
    /// A client of this member wants a linearizable read.
    Read {
        /// Number of the read; not in use.
        id: u64,
    },
    /// A [`WriteTask`] and all before it are durable. Said of the last one again when the log was cut.
    ///
    /// IMPORTANT: must be in the inbox before the task's `then_send` leaves the member, or the answer to a vote
    /// request could overtake it and Raft would find its own log shorter than it promised.
    Persisted {
        /// The task's number.
        number: u64,
        /// The log as it stands.
        reader: LogReader,
    },
    /// The state is durable up to this index: no loss of power makes it forget that it applied these entries.
    StateSynced { applied: LogIndex },
    /// A snapshot was received. Ignored where it is of no use.
    Snapshot(StagedSnapshot),
    /// The snapshot of [`Job::Install`] is the state.
    Installed,
    /// The log of [`Job::ResetLog`] as it stands.
    LogReset(Recovered),
    /// What became of a [`Job::SendSnapshot`]. Must come for each.
    SnapshotSent {
        to: MemberId,
        /// All of it is on the receiver's disk.
        done: bool,
    },
    /// The members as of what is applied. Before the [`Input::Applied`] of the entry that changed them, or in its turn.
    Members(Arc<Members>),
    /// Entries are applied.
    Applied {
        /// Index of the last.
        index: LogIndex,
        term: Term,
        /// Numbers of the requests of this member among them.
        sequences: Vec<u64>,
    },
    /// A connection with a peer began.
    PeerHello {
        id: MemberId,
        /// Drawn anew at each of its starts.
        boot_nonce: u64,
        /// What it remembers of this member; of term 0 where it knows the index alone.
        acked: Option<Acked>,
        /// It knows of members in doubt.
        heeds_doubt: bool,
    },
    /// Nobody listens where the peer should: its process is gone.
    PeerRefused { id: MemberId },
    /// Messages for the peer were dropped. Once per time that the queue is full, not per message.
    PeerUnreachable { id: MemberId },
    /// What is sent to the peer leaves from now on.
    PeerConnected { id: MemberId },
    /// The connection to the peer broke: what was on its way may be lost, and what is sent now is.
    PeerDisconnected { id: MemberId },
    /// Leadership is to go to another member. Ignored where this member does not lead.
    TransferLeader {
        /// To whom; none for the one that is furthest.
        to: Option<MemberId>,
    },
}

/// Something is to be done, in the order given.
#[derive(Debug)]
pub enum Job {
    /// Messages that may leave at once.
    Send(Vec<Outbound>),
    /// Entries to make durable.
    Write(WriteTask),
    /// The log is to be cut in front: nobody needs the entries up to and with this one any more. In its own time.
    CutLog { upto: LogIndex },
    /// The state is to be sent to a member, as it is now or later. One at a time.
    SendSnapshot { to: MemberId },
    /// The snapshot is to take the place of the state. Nothing is under way of log or state, and nothing begins before
    /// [`Input::Installed`].
    Install(StagedSnapshot),
    /// The log is to begin anew behind this entry, which the state has durably. Then [`Input::LogReset`], and reports of
    /// writes begin anew too.
    ResetLog { index: LogIndex, term: Term },
    /// Committed entries to apply.
    Apply(ApplyTask),
    /// These reads see what they must once `index` is applied.
    ReadReady { ids: Vec<u64>, index: LogIndex },
    /// These writes end without a result.
    FailWrites { sequences: Vec<u64>, error: RequestError },
    /// These reads end without a result.
    FailReads { ids: Vec<u64>, error: RequestError },
    /// This member is removed once the [`Job::Apply`] before this is done. The driver does nothing any more.
    Removed,
    /// The data of this member is not that of its cluster: the leader has another entry where one is committed here. The driver
    /// does nothing any more.
    Differs { leader: MemberId },
}

/// A snapshot of which every row is staged here, durably.
pub struct StagedSnapshot {
    /// Where it stands.
    pub index: LogIndex,
    pub term: Term,
    /// Membership as of that entry.
    pub conf_state: ConfState,
    /// While it lives nothing else is staged.
    pub hold: Box<dyn Send>,
}

impl fmt::Debug for StagedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("StagedSnapshot");
        out.field("index", &self.index).field("term", &self.term).finish_non_exhaustive()
    }
}

/// One message for a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Outbound {
    /// The peer.
    pub to: MemberId,
    /// What to say.
    pub body: Body,
}

/// What to make durable, and what to say after.
///
/// The log writer makes `write` durable, then puts [`Input::Persisted`] into the inbox, then sends `then_send`.
/// Several tasks that wait may become one sync; then the highest number is reported, and after it all messages
/// are sent in order. An empty `write` costs no sync, but its messages keep their turn.
#[derive(Debug)]
pub struct WriteTask {
    /// Rises with each task.
    pub number: u64,
    /// Entries and hard state.
    pub write: LogWrite,
    /// Messages that promise what is in this task or in one before.
    pub then_send: Vec<Outbound>,
}

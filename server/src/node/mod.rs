//! A running member: the threads around the pure parts, the streams between members, and the handle to it all.
//!
//! ```text
//! api ─▶ Proposer ─▶ Inbox ─▶ RaftThread ─┬▶ Worker: LogWriter ─▶ Persisted ─▶ Inbox, then messages ─▶ transport
//!            ▲                            ├▶ Worker: StateApplier ─▶ results, watch hub, Applied ─▶ Inbox
//!            └──────── Completions ◀──────┴▶ transport ─▶ peers
//! ```
//!
//! *What this is.* The shells that run the jobs of [`crate::raft::Driver`]: an inbox with a bound for each class of
//! input, plain threads for Raft, log and apply, one stream to each peer, and [`Proposer`], which services hold. What may
//! start when is not decided here; what runs a job is: the thread of its [`Worker`], or the Raft thread itself.
//!
//! *Invariants.*
//! - I1: control first. What the log writer and apply report is taken before what peers and clients ask.
//! - I2: at most one tick for each turn, and after the messages.
//! - I3: `Persisted` is in the inbox before the messages that waited for it are handed to the transport.
//! - I4: a member that comes back with an empty disk is told so by its peers before it takes part (`transport`).
//! - I5: the first refusal of a disk ends the process; nothing is acknowledged after it.
//! - I6: Raft goes on whatever a task does that its thread carries out: what is away from its seat is stood in for, and
//!   nobody leaves the seat while nobody stands by.
//! - I7: every queue has a bound with a name in `limits`.
//!
//! *What it refuses.* What does not fit into the inbox, with "too many requests"; peers of another cluster.
//!
//! *Where it is tested.* Unit tests here, `transport/tests.rs` over loopback, the process suites of the crate `tests`.

mod completions;
mod defragmenter;
mod handle;
mod inbox;
mod incarnation;
mod lease_keeper;
mod log_writer;
mod parked_reads;
mod queue;
mod raft_thread;
mod seat;
mod shown;
mod state_applier;
pub(crate) mod transport;
mod waiters;
mod worker;

pub use completions::{Completion, Completions};
pub use defragmenter::Defragmenter;
pub use handle::{LogPage, Proposer};
pub use inbox::{Heed, Inbox};
pub use incarnation::Incarnation;
pub use lease_keeper::{LeaseKeeper, LeaseLeft};
pub(crate) use log_writer::{LogChores, LogTask, LogWriter};
pub(crate) use parked_reads::ParkedReads;
pub(crate) use raft_thread::{Course, RaftThread};
pub use shown::Shown;
pub(crate) use state_applier::{ApplyChores, ApplyWork, StateApplier};
pub use waiters::Written;
pub(crate) use worker::Worker;

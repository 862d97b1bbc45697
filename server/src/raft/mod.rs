//! Consensus, without time, threads or sockets: the core around raft-rs and the driver that orders everything.
//!
//! ```text
//!            inputs: ticks, messages, proposals, reads, Persisted, Applied
//!               │
//! proposals ◀─▶ driver ─▶ core ─▶ raft-rs
//!               │
//!            jobs: Send, Write ─▶ log ─▶ Persisted, Apply ─▶ apply ─▶ Applied, ReadReady, FailWrites, ...
//! ```
//!
//! *What this is.* [`NodeCore`] fences raft-rs in: its message types do not leave this module, and nothing that a
//! peer says reaches it unchecked (`validate`). [`Driver`] knows what may start when. Both are pure: inputs and
//! completions in, jobs out; no thread, clock, socket, file or randomness. What runs the jobs is a shell: the threads of `node`, or the
//! simulation.
//! The tables that know which client waits for what ([`proposals`]) are pure too, and the driver owns them.
//!
//! *Invariants.*
//! - I1: a leader's appends leave before its own write, whose completion alone counts its own copy. A follower's
//!   promises (append and vote answers, requests for votes) leave after what they promise is durable.
//! - I2: nobody speaks in a term that is not durable.
//! - I3: `Persisted` is in the inbox before the messages that waited for it leave the member.
//! - I4: a committed change of membership takes effect in Raft before apply is given it, and Raft hears that it is
//!   applied after that.
//! - I5: a proposal is appended in the one term it is bound to, or never; see [`proposals`].
//! - I6: a read's round began after the read arrived, and its number was never used before.
//! - I7: the log is cut only behind what this member has applied durably ([`cut`]); who lacks what went gets a snapshot.
//!   One that is received takes the place of state and log while nothing of either is under way, state first, and Raft begins
//!   anew on what is there, as at a start ([`driver_install`]). A log that has the snapshot's entry needs none and is kept.
//! - I8: election timeouts follow from (voters, member, term); hash order decides nothing. Two runs over the same
//!   inputs are equal.
//! - I9: what a member says whose log may lack what it acknowledged counts for no commit, no read, and for no election but one by
//!   all ([`doubt`]). A member that has committed what the leader has not ends.
//!
//! *What it refuses.* Remote proposals and read requests in Raft's own messages, messages that would make raft-rs
//! panic, the removal of the leader by itself.
//!
//! *Where it is tested.* `testscripts/core` and `testscripts/driver` here, how long an outage takes in `outages`, the seeded run in
//! `tests/tests/sim.rs`.

mod applying;
mod changes;
mod convert;
mod core;
mod cut;
mod doubt;
mod driver;
mod driver_install;
mod driver_propose;
mod job;
mod leadership;
mod logging;
pub(crate) mod membership;
mod proposals;
mod quorum;
mod reconfigure;
mod stall;
mod status;
mod suspicion;
mod turn;
mod validate;
mod view;

#[cfg(test)]
mod core_scripts;
#[cfg(test)]
mod driver_scripts;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod testing;

pub use self::core::{CoreConfig, CoreError, Dropped, Effects, NodeCore};
pub use cut::CutPolicy;
pub use doubt::Doubt;
pub use driver::{Driver, DriverConfig, DriverError};
pub use job::{Input, Job, Outbound, StagedSnapshot, WriteTask};
pub use proposals::{Admission, Load, admit_lag};
pub use status::{PeerProgress, ProgressState, RaftStatus, Role};
pub use validate::Refusal;

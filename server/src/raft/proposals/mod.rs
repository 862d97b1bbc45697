//! From a request to its entry and back: waiters, read barrier, forwarding.
//!
//! ```text
//! api ─▶ handle ─▶ raft thread ─▶ Proposals ─▶ own log, or Forward to the leader ─▶ apply ─▶ waiter
//!                              └▶ ReadBarrier ─▶ quorum round here, or at the leader ─▶ index ─▶ waiter
//! ```
//!
//! *What this is.* [`Proposals`] and [`ReadBarrier`] are pure tables: they count ticks, not time, and say which
//! request may go where. The driver owns them; they know nothing of it. The handle that clients' tasks
//! hold stands on top of both.
//!
//! *Invariants.*
//! - I1: a write is appended at most once, although it is proposed again when it is lost: every attempt is bound
//!   to one term, and the next begins only when no entry of that term can be committed any more, or when the
//!   leader of that term said that it did not append it. A snapshot shows nothing of what is in it, so what may be is unknown then,
//!   and ends so.
//! - I2: every request ends: with a result, or with an error at its deadline.
//! - I3: a read joins only rounds that begin after its arrival. When the leader changes its round is asked again
//!   of the new one, without the client noticing (etcd answers "leader changed").
//! - I4: every queue has a bound with a name in `limits`. What clients ask is counted and refused at the inbox, by
//!   [`Admission`]; the tables here take what was admitted.
//!
//! *What it refuses.* Nothing but what does not fit: fields are checked in `api`, state in `apply`.
//!
//! *Where it is tested.* `testscripts/` here, the seeded run in `tests/tests/sim.rs`.

mod admission;
mod outage;
mod proposer;
mod read_barrier;
#[cfg(test)]
mod scripts;
mod waiters;

pub use admission::{Admission, Load, admit_lag};
pub use outage::Outage;
pub use proposer::{Gate, Proposals, refusal_of};
pub use read_barrier::{Question, ReadBarrier};
pub use waiters::Proposal;

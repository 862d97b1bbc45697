//! Leases: times to live that keys are bound to, and that end with them.
//!
//! ```text
//! apply ─▶ Leases ─▶ (rows of the batch), LeaseChange ─▶ Lessor ─▶ what expired ─▶ node ─▶ log ─▶ apply
//!             └────▶ LeaseView ─▶ api, node
//! ```
//!
//! [`Leases`] is applied state, the same on all members: which leases there are, for how long they were granted, and which
//! keys hang on them. [`Lessor`] is memory of the leader alone: when each of them ends. A renewal moves that moment and
//! does not go through the log; that a lease expired does, as a command to revoke it.
//!
//! *Invariants.*
//! - I1: a key hangs on one lease at most, and on one that is there. Which one stands in the key's row; the index from
//!   leases to keys is in memory, follows the changes of each entry, and is built anew from the rows at a start.
//! - I2: a leader promotes itself for a term once it has applied an entry of it. All that earlier leaders had committed is
//!   applied by then, so that what it renews cannot be revoked by an entry that it does not know.
//! - I3: an expired lease is revoked only by an entry of the term in which its leader saw it expire, and only if it still
//!   is the lease of that grant. A leader that was deposed may go on to propose; its command finds another term and
//!   changes nothing. Checkpoints are bound in the same way.
//! - I4: a lease that was seen to expire is not renewed any more in that term.
//! - I5: a renewal is confirmed only by a leader that still leads its term after it, which a round for a read index
//!   shows. Whoever leads next begins later, and lets the lease live for its whole time from there.
//! - I6: a checkpoint never shortens a lease that was renewed after it. A lease with one is renewed only after another
//!   one took it back, and none is renewed while one is under way.
//!
//! [`LeaseView`] may be ahead of the published keys by what is not committed yet of an apply turn. The log has that, so
//! that it is never taken back.
//!
//! *Not here.* What carries questions to the leader and proposes what expired: `node::lease_keeper`. The fields of a
//! request, and the number of a lease whose client leaves it to the server: `api`.
//!
//! *Tested* at the bottom of the files, through the applier in `apply/tests`, by the seeded run, and with processes in
//! `tests/tests/leases.rs`.

mod agenda;
mod leases;
mod lessor;

pub(crate) use leases::StoredLease;
pub use leases::{LeaseChange, LeaseTimes, LeaseView, Leases};
pub use lessor::{Lessor, Renewal, Stands};

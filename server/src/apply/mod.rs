//! Committed entry to exactly one atomic batch, and its result.
//!
//! ```text
//! raft ─▶ ApplyTask ─▶ Applier ─▶ keys (mvcc), Leases, Members, Alarms, Auth ─▶ one batch ─▶ Published ─▶ readers
//!                                                                   └▶ Applied: results ─▶ waiters, events ─▶ watch
//! ```
//!
//! *The parts of the state* (`load::State`) have one shape, and [`Applier`] only conducts. A part
//! - loads itself from its rows, and refuses those that cannot be what was written;
//! - changes by a command of its own, of which it answers what it came to and puts the rows into the batch;
//! - adds to the digest: the keys their events and where they stand, the others the command, leases both;
//! - is published as a value that is cheap to clone: a `View`, a `LeaseView`, or an `Arc` that the next change replaces.
//!
//! *Invariants.*
//! - I1: the rows, the leases, members, alarms and users, and where they stand (index, term, revision, digest, conf state) change in
//!   one batch; a crash leaves all of a turn or none of it, and the log brings back what is missing.
//! - I2: entries are applied in the order of the log, each once.
//! - I3: members that applied the same entries have the same digest. An error becomes an entry's result only if
//!   every member must come to it ([`crate::error::RequestError::is_deterministic`]); any other ends the process.
//! - I4: nothing is published before its batch is committed; of leases see [`crate::lease`].
//! - I5: the revision is stored with the index, because a compaction may take the row that carried it.
//! - I6: the rows of an answer are named only on the member whose client asked, and read by whoever sends them.
//! - I7: a snapshot that takes the place of the state ([`Applier::install`]) is taken up as at a start. That it came so stands in
//!   it: a log that does not reach the state then is one that was not reset yet, and not one that was lost
//!   ([`Published::is_ahead_of`]).
//!
//! *Refuses* what depends on the state: alarms, unknown leases and keys, revisions out of bounds. What can be said of
//! a request alone was said before it was proposed.
//!
//! *Tested* in `tests/`.

mod alarms;
mod applier;
mod builder;
mod digest;
mod error;
mod load;
mod members;
mod snapshot;
mod state;
mod task;
#[cfg(test)]
mod tests;

pub use alarms::Alarms;
pub use applier::Applier;
pub use builder::{Standing, StateBuilder};
pub use error::ApplyError;
pub use members::Members;
pub use snapshot::{SnapshotError, SnapshotSink, SnapshotSource};
pub use state::{Birth, Identity, Published};
pub use task::{Applied, ApplyTask, EntryResponse, EntryResult};

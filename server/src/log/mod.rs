//! Entries and hard state, durable before they count.
//!
//! ```text
//! raft ─▶ LogWrite ─▶ LogStore ─▶ storage (one row per write, synced) ─▶ guard ─▶ LogReader ─▶ raft
//! ```
//!
//! *What it is.* One database with two spaces: `log` holds the entries of each write as one row, `log_meta` holds the
//! hard state and where the log begins. `docs/format.md` draws the bytes. Beside it stands the guard, a small file that
//! knows how far the log must reach.
//!
//! *Invariants.*
//! - I1: entries, term and vote are durable when [`LogStore::append`] returns, and the guard is written.
//! - I2: entries are contiguous from the truncation to the last one, and terms do not fall.
//! - I3: each row carries the crc of the row before it, and the truncation marker that of the last row it dropped: rows
//!   that pass the walk at open are all the rows from the truncation on, in the order in which they were written.
//! - I4: the guard is never ahead of the synced log, and behind it by no acknowledged write, unless the machine lost its
//!   page cache: then by at most [`crate::limits::GUARD_SYNC_INTERVAL`], and by no term, vote or truncation.
//! - I5: the epoch rises with each truncation, at either end, in the batch that truncates. A guard of an earlier epoch
//!   than the log belongs to a truncation that was not reported.
//! - I6: a log that is shorter than its guard, of an older epoch, or without a guard is refused
//!   ([`LogError::Missing`]); damage at or before the guard is refused ([`LogError::Damaged`]). What a crash left behind
//!   the guard was never acknowledged and is removed.
//! - I7: fjall truncates a journal where it cannot read on. After an unclean stop the journals are copied aside first and
//!   put back if the check does not pass, so that refusing costs nothing.
//! - I8: committed entries are never replaced.
//! - I9: entries are given up in front by the marker alone, durably, and before the engine may drop their rows. Rows in front of
//!   the log mean nothing, whether they are there or not: an open begins at the row that the marker points into.
//!
//! - I10: a log that begins behind a snapshot has no entry, and the state has the snapshot durably. Whatever was behind the
//!   snapshot was never committed: a log that has the snapshot's entry is not reset.
//!
//! *What it refuses.* It keeps no cache (raft owns the tail), knows no commands, and repairs nothing that was
//! acknowledged.
//!
//! *Where it is tested*, in `tests`. `suite` runs against memory, the simulated disk and fjall; `testscripts/` shows recoveries with
//! what stands on disk; `model` compares random writes and crashes with a list; `damage` flips bits and cuts files.

mod aside;
mod codec;
mod dir;
mod error;
mod file;
mod guard;
mod reader;
mod recovery;
mod store;

pub use codec::{Acked, RowFault};
pub use dir::{DirStore, is_new, open_dir, open_dir_with};
pub use error::{Finding, LogError};
pub use file::{FileGuard, MemoryGuard};
pub use guard::{GuardFile, Mark, SLOT_BYTES};
pub use reader::LogReader;
pub use store::{LogStore, LogWrite, Recovered};

#[cfg(test)]
mod tests;

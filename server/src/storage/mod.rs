//! The disk: ordered keys, atomic batches, a sync that is waited for, consistent readers.
//!
//! ```text
//! log, mvcc, apply ─▶ Engine ─▶ fjall | memory | sim
//! ```
//!
//! *Where it stands.* This is the bottom of the tree and the only place that names fjall.
//!
//! *Invariants.*
//! - I1: a batch is in all of its spaces or in none, also after a crash.
//! - I2: after a crash the content is that of a prefix of the commits, and the prefix contains every commit that
//!   a finished sync covered.
//! - I3: a reader shows the state between two commits and never changes. To keep that true over fjall, only the
//!   thread that commits may open readers; it hands out clones.
//! - I4: after an error nothing more is accepted: the error repeats until the process ends.
//! - I5: of keys that were discarded any may still be found, for any time and after any reopen, also in an older version:
//!   who discards knows by other means where to begin to read.
//! - I6: what is staged beside a state takes its place whole, durably, and once, or was never there ([`Home`]). No database
//!   moves while it is open: its workers know it by its path.
//!
//! *What it refuses.* It does not know what a row means, and it does not find out that rows are gone: damage that
//! fjall takes for a torn tail shortens I2's prefix without a word. Whoever needs to know keeps a measure of his own,
//! as `log` does with its chain and its guard.
//!
//! *Where it is tested.* `suite` is the contract as tests and runs against all three engines; what only fjall can do
//! wrong is tested in `fjall`, damage on its files in `log::tests`.

mod engine;
mod fjall;
mod home;
mod memory;
mod sim;
#[cfg(test)]
mod suite;
mod system;

use engine::is_empty_range;
pub use engine::{Batch, Durability, Engine, Op, Reader, ReclaimStep, Space, StorageError, Visit};
pub(crate) use fjall::stand_back;
pub use fjall::{FjallEngine, FjallOptions};
pub use home::{Home, SimHome, StateDirs};
pub use memory::MemoryEngine;
pub use sim::{Fault, SimDisk, SimEngine};
pub(crate) use system::SystemRow;

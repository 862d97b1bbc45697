//! Holding a history against the log of the cluster.
//!
//! The revision of every answer is the index of a log entry, so the order of all writes is given and need not be
//! searched: the log is replayed, and each answer must be what the replay says at its revision. Together with
//! "what returned before another began has the lower revision" this is strict serializability.

mod replay;
mod sweep;

pub use replay::Replay;
pub use sweep::{Verdict, sweep};

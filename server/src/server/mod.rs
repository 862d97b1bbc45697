//! Wiring: what a member is made of, in which order it starts and stops.
//!
//! ```text
//! start: directory ─▶ (find the place in a running cluster) ─▶ (ask peers) ─▶ log ─▶ state ─▶ (go on alone) ─▶ threads ─▶ port ─▶ peers, publish
//! stop:  hand leadership over ─▶ port ─▶ raft ─▶ log writer, apply
//! ```
//!
//! Each lifetime is one value, and each stands on the one before: `OpenedDisk`, `RunningThreads`, `ServingListeners`.
//!
//! *Threads.* `rpc` is a single-threaded runtime for clients and peers, and there are as many as processors, up to
//! four; `raft`, `log` and `apply` are plain threads, each the owner of what its name says. They end from left to
//! right: each closes the queue of the next.
//!
//! *Invariants.*
//! - I1: the port is taken before anything is answered and after the data was found sound; who connects earlier is
//!   refused, not kept waiting.
//! - I2: a directory belongs to one member of one cluster for ever. What `--peers` says afterwards is only compared.
//! - I3: connections never take a descriptor that disk or peers need (`descriptors`).
//! - I4: a stop ends within [`limits::SHUTDOWN_TIMEOUT`], whatever hangs.
//!
//! *What it refuses.* A directory that is in use, another member's, or damaged; an address that is taken; a start
//! on an empty directory when a peer remembers this member.
//!
//! Tested at the bottom of the files beside this one, and as a process in `tests/`.
//!
//! [`limits::SHUTDOWN_TIMEOUT`]: crate::limits::SHUTDOWN_TIMEOUT

mod compactor;
mod data;
mod descriptors;
mod disk;
mod error;
mod force;
mod join;
mod memory;
mod notify;
mod origin;
mod program;
mod publish;
mod restore;
mod rpc;
mod running;
mod serving;
mod threads;

pub use descriptors::raise as raise_descriptors;
pub use error::StartError;
pub use program::main_with_args;
pub use restore::{Restore, RestoreError, Restored};
pub use running::Server;

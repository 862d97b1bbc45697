//! The differential run: one random stream of requests to an etcd and to a mini-etcd, whose answers must be the same.
//!
//! ```text
//! generate ─▶ Step ─▶ run ─▶ names (what each server calls it) ─▶ call ─▶ both servers
//!                      │                                                      │
//!                      └──▶ Difference ◀── deviations ◀── normal (one name for both) ◀┘
//!                                └──▶ shrink
//! ```
//!
//! A [`Step`] names revisions, leases drawn by the server and members by symbols ([`names`]), which each server's request
//! gets its own numbers for. In the answers both servers' numbers become etcd's again, and what says nothing (ids of
//! clusters, terms, sizes, times) is left out ([`normal`]). What may differ has a name, here and in `docs/compat.md`
//! ([`deviations`]). The first [`Difference`] ends a run; [`shrink`] finds the fewest steps that still show it.
//!
//! Invariants:
//! * I1: a step is sent when the answers to all before it are there, so that both servers see one order. Reads that
//!   follow each other are asked at the same time.
//! * I2: a watch is compared when both servers have sent the same, or not within a deadline.
//! * I3: the steps depend on the seed alone, not on what the servers answer.

pub mod call;
pub mod deviations;
pub mod generate;
pub mod names;
pub mod normal;
pub mod outcome;
pub mod recipes;
pub mod run;
pub mod server;
pub mod shrink;
pub mod step;
pub mod text;
pub mod ties;
pub mod watches;

pub use outcome::{Difference, Outcome};
pub use run::run;
pub use step::Step;

/// One thing of each of the two servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair<T> {
    /// Etcd's.
    pub etcd: T,
    /// Ours.
    pub mini: T,
}

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The etcd.
    Etcd,
    /// The mini-etcd.
    Mini,
}

impl<T> Pair<T> {
    /// That of one side.
    #[must_use]
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::Etcd => &self.etcd,
            Side::Mini => &self.mini,
        }
    }

    /// The same made of each.
    pub fn map<R>(self, mut make: impl FnMut(Side, T) -> R) -> Pair<R> {
        Pair { etcd: make(Side::Etcd, self.etcd), mini: make(Side::Mini, self.mini) }
    }

    /// Both by reference.
    #[must_use]
    pub fn as_ref(&self) -> Pair<&T> {
        Pair { etcd: &self.etcd, mini: &self.mini }
    }
}

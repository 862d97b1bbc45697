//! A whole cluster in one thread: the sequencers, logs and states of real members over simulated time, network
//! and disks, driven by a seed.
//!
//! ```text
//! seed ─▶ plan ─▶ world (events by time) ─▶ member: driver, propose, log, apply, mvcc
//!                   │                          │
//!                 clients ─▶ told          watchman, model
//! ```
//!
//! *What this is.* The members run the code that a server runs, except its threads, its sockets, its files and
//! its clock. Messages are lost and delayed, but keep their order within a direction; power is lost, also inside
//! of a sync or between the steps of a snapshot's installation, and a part of what was not synced survives. Snapshots travel in
//! pieces, of which any may be lost. Members are added as learners and join, are promoted and removed.
//! Disks are copied, and one member at a time is set back to such a copy.
//!
//! *What is checked.* After every event: one leader for a term, one vote, numbers that never fall, logs that
//! match, members that are those of Raft, entries that are on a majority of disks before anybody applies them and committed before anybody cuts them off, logs that
//! never lack what is to be applied, equal digests at equal indexes, no request carried out twice; no key
//! hangs on a lease that is not there, and no lease expires before the time that its grant or a confirmed renewal gave
//! it. With every answer: writes and reads see what was answered before they began, and
//! reads what the committed log says. At the end everything heals; then all members must agree under one leader
//! and take new writes, and every answered write must be there.
//!
//! *What it cannot see.* Tonic, fjall, threads: the process tests are for those.

mod client;
mod copies;
mod fault;
mod leases;
mod member;
mod membership;
mod model;
mod network;
mod plan;
pub(crate) mod rng;
mod snapshots;
mod trace;
mod users;
mod watchman;
mod world;

use anyhow::{Context as _, Result, ensure};

pub use plan::Plan;
pub use trace::Trace;
pub use world::World;

/// Virtual time for the cluster to agree after everything healed, in milliseconds.
const HEALING: u64 = 10_000;

/// What a run was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The same for two runs of a seed.
    pub hash: u64,
    /// Lines of the trace.
    pub events: u64,
    /// Answered writes.
    pub writes: usize,
    /// Finished reads.
    pub reads: u64,
    /// Requests whose outcome stayed unknown.
    pub unknown: u64,
    /// Starts of members.
    pub starts: u64,
    /// Confirmed renewals of leases.
    pub renewals: u64,
    /// Leases that expired.
    pub expired: u64,
    /// Puts of users that had to be refused.
    pub denied: u64,
    /// Cuts of their logs.
    pub cuts: u64,
    /// Snapshots that took the place of a state.
    pub snapshots: u64,
    /// Changes of membership.
    pub changes: u64,
    /// Times that a member was set back to an older copy of its disks.
    pub rollbacks: u64,
}

/// Runs a seed to its end.
///
/// # Errors
/// When anything that must hold does not.
pub fn run(seed: u64, print: bool) -> Result<Report> {
    let mut world = World::new(seed, Trace::new(print))?;
    let length = world.plan.length;
    world.run(length, |_| false)?;
    world.heal()?;
    let healed = world.now;
    let writes = world.told.writes.len();
    // Clients go on: what they write after the healing is the proof that the cluster works.
    world.run(healed + HEALING, |world| world.told.writes.len() > writes + 20)?;
    ensure!(world.told.writes.len() > writes + 20, "no progress after everything healed");
    world.stop_clients();
    let quiet = world.now;
    world.run(quiet + HEALING, World::converged).context("after healing")?;
    ensure!(world.converged(), "the members do not agree after everything healed");
    world.verify()?;
    Ok(Report {
        hash: world.trace.hash(),
        events: world.trace.events(),
        writes: world.told.writes.len(),
        reads: world.told.reads,
        unknown: world.told.unknown,
        renewals: world.model.renewals,
        expired: world.model.expired,
        denied: world.model.denied,
        cuts: world.cuts,
        snapshots: world.snapshots,
        changes: world.changes,
        rollbacks: world.rollbacks,
        starts: world.members.values().map(member::Member::starts).sum(),
    })
}

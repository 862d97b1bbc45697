//! What a seed puts a cluster through.

use mini_etcd_server::raft::CutPolicy;

use super::rng::Rng;

/// Times are in milliseconds, chances in 1000.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Members.
    pub members: u64,
    /// Clients, each with one request at a time.
    pub clients: u64,
    /// Length of the run before everything is healed.
    pub length: u64,
    /// Longest delay of a message; messages of one direction keep their order.
    pub delay_max: u64,
    /// Chance that a message is lost.
    pub loss: u64,
    /// Longest write to the log.
    pub sync_max: u64,
    /// Longest apply.
    pub apply_max: u64,
    /// Mean time between two crashes; 0 for none.
    pub crash_every: u64,
    /// Chance that a crash happens inside of a sync.
    pub crash_in_sync: u64,
    /// Mean time between two partitions; 0 for none.
    pub partition_every: u64,
    /// Mean time between two transfers of leadership; 0 for none.
    pub transfer_every: u64,
    /// Mean time between two clogs of a direction between two members, which delay all its messages; 0 for none.
    pub clog_every: u64,
    /// Mean time between two pauses of a member; 0 for none.
    pub pause_every: u64,
    /// Mean time between two hangs of a member's log disk; 0 for none.
    pub hang_every: u64,
    /// Chance that peers are told of a crash by a refused connection.
    pub hint: u64,
    /// Chance that a piece of a snapshot is lost.
    pub chunk_loss: u64,
    /// Mean time between two changes of membership; 0 for none.
    pub change_every: u64,
    /// Mean time between two copies of all disks, to one of which a member is set back; 0 for none. Not while members come
    /// and go.
    pub copy_every: u64,
    /// When a log is cut: soon, so that it happens often.
    pub cut: CutPolicy,
}

impl Plan {
    /// The plan of a seed: each kind of fault is on or off, so that some runs have few and some have all.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "plan");
        let mut sometimes = |on: u64, low: u64, high: u64| {
            let value = rng.between(low, high);
            if rng.chance(on) { value } else { 0 }
        };
        let crash_every = sometimes(800, 1500, 6000);
        let partition_every = sometimes(500, 1500, 5000);
        let transfer_every = sometimes(300, 1000, 4000);
        let pause_every = sometimes(300, 1500, 5000);
        let clog_every = sometimes(500, 300, 1500);
        let loss = sometimes(500, 1, 60);
        let slow_disk = sometimes(300, 10, 80);
        let slow_apply = sometimes(300, 10, 60);
        let hang_every = sometimes(300, 2000, 5000);
        let chunk_loss = sometimes(500, 1, 100);
        let mut plan = Self {
            members: *rng.pick(&[3, 3, 3, 3, 3, 3, 5, 1]).unwrap_or(&3),
            clients: rng.between(2, 6),
            length: 6_000,
            delay_max: rng.between(1, 15),
            loss,
            sync_max: 3 + slow_disk,
            apply_max: 2 + slow_apply,
            crash_every,
            crash_in_sync: 400,
            partition_every,
            transfer_every,
            clog_every,
            pause_every,
            hang_every,
            hint: 700,
            chunk_loss,
            change_every: 0,
            copy_every: 0,
            cut: CutPolicy::after(u64::MAX),
        };
        // In half of the runs so soon that a short absence is too long.
        let soon = *rng.pick(&[1, 10]).unwrap_or(&1);
        plan.cut = CutPolicy {
            after_entries: 1 + rng.between(0, 40) / soon,
            after_bytes: usize::try_from(rng.between(0, 20_000)).unwrap_or(0),
            kept_entries: rng.between(0, 20) / soon,
            kept_bytes: usize::try_from(rng.between(0, 4_000)).unwrap_or(0),
            wait_entries: rng.between(1, 100) / soon,
            wait_bytes: rng.between(500, 20_000),
            wait_ticks: rng.between(1, 20) / soon,
            look_ticks: rng.between(1, 10),
        };
        let change_every = rng.between(150, 1500);
        if rng.chance(400) {
            plan.change_every = change_every;
        }
        let copy_every = rng.between(300, 1500);
        if plan.change_every == 0 && plan.members > 1 && rng.chance(900) {
            plan.copy_every = copy_every;
        }
        plan
    }
}

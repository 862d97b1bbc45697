//! [`CutPolicy`]: when the log is cut in front, and up to where.
//!
//! What may go is what is committed and what the state of this member has durably: after a loss of power it begins to apply
//! behind that, and whoever lacks an entry that went gets a snapshot. What should go is up to the policy: the newest entries
//! stay for members that are a little behind, and a cut waits until it is worth its syncs. Nothing goes that is missing at a
//! member *that the leader waits for*: one that was heard of lately, lacks no more than the policy says, or is on its way
//! there with a snapshot. Followers hear with each heartbeat how far those are ([`NodeCore::held`](super::NodeCore::held)), and
//! forget it with the term. A leader that was just elected knows of nobody how far he is, and lets nothing go until each has
//! answered or was silent for too long.

use mini_etcd_shared::types::LogIndex;

use super::driver::Driver;
use super::job::Job;
use super::turn::Turn;
use crate::limits;

/// When the log is cut, and what stays.
#[derive(Clone, Copy, Debug)]
pub struct CutPolicy {
    /// It is cut when so many entries can go at once,
    pub after_entries: u64,
    /// or when it has so many bytes beyond those that stay.
    pub after_bytes: usize,
    /// The newest entries stay: so many,
    pub kept_entries: u64,
    /// and no more than have so many bytes together; one at least.
    pub kept_bytes: usize,
    /// Nothing is kept for a member that lacks more entries,
    pub wait_entries: u64,
    /// or more bytes of them,
    pub wait_bytes: u64,
    /// or was not heard of for more ticks.
    pub wait_ticks: u64,
    /// Ticks between two looks.
    pub look_ticks: u64,
}

impl CutPolicy {
    /// The policy of a member that cuts its log when `entries` can go.
    #[must_use]
    pub fn after(entries: u64) -> Self {
        Self {
            after_entries: entries,
            after_bytes: limits::LOG_CUT_BYTES,
            kept_entries: limits::LOG_KEPT_ENTRIES,
            kept_bytes: limits::LOG_KEPT_BYTES,
            wait_entries: limits::LOG_WAIT_ENTRIES,
            wait_bytes: limits::LOG_WAIT_BYTES,
            wait_ticks: limits::LOG_WAIT_TICKS,
            look_ticks: limits::LOG_CUT_LOOK_TICKS,
        }
    }

    /// Up to where to cut a log that may be cut up to `allowed`; none while that is not worth it.
    fn cut(&self, log: Extent, allowed: LogIndex) -> Option<LogIndex> {
        let upto = allowed.min(log.spare);
        let entries = upto.0.saturating_sub(log.truncated.0);
        let is_long = log.bytes >= self.kept_bytes.saturating_add(self.after_bytes);
        (entries > 0 && (entries >= self.after_entries || is_long)).then_some(upto)
    }
}

/// What the log holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Index in front of the first entry.
    pub truncated: LogIndex,
    /// Of its entries in memory; the largest number where they do not all fit.
    pub bytes: usize,
    /// Last index that is not among the newest, which stay.
    pub spare: LogIndex,
}

/// What a driver knows about cutting its log.
pub(super) struct Cutting {
    /// None for a log that is kept whole.
    policy: Option<CutPolicy>,
    /// The state is durable up to here.
    synced: LogIndex,
    /// The last cut that was asked for.
    asked: LogIndex,
    /// Tick of the next look.
    next_look: u64,
}

impl Cutting {
    pub fn new(policy: Option<CutPolicy>) -> Self {
        Self { policy, synced: LogIndex(0), asked: LogIndex(0), next_look: 0 }
    }

    /// The state is durable up to `applied`.
    pub fn synced(&mut self, applied: LogIndex) {
        self.synced = self.synced.max(applied);
    }
}

impl Driver {
    /// Asks for a cut of the log if one is due; looks now and then, for it costs two syncs.
    pub(super) fn look_at_log(&mut self, turn: &mut Turn) {
        let Cutting { policy, synced, asked, next_look, .. } = self.cutting;
        let Some(policy) = policy else { return };
        let is_under_way = self.core.first_index() <= asked;
        if is_under_way || self.now < next_look {
            return;
        }
        self.cutting.next_look = self.now + policy.look_ticks;
        let log = self.core.extent(policy.kept_entries, policy.kept_bytes);
        let may_go = self.core.held().min(self.core.commit_index()).min(synced);
        if let Some(upto) = policy.cut(log, may_go) {
            self.cutting.asked = upto;
            turn.other(Job::CutLog { upto });
        }
    }

    /// All members that this leader waits for have the log up to here.
    pub(super) fn held(&self) -> LogIndex {
        let Some(policy) = self.cutting.policy else { return LogIndex(0) };
        let far_behind = self.core.far_behind(policy.wait_entries, policy.wait_bytes);
        let since = self.snapshots.led_since;
        let mut held = self.core.commit_index();
        for peer in self.core.progress() {
            let heard = self.suspicion.last_heard(peer.id).max(since);
            if self.now - heard > policy.wait_ticks {
                continue;
            }
            let has = peer.match_index.max(self.snapshots.sent_to(peer.id));
            let is_unknown = has == LogIndex(0) && self.now - since <= policy.wait_ticks;
            if is_unknown || has >= far_behind {
                held = held.min(has);
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: CutPolicy = CutPolicy {
        after_entries: 10,
        after_bytes: 1000,
        kept_entries: 5,
        kept_bytes: 500,
        wait_entries: 1000,
        wait_bytes: 1 << 20,
        wait_ticks: 10,
        look_ticks: 1,
    };

    fn cut(truncated: u64, spare: u64, bytes: usize, allowed: u64) -> Option<u64> {
        let (truncated, spare) = (LogIndex(truncated), LogIndex(spare));
        let log = Extent { truncated, bytes, spare };
        POLICY.cut(log, LogIndex(allowed)).map(|upto| upto.0)
    }

    #[test]
    fn a_cut_waits_until_it_is_worth_it_and_leaves_the_newest() {
        assert_eq!(cut(7, 16, 0, 100), None, "nine could go");
        assert_eq!(cut(7, 17, 0, 100), Some(17));
        assert_eq!(cut(7, 8, 1499, 100), None);
        assert_eq!(cut(7, 8, 1500, 100), Some(8), "few entries of many bytes");
        assert_eq!(cut(7, 7, 1500, 100), None, "all of them are among the newest");
    }

    #[test]
    fn nothing_goes_that_is_not_allowed() {
        assert_eq!(cut(7, 40, 0, 16), None);
        assert_eq!(cut(7, 40, 0, 17), Some(17));
        assert_eq!(cut(7, 40, usize::MAX, 8), Some(8));
        for allowed in [0, 3, 7] {
            assert_eq!(cut(7, 40, usize::MAX, allowed), None);
        }
    }
}

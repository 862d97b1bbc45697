//! [`Pace`]: how fast a snapshot is read, so that those who write notice little of it.
//!
//! A snapshot that goes as fast as it can takes processors and disks of both sides, and a write that comes meanwhile waits for
//! both. So who sends one rests after each piece for some times as long as the piece took, as long as somebody writes: the
//! slower the machines are for the snapshot, the longer they are there for the others.
//!
//! What is written meanwhile is kept in the log for the receiver, within a bound, behind which it would need another snapshot,
//! and so on without an end. So rests become shorter the more of that there is, and end at half the bound.

use std::time::Duration;

use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::LogIndex;

use crate::limits::{LOG_WAIT_BYTES, LOG_WAIT_ENTRIES, SNAPSHOT_REST_MAX, SNAPSHOT_REST_TIMES};

/// What the sender has by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    pub applied: LogIndex,
    pub log_bytes: u64,
}

/// The pace of one snapshot.
pub(super) struct Pace<C> {
    clock: C,
    /// When the piece at hand began.
    begun: Moment,
    /// What was applied by then.
    applied: LogIndex,
    first: Reached,
}

impl<C: Clock> Pace<C> {
    /// Begins with the first piece.
    pub fn new(clock: C, first: Reached) -> Self {
        let begun = clock.now();
        Self { clock, begun, applied: first.applied, first }
    }

    /// How long to rest after a piece that is on its way.
    pub fn rest(&self, now: Reached) -> Duration {
        if now.applied == self.applied {
            return Duration::ZERO;
        }
        let took = self.clock.now().since(self.begun);
        let rest = took.saturating_mul(SNAPSHOT_REST_TIMES).min(SNAPSHOT_REST_MAX);
        rest * (100 - self.spent(now)) / 100
    }

    /// Percent of half of what the log may keep.
    fn spent(&self, now: Reached) -> u32 {
        let percent = |since: u64, bound: u64| since.saturating_mul(200) / bound;
        let entries = now.applied.0.saturating_sub(self.first.applied.0);
        let bytes = now.log_bytes.saturating_sub(self.first.log_bytes);
        let more = percent(entries, LOG_WAIT_ENTRIES).max(percent(bytes, LOG_WAIT_BYTES));
        u32::try_from(more.min(100)).unwrap_or(100)
    }

    /// The next piece begins.
    pub fn go_on(&mut self, now: Reached) {
        (self.begun, self.applied) = (self.clock.now(), now.applied);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Set(Arc<Mutex<Duration>>);

    impl Set {
        fn pass(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    impl Clock for Set {
        fn now(&self) -> Moment {
            Moment(*self.0.lock().unwrap())
        }
    }

    fn at(applied: u64) -> Reached {
        Reached { applied: LogIndex(applied), log_bytes: 0 }
    }

    #[test]
    fn a_rest_is_as_long_as_the_piece_says_while_somebody_writes_and_none_else() {
        let clock = Set::default();
        let mut pace = Pace::new(clock.clone(), at(7));
        let piece = Duration::from_millis(1);
        clock.pass(piece);
        assert_eq!(pace.rest(at(7)), Duration::ZERO, "nobody writes");
        assert_eq!(pace.rest(at(8)), piece * SNAPSHOT_REST_TIMES);
        clock.pass(piece * SNAPSHOT_REST_TIMES);
        pace.go_on(at(8));
        clock.pass(piece);
        assert_eq!(pace.rest(at(8)), Duration::ZERO, "nobody wrote since");
        clock.pass(SNAPSHOT_REST_MAX);
        assert_eq!(pace.rest(at(9)), SNAPSHOT_REST_MAX);
    }

    #[test]
    fn rests_end_before_the_log_is_cut_behind_the_snapshot() {
        let clock = Set::default();
        let pace = Pace::new(clock.clone(), Reached { applied: LogIndex(7), log_bytes: 1 << 20 });
        clock.pass(SNAPSHOT_REST_MAX);
        let rest = |entries, bytes| {
            pace.rest(Reached { applied: LogIndex(7 + entries), log_bytes: (1 << 20) + bytes })
        };
        assert_eq!(rest(LOG_WAIT_ENTRIES / 4, 0), SNAPSHOT_REST_MAX / 2);
        assert_eq!(rest(1, LOG_WAIT_BYTES / 4), SNAPSHOT_REST_MAX / 2);
        assert_eq!(rest(LOG_WAIT_ENTRIES / 2, 0), Duration::ZERO);
        assert_eq!(rest(1, LOG_WAIT_BYTES), Duration::ZERO);
        let cut = pace.rest(Reached { applied: LogIndex(8), log_bytes: 0 });
        assert_eq!(cut, SNAPSHOT_REST_MAX, "the log was cut before it grew");
    }
}

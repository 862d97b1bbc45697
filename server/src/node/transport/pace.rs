//! [`Pace`]: how fast a snapshot is read, so that those who write notice little of it.
//!
//! A snapshot that goes as fast as it can takes processors and disks of both sides, and a write that comes meanwhile waits for
//! both. So who sends one rests after each piece for some times as long as the piece took, as long as somebody writes: the
//! slower the machines are for the snapshot, the longer they are there for the others.

use std::time::Duration;

use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::LogIndex;

use crate::limits::{SNAPSHOT_REST_MAX, SNAPSHOT_REST_TIMES};

/// The pace of one snapshot.
pub(super) struct Pace<C> {
    clock: C,
    /// When the piece at hand began.
    begun: Moment,
    /// What was applied by then.
    applied: LogIndex,
}

impl<C: Clock> Pace<C> {
    /// Begins with the first piece.
    pub fn new(clock: C, applied: LogIndex) -> Self {
        let begun = clock.now();
        Self { clock, begun, applied }
    }

    /// How long to rest after a piece that is on its way, when `applied` is what is applied now.
    pub fn rest(&self, applied: LogIndex) -> Duration {
        if applied == self.applied {
            return Duration::ZERO;
        }
        let took = self.clock.now().since(self.begun);
        took.saturating_mul(SNAPSHOT_REST_TIMES).min(SNAPSHOT_REST_MAX)
    }

    /// The next piece begins.
    pub fn go_on(&mut self, applied: LogIndex) {
        (self.begun, self.applied) = (self.clock.now(), applied);
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

    #[test]
    fn a_rest_is_as_long_as_the_piece_says_while_somebody_writes_and_none_else() {
        let clock = Set::default();
        let mut pace = Pace::new(clock.clone(), LogIndex(7));
        let piece = Duration::from_millis(1);
        clock.pass(piece);
        assert_eq!(pace.rest(LogIndex(7)), Duration::ZERO, "nobody writes");
        assert_eq!(pace.rest(LogIndex(8)), piece * SNAPSHOT_REST_TIMES);
        clock.pass(piece * SNAPSHOT_REST_TIMES);
        pace.go_on(LogIndex(8));
        clock.pass(piece);
        assert_eq!(pace.rest(LogIndex(8)), Duration::ZERO, "nobody wrote since");
        clock.pass(SNAPSHOT_REST_MAX);
        assert_eq!(pace.rest(LogIndex(9)), SNAPSHOT_REST_MAX);
    }
}

//! [`compact`]: gives history up as `--auto-compaction-mode` and `--auto-compaction-retention` say.
//!
//! Every member looks at the revision, so that one that comes to lead knows the past; the leader alone proposes. When
//! and up to where follows etcd's rules ([`Schedule`]).

use std::collections::VecDeque;
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::CompactionRequest;
use mini_etcd_proto::internalpb::command;
use mini_etcd_shared::clock::{Clock, Moment};
use tokio::time::sleep;

use crate::config::AutoCompaction;
use crate::error::RequestError;
use crate::node::Proposer;

/// Time between two looks where revisions are counted.
const REVISION_INTERVAL: Duration = Duration::from_secs(300);

/// Longest time between two compactions by time.
const PERIODIC_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// Looks in one such time.
const LOOKS: u32 = 10;

/// Compacts history for as long as the member runs.
pub(super) async fn compact<C: Clock>(what: AutoCompaction, proposer: Proposer, clock: C) {
    let revision = || proposer.published().view.revision().0;
    let Some(mut schedule) = Schedule::new(what, clock.now(), revision()) else { return };
    loop {
        sleep(schedule.interval()).await;
        let leads = proposer.status().leads();
        let Some(upto) = schedule.look(clock.now(), revision(), leads) else { continue };
        let request = CompactionRequest { revision: upto, physical: false };
        match proposer.write_as_member(command::Request::Compaction(request)).await {
            Ok(_) => tracing::info!(revision = upto, "history is compacted"),
            // Somebody else was there first.
            Err(RequestError::Compacted) => {}
            Err(error) => {
                tracing::warn!(revision = upto, %error, "history is not compacted yet");
                continue;
            }
        }
        schedule.compacted(clock.now(), upto);
    }
}

/// When to compact, and up to which revision.
#[derive(Debug)]
struct Schedule {
    rule: Rule,
    /// The last compaction: when, or when the looks began, and up to where.
    last: (Moment, i64),
}

#[derive(Debug)]
enum Rule {
    /// Keeps what was written in the last `period`.
    Periodic {
        period: Duration,
        /// The revisions that the looks saw, the newest last; no more than tell what it was a period ago.
        seen: VecDeque<i64>,
        /// Time that has to pass since the last compaction: a period before the first.
        wait: Duration,
    },
    /// Keeps so many revisions.
    Revision(i64),
}

impl Schedule {
    /// A schedule that begins at `now`, where the state stands at `revision`; none where nothing is ever compacted.
    fn new(what: AutoCompaction, now: Moment, revision: i64) -> Option<Self> {
        let rule = match what {
            AutoCompaction::Off => return None,
            AutoCompaction::Periodic(period) => {
                Rule::Periodic { period, seen: VecDeque::from([revision]), wait: period }
            }
            AutoCompaction::Revision(kept) => Rule::Revision(kept),
        };
        Some(Self { rule, last: (now, 0) })
    }

    /// Time until the next look.
    fn interval(&self) -> Duration {
        match &self.rule {
            Rule::Periodic { period, .. } => (*period).min(PERIODIC_INTERVAL_MAX) / LOOKS,
            Rule::Revision(_) => REVISION_INTERVAL,
        }
    }

    /// Looks at the state, which stands at `revision` now: up to where it is to be compacted, if that is due and this
    /// member's to do.
    fn look(&mut self, now: Moment, revision: i64, leads: bool) -> Option<i64> {
        let interval = self.interval();
        let (at, last) = self.last;
        let due = match &mut self.rule {
            Rule::Periodic { period, seen, wait } => {
                let oldest = seen.front().copied().filter(|_| now.since(at) >= *wait);
                seen.push_back(revision);
                while interval.saturating_mul(u32::try_from(seen.len()).unwrap_or(u32::MAX))
                    > period.saturating_add(interval)
                {
                    seen.pop_front();
                }
                oldest
            }
            Rule::Revision(kept) => Some(revision - *kept),
        };
        due.filter(|due| leads && *due > 0 && *due != last)
    }

    /// What was due at a look is compacted.
    fn compacted(&mut self, now: Moment, upto: i64) {
        self.last = (now, upto);
        if let Rule::Periodic { period, wait, .. } = &mut self.rule {
            *wait = (*period).min(PERIODIC_INTERVAL_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Carries a schedule out: `looks` of them, of a state that stands at 100 at first and at one more with each look.
    /// Answers in which minutes it compacted, and up to where.
    fn carried_out(
        what: AutoCompaction,
        looks: u32,
        leads: impl Fn(u32) -> bool,
    ) -> Vec<(u64, i64)> {
        let mut schedule = Schedule::new(what, Moment::default(), 100).unwrap();
        let (mut now, mut done) = (Moment::default(), Vec::new());
        for look in 1..=looks {
            now = now.after(schedule.interval());
            if let Some(upto) = schedule.look(now, 100 + i64::from(look), leads(look)) {
                schedule.compacted(now, upto);
                done.push((now.0.as_secs() / 60, upto));
            }
        }
        done
    }

    /// etcd's own tests of its compactor say the same (`periodic_test.go`): the first time after a whole period, to what
    /// stood there at the start, then once each period.
    #[test]
    fn a_period_below_an_hour_is_the_time_between_two_compactions() {
        let done = carried_out(AutoCompaction::Periodic(10 * MINUTE), 40, |_| true);
        // A look each minute. From the second time on a look has seen eleven revisions, the oldest of them a period
        // before the one before it.
        assert_eq!(done, [(10, 100), (20, 109), (30, 119), (40, 129)]);
    }

    #[test]
    fn a_longer_period_is_looked_at_every_six_minutes_and_compacted_every_hour() {
        let done = carried_out(AutoCompaction::Periodic(120 * MINUTE), 40, |_| true);
        assert_eq!(done, [(120, 100), (180, 109), (240, 119)]);
    }

    #[test]
    fn a_state_that_does_not_change_is_compacted_once() {
        let mut schedule =
            Schedule::new(AutoCompaction::Periodic(10 * MINUTE), Moment::default(), 7).unwrap();
        let mut due = 0;
        for minute in 1..=60 {
            let now = Moment(MINUTE * minute);
            if let Some(upto) = schedule.look(now, 7, true) {
                schedule.compacted(now, upto);
                due += 1;
            }
        }
        assert_eq!(due, 1);
    }

    #[test]
    fn a_member_that_comes_to_lead_knows_the_past() {
        let done = carried_out(AutoCompaction::Periodic(10 * MINUTE), 16, |look| look > 14);
        assert_eq!(done, [(15, 104)]);
        assert_eq!(carried_out(AutoCompaction::Periodic(10 * MINUTE), 60, |_| false), []);
    }

    #[test]
    fn a_compaction_that_failed_is_tried_at_the_next_look() {
        let mut schedule =
            Schedule::new(AutoCompaction::Periodic(10 * MINUTE), Moment::default(), 7).unwrap();
        for minute in 1..10 {
            assert_eq!(schedule.look(Moment(MINUTE * minute), 8, true), None);
        }
        assert_eq!(schedule.look(Moment(MINUTE * 10), 8, true), Some(7));
        assert_eq!(schedule.look(Moment(MINUTE * 11), 8, true), Some(7));
    }

    #[test]
    fn by_revision_the_newest_stay() {
        assert_eq!(
            carried_out(AutoCompaction::Revision(101), 4, |_| true),
            [(10, 1), (15, 2), (20, 3)]
        );
        assert_eq!(
            carried_out(AutoCompaction::Revision(1), 3, |look| look != 2),
            [(5, 100), (15, 102)]
        );
    }

    #[test]
    fn what_is_off_has_no_schedule() {
        assert!(Schedule::new(AutoCompaction::Off, Moment::default(), 1).is_none());
    }
}

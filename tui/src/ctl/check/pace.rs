//! [`Pace`]: how many puts are due when.

use std::time::Duration;

/// What was not given in time may be given later for so long; beyond that it counts as missed.
const OWED_MAX: Duration = Duration::from_millis(100);

/// A number of puts a second.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time from one to the next.
    interval: Duration,
    /// Time that has passed and for which none was given.
    owed: Duration,
}

impl Pace {
    pub fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second, owed: Duration::ZERO }
    }

    /// How many are due after more time has `passed`; no more than there is `room` for.
    pub fn after(&mut self, passed: Duration, room: usize) -> usize {
        self.owed = (self.owed + passed).min(OWED_MAX.max(self.interval));
        let due = self.owed.as_nanos() / self.interval.as_nanos().max(1);
        let due =
            u32::try_from(due).unwrap_or(u32::MAX).min(u32::try_from(room).unwrap_or(u32::MAX));
        self.owed = self.owed.saturating_sub(self.interval * due);
        usize::try_from(due).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn as_many_are_given_as_were_asked_for_whatever_the_steps() {
        for step in [1, 3, 50] {
            for per_second in [150, 1000, 15_000] {
                let mut pace = Pace::new(per_second);
                let given: usize = (0..6000 / step).map(|_| pace.after(MS * step, 10_000)).sum();
                let wanted = usize::try_from(per_second).unwrap() * 6;
                assert!(
                    (wanted - 100..=wanted + 1).contains(&given),
                    "{step} {per_second} {given}"
                );
            }
        }
    }

    #[test]
    fn what_a_server_has_no_room_for_is_not_made_up_for_later() {
        let mut pace = Pace::new(1000);
        assert_eq!(pace.after(MS * 5000, 0), 0);
        assert_eq!(pace.after(Duration::ZERO, 10_000), 100);
        assert_eq!(pace.after(MS, 10_000), 1);
    }

    #[test]
    fn no_more_are_given_than_there_is_room_for() {
        let mut pace = Pace::new(1000);
        assert_eq!([pace.after(MS * 10, 4), pace.after(Duration::ZERO, 4)], [4, 4]);
        assert_eq!(pace.after(Duration::ZERO, 4), 2);
    }
}

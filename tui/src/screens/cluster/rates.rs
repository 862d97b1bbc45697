//! Two minutes of numbers, one bucket a second.

use std::collections::VecDeque;

/// Seconds that are kept.
pub const SECONDS_KEPT: usize = 120;

/// A number over the last two minutes. Seconds in which nothing was heard stay empty.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The second of the newest bucket.
    newest: u64,
    buckets: VecDeque<Option<f64>>,
}

impl Series {
    /// Notes a value; of several in one second the highest is kept.
    pub fn note(&mut self, second: u64, value: f64) {
        if self.buckets.is_empty() || second >= self.newest + SECONDS_KEPT as u64 {
            self.buckets.clear();
            self.buckets.push_back(None);
            self.newest = second;
        }
        while self.newest < second {
            self.newest += 1;
            self.buckets.push_back(None);
            if self.buckets.len() > SECONDS_KEPT {
                self.buckets.pop_front();
            }
        }
        let back = usize::try_from(self.newest - second).unwrap_or(usize::MAX);
        let place = self.buckets.len().checked_sub(back + 1);
        if let Some(bucket) = place.and_then(|place| self.buckets.get_mut(place)) {
            *bucket = Some(bucket.map_or(value, |old| old.max(value)));
        }
    }

    /// The last `seconds` up to `now`, oldest first; empty where nothing was heard.
    #[must_use]
    pub fn window(&self, now: u64, seconds: usize) -> Vec<Option<f64>> {
        (0..seconds as u64)
            .rev()
            .map(|back| {
                let second = now.checked_sub(back)?;
                let age = usize::try_from(self.newest.checked_sub(second)?).ok()?;
                let place = self.buckets.len().checked_sub(age + 1)?;
                self.buckets.get(place).copied().flatten()
            })
            .collect()
    }

    /// The newest value that is at most three seconds old.
    #[must_use]
    pub fn latest(&self, now: u64) -> Option<f64> {
        self.window(now, 4).into_iter().rev().flatten().next()
    }

    /// The highest value of the two minutes.
    #[must_use]
    pub fn highest(&self, now: u64) -> Option<f64> {
        self.window(now, SECONDS_KEPT).into_iter().flatten().reduce(f64::max)
    }
}

/// The series that the Cluster screen draws.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// Entries committed per second.
    pub commits: Series,
    /// 99th percentile of writes in microseconds.
    pub put_p99: Series,
    /// Entries by which the slowest member is behind.
    pub lag: Series,
    /// Open watches.
    pub watchers: Series,
    /// Round trip to the members in microseconds; drawn where a server offers no write latency.
    pub rtt: Series,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_without_news_stays_empty() {
        let mut series = Series::default();
        series.note(10, 1.0);
        series.note(12, 3.0);
        series.note(12, 2.0);
        assert_eq!(series.window(13, 4), [Some(1.0), None, Some(3.0), None]);
        assert_eq!(series.latest(13), Some(3.0));
        assert_eq!(series.latest(20), None);
    }

    #[test]
    fn two_minutes_are_kept_and_no_more() {
        let mut series = Series::default();
        for second in 0..500_u32 {
            series.note(u64::from(second), f64::from(second));
        }
        assert_eq!(series.buckets.len(), SECONDS_KEPT);
        assert_eq!(series.window(499, 500).into_iter().flatten().count(), SECONDS_KEPT);
        series.note(1_000_000, 7.0);
        assert_eq!(series.buckets.len(), 1);
        series.note(5, 9.0);
        assert_eq!(series.highest(1_000_000), Some(7.0));
    }
}

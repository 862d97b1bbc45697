//! A distribution of durations that costs two atomic additions to feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// One unit is 1/1024 ms, so that etcd's bucket bounds (1 ms · 2^k) are bounds of ours.
const UNITS_PER_MS: u64 = 1024;
/// Parts of each power of two: an error of at most 1/16.
const PARTS: u64 = 16;
const PARTS_LOG2: u32 = 4;
/// Durations from 2^36 units (18 h) on count as the longest.
const UNITS_MAX: u64 = (1 << 36) - 1;
const BUCKETS: usize = 33 * 16;
/// Bounds that Prometheus sees, in etcd's way: so many, each twice the one before.
const BOUNDS: u32 = 14;
/// The first of them: 1 ms, 1/8 ms for what is short, 16 ms for what is long. In units, as a power of two.
const FIRST: u32 = 10;
const FIRST_SHORT: u32 = 7;
const FIRST_LONG: u32 = 14;

/// Durations measured since the start of the process.
#[derive(Clone, Debug)]
pub struct Durations(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    /// The first bound that Prometheus sees, in units, as a power of two.
    first: u32,
    sum_ns: AtomicU64,
    counts: [AtomicU64; BUCKETS],
}

/// What a [`Durations`] held at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    sum_ns: u64,
    counts: Vec<u64>,
}

/// What the console shows of a distribution, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Measured since the start of the process.
    pub count: u64,
    /// Their sum.
    pub sum_us: u64,
    /// Median of the interval; 0 when nothing was measured in it.
    pub p50_us: u64,
    /// 99th percentile of the interval.
    pub p99_us: u64,
    /// Longest of the interval.
    pub max_us: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self::from(FIRST)
    }
}

impl Durations {
    fn from(first: u32) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        Self(Arc::new(Cells { first, sum_ns: AtomicU64::new(0), counts }))
    }

    /// Prometheus tells apart what is between 1/8 ms and 1 s.
    #[must_use]
    pub fn short() -> Self {
        Self::from(FIRST_SHORT)
    }

    /// Prometheus tells apart what is between 16 ms and 131 s.
    #[must_use]
    pub fn long() -> Self {
        Self::from(FIRST_LONG)
    }

    /// Counts one more duration.
    pub fn observe(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.sum_ns.fetch_add(ns, Relaxed);
        if let Some(count) = self.0.counts.get(bucket(units(ns))) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> Reading {
        let counts = self.0.counts.iter().map(|count| count.load(Relaxed)).collect();
        Reading { sum_ns: self.0.sum_ns.load(Relaxed), counts }
    }
}

impl Reading {
    /// The totals of this reading, and the distribution of what came after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Summary {
        let fresh: Vec<u64> =
            self.counts.iter().zip(&before.counts).map(|(now, then)| now - then).collect();
        Summary {
            count: self.count(),
            sum_us: self.sum_ns / 1000,
            p50_us: quantile_us(&fresh, 50),
            p99_us: quantile_us(&fresh, 99),
            max_us: quantile_us(&fresh, 100),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What stays without `others`, which are some of these and were read before.
    pub(super) fn without(&self, others: &Self) -> Self {
        let counts = self.counts.iter().zip(&others.counts);
        Self {
            sum_ns: self.sum_ns.saturating_sub(others.sum_ns),
            counts: counts.map(|(all, other)| all.saturating_sub(*other)).collect(),
        }
    }

    /// How many were below `bound` units.
    fn below(&self, bound: u64) -> u64 {
        self.counts.iter().take(bucket(bound)).sum()
    }
}

fn units(ns: u64) -> u64 {
    u64::try_from(u128::from(ns) * u128::from(UNITS_PER_MS) / 1_000_000)
        .map_or(UNITS_MAX, |units| units.min(UNITS_MAX))
}

/// Place of a number of units: itself while it is small, then 16 places for each power of two.
fn bucket(units: u64) -> usize {
    let place = if units < PARTS {
        units
    } else {
        let power = units.ilog2();
        u64::from(power - PARTS_LOG2 + 1) * PARTS + ((units >> (power - PARTS_LOG2)) & (PARTS - 1))
    };
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// First number of units that is beyond place `place`.
fn upper_bound(place: u64) -> u64 {
    if place < PARTS {
        return place + 1;
    }
    let shift = place / PARTS - 1;
    (PARTS + place % PARTS + 1) << shift
}

/// The duration that `percent` of the counted ones do not exceed, rounded up to its place's bound.
fn quantile_us(counts: &[u64], percent: u64) -> u64 {
    let total: u64 = counts.iter().sum();
    let rank = (total * percent).div_ceil(100);
    let mut seen = 0;
    for (place, count) in (0_u64..).zip(counts) {
        seen += count;
        if *count > 0 && seen >= rank {
            return (upper_bound(place) * 1000).div_ceil(UNITS_PER_MS);
        }
    }
    0
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        self.encode_reading(&self.read(), &mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl Durations {
    /// Writes a reading of these, or a part of one.
    pub(super) fn encode_reading(
        &self,
        reading: &Reading,
        encoder: &mut MetricEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        let mut bounds = Vec::new();
        let mut below = 0;
        for power in self.0.first..self.0.first + BOUNDS {
            let upto = reading.below(1 << power);
            bounds.push((
                0.001 * f64::from(1_u32 << power) / f64::from(1_u32 << FIRST),
                upto - below,
            ));
            below = upto;
        }
        let count = reading.count();
        bounds.push((f64::INFINITY, count - below));
        let sum = Duration::from_nanos(reading.sum_ns).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &bounds, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_rise_without_gaps() {
        assert_eq!(bucket(UNITS_MAX), BUCKETS - 1);
        for place in 0..BUCKETS as u64 - 1 {
            assert_eq!(bucket(upper_bound(place) - 1) as u64, place);
            assert_eq!(bucket(upper_bound(place)) as u64, place + 1);
        }
    }

    #[test]
    fn bounds_are_exact_however_long_what_is_measured_is() {
        for (durations, first, last) in [
            (Durations::short(), "0.000125", "1.024"),
            (Durations::default(), "0.001", "8.192"),
            (Durations::long(), "0.016", "131.072"),
        ] {
            durations.observe(Duration::from_micros(124));
            let mut registry = prometheus_client::registry::Registry::default();
            registry.register("it", "It", durations);
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            for line in [
                format!("it_bucket{{le=\"{first}\"}} 1"),
                format!("it_bucket{{le=\"{last}\"}} 1"),
                "it_sum 0.000124".to_owned(),
            ] {
                assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
            }
        }
    }

    #[test]
    fn percentiles_speak_of_the_interval_and_totals_of_everything() {
        let durations = Durations::default();
        durations.observe(Duration::from_secs(3));
        let before = durations.read();
        for ms in 1..=100 {
            durations.observe(Duration::from_millis(ms));
        }
        let summary = durations.read().since(&before);
        assert_eq!((summary.count, summary.sum_us), (101, 3_000_000 + 5_050_000));
        assert!((50_000..54_000).contains(&summary.p50_us), "{summary:?}");
        assert!((99_000..106_000).contains(&summary.p99_us), "{summary:?}");
        assert!((100_000..107_000).contains(&summary.max_us), "{summary:?}");
    }

    #[test]
    fn an_idle_interval_has_no_percentiles() {
        let durations = Durations::default();
        durations.observe(Duration::from_millis(1));
        let now = durations.read();
        assert_eq!(now.since(&now), Summary { count: 1, sum_us: 1000, ..Summary::default() });
    }
}

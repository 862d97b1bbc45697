//! Whether a member's data fills its quota, and what makes room.

use crate::engine::sample::{Sample, Source};

/// Percent of the quota from which a person should know.
const FULL_PERCENT: u64 = 80;

/// What makes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// What is taken and not in use.
    Defrag,
    /// The past of the keys.
    Compact,
    /// Nothing but fewer keys, or a higher quota: there is no past left.
    Keys,
}

/// A member whose quota is nearly used up, or more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How much of the quota is used.
    pub percent: u64,
    /// What makes room.
    pub relief: Relief,
}

impl Sample {
    /// What the server counts against its quota: etcd what it has taken on disk, mini-etcd what is in use.
    #[must_use]
    pub fn counted(&self) -> Option<u64> {
        match self.source {
            Source::Admin => self.in_use.or(self.allocated),
            Source::Status => self.allocated.or(self.in_use),
        }
    }

    /// Whether its quota is nearly used up, and what makes room.
    #[must_use]
    pub fn full(&self) -> Option<Full> {
        let percent = |bytes: u64, quota: u64| bytes.saturating_mul(100).checked_div(quota);
        let quota = self.quota?;
        let taken = percent(self.counted()?, quota)?;
        let used = self.in_use.map_or(Some(taken), |bytes| percent(bytes, quota))?;
        let has_past = self.compacted.is_none_or(|compacted| compacted < self.revision);
        let relief = match (has_past, used > FULL_PERCENT) {
            (true, _) => Relief::Compact,
            (false, true) => Relief::Keys,
            (false, false) => Relief::Defrag,
        };
        (taken > FULL_PERCENT).then_some(Full { percent: taken, relief })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(in_use: u64, allocated: u64, compacted: i64) -> Option<(u64, Relief)> {
        let sample = Sample {
            in_use: Some(in_use),
            allocated: Some(allocated),
            quota: Some(400),
            compacted: Some(compacted),
            revision: 9,
            ..Sample::default()
        };
        sample.full().map(|full| (full.percent, full.relief))
    }

    #[test]
    fn a_quota_is_filled_by_the_past_by_holes_or_by_keys() {
        assert_eq!(full(300, 320, 9), None);
        assert_eq!(full(380, 408, -1), Some((102, Relief::Compact)));
        assert_eq!(full(100, 408, 9), Some((102, Relief::Defrag)));
        assert_eq!(full(380, 408, 9), Some((102, Relief::Keys)));
    }
}

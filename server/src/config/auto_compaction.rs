//! [`AutoCompaction`]: what history the cluster gives up by itself.

use std::time::Duration;

use mini_etcd_shared::text::parse_duration;

/// An hour, which a number without a unit counts.
const HOUR: Duration = Duration::from_secs(3600);

/// Shortest and longest period. The looks of ten years are 7 MB.
const PERIOD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600 * 87_600));

/// What history the leader gives up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    /// None.
    Off,
    /// What is older than this.
    Periodic(Duration),
    /// All but so many revisions.
    Revision(i64),
}

/// How the retention is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Periodic,
    Revision,
}

impl Mode {
    pub const ACCEPTED: &str = "periodic or revision";

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "periodic" => Some(Self::Periodic),
            "revision" => Some(Self::Revision),
            _ => None,
        }
    }

    /// What [`AutoCompaction::parse`] accepts.
    pub fn accepted(self) -> &'static str {
        match self {
            Self::Periodic => {
                "hours, a duration such as 30m (1s at least, ten years at most), or 0"
            }
            Self::Revision => "a number of revisions, or 0",
        }
    }
}

impl AutoCompaction {
    /// Reads a retention as etcd does, but for durations where revisions are counted, which etcd takes for so many
    /// revisions as they have nanoseconds.
    pub(super) fn parse(mode: Mode, text: &str) -> Option<Self> {
        let number = text.parse::<u32>().ok();
        match (mode, number) {
            (_, Some(0)) => Some(Self::Off),
            (Mode::Revision, _) => text.parse().ok().filter(|kept| *kept > 0).map(Self::Revision),
            (Mode::Periodic, Some(hours)) => periodic(HOUR.saturating_mul(hours)),
            (Mode::Periodic, None) if text.starts_with('-') => None,
            (Mode::Periodic, None) => match parse_duration(text).ok()? {
                Duration::ZERO => Some(Self::Off),
                period => periodic(period),
            },
        }
    }
}

fn periodic(period: Duration) -> Option<AutoCompaction> {
    let (shortest, longest) = PERIOD;
    (shortest..=longest).contains(&period).then_some(AutoCompaction::Periodic(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_read_as_etcd_reads_it() {
        let seconds = |s| Some(AutoCompaction::Periodic(Duration::from_secs(s)));
        for (text, periodic, revision) in [
            ("0", Some(AutoCompaction::Off), Some(AutoCompaction::Off)),
            ("0s", Some(AutoCompaction::Off), None),
            ("1", seconds(3600), Some(AutoCompaction::Revision(1))),
            ("72", seconds(72 * 3600), Some(AutoCompaction::Revision(72))),
            ("30m", seconds(1800), None),
            ("1h30m", seconds(5400), None),
            ("500ms", None, None),
            ("-1", None, None),
            ("-5m", None, None),
            ("5 m", None, None),
            ("", None, None),
            ("87601", None, Some(AutoCompaction::Revision(87_601))),
            ("5000000000", None, Some(AutoCompaction::Revision(5_000_000_000))),
            ("99999999999999999999", None, None),
        ] {
            assert_eq!(AutoCompaction::parse(Mode::Periodic, text), periodic, "periodic {text:?}");
            assert_eq!(AutoCompaction::parse(Mode::Revision, text), revision, "revision {text:?}");
        }
    }
}

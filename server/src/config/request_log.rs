//! [`RequestLogging`]: which requests of clients are written down.

use std::time::Duration;

/// Which requests the log of requests has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoggedRequests {
    #[default]
    None,
    /// Every call.
    All,
    /// Those that may change something.
    Writes,
    /// Unary calls that take long.
    Slow,
}

impl LoggedRequests {
    pub(super) const ACCEPTED: &str = "off, all, writes or slow";

    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "off" => Self::None,
            "all" => Self::All,
            "writes" => Self::Writes,
            "slow" => Self::Slow,
            _ => return None,
        })
    }
}

/// The log of requests, as `--request-log` and the flags beside it say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLogging {
    pub which: LoggedRequests,
    /// One of so many of these is written, 1 at least.
    pub one_of: u64,
    /// Time from which on a call counts as slow.
    pub slow: Duration,
}

impl Default for RequestLogging {
    fn default() -> Self {
        Self { which: LoggedRequests::None, one_of: 1, slow: crate::limits::SLOW_REQUEST }
    }
}

//! [`Timing`]: how soon members notice that their leader is gone.

use std::time::Duration;

use crate::limits;

/// Heartbeats and elections, in whole ticks of Raft, as `--heartbeat-interval` and `--election-timeout` say them. What etcd
/// derives from its election timeout is derived from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    heartbeat: usize,
    election: usize,
    lease_ttl_min: i64,
}

impl Timing {
    /// Times in milliseconds, as near as ticks come; etcd's defaults where nothing is said.
    ///
    /// # Errors
    /// What etcd refuses, in its words.
    pub(crate) fn new(heartbeat: Option<u64>, election: Option<u64>) -> Result<Self, String> {
        let heartbeat = heartbeat.unwrap_or(millis(limits::HEARTBEAT_TICKS));
        let election = election.unwrap_or(millis(limits::ELECTION_TICKS));
        let longest = limits::ELECTION_TIMEOUT_MAX.as_millis();
        if heartbeat == 0 || election == 0 {
            return Err(format!(
                "--heartbeat-interval and --election-timeout must be >0 (set to {heartbeat}ms and {election}ms)"
            ));
        }
        if u128::from(heartbeat) * 5 > u128::from(election) {
            return Err(format!(
                "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
            ));
        }
        if u128::from(election) > longest {
            return Err(format!(
                "--election-timeout[{election}ms] is too long, and should be set less than {longest}ms"
            ));
        }
        let ticks = |time: u64| {
            let tick = millis(1);
            usize::try_from((time + tick / 2) / tick).unwrap_or(usize::MAX)
        };
        // In etcd's whole heartbeats, so that both grant the same.
        let lease = 3 * (election / heartbeat) / 2 * heartbeat;
        let heartbeat = ticks(heartbeat).max(1);
        Ok(Self {
            heartbeat,
            election: ticks(election).max(limits::ELECTION_TICKS_LEAST).max(5 * heartbeat),
            lease_ttl_min: i64::try_from(lease.div_ceil(1000)).unwrap_or(i64::MAX),
        })
    }

    /// Ticks between two heartbeats of a leader.
    #[must_use]
    pub const fn heartbeat_ticks(self) -> usize {
        self.heartbeat
    }

    /// Least ticks without a leader before an election.
    #[must_use]
    pub const fn election_ticks_min(self) -> usize {
        self.election
    }

    /// Ticks without a leader below which every election has begun.
    #[must_use]
    pub const fn election_ticks_max(self) -> usize {
        self.election + self.election / 2
    }

    /// Time between two heartbeats of a leader.
    #[must_use]
    pub fn heartbeat_interval(self) -> Duration {
        time(self.heartbeat)
    }

    /// Shortest time without a leader before an election.
    #[must_use]
    pub fn election_timeout(self) -> Duration {
        time(self.election)
    }

    /// Time that leases get on top when their leader changes, for so long nobody could renew them: the longest election timeout.
    #[must_use]
    pub fn lease_grace(self) -> Duration {
        time(self.election_ticks_max())
    }

    /// Shortest time to live of a lease in seconds; less is raised to it, as in etcd: 1.5 election timeouts, rounded up.
    #[must_use]
    pub const fn lease_ttl_min(self) -> i64 {
        self.lease_ttl_min
    }

    /// Longest a request waits for its result: etcd's 5 s and two election timeouts.
    #[must_use]
    pub fn request_timeout(self) -> Duration {
        limits::REQUEST_TIMEOUT_BASE + 2 * self.election_timeout()
    }

    /// The same in ticks.
    #[must_use]
    pub fn request_ticks(self) -> u64 {
        let ticks = self.request_timeout().as_millis() / limits::TICK.as_millis();
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: limits::HEARTBEAT_TICKS,
            election: limits::ELECTION_TICKS,
            lease_ttl_min: limits::LEASE_TTL_MIN,
        }
    }
}

fn time(ticks: usize) -> Duration {
    limits::TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

fn millis(ticks: usize) -> u64 {
    u64::try_from(time(ticks).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_etcd() {
        let timing = Timing::new(None, None).unwrap();
        assert_eq!(timing, Timing::default());
        assert_eq!(timing.heartbeat_interval(), Duration::from_millis(100));
        assert_eq!(timing.election_timeout(), Duration::from_secs(1));
        assert_eq!(timing.request_timeout(), limits::REQUEST_TIMEOUT);
        assert_eq!((timing.lease_ttl_min(), timing.request_ticks()), (2, 140));
    }

    #[test]
    fn times_become_ticks_and_what_follows_from_them_grows() {
        let timing = Timing::new(Some(500), Some(2500)).unwrap();
        assert_eq!((timing.heartbeat_ticks(), timing.election_ticks_min()), (10, 50));
        assert_eq!(timing.election_ticks_max(), 75);
        assert_eq!((timing.lease_ttl_min(), timing.lease_grace().as_millis()), (4, 3750));
        assert_eq!(timing.request_timeout().as_secs(), 10);
        // etcd takes it; a tick does not come so often, and elections need room to differ.
        let timing = Timing::new(Some(10), Some(50)).unwrap();
        let ticks = (timing.heartbeat_ticks(), timing.election_ticks_min());
        assert_eq!(ticks, (1, limits::ELECTION_TICKS_LEAST));
        let timing = Timing::new(Some(120), Some(50_000)).unwrap();
        assert_eq!((timing.heartbeat_ticks(), timing.election_ticks_min()), (2, 1000));
    }

    #[test]
    fn what_etcd_refuses_is_refused_in_its_words() {
        let refused = |heartbeat, election| Timing::new(heartbeat, election).unwrap_err();
        assert_eq!(
            refused(Some(300), None),
            "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]"
        );
        assert_eq!(
            refused(None, Some(50_001)),
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms"
        );
        assert!(refused(Some(0), None).contains("must be >0"));
        assert!(refused(Some(u64::MAX), Some(u64::MAX)).contains("at least as 5 times"));
    }
}

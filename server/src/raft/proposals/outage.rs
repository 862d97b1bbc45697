//! [`Outage`]: why a proposal has no result in time, in the words of etcd.

use std::collections::BTreeMap;

use mini_etcd_shared::types::MemberId;

use super::super::leadership::Leadership;
use crate::config::Timing;
use crate::error::RequestError;

/// Since when the leader leads and which peers could be reached, in ticks: what decides the words in which a
/// proposal times out.
#[derive(Debug)]
pub struct Outage {
    /// Two election timeouts: for so long a new leader is blamed on the old one.
    window: u64,
    leader_since: Option<u64>,
    reachable_since: BTreeMap<MemberId, u64>,
}

impl Outage {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(timing: Timing) -> Self {
        let window = 2 * timing.election_ticks_min() as u64;
        Self { window, leader_since: None, reachable_since: BTreeMap::new() }
    }

    /// The leader or the term changed at tick `now`.
    pub fn moved(&mut self, now: u64, leadership: Leadership) {
        self.leader_since = leadership.has_leader().then_some(now);
    }

    /// Something arrived from `peer`.
    pub fn heard(&mut self, now: u64, peer: MemberId) {
        self.reachable_since.entry(peer).or_insert(now);
    }

    /// The way to `peer` broke.
    pub fn lost(&mut self, peer: MemberId) {
        self.reachable_since.remove(&peer);
    }

    /// The error for a proposal that began at tick `begun` and has no result in time.
    #[must_use]
    pub fn timeout(&self, begun: u64, leadership: Leadership, peers: usize) -> RequestError {
        let Some(since) = self.leader_since else { return RequestError::Timeout };
        if begun < since && begun + self.window > since {
            return RequestError::TimeoutDueToLeaderFail;
        }
        let steady = |tick: &u64| *tick <= begun;
        let connected = if leadership.leads() {
            let reached = self.reachable_since.values().filter(|tick| steady(tick)).count();
            reached >= peers.div_ceil(2)
        } else {
            self.reachable_since.get(&leadership.leader).is_some_and(steady)
        };
        if connected { RequestError::Timeout } else { RequestError::TimeoutDueToConnectionLost }
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_shared::types::Term;

    use super::*;

    fn leadership(leader: u64) -> Leadership {
        Leadership { me: MemberId(1), leader: MemberId(leader), term: Term(3) }
    }

    #[test]
    fn a_new_leader_is_blamed_on_the_old_one_for_two_election_timeouts() {
        let mut outage = Outage::new(Timing::default());
        outage.heard(0, MemberId(2));
        outage.moved(100, leadership(2));
        let error = |begun| outage.timeout(begun, leadership(2), 2);
        assert_eq!(error(99), RequestError::TimeoutDueToLeaderFail);
        assert_eq!(error(61), RequestError::TimeoutDueToLeaderFail);
        assert_eq!(error(60), RequestError::Timeout);
        assert_eq!(error(100), RequestError::Timeout);
    }

    #[test]
    fn a_broken_way_to_the_leader_or_to_a_quorum_is_named() {
        let mut outage = Outage::new(Timing::default());
        outage.moved(0, leadership(2));
        assert_eq!(outage.timeout(5, leadership(2), 2), RequestError::TimeoutDueToConnectionLost);
        outage.heard(6, MemberId(2));
        assert_eq!(outage.timeout(5, leadership(2), 2), RequestError::TimeoutDueToConnectionLost);
        assert_eq!(outage.timeout(6, leadership(2), 2), RequestError::Timeout);
        assert_eq!(outage.timeout(6, leadership(1), 2), RequestError::Timeout);
        outage.lost(MemberId(2));
        assert_eq!(outage.timeout(6, leadership(1), 2), RequestError::TimeoutDueToConnectionLost);
        assert_eq!(outage.timeout(6, leadership(1), 0), RequestError::Timeout);
    }

    #[test]
    fn without_a_leader_the_plain_text_is_used() {
        assert_eq!(
            Outage::new(Timing::default()).timeout(0, leadership(0), 2),
            RequestError::Timeout
        );
    }
}

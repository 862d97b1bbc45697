//! Where a member stands in its cluster, and what a late proposal is told.

use std::collections::BTreeMap;

use mini_etcd_shared::types::{MemberId, Term};

use crate::error::RequestError;
use crate::limits::ELECTION_TICKS_MIN;

/// Who leads, in which term, as this member sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// This member.
    pub me: MemberId,
    /// The leader; 0 for none.
    pub leader: MemberId,
    /// The term.
    pub term: Term,
}

impl Place {
    /// Whether this member leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leader == self.me
    }

    /// Whether anybody leads.
    #[must_use]
    pub fn has_leader(&self) -> bool {
        self.leader != MemberId(0)
    }
}

/// Since when the leader leads and which peers could be reached, in ticks: what decides the words in which a
/// proposal times out.
#[derive(Debug, Default)]
pub struct Outage {
    leader_since: Option<u64>,
    reachable_since: BTreeMap<MemberId, u64>,
}

impl Outage {
    /// The place changed at tick `now`.
    pub fn moved(&mut self, now: u64, place: Place) {
        self.leader_since = place.has_leader().then_some(now);
    }

    /// Something arrived from `peer`.
    pub fn heard(&mut self, now: u64, peer: MemberId) {
        self.reachable_since.entry(peer).or_insert(now);
    }

    /// The way to `peer` broke.
    pub fn lost(&mut self, peer: MemberId) {
        self.reachable_since.remove(&peer);
    }

    /// The error for a proposal that began at tick `begun` and has no result in time (facts §12).
    #[must_use]
    pub fn timeout(&self, begun: u64, place: Place, peers: usize) -> RequestError {
        let window = 2 * ELECTION_TICKS_MIN as u64;
        let Some(since) = self.leader_since else { return RequestError::Timeout };
        if begun < since && begun + window > since {
            return RequestError::TimeoutDueToLeaderFail;
        }
        let steady = |tick: &u64| *tick <= begun;
        let connected = if place.leads() {
            let reached = self.reachable_since.values().filter(|tick| steady(tick)).count();
            reached >= peers.div_ceil(2)
        } else {
            self.reachable_since.get(&place.leader).is_some_and(steady)
        };
        if connected { RequestError::Timeout } else { RequestError::TimeoutDueToConnectionLost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(leader: u64) -> Place {
        Place { me: MemberId(1), leader: MemberId(leader), term: Term(3) }
    }

    #[test]
    fn a_new_leader_is_blamed_on_the_old_one_for_two_election_timeouts() {
        let mut outage = Outage::default();
        outage.heard(0, MemberId(2));
        outage.moved(100, place(2));
        let error = |begun| outage.timeout(begun, place(2), 2);
        assert_eq!(error(99), RequestError::TimeoutDueToLeaderFail);
        assert_eq!(error(61), RequestError::TimeoutDueToLeaderFail);
        assert_eq!(error(60), RequestError::Timeout);
        assert_eq!(error(100), RequestError::Timeout);
    }

    #[test]
    fn a_broken_way_to_the_leader_or_to_a_quorum_is_named() {
        let mut outage = Outage::default();
        outage.moved(0, place(2));
        assert_eq!(outage.timeout(5, place(2), 2), RequestError::TimeoutDueToConnectionLost);
        outage.heard(6, MemberId(2));
        assert_eq!(outage.timeout(5, place(2), 2), RequestError::TimeoutDueToConnectionLost);
        assert_eq!(outage.timeout(6, place(2), 2), RequestError::Timeout);
        assert_eq!(outage.timeout(6, place(1), 2), RequestError::Timeout);
        outage.lost(MemberId(2));
        assert_eq!(outage.timeout(6, place(1), 2), RequestError::TimeoutDueToConnectionLost);
        assert_eq!(outage.timeout(6, place(1), 0), RequestError::Timeout);
    }

    #[test]
    fn without_a_leader_the_plain_text_is_used() {
        assert_eq!(Outage::default().timeout(0, place(0), 2), RequestError::Timeout);
    }
}

//! [`Lessor`]: when each lease ends, as its leader knows it.

use std::collections::BTreeMap;
use std::time::Duration;

use mini_etcd_proto::internalpb::{CheckpointLeases, LeaseRemaining, RevokeLease};
use mini_etcd_shared::clock::Moment;
use mini_etcd_shared::types::{LogIndex, Term};

use super::agenda::{Agenda, Due};
use super::{LeaseChange, LeaseTimes, LeaseView};
use crate::limits::{LEASE_CHECKPOINTS_AT_ONCE_MAX, LEASE_REVOKE_RETRY, LEASES_LOOKED_AT_MAX};

/// Where the member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stands {
    pub leads: bool,
    pub term: Term,
    /// Term of the entry that was applied last.
    pub applied_term: Term,
}

/// When leases end. Pure: time and everything that happens come from outside.
pub struct Lessor {
    checkpoint_interval: Duration,
    grace: Duration,
    /// The term in which this member leads and knows what its predecessors did (I2); none elsewhere, where nothing is
    /// held.
    term: Option<Term>,
    leases: BTreeMap<i64, Running>,
    /// By the moment at which there is something to do: its end, or another attempt to revoke it.
    ends: Agenda,
    checkpoints: Agenda,
}

struct Running {
    ttl: i64,
    granted: LogIndex,
    end: Due,
    /// It was seen to expire (I4).
    expired: bool,
    /// Its next checkpoint, where it lives long enough for one.
    checkpoint: Option<Due>,
    noted: Noted,
}

impl Running {
    /// When its next checkpoint is due, if it lives longer than that.
    fn next_checkpoint(&self, interval: Duration, now: Moment) -> Option<Moment> {
        (self.end.at.since(now) > interval).then(|| now.after(interval))
    }
}

/// What the applied state has of a lease's rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noted {
    Nothing,
    /// A checkpoint is proposed, or one that takes it back.
    UnderWay,
    Rest,
}

/// What became of the attempt to renew a lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Renewal {
    /// It lives for its whole time from now, in seconds.
    Renewed(i64),
    /// There is no such lease.
    Unknown,
    /// It ends, or a checkpoint is under way: try again when that is done.
    Later,
    /// First the checkpoint is to be taken back.
    First(LeaseRemaining),
}

impl Lessor {
    /// Holds nothing yet. A lease of more than `checkpoint_interval` has a checkpoint that often; each gets `grace` on top
    /// when it is taken up from another leader.
    #[must_use]
    pub fn new(checkpoint_interval: Duration, grace: Duration) -> Self {
        Self {
            checkpoint_interval,
            grace,
            term: None,
            leases: BTreeMap::new(),
            ends: Agenda::default(),
            checkpoints: Agenda::default(),
        }
    }

    /// The term for which leases are held; none where this member is not their leader.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        self.term
    }

    /// Whether the member has another part to play than before, so that [`Lessor::observe`] changes something.
    #[must_use]
    pub fn is_news(&self, stands: Stands) -> bool {
        self.term != stands.holds()
    }

    /// Takes up the leases when the member has become their leader, and lets go of them when it is no more (I2). Takes a
    /// while for many leases.
    pub fn observe(&mut self, stands: Stands, leases: &LeaseView, now: Moment) {
        if !self.is_news(stands) {
            return;
        }
        self.term = stands.holds();
        self.leases.clear();
        self.ends.clear();
        self.checkpoints.clear();
        if self.term.is_some() {
            for (id, times) in leases.all() {
                self.take_up(id, times, now.after(self.grace), now);
            }
        }
    }

    /// Leases were changed. In the order of the log; what is known already does no harm.
    pub fn follow(&mut self, changes: &[LeaseChange], now: Moment) {
        if self.term.is_none() {
            return;
        }
        for change in changes {
            match *change {
                LeaseChange::Granted(id, times) => {
                    if self.leases.get(&id).is_none_or(|known| known.granted != times.granted) {
                        self.forget(id);
                        self.take_up(id, times, now, now);
                    }
                }
                LeaseChange::Revoked(id) => self.forget(id),
                LeaseChange::Checkpointed(id, times) => {
                    let known = self.leases.get_mut(&id);
                    if let Some(lease) = known.filter(|known| known.granted == times.granted) {
                        let is_rest = times.remaining > 0;
                        lease.noted = if is_rest { Noted::Rest } else { Noted::Nothing };
                    }
                }
            }
        }
    }

    fn take_up(&mut self, id: i64, times: LeaseTimes, from: Moment, now: Moment) {
        let is_rest = times.remaining > 0;
        let end = from.after(seconds(if is_rest { times.remaining } else { times.ttl }));
        let mut lease = Running {
            ttl: times.ttl,
            granted: times.granted,
            end: self.ends.list(id, end),
            expired: false,
            checkpoint: None,
            noted: if is_rest { Noted::Rest } else { Noted::Nothing },
        };
        let at = lease.next_checkpoint(self.checkpoint_interval, now);
        self.checkpoints.plan(id, &mut lease.checkpoint, at);
        self.leases.insert(id, lease);
    }

    fn forget(&mut self, id: i64) {
        if let Some(mut lease) = self.leases.remove(&id) {
            self.ends.forget(id, lease.end);
            self.checkpoints.plan(id, &mut lease.checkpoint, None);
        }
    }

    /// Renews a lease. Holds only once it is known that this member led after it (I5). What is to be noted first counts as
    /// under way.
    pub fn renew(&mut self, id: i64, now: Moment) -> Renewal {
        let renewal = self.try_renew(id, now);
        if matches!(renewal, Renewal::First(_))
            && let Some(lease) = self.leases.get_mut(&id)
        {
            lease.noted = Noted::UnderWay;
        }
        renewal
    }

    /// As [`Lessor::renew`] where nothing is to be noted first; else nothing changes.
    pub fn try_renew(&mut self, id: i64, now: Moment) -> Renewal {
        let Some(lease) = self.leases.get_mut(&id) else { return Renewal::Unknown };
        if lease.expired || lease.end.at <= now {
            return Renewal::Later; // I4
        }
        match lease.noted {
            Noted::Nothing => {}
            Noted::UnderWay => return Renewal::Later, // I6
            Noted::Rest => {
                return Renewal::First(LeaseRemaining {
                    id,
                    granted: lease.granted.0,
                    remaining: 0,
                });
            }
        }
        self.ends.postpone(id, &mut lease.end, now.after(seconds(lease.ttl)));
        let at = lease.next_checkpoint(self.checkpoint_interval, now);
        self.checkpoints.plan(id, &mut lease.checkpoint, at);
        Renewal::Renewed(lease.ttl)
    }

    /// Seconds left of a lease, rounded down, and its time to live; none where there is no such lease.
    #[must_use]
    pub fn remaining(&self, id: i64, now: Moment) -> Option<(i64, i64)> {
        let lease = self.leases.get(&id)?;
        let left = if lease.expired { Duration::ZERO } else { lease.end.at.since(now) };
        Some((i64::try_from(left.as_secs()).unwrap_or(i64::MAX), lease.ttl))
    }

    /// All leases, those first that end first.
    #[must_use]
    pub fn by_end(&self) -> Vec<i64> {
        let mut leases: Vec<_> =
            self.leases.iter().map(|(id, lease)| (lease.end.at, *id)).collect();
        leases.sort_unstable();
        leases.into_iter().map(|(_, id)| id).collect()
    }

    /// Takes up to `room` leases that are over, to be revoked, as far as one look goes. Each is given out once, until
    /// [`Lessor::retry`].
    pub fn expired(&mut self, now: Moment, room: usize) -> Vec<RevokeLease> {
        let Some(Term(term)) = self.term else { return Vec::new() };
        let mut expired = Vec::new();
        for _ in 0..LEASES_LOOKED_AT_MAX {
            if expired.len() >= room {
                break;
            }
            let Some(id) = self.ends.pop(now) else { break };
            let Some(lease) = self.leases.get_mut(&id) else { continue };
            if lease.end.at > now {
                lease.end = self.ends.list(id, lease.end.at);
                continue;
            }
            lease.expired = true;
            expired.push(RevokeLease { id, term, granted: lease.granted.0 });
        }
        expired
    }

    /// What became of the attempt to revoke a lease is not known, or it failed: it is given out again.
    pub fn retry(&mut self, expired: &RevokeLease, now: Moment) {
        let known = self.leases.get_mut(&expired.id);
        if let Some(lease) = known.filter(|it| it.expired && it.granted.0 == expired.granted) {
            self.ends.forget(expired.id, lease.end);
            lease.end = self.ends.list(expired.id, now.after(LEASE_REVOKE_RETRY));
        }
    }

    /// Takes the checkpoints that are due, so many at the most as one entry takes. They are under way until
    /// [`Lessor::follow`] or [`Lessor::unsure`] hears of them.
    pub fn checkpoints(&mut self, now: Moment) -> Vec<LeaseRemaining> {
        let mut due = Vec::new();
        for _ in 0..LEASES_LOOKED_AT_MAX {
            if due.len() >= LEASE_CHECKPOINTS_AT_ONCE_MAX {
                break;
            }
            let Some(id) = self.checkpoints.pop(now) else { break };
            let Some(lease) = self.leases.get_mut(&id) else { continue };
            if let Some(planned) = lease.checkpoint.take()
                && planned.at > now
            {
                lease.checkpoint = Some(self.checkpoints.list(id, planned.at));
                continue;
            }
            let left = lease.end.at.since(now);
            // One that is under way says less; the next one comes in time.
            if lease.noted != Noted::UnderWay && !lease.expired && !left.is_zero() {
                lease.noted = Noted::UnderWay;
                let remaining = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                let remaining = i64::try_from(remaining).unwrap_or(i64::MAX);
                due.push(LeaseRemaining { id, granted: lease.granted.0, remaining });
            }
            let at = lease.next_checkpoint(self.checkpoint_interval, now);
            self.checkpoints.plan(id, &mut lease.checkpoint, at);
        }
        due
    }

    /// A command for `leases` as the leader of this term; none where it is not held.
    #[must_use]
    pub fn command(&self, leases: Vec<LeaseRemaining>) -> Option<CheckpointLeases> {
        self.term.map(|Term(term)| CheckpointLeases { term, leases })
    }

    /// What became of these checkpoints is not known. They are in the log before whatever is proposed from now on, or
    /// never, so that it is safe to take them back.
    pub fn unsure(&mut self, leases: &[LeaseRemaining]) {
        for note in leases {
            let known = self.leases.get_mut(&note.id);
            let known = known.filter(|lease| lease.granted.0 == note.granted);
            if let Some(lease) = known.filter(|lease| lease.noted == Noted::UnderWay) {
                lease.noted = Noted::Rest;
            }
        }
    }

    /// When to look next: whether something ended, or is due.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        [self.ends.next(), self.checkpoints.next()].into_iter().flatten().min()
    }
}

impl Stands {
    /// The term for which this member is the leases' leader.
    fn holds(self) -> Option<Term> {
        (self.leads && self.applied_term == self.term).then_some(self.term)
    }
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::LeaseGrantRequest;

    use super::*;
    use crate::lease::Leases;
    use crate::limits::{LEASE_REVOKES_IN_FLIGHT_MAX, LEASES_LOOKED_AT_MAX};
    use crate::storage::Batch;

    const LEASE_GRACE: Duration = Duration::from_millis(1500);

    const LEADS: Stands = Stands { leads: true, term: Term(3), applied_term: Term(3) };
    const CHECKPOINTS: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn times(ttl: i64, remaining: i64, granted: u64) -> LeaseTimes {
        LeaseTimes { ttl, remaining, granted: LogIndex(granted) }
    }

    /// A leader with these leases, granted at time 0: number, time to live, and rest.
    fn leader(leases: &[(i64, i64)]) -> Lessor {
        let mut lessor = Lessor::new(CHECKPOINTS, LEASE_GRACE);
        lessor.observe(LEADS, &LeaseView::default(), at(0));
        for (id, ttl) in leases {
            let granted = LeaseChange::Granted(*id, times(*ttl, 0, id.unsigned_abs()));
            lessor.follow(&[granted], at(0));
        }
        lessor
    }

    fn ids(expired: &[RevokeLease]) -> Vec<i64> {
        expired.iter().map(|expired| expired.id).collect()
    }

    #[test]
    fn leases_end_in_order_and_not_before_their_time() {
        let mut lessor = leader(&[(1, 30), (2, 10), (3, 20)]);
        assert_eq!(lessor.by_end(), [2, 3, 1]);
        assert_eq!(lessor.next(), Some(at(10)));
        assert_eq!(lessor.expired(Moment(Duration::from_millis(9_999)), 9), []);
        let expired = lessor.expired(at(20), 9);
        assert_eq!(ids(&expired), [2, 3]);
        assert_eq!((expired[0].term, expired[0].granted), (3, 2), "what the fence compares");
        assert_eq!(lessor.expired(at(20), 9), [], "each is given out once");
        lessor.retry(&expired[0], at(20));
        assert_eq!(ids(&lessor.expired(at(29), 9)), [2]);
    }

    #[test]
    fn thousands_that_end_at_once_are_given_out_a_few_at_a_time() {
        let leases: Vec<_> = (1..=1000).map(|id| (id, 5)).collect();
        let mut lessor = leader(&leases);
        let first = lessor.expired(at(5), LEASE_REVOKES_IN_FLIGHT_MAX);
        assert_eq!(first.len(), LEASE_REVOKES_IN_FLIGHT_MAX);
        assert_eq!(lessor.expired(at(5), 0), []);
        assert_eq!(lessor.expired(at(5), usize::MAX).len(), 1000 - first.len());
    }

    #[test]
    fn thousands_that_were_renewed_are_passed_over_a_few_at_a_time() {
        let count = 2 * i64::try_from(LEASES_LOOKED_AT_MAX).unwrap() + 1;
        let leases: Vec<_> = (1..=count).map(|id| (id, 5)).collect();
        let mut lessor = leader(&leases);
        for id in 1..count {
            assert_eq!(lessor.renew(id, at(4)), Renewal::Renewed(5));
        }
        for _ in 0..2 {
            assert_eq!(lessor.expired(at(5), 9), []);
            assert_eq!(lessor.next(), Some(at(5)), "it looks again at once");
        }
        assert_eq!(ids(&lessor.expired(at(5), 9)), [count]);
        assert_eq!(lessor.next(), Some(at(9)));
    }

    #[test]
    fn a_renewal_that_brings_the_end_nearer_counts_too() {
        let mut leases = Leases::default();
        let grant = LeaseGrantRequest { id: 1, ttl: 10 };
        leases.grant(&grant, LogIndex(7), &mut Batch::new()).unwrap();
        let mut lessor = Lessor::new(CHECKPOINTS, LEASE_GRACE);
        lessor.observe(LEADS, &leases.view(), at(0));
        assert_eq!(lessor.next(), Some(at(10).after(LEASE_GRACE)));
        assert_eq!(lessor.renew(1, at(0)), Renewal::Renewed(10));
        assert_eq!(lessor.next(), Some(at(10)));
    }

    #[test]
    fn a_renewal_begins_the_whole_time_anew_unless_the_lease_is_over() {
        let mut lessor = leader(&[(1, 10), (2, 10)]);
        assert_eq!(lessor.renew(1, at(9)), Renewal::Renewed(10));
        assert_eq!(lessor.remaining(1, Moment(Duration::from_millis(9_500))), Some((9, 10)));
        assert_eq!(lessor.renew(2, at(10)), Renewal::Later, "it is over, and will be revoked");
        assert_eq!(lessor.remaining(2, at(11)), Some((0, 10)));
        assert_eq!(ids(&lessor.expired(at(18), 9)), [2]);
        assert_eq!(lessor.renew(2, at(18)), Renewal::Later);
        lessor.follow(&[LeaseChange::Revoked(2)], at(18));
        assert_eq!(lessor.renew(2, at(18)), Renewal::Unknown);
        assert_eq!(lessor.remaining(2, at(18)), None);
        assert_eq!(ids(&lessor.expired(at(19), 9)), [1]);
    }

    #[test]
    fn a_leader_begins_with_what_was_left_once_it_has_applied_an_entry_of_its_term() {
        let mut leases = Leases::default();
        let mut batch = Batch::new();
        for (id, ttl) in [(1, 600), (2, 900)] {
            leases.grant(&LeaseGrantRequest { id, ttl }, LogIndex(7), &mut batch).unwrap();
        }
        let rest = LeaseRemaining { id: 2, granted: 7, remaining: 40 };
        let checkpoint = CheckpointLeases { term: 2, leases: vec![rest] };
        leases.checkpoint(&checkpoint, Term(2), &mut batch).unwrap();
        let mut lessor = Lessor::new(CHECKPOINTS, LEASE_GRACE);
        let early = Stands { applied_term: Term(2), ..LEADS };
        lessor.observe(early, &leases.view(), at(100));
        assert_eq!((lessor.term(), lessor.renew(1, at(100))), (None, Renewal::Unknown));
        lessor.observe(LEADS, &leases.view(), at(100));
        let grace = LEASE_GRACE.as_secs().cast_signed();
        assert_eq!(lessor.remaining(1, at(100)), Some((600 + grace, 600)));
        assert_eq!(lessor.remaining(2, at(100)), Some((40 + grace, 900)));
        lessor.observe(Stands { leads: false, ..LEADS }, &leases.view(), at(101));
        assert_eq!((lessor.term(), lessor.next()), (None, None));
        lessor.follow(&[LeaseChange::Granted(3, times(5, 0, 9))], at(101));
        assert_eq!(lessor.expired(at(9999), 9), [], "a follower ends nothing");
    }

    #[test]
    fn a_lease_with_a_checkpoint_is_renewed_after_that_was_taken_back() {
        let mut lessor = leader(&[(1, 1000), (2, 100)]);
        assert_eq!(lessor.next(), Some(at(100)));
        assert_eq!(lessor.checkpoints(at(299)), []);
        let rest = LeaseRemaining { id: 1, granted: 1, remaining: 700 };
        assert_eq!(lessor.checkpoints(at(300)), std::slice::from_ref(&rest), "of long ones alone");
        assert_eq!(lessor.renew(1, at(301)), Renewal::Later, "it is under way");
        lessor.follow(&[LeaseChange::Checkpointed(1, times(1000, 700, 1))], at(301));
        let back = LeaseRemaining { remaining: 0, ..rest };
        assert_eq!(lessor.renew(1, at(301)), Renewal::First(back));
        assert_eq!(lessor.renew(1, at(301)), Renewal::Later, "one attempt is enough");
        lessor.unsure(&[back]);
        assert!(matches!(lessor.renew(1, at(302)), Renewal::First(_)));
        lessor.follow(&[LeaseChange::Checkpointed(1, times(1000, 0, 1))], at(303));
        assert_eq!(lessor.renew(1, at(303)), Renewal::Renewed(1000));
        assert_eq!(lessor.checkpoints(at(602)), [], "the next one counts from the renewal");
        assert_eq!(lessor.checkpoints(at(603)).len(), 1);
    }

    /// Goal: a lease that nobody renews ends, though its leader changes again and again (etcd #13508). Method: ten leaders in turn,
    /// each of which leads until a little after its first checkpoint.
    #[test]
    fn ten_changes_of_leader_within_the_life_of_a_lease_add_little_to_it() {
        const TTL: u64 = 3600;
        let mut leases = Leases::default();
        let mut batch = Batch::new();
        let grant = LeaseGrantRequest { id: 1, ttl: TTL.cast_signed() };
        leases.grant(&grant, LogIndex(7), &mut batch).unwrap();
        let mut lessor = Lessor::new(CHECKPOINTS, LEASE_GRACE);
        let (reign, lost) = (310, 10 + LEASE_GRACE.as_secs() + 1);
        for leader in 0..10 {
            let begins = leader * reign;
            let term = Term(3 + leader);
            let leads = Stands { term, applied_term: term, leads: true };
            lessor.observe(leads, &leases.view(), at(begins));
            let most = TTL - leader * (reign - lost) + LEASE_GRACE.as_secs() + 1;
            let left = lessor.remaining(1, at(begins)).unwrap().0;
            assert!(left.unsigned_abs() <= most, "leader {leader}: {left} of {most}");
            let rest = lessor.checkpoints(at(begins + CHECKPOINTS.as_secs()));
            let checkpoint = CheckpointLeases { term: term.0, leases: rest };
            leases.checkpoint(&checkpoint, term, &mut batch).unwrap();
        }
        let left = lessor.remaining(1, at(10 * reign)).unwrap().0;
        assert!(left.unsigned_abs() <= TTL - 10 * (reign - lost), "{left}");
    }

    #[test]
    fn another_lease_of_the_same_number_is_another_lease() {
        let mut lessor = leader(&[(1, 10)]);
        let old = lessor.expired(at(10), 9).remove(0);
        let changes = [LeaseChange::Revoked(1), LeaseChange::Granted(1, times(50, 0, 99))];
        lessor.follow(&changes, at(11));
        lessor.retry(&old, at(11));
        lessor.follow(&[LeaseChange::Checkpointed(1, times(10, 5, 1))], at(11));
        assert_eq!(lessor.renew(1, at(12)), Renewal::Renewed(50));
        assert_eq!(lessor.expired(at(61), 9), []);
        lessor.follow(&[LeaseChange::Granted(1, times(50, 0, 99))], at(61));
        assert_eq!(ids(&lessor.expired(at(62), 9)), [1], "what is known already changes nothing");
    }

    #[test]
    fn the_longest_time_to_live_does_not_overflow() {
        let mut lessor = leader(&[(1, i64::MAX)]);
        let now = Moment(Duration::from_secs(u64::MAX - 1));
        assert_eq!(lessor.renew(1, now), Renewal::Later);
        let mut lessor = leader(&[(1, 9_000_000_000)]);
        assert_eq!(lessor.renew(1, at(5)), Renewal::Renewed(9_000_000_000));
        assert_eq!(lessor.remaining(1, at(6)), Some((8_999_999_999, 9_000_000_000)));
    }
}

//! [`List`]: the leases, what was told of each and when, and in which order they are shown.
//!
//! * I1: what is left of a lease is counted down from when it was told; a lease that nobody was asked about has no
//!   number.
//! * I2: rows change their places only when a list comes or somebody wants another order, never while they are read.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_shared::clock::Moment;
use mini_etcd_shared::command::lease_hex;

use super::requests::Listing;

/// Keys from which the end of a lease is called a storm: all of them go in one revision.
pub const STORM_KEYS: u64 = 1000;
/// Time after which what was told of a row in sight is asked anew.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// The same for a lease of very many keys, each of which is sent.
const READ_MANY_AGAIN: Duration = Duration::from_secs(30);
/// The same for one that should have ended.
const READ_ENDING_AGAIN: Duration = Duration::from_secs(1);
/// Parts that the histogram has.
pub const BINS: usize = 60;

/// What a server told of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is there.
    Lease {
        /// Seconds that it was granted for.
        granted: u64,
        /// Seconds that are left.
        left: u64,
        /// Keys that end with it.
        count: u64,
        /// The first of them, when they were wanted.
        keys: Vec<Bytes>,
    },
    /// It is not there any more.
    Gone,
    /// This user may not know, in the words of the server.
    Denied(String),
}

/// What was told of one of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The lease.
    pub id: i64,
    /// What was told.
    pub told: Told,
}

/// What is known of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its times, in seconds, and its keys.
    Lease {
        /// Seconds that it was granted for.
        granted: u64,
        /// When it ends, unless it is renewed.
        ends: Moment,
        /// Keys that end with it.
        keys: u64,
    },
    /// This user may not know.
    Denied,
}

/// A lease of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// What is known of it, once it was asked about, and when that was.
    known: Option<(Known, Moment)>,
    /// Its place in the list of the leader; the last one when another member told.
    rank: u32,
}

impl Lease {
    /// What is known of it.
    #[must_use]
    pub fn known(&self) -> Option<&Known> {
        self.known.as_ref().map(|(known, _)| known)
    }

    /// How long ago it was asked about.
    #[must_use]
    pub fn asked(&self, now: Moment) -> Option<Duration> {
        self.known.as_ref().map(|(_, at)| now.since(*at))
    }

    /// What is left of it. I1
    #[must_use]
    pub fn left(&self, now: Moment) -> Option<Duration> {
        match self.known()? {
            Known::Lease { ends, .. } => Some(ends.since(now)),
            Known::Denied => None,
        }
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> Option<u64> {
        match self.known()? {
            Known::Lease { keys, .. } => Some(*keys),
            Known::Denied => None,
        }
    }

    /// Seconds that it was granted for.
    #[must_use]
    pub fn granted(&self) -> Option<u64> {
        match self.known()? {
            Known::Lease { granted, .. } => Some(*granted),
            Known::Denied => None,
        }
    }

    /// Whether it has to be asked about again.
    fn is_due(&self, now: Moment) -> bool {
        let Some((known, at)) = &self.known else { return true };
        let after = match known {
            Known::Lease { ends, .. } if *ends <= now => READ_ENDING_AGAIN,
            Known::Lease { keys, .. } if *keys > STORM_KEYS => READ_MANY_AGAIN,
            _ => READ_AGAIN,
        };
        now.since(*at) >= after
    }
}

/// What the rows are in the order of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Who ends first: as the leader names them, or else by what is known.
    #[default]
    Remaining,
    /// Who has the most keys.
    Keys,
    /// Who was granted for the shortest time.
    Granted,
    /// The id.
    Id,
}

impl Sort {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Remaining => Self::Keys,
            Self::Keys => Self::Granted,
            Self::Granted => Self::Id,
            Self::Id => Self::Remaining,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Remaining => "remaining",
            Self::Keys => "keys",
            Self::Granted => "ttl",
            Self::Id => "id",
        }
    }
}

/// When the known leases end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Leases that end in each part of the time up to [`last`](Self::last).
    pub bins: Vec<u32>,
    /// When the last one ends, from now.
    pub last: Duration,
    /// The second in which the most end: leases, their keys, and how long from now.
    pub peak: (u64, u64, u64),
    /// Leases that are known.
    pub known: usize,
    /// Of these, the ones without a key.
    pub orphans: usize,
}

/// The leases.
#[derive(Clone, Debug, Default)]
pub struct List {
    leases: BTreeMap<i64, Lease>,
    /// The rows.
    rows: Vec<i64>,
    /// In which order.
    pub sort: Sort,
    /// Only leases without keys are shown.
    pub orphans: bool,
    /// Only leases whose id has this in it are shown.
    pub filter: String,
    /// Leases that are there and not kept, for there are too many.
    pub more: u64,
}

impl List {
    /// All that are there, as far as they are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// The rows, by their ids.
    #[must_use]
    pub fn rows(&self) -> &[i64] {
        &self.rows
    }

    /// A lease.
    #[must_use]
    pub fn get(&self, id: i64) -> Option<&Lease> {
        self.leases.get(&id)
    }

    /// Whether some are not shown.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        self.orphans || !self.filter.is_empty()
    }

    /// Takes in which leases there are; what is known of those that stay is kept.
    pub fn take(&mut self, listing: &Listing, now: Moment) {
        let mut before = std::mem::take(&mut self.leases);
        self.leases = listing
            .ids
            .iter()
            .zip(0..)
            .map(|(id, place)| {
                let rank = if listing.in_order { place } else { u32::MAX };
                (*id, Lease { rank, ..before.remove(id).unwrap_or_default() })
            })
            .collect();
        self.more = listing.more;
        self.lay_out(now);
    }

    /// A lease that was granted from here.
    pub fn add(&mut self, id: i64, ttl: u64, now: Moment) {
        self.leases.entry(id).or_insert(Lease { known: None, rank: u32::MAX });
        self.tell(
            &Answered {
                id,
                told: Told::Lease { granted: ttl, left: ttl, count: 0, keys: Vec::new() },
            },
            now,
        );
        self.lay_out(now);
    }

    /// Takes in what was told of a lease; a row goes when it is gone.
    pub fn tell(&mut self, answered: &Answered, now: Moment) {
        let Some(lease) = self.leases.get_mut(&answered.id) else { return };
        let known = match &answered.told {
            Told::Lease { granted, left, count, .. } => Known::Lease {
                granted: *granted,
                ends: now.after(Duration::from_secs(*left)),
                keys: *count,
            },
            Told::Denied(_) => Known::Denied,
            Told::Gone => {
                self.leases.remove(&answered.id);
                self.rows.retain(|id| *id != answered.id);
                return;
            }
        };
        lease.known = Some((known, now));
    }

    /// A lease was renewed from here.
    pub fn renewed(&mut self, id: i64, ttl: u64, now: Moment) {
        if let Some((Known::Lease { ends, .. }, _)) =
            self.leases.get_mut(&id).and_then(|lease| lease.known.as_mut())
        {
            *ends = now.after(Duration::from_secs(ttl));
        }
    }

    /// Which of the rows have to be asked about, [`usize`] at most.
    #[must_use]
    pub fn due(&self, rows: std::ops::Range<usize>, now: Moment, most: usize) -> Vec<i64> {
        let end = rows.end.min(self.rows.len());
        let rows = self.rows.get(rows.start.min(end)..end).unwrap_or_default();
        let due = |id: &&i64| self.leases.get(id).is_some_and(|lease| lease.is_due(now));
        rows.iter().filter(due).take(most).copied().collect()
    }

    /// Those that nobody was asked about.
    #[must_use]
    pub fn unknown(&self) -> Vec<i64> {
        self.leases.iter().filter(|(_, lease)| lease.known.is_none()).map(|(id, _)| *id).collect()
    }

    /// Puts the rows in order. I2
    pub fn lay_out(&mut self, now: Moment) {
        let shown = |(id, lease): &(&i64, &Lease)| {
            (!self.orphans || lease.keys() == Some(0))
                && (self.filter.is_empty() || lease_hex(**id).contains(&self.filter))
        };
        let mut rows: Vec<(i64, &Lease)> =
            self.leases.iter().filter(shown).map(|(id, lease)| (*id, lease)).collect();
        match self.sort {
            Sort::Remaining => {
                let left = |lease: &Lease| lease.left(now).unwrap_or(Duration::MAX);
                rows.sort_by_key(|(id, lease)| (lease.rank, left(lease), *id));
            }
            Sort::Keys => {
                rows.sort_by_key(|(id, lease)| (std::cmp::Reverse(lease.keys()), lease.rank, *id));
            }
            Sort::Granted => {
                let granted = |lease: &Lease| lease.granted().unwrap_or(u64::MAX);
                rows.sort_by_key(|(id, lease)| (granted(lease), lease.rank, *id));
            }
            Sort::Id => {}
        }
        self.rows = rows.into_iter().map(|(id, _)| id).collect();
    }

    /// When those that are known end.
    #[must_use]
    pub fn histogram(&self, now: Moment) -> Histogram {
        let known =
            || self.leases.values().filter_map(|lease| Some((lease.left(now)?, lease.keys()?)));
        let mut histogram = Histogram { bins: vec![0; BINS], ..Histogram::default() };
        histogram.last = known().map(|(left, _)| left).max().unwrap_or_default();
        let mut seconds = BTreeMap::<u64, (u64, u64)>::new();
        for (left, keys) in known() {
            histogram.known += 1;
            histogram.orphans += usize::from(keys == 0);
            if let Some(bin) = histogram.bins.get_mut(bin_of(left, histogram.last)) {
                *bin += 1;
            }
            let (leases, all) = seconds.entry(left.as_secs()).or_default();
            (*leases, *all) = (*leases + 1, *all + keys);
        }
        let most = seconds
            .iter()
            .max_by_key(|(second, (leases, keys))| (leases + keys, std::cmp::Reverse(**second)));
        histogram.peak =
            most.map_or((0, 0, 0), |(second, (leases, keys))| (*leases, *keys, *second));
        histogram
    }
}

/// The part of the time up to `last` in which `left` ends. The parts grow with the time, so that seconds are told apart
/// beside hours.
fn bin_of(left: Duration, last: Duration) -> usize {
    let scale = |time: Duration| time.as_secs_f64().ln_1p();
    let part = if last.is_zero() { 0.0 } else { scale(left) / scale(last) };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of a few, clamped"
    )]
    let bin = (part.clamp(0.0, 1.0) * (BINS - 1) as f64).round() as usize;
    bin
}

/// The time in the middle of a histogram up to `last`.
#[must_use]
pub fn middle(last: Duration) -> Duration {
    Duration::from_secs_f64((last.as_secs_f64().ln_1p() / 2.0).exp_m1().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn told(id: i64, granted: u64, left: u64, count: u64) -> Answered {
        Answered { id, told: Told::Lease { granted, left, count, keys: Vec::new() } }
    }

    fn listing(ids: &[i64], in_order: bool) -> Listing {
        Listing { ids: ids.to_vec(), more: 0, in_order }
    }

    /// Four leases, of which three are known.
    fn list() -> List {
        let mut list = List::default();
        list.take(&listing(&[7, 3, 9, 5], true), at(0));
        for answered in [told(3, 60, 41, 12), told(9, 300, 299, 0), told(5, 10, 2, 4011)] {
            list.tell(&answered, at(10));
        }
        list
    }

    #[test]
    fn what_is_left_counts_down_from_when_it_was_told_and_not_below_nothing() {
        let mut list = list();
        let left = |list: &List, id, now| list.get(id).unwrap().left(at(now)).map(|l| l.as_secs());
        assert_eq!(left(&list, 3, 11), Some(40));
        assert_eq!(left(&list, 5, 60), Some(0));
        assert_eq!(left(&list, 7, 60), None, "nobody was asked");
        list.renewed(3, 60, at(20));
        assert_eq!(left(&list, 3, 21), Some(59));
    }

    #[test]
    fn rows_keep_their_places_until_a_list_comes() {
        let mut list = list();
        assert_eq!(list.rows(), [7, 3, 9, 5], "as the leader has them");
        list.take(&listing(&[7, 3, 9, 5], false), at(11));
        assert_eq!(list.rows(), [5, 3, 9, 7], "who ends first, and then the unknown");
        list.take(&listing(&[7, 5, 3, 9], true), at(11));
        assert_eq!(list.rows(), [7, 5, 3, 9], "the leader knows better");
        list.take(&listing(&[9, 7, 1, 2], false), at(12));
        assert_eq!(list.rows(), [9, 1, 2, 7], "another member names them in no order");
    }

    #[test]
    fn rows_are_in_the_order_of_the_leader_or_of_what_is_known() {
        let mut list = list();
        let mut orders = Vec::new();
        for _ in 0..4 {
            list.lay_out(at(11));
            orders.push((list.sort.name(), list.rows().to_vec()));
            list.sort = list.sort.next();
        }
        assert_eq!(
            orders,
            [
                ("remaining", vec![7, 3, 9, 5]),
                ("keys", vec![5, 3, 9, 7]),
                ("ttl", vec![5, 3, 9, 7]),
                ("id", vec![3, 5, 7, 9]),
            ]
        );
        assert_eq!(list.sort, Sort::Remaining);
    }

    #[test]
    fn orphans_and_parts_of_an_id_narrow_the_list() {
        let mut list = list();
        list.orphans = true;
        list.lay_out(at(11));
        assert_eq!(list.rows(), [9], "the unknown is no orphan");
        (list.orphans, list.filter) = (false, "05".to_owned());
        list.lay_out(at(11));
        assert_eq!(list.rows(), [5]);
        assert!(list.is_narrowed());
    }

    #[test]
    fn only_rows_in_sight_are_asked_about_and_not_again_at_once() {
        let mut list = list();
        list.sort = Sort::Id;
        list.lay_out(at(10));
        assert!(list.due(0..2, at(11), 9).is_empty());
        assert_eq!(list.due(0..3, at(11), 9), [7], "the one that is not known");
        assert_eq!(list.due(0..9, at(12), 9), [5, 7], "and the one that should have ended");
        assert_eq!(list.due(0..9, at(15), 9), [3, 5, 7, 9]);
        assert_eq!(list.due(0..9, at(15), 2), [3, 5]);
        assert!(list.due(7..9, at(15), 2).is_empty());
        assert_eq!(list.unknown(), [7]);
    }

    #[test]
    fn who_is_gone_leaves_and_who_may_not_be_known_stays_without_a_number() {
        let mut list = list();
        list.tell(&Answered { id: 3, told: Told::Gone }, at(11));
        list.tell(&Answered { id: 7, told: Told::Denied("no".into()) }, at(11));
        list.tell(&told(99, 1, 1, 1), at(11));
        assert_eq!(list.rows(), [7, 9, 5]);
        assert_eq!(list.get(7).unwrap().known(), Some(&Known::Denied));
        assert_eq!((list.get(7).unwrap().left(at(11)), list.len()), (None, 3));
    }

    #[test]
    fn the_histogram_counts_whom_it_knows_and_finds_the_fullest_second() {
        let mut list = list();
        list.tell(&told(7, 60, 2, 3), at(10));
        let histogram = list.histogram(at(10));
        assert_eq!((histogram.known, histogram.orphans), (4, 1));
        // Two seconds, 41 and 299 are told apart.
        assert_eq!(histogram.bins.iter().filter(|count| **count > 0).count(), 3);
        assert_eq!((histogram.bins[BINS - 1], histogram.bins.iter().sum::<u32>()), (1, 4));
        assert_eq!(middle(histogram.last).as_secs(), 16);
        assert_eq!(histogram.peak, (2, 4014, 2));
        assert_eq!(histogram.last, Duration::from_secs(299));
        assert_eq!(List::default().histogram(at(3)).peak, (0, 0, 0));
    }

    /// Goal: a list of very many is taken in without a loop over loops. Method: a hundred thousand, of which a batch goes.
    #[test]
    fn a_hundred_thousand_are_listed_and_ordered() {
        let ids: Vec<i64> = (1..=100_000).rev().collect();
        let mut list = List::default();
        list.take(&listing(&ids, true), at(0));
        assert_eq!((list.rows().len(), list.rows()[0]), (100_000, 100_000));
        assert_eq!(list.due(0..40, at(0), 64).len(), 40);
        list.tell(&told(77, 5, 5, 1), at(1));
        list.take(&listing(&ids, false), at(2));
        assert_eq!(list.rows()[0], 77);
    }
}

//! One tail: what came, what is shown of it, and where one stands in it.

mod walk;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_shared::clock::Moment;

use super::event::{Entry, Event, Mark, Revision, What};
use super::filter::Filter;
use super::ring::{Bound, Ring};
use crate::console::spec::Spec;
use crate::widget::needle::Needle;
use crate::widget::{age, duration_us};

/// What a tail keeps.
pub const KEPT: Bound = Bound { events: 10_000, bytes: 12 << 20 };
/// What it holds beside that while it is paused.
pub const HELD: Bound = Bound { events: 10_000, bytes: 6 << 20 };
/// Seconds over which the rate is taken.
const RATE_OVER: usize = 3;

/// How the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has never stood.
    Connecting,
    /// It stands.
    Live,
    /// It is lost, and is being taken up again.
    Away {
        /// Since when.
        since: Moment,
        /// Why, when it was lost.
        why: String,
        /// Why the last attempt failed.
        last: String,
    },
    /// It stands again, and has yet to prove that nothing is missing.
    Resuming {
        /// Since when it was away.
        since: Moment,
        /// Why.
        why: String,
        /// What to say once it has.
        mark: Mark,
    },
    /// It is over.
    Ended(String),
}

/// A row of the list: an entry, or one event of an entry that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Number of the entry.
    pub entry: u64,
    /// Which of its events; `None` for the entry itself.
    pub event: Option<usize>,
}

/// What came from the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The stream stands.
    Stands {
        /// The member's id, and its endpoint.
        member: (u64, String),
        /// First revision it will deliver.
        from: i64,
        /// The server's revision.
        server: i64,
    },
    /// Revisions, in order, and the server's.
    Revisions(Vec<Arc<Revision>>, i64),
    /// Everything up to this revision was delivered.
    Progress(i64),
    /// The stream is lost, and goes on as soon as a member takes it.
    Lost {
        /// The endpoint that failed, if it is known.
        place: String,
        /// How.
        why: String,
        /// The revision at which it goes on.
        next: i64,
    },
    /// History between the two is gone; it goes on at the second.
    Compacted(i64, i64),
    /// The server ended it.
    Ended(String),
}

/// A tail.
#[derive(Clone, Debug)]
pub struct Tail {
    /// Its number: `w1` for 1.
    pub number: u64,
    /// What it follows.
    pub spec: Spec,
    /// How the stream is.
    pub link: Link,
    /// Which events are shown.
    pub filter: Option<Filter>,
    /// The only key that is shown.
    pub pinned: Option<Bytes>,
    /// What is looked for, as typed, and how it is found.
    pub search: Option<(String, Needle)>,
    /// Whether what comes is held back.
    pub paused: bool,
    /// Whether the newest row stays the chosen one.
    pub follows: bool,
    /// Revision of the newest event that came.
    pub newest: i64,
    /// Everything up to here was delivered, as the server said.
    pub told: i64,
    /// The newest revision the server spoke of.
    pub server: i64,
    /// When it spoke last.
    pub heard: Option<Moment>,
    ring: Ring,
    held: Ring,
    open: BTreeSet<u64>,
    rows: VecDeque<Row>,
    /// Number of the first row; rows keep their numbers while others go.
    first: u64,
    cursor: u64,
    top: u64,
    /// Events of the last seconds, the running one first.
    seconds: [u64; RATE_OVER + 1],
    second: u64,
}

impl Tail {
    /// An empty one.
    #[must_use]
    pub fn new(number: u64, spec: Spec, filter: Option<Filter>) -> Self {
        Self {
            number,
            spec,
            link: Link::Connecting,
            filter,
            pinned: None,
            search: None,
            paused: false,
            follows: true,
            newest: 0,
            told: 0,
            server: 0,
            heard: None,
            ring: Ring::new(KEPT),
            held: Ring::new(HELD),
            open: BTreeSet::new(),
            rows: VecDeque::new(),
            first: 0,
            cursor: 0,
            top: 0,
            seconds: [0; RATE_OVER + 1],
            second: 0,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("w{}", self.number)
    }

    /// Takes in what came; `name` knows members by id and endpoint.
    pub fn take(&mut self, news: News, now: Moment, wall: u64, name: impl Fn(u64, &str) -> String) {
        if !matches!(news, News::Lost { .. }) {
            self.heard = Some(now);
        }
        match news {
            News::Stands { member, from, server } => {
                self.server = self.server.max(server);
                let on = name(member.0, &member.1);
                self.stands(from, server, on, (now, wall));
            }
            News::Revisions(revisions, server) => {
                self.proven(wall);
                self.server = self.server.max(server);
                self.turn_to(now);
                for revision in revisions {
                    self.newest = self.newest.max(revision.number);
                    let events = revision.events.len() + revision.cut;
                    if let Some(running) = self.seconds.first_mut() {
                        *running += u64::try_from(events).unwrap_or(u64::MAX);
                    }
                    self.add(Entry { wall, what: What::Revision(revision) });
                }
                self.told = self.told.max(self.newest);
            }
            News::Progress(revision) => {
                self.proven(wall);
                self.told = self.told.max(revision);
                self.server = self.server.max(revision);
            }
            News::Lost { place, why, .. } => {
                let who = if place.is_empty() { place } else { format!("{} ", name(0, &place)) };
                self.lost(format!("{who}{why}"), now);
            }
            News::Compacted(from, to) => {
                self.link = Link::Live;
                self.add(Entry { wall, what: What::Mark(Mark::Compacted { from, to }) });
            }
            News::Ended(why) => {
                let mark = Mark::Ended { why: why.clone() };
                self.link = Link::Ended(why);
                self.add(Entry { wall, what: What::Mark(mark) });
            }
        }
    }

    fn stands(&mut self, from: i64, server: i64, on: String, (now, wall): (Moment, u64)) {
        match std::mem::replace(&mut self.link, Link::Live) {
            // What never stood has nothing to be taken up again.
            Link::Away { .. } if self.ring.end() + self.held.end() == 0 => {
                self.add(Entry { wall, what: What::Mark(Mark::Began { from, on }) });
            }
            Link::Away { since, why, .. } => {
                let away = gone_for(now.since(since));
                let mark = Mark::Resumed { why: why.clone(), from, on, away };
                self.link = Link::Resuming { since, why, mark };
                // Nothing happened meanwhile that it could have missed.
                if from > server {
                    self.proven(wall);
                }
            }
            resuming @ Link::Resuming { .. } => self.link = resuming,
            _ if self.ring.end() + self.held.end() == 0 => {
                self.add(Entry { wall, what: What::Mark(Mark::Began { from, on }) });
            }
            _ => {}
        }
    }

    /// What was resumed delivers: nothing is missing.
    fn proven(&mut self, wall: u64) {
        if let Link::Resuming { mark, .. } = std::mem::replace(&mut self.link, Link::Live) {
            self.add(Entry { wall, what: What::Mark(mark) });
        }
    }

    fn lost(&mut self, why: String, now: Moment) {
        self.link = match std::mem::replace(&mut self.link, Link::Connecting) {
            Link::Away { since, why: first, .. } | Link::Resuming { since, why: first, .. } => {
                Link::Away { since, why: first, last: why }
            }
            _ => Link::Away { since: now, why: why.clone(), last: why },
        };
    }

    fn add(&mut self, entry: Entry) {
        if self.paused {
            self.held.push(entry);
        } else {
            self.show(entry);
        }
    }

    fn show(&mut self, entry: Entry) {
        let shown = self.shows(&entry);
        let number = self.ring.push(entry);
        if shown {
            self.rows.push_back(Row { entry: number, event: None });
        }
        let first = self.ring.first();
        while self.rows.front().is_some_and(|row| row.entry < first) {
            self.rows.pop_front();
            self.first += 1;
        }
        while self.open.first().is_some_and(|number| *number < first) {
            self.open.pop_first();
        }
        if self.follows {
            self.cursor = self.end().saturating_sub(1);
        }
        self.cursor = self.cursor.max(self.first);
        self.top = self.top.max(self.first);
    }

    /// Whether an entry is shown; marks always are.
    fn shows(&self, entry: &Entry) -> bool {
        match &entry.what {
            What::Mark(_) => true,
            What::Revision(revision) => {
                revision.events.iter().any(|event| self.shows_event(revision, event))
            }
        }
    }

    fn shows_event(&self, revision: &Revision, event: &Event) -> bool {
        self.pinned.as_ref().is_none_or(|key| *key == event.key)
            && self.filter.as_ref().is_none_or(|filter| filter.shows(revision, event))
    }

    /// The events of a revision that are shown, with their places.
    pub fn shown<'a>(
        &'a self,
        revision: &'a Revision,
    ) -> impl Iterator<Item = (usize, &'a Event)> + 'a {
        let events = revision.events.iter().enumerate();
        events.filter(move |(_, event)| self.shows_event(revision, event))
    }

    /// Finds out anew what is shown; the chosen row stays chosen, or the one that stands nearest.
    fn rebuild(&mut self) {
        let chosen = self.row(self.cursor).or_else(|| self.rows.back().copied());
        let above = self.cursor.saturating_sub(self.top);
        let mut rows = VecDeque::new();
        for (number, entry) in self.ring.iter() {
            if !self.shows(entry) {
                continue;
            }
            rows.push_back(Row { entry: number, event: None });
            if let What::Revision(revision) = &entry.what
                && self.open.contains(&number)
            {
                let inside = self.shown(revision).map(|(at, _)| at);
                rows.extend(inside.map(|at| Row { entry: number, event: Some(at) }));
            }
        }
        self.first += u64::try_from(self.rows.len()).unwrap_or(0);
        self.rows = rows;
        let place = chosen.map_or(0, |chosen| self.rows.partition_point(|row| *row < chosen));
        let last = self.rows.len().saturating_sub(1);
        self.cursor = self.first + u64::try_from(place.min(last)).unwrap_or(0);
        if self.follows {
            self.cursor = self.end().saturating_sub(1).max(self.first);
        }
        self.top = self.cursor.saturating_sub(above).max(self.first);
    }

    /// Sets the filter; `None` shows everything.
    pub fn set_filter(&mut self, filter: Option<Filter>) {
        self.filter = filter;
        self.rebuild();
    }

    /// Shows only the chosen row's key, or all keys again.
    pub fn pin(&mut self) {
        self.pinned = match self.pinned.take() {
            Some(_) => None,
            None => self.chosen_event().map(|(_, event)| event.key.clone()),
        };
        self.rebuild();
    }

    /// Shows all keys again.
    pub fn unpin(&mut self) {
        self.pinned = None;
        self.rebuild();
    }

    /// Opens or closes the chosen revision. Answers whether there was something to open or close.
    pub fn unfold(&mut self, page: usize) -> bool {
        let Some(row) = self.row(self.cursor) else { return false };
        let Some(Entry { what: What::Revision(revision), .. }) = self.ring.get(row.entry) else {
            return false;
        };
        if revision.events.len() < 2 {
            return false;
        }
        let mut below = 0;
        if self.open.contains(&row.entry) {
            // Of a closed revision its own row is left.
            let up = self.rows.partition_point(|r| r.entry < row.entry);
            self.go(self.first + u64::try_from(up).unwrap_or(0), page);
            self.open.remove(&row.entry);
        } else {
            below = self.shown(revision).count();
            self.go(self.cursor, page);
            self.open.insert(row.entry);
        }
        self.rebuild();
        // What was opened is seen, as far as there is room for it.
        let room = u64::try_from(page.max(1)).unwrap_or(1);
        let last = self.cursor + u64::try_from(below).unwrap_or(0);
        self.top = self.top.max((last + 1).saturating_sub(room)).min(self.cursor);
        true
    }

    /// Whether a revision is open.
    #[must_use]
    pub fn is_open(&self, entry: u64) -> bool {
        self.open.contains(&entry)
    }

    /// Holds back what comes, or shows what was held.
    pub fn pause(&mut self, wall: u64) {
        self.paused = !self.paused;
        if self.paused {
            return;
        }
        let dropped = self.held.dropped;
        let held = self.held.drain();
        if dropped > 0 {
            let mark = Mark::NotHeld { events: dropped };
            self.show(Entry { wall, what: What::Mark(mark) });
        }
        for entry in held {
            self.show(entry);
        }
    }

    /// Events held while paused, and events that were too many to be held.
    #[must_use]
    pub fn held(&self) -> (usize, u64) {
        (self.held.events(), self.held.dropped)
    }

    /// Forgets what is shown; what is held stays.
    pub fn clear(&mut self) {
        self.ring.drain();
        self.open.clear();
        self.follows = true;
        self.rebuild();
    }

    /// The shown events that a row stands for.
    fn events_of(&self, row: Row) -> impl Iterator<Item = &Event> {
        let revision = match self.ring.get(row.entry).map(|entry| &entry.what) {
            Some(What::Revision(revision)) => Some(revision),
            _ => None,
        };
        let events = revision.into_iter().flat_map(|revision| self.shown(revision));
        events.filter(move |(at, _)| row.event.is_none_or(|only| only == *at)).map(|(_, e)| e)
    }

    /// The chosen row's event, with its revision's number: of a revision the first one shown.
    #[must_use]
    pub fn chosen_event(&self) -> Option<(i64, &Event)> {
        let row = self.row(self.cursor)?;
        let What::Revision(revision) = &self.ring.get(row.entry)?.what else { return None };
        self.events_of(row).next().map(|event| (revision.number, event))
    }

    /// Whether the chosen row is a revision of several events.
    #[must_use]
    pub fn chosen_is_txn(&self) -> bool {
        let row = self.row(self.cursor).filter(|row| row.event.is_none());
        let entry = row.and_then(|row| self.ring.get(row.entry));
        matches!(entry.map(|e| &e.what), Some(What::Revision(r)) if r.events.len() > 1)
    }

    /// Whether the chosen row is unfolded.
    #[must_use]
    pub fn chosen_is_open(&self) -> bool {
        self.row(self.cursor).is_some_and(|row| self.is_open(row.entry))
    }

    fn row(&self, number: u64) -> Option<Row> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.rows.get(place).copied()
    }

    fn end(&self) -> u64 {
        self.first + u64::try_from(self.rows.len()).unwrap_or(0)
    }

    /// Rows, for what is shown of how many.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Events kept, and dropped because others came.
    #[must_use]
    pub fn kept(&self) -> (usize, u64) {
        (self.ring.events(), self.ring.dropped)
    }

    /// Everything that is shown, oldest first, to be written down.
    #[must_use]
    pub fn export(&self) -> Vec<Entry> {
        self.ring
            .iter()
            .filter(|(_, entry)| self.shows(entry))
            .map(|(_, entry)| match &entry.what {
                What::Mark(_) => entry.clone(),
                What::Revision(revision)
                    if self.shown(revision).count() == revision.events.len() =>
                {
                    entry.clone()
                }
                What::Revision(revision) => {
                    let events = self.shown(revision).map(|(_, event)| event.clone()).collect();
                    let part = Revision { number: revision.number, events, cut: 0 };
                    Entry { wall: entry.wall, what: What::Revision(Arc::new(part)) }
                }
            })
            .collect()
    }

    /// Revisions that the server is ahead of what it has told this tail to have.
    #[must_use]
    pub fn behind(&self, cluster: i64) -> i64 {
        (self.server.max(cluster) - self.told).max(0)
    }

    /// Events a second, over the last whole seconds.
    #[must_use]
    pub fn rate(&self, now: Moment) -> f64 {
        let gone =
            usize::try_from(now.0.as_secs().saturating_sub(self.second)).unwrap_or(usize::MAX);
        let whole = self.seconds.iter().skip(1_usize.saturating_sub(gone));
        let count: u64 = whole.take(RATE_OVER.saturating_sub(gone.saturating_sub(1))).sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate, shown short")]
        let rate = count as f64 / RATE_OVER as f64;
        rate
    }

    fn turn_to(&mut self, now: Moment) {
        let second = now.0.as_secs();
        let gone = usize::try_from(second.saturating_sub(self.second)).unwrap_or(usize::MAX);
        if gone > 0 {
            self.second = second;
            let gone = gone.min(RATE_OVER + 1);
            self.seconds.rotate_right(gone % (RATE_OVER + 1));
            self.seconds.iter_mut().take(gone).for_each(|count| *count = 0);
        }
    }

    /// For how long nothing was heard of a stream that stands.
    #[must_use]
    pub fn silent(&self, now: Moment) -> Option<Duration> {
        let stands = matches!(self.link, Link::Live | Link::Resuming { .. });
        self.heard.filter(|_| stands).map(|heard| now.since(heard))
    }
}

/// How long a stream was away.
fn gone_for(time: Duration) -> String {
    if time.as_secs() > 0 {
        return age(time);
    }
    duration_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

//! What screens ask of the engine, and the answers they wait for.
//!
//! ```text
//! screen ─▶ Requests::ask ─▶ Effect::Ask(Ticket, Question) ─▶ engine ─▶ Report::Answer(Ticket, Answer) ─▶ screen
//! ```
//!
//! * I1: an answer whose ticket is not open any more (closed, cancelled, of an older generation) changes nothing.
//! * I2: a screen has at most [`REQUESTS_MAX`] requests under way; beyond that it asks for nothing more.
//! * I3: what is forgotten is also cancelled in the engine, so that no work goes on for nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use mini_etcd_shared::clock::Moment;

use crate::console::msg::Effect;
use crate::screens::{ScreenId, keys, repl, watch};

/// Requests of one screen that may be under way at once.
pub const REQUESTS_MAX: usize = 32;

/// Names one request: the screen that asked, which view of it, and a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// The screen.
    pub screen: ScreenId,
    /// What the screen showed when it asked: it counts up when that goes away.
    pub generation: u64,
    /// The number.
    pub id: u64,
}

/// What a screen asks; one variant per screen that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The Keys screen asks.
    Keys(keys::ask::Question),
    /// Of the Watch screen.
    Watch(watch::Ask),
    /// The REPL asks.
    Repl(repl::ask::Question),
}

/// What the engine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To the Keys screen.
    Keys(keys::ask::Answer),
    /// To the REPL.
    Repl(repl::ask::Answer),
    /// An editor has ended: the text it left.
    Edited(Vec<u8>),
    /// To the Watch screen.
    Watch(watch::Told),
    /// It could not be done.
    Failed(Trouble),
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Where: a member's endpoint, a file. Empty when the words say it.
    pub place: String,
    /// Why.
    pub why: String,
    /// What to do next.
    pub next: String,
}

/// The requests of one screen that are under way, each with what it is for.
#[derive(Clone, Debug)]
pub struct Requests<T> {
    screen: ScreenId,
    generation: u64,
    last: u64,
    open: BTreeMap<u64, T>,
}

impl<T> Requests<T> {
    /// None under way.
    #[must_use]
    pub fn new(screen: ScreenId) -> Self {
        Self { screen, generation: 0, last: 0, open: BTreeMap::new() }
    }

    /// A ticket for a request that is for `what`; `None` when too many are under way. I2
    pub fn open(&mut self, what: T) -> Option<Ticket> {
        if self.open.len() >= REQUESTS_MAX {
            return None;
        }
        self.last += 1;
        self.open.insert(self.last, what);
        Some(Ticket { screen: self.screen, generation: self.generation, id: self.last })
    }

    /// Asks; answers nothing to do when too many requests are under way.
    pub fn ask(&mut self, what: T, question: Question) -> Vec<Effect> {
        self.open(what).map(|ticket| Effect::Ask(ticket, question)).into_iter().collect()
    }

    /// What an answer that is not the last one is for. I1
    #[must_use]
    pub fn get(&self, ticket: Ticket) -> Option<&T> {
        let ours = ticket.screen == self.screen && ticket.generation == self.generation;
        ours.then(|| self.open.get(&ticket.id)).flatten()
    }

    /// What the last answer is for; the request is over. I1
    pub fn close(&mut self, ticket: Ticket) -> Option<T> {
        self.get(ticket)?;
        self.open.remove(&ticket.id)
    }

    /// Gives up those that are for what `which` says. I3
    pub fn cancel(&mut self, mut which: impl FnMut(&T) -> bool) -> Vec<Effect> {
        let (screen, generation) = (self.screen, self.generation);
        let gone: Vec<u64> =
            self.open.iter().filter(|(_, what)| which(what)).map(|(id, _)| *id).collect();
        gone.into_iter()
            .map(|id| {
                self.open.remove(&id);
                Effect::Drop(Ticket { screen, generation, id })
            })
            .collect()
    }

    /// Gives up all of them, and begins a new generation. I3
    pub fn forget(&mut self) -> Vec<Effect> {
        let dropped = self.cancel(|_| true);
        self.generation += 1;
        dropped
    }

    /// What is under way.
    pub fn running(&self) -> impl Iterator<Item = &T> {
        self.open.values()
    }
}

/// How old what a screen shows is, and whether the last attempt to renew it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// When it came.
    pub at: Option<Moment>,
    /// Why there is nothing newer.
    pub failed: Option<Trouble>,
}

impl Freshness {
    /// It has come.
    pub fn came(&mut self, now: Moment) {
        *self = Self { at: Some(now), failed: None };
    }

    /// Something newer could not be had; what is there stays on screen.
    pub fn failed(&mut self, trouble: Trouble) {
        self.failed = Some(trouble);
    }

    /// Age of what is shown, when it is known to be stale.
    #[must_use]
    pub fn stale(&self, now: Moment) -> Option<Duration> {
        self.failed.as_ref()?;
        Some(self.at.map_or(Duration::ZERO, |at| now.since(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_finds_nothing_that_waits_for_it() {
        let mut requests = Requests::new(ScreenId::Cluster);
        let first = requests.open("first").unwrap();
        let second = requests.open("second").unwrap();
        assert_eq!(requests.close(first), Some("first"));
        assert_eq!(requests.close(first), None, "answered twice");
        assert_eq!(requests.forget(), [Effect::Drop(second)]);
        let third = requests.open("third").unwrap();
        assert_eq!(requests.close(second), None, "of an older generation");
        assert_eq!(requests.close(Ticket { generation: 0, ..third }), None);
        assert_eq!(requests.get(third), Some(&"third"));
    }

    #[test]
    fn requests_are_bounded_and_cancelled_by_what_they_are_for() {
        let mut requests = Requests::new(ScreenId::Cluster);
        for n in 0..REQUESTS_MAX {
            assert!(requests.open(n).is_some());
        }
        assert_eq!(requests.open(99), None);
        assert_eq!(requests.cancel(|n| *n < 2).len(), 2);
        assert!(requests.open(99).is_some());
    }

    #[test]
    fn what_could_not_be_renewed_is_stale_until_something_comes() {
        let mut fresh = Freshness::default();
        let at = |s| Moment(Duration::from_secs(s));
        fresh.came(at(5));
        assert_eq!(fresh.stale(at(9)), None);
        fresh.failed(Trouble { place: "x".into(), why: "y".into(), next: "z".into() });
        assert_eq!(fresh.stale(at(9)), Some(Duration::from_secs(4)));
        fresh.came(at(10));
        assert_eq!(fresh.stale(at(11)), None);
    }
}

//! [`Requests`]: what a screen has asked for, and the message that each answer becomes.
//!
//! ```text
//! screen ─▶ Requests::ask(request, Msg::Read) ─▶ Order::Ask(Ticket, Job) ─▶ engine
//!   ▲                                                                          │
//!   └── Msg::Read(request, answer) ◀─ Requests::take ◀─ Report::Answer ◀───────┘
//! ```
//!
//! * I1: an answer whose ticket is not open any more (closed, cancelled, forgotten) changes nothing.
//! * I2: a screen has at most [`REQUESTS_MAX`] requests under way; beyond that it asks for nothing more.
//! * I3: what is forgotten is also cancelled in the engine, so that no work goes on for nobody.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mini_etcd_shared::clock::Moment;

use crate::console::Effect;
use crate::engine::order::Order;
use crate::engine::request::{Answer, Job, Request, Ticket, Trouble};

/// Requests of one screen that may be under way at once.
pub const REQUESTS_MAX: usize = 32;

/// The requests of one screen that are under way, each with the message `M` that its answer becomes.
#[derive(Clone)]
pub struct Requests<M> {
    screen: u8,
    last: u64,
    open: BTreeMap<u64, Open<M>>,
}

#[derive(Clone)]
struct Open<M> {
    request: Arc<dyn Any + Send + Sync>,
    message: Arc<dyn Fn(Answer) -> Option<M> + Send + Sync>,
}

impl<M: 'static> Requests<M> {
    /// None under way, of the screen of this number.
    #[must_use]
    pub fn new(screen: u8) -> Self {
        Self { screen, last: 0, open: BTreeMap::new() }
    }

    /// Asks; answers nothing to do when too many requests are under way. I2
    pub fn ask<R: Request>(
        &mut self,
        request: R,
        message: fn(R, Result<R::Answer, Trouble>) -> M,
    ) -> Vec<Effect> {
        let job = Job::new(request.clone());
        let ticket = self.open(request, message);
        ticket.map(|ticket| Effect::Engine(Order::Ask(ticket, job))).into_iter().collect()
    }

    /// A ticket for something that is not asked of a server. I2
    pub fn open<R, A>(
        &mut self,
        request: R,
        message: fn(R, Result<A, Trouble>) -> M,
    ) -> Option<Ticket>
    where
        R: Clone + Send + Sync + 'static,
        A: Clone + Send + Sync + 'static,
    {
        if self.open.len() >= REQUESTS_MAX {
            return None;
        }
        self.last += 1;
        let request = Arc::new(request);
        let asked = Arc::clone(&request);
        let message = move |answer: Answer| Some(message((*asked).clone(), answer.typed()?));
        self.open.insert(self.last, Open { request, message: Arc::new(message) });
        Some(Ticket { screen: self.screen, id: self.last })
    }

    /// The message that an answer becomes; nothing when nobody waits for it any more. I1
    pub fn take(&mut self, ticket: Ticket, answer: Answer) -> Option<M> {
        if ticket.screen != self.screen {
            return None;
        }
        let message = Arc::clone(&self.open.get(&ticket.id)?.message);
        if answer.last {
            self.open.remove(&ticket.id);
        }
        message(answer)
    }

    /// Gives up those of a type that `which` says. I3
    pub fn cancel<R: 'static>(&mut self, which: impl Fn(&R) -> bool) -> Vec<Effect> {
        self.give_up(|open| open.request.downcast_ref().is_some_and(&which))
    }

    /// Gives up all of them. I3
    pub fn forget(&mut self) -> Vec<Effect> {
        self.give_up(|_| true)
    }

    fn give_up(&mut self, which: impl Fn(&Open<M>) -> bool) -> Vec<Effect> {
        let screen = self.screen;
        let mut dropped = Vec::new();
        self.open.retain(|id, open| {
            let gone = which(open);
            if gone {
                dropped.push(Effect::Engine(Order::Drop(Ticket { screen, id: *id })));
            }
            !gone
        });
        dropped
    }

    /// Those of a type that are under way.
    pub fn running<R: 'static>(&self) -> impl Iterator<Item = &R> {
        self.open.values().filter_map(|open| open.request.downcast_ref())
    }

    /// How many are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl<M> fmt::Debug for Requests<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("open", &self.open.keys()).finish_non_exhaustive()
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
    use crate::engine::request::{Clients, Parts};

    /// Asks for its double.
    #[derive(Clone, Debug, PartialEq)]
    struct Double(usize);

    impl Request for Double {
        type Answer = usize;

        async fn run(self, _: Clients, _: Parts<usize>) -> Result<usize, Trouble> {
            Ok(self.0 * 2)
        }
    }

    type Msg = (Double, Result<usize, Trouble>);

    fn requests() -> Requests<Msg> {
        Requests::new(7)
    }

    fn ask(requests: &mut Requests<Msg>, number: usize) -> Option<Ticket> {
        let effects = requests.ask(Double(number), |request, answer| (request, answer));
        effects.first().map(|effect| match effect {
            Effect::Engine(Order::Ask(ticket, job)) if job.request() == Some(&Double(number)) => {
                *ticket
            }
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_late_answer_finds_nothing_that_waits_for_it() {
        let mut requests = requests();
        let first = ask(&mut requests, 1).unwrap();
        let second = ask(&mut requests, 2).unwrap();
        assert_eq!(requests.take(first, Answer::part(1_usize)), Some((Double(1), Ok(1))));
        assert_eq!(requests.take(first, Answer::of(2_usize)), Some((Double(1), Ok(2))));
        assert_eq!(requests.take(first, Answer::of(2_usize)), None, "answered twice");
        assert_eq!(requests.forget(), [Effect::Engine(Order::Drop(second))]);
        let third = ask(&mut requests, 3).unwrap();
        assert_eq!(requests.take(second, Answer::of(4_usize)), None, "forgotten");
        let other = Ticket { screen: 8, ..third };
        assert_eq!(requests.take(other, Answer::of(6_usize)), None, "of another screen");
        assert_eq!(requests.take(third, Answer::of("six")), None, "of another request");
        assert!(requests.is_empty());
    }

    #[test]
    fn requests_are_bounded_and_cancelled_by_what_they_are_for() {
        let mut requests = requests();
        for n in 0..REQUESTS_MAX {
            assert!(ask(&mut requests, n).is_some());
        }
        assert_eq!(ask(&mut requests, 99), None);
        assert_eq!(requests.cancel::<Double>(|double| double.0 < 2).len(), 2);
        assert_eq!(requests.cancel::<Msg>(|_| true), []);
        assert!(ask(&mut requests, 99).is_some());
        assert_eq!(requests.running::<Double>().count(), REQUESTS_MAX - 1);
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

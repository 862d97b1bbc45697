//! [`LeaseKeeper`]: carries questions about leases to their leader, and proposes there what expired.
//!
//! ```text
//! api ─▶ renew_at_once ── leads: Lessor ─▶ read index ─▶ answer
//! api ─▶ ask ─▶ Desk ─┬─ leads: Lessor ─▶ round for a read index ─▶ answer
//!                     └─ else: LeaseQuestions ─▶ leader ─▶ LeaseAnswers ─▶ answer
//! Lessor ─▶ expired, checkpoints ─▶ Proposer
//! ```
//!
//! One task does all of it, on the first runtime, but for what a leader renews at once. Many questions share one round, or
//! one message. A question that cannot be answered now (there is no leader, the lease is about to end, the message was
//! lost) is looked at again until its time is over. What is under way is bounded: questions, rounds, revokes.

mod desk;
mod work;

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_proto::peerpb::{LeaseAnswers, LeaseQuestion, LeaseQuestions};
use mini_etcd_shared::clock::{Clock, SystemClock};
use mini_etcd_shared::types::{MemberId, Term};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use super::handle::Proposer;
use super::shown::Shown;
use super::transport::Outgoing;
use crate::apply::Applied;
use crate::config::Timing;
use crate::error::RequestError;
use crate::lease::{Lessor, Renewal, Stands};
use crate::limits::{LEASE_CHECKPOINT_INTERVAL, READ_RETRY_INTERVAL};
use crate::metrics::Metrics;
use desk::{Asker, Desk, Question};
use work::Work;

/// What a member knows of the times of leases, or finds out; cheap to clone.
#[derive(Clone)]
pub struct LeaseKeeper {
    shared: Arc<Keeper>,
}

struct Keeper {
    shown: Arc<Shown>,
    clock: SystemClock,
    metrics: Metrics,
    lessor: Mutex<Lessor>,
    desk: Mutex<Desk>,
    /// There is something new to look at.
    wake: Notify,
    /// Longest that a question waits for its answer.
    patience: Duration,
}

/// How much is left of a lease, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLeft {
    /// Until it ends, rounded down.
    pub remaining: i64,
    /// Its time to live.
    pub ttl: i64,
}

impl LeaseKeeper {
    /// `boot_nonce` is drawn anew at each start: an answer to a question of the start before must not be taken for one to a
    /// question of this.
    pub(crate) fn new(
        shown: Arc<Shown>,
        clock: SystemClock,
        metrics: Metrics,
        (boot_nonce, timing): (u64, Timing),
    ) -> Self {
        let lessor = Mutex::new(Lessor::new(LEASE_CHECKPOINT_INTERVAL, timing.lease_grace()));
        let desk = Mutex::new(Desk::new(boot_nonce));
        let (wake, patience) = (Notify::new(), timing.request_timeout());
        Self { shared: Arc::new(Keeper { shown, clock, metrics, lessor, desk, wake, patience }) }
    }

    /// How much is left of a lease, as its leader says; none where there is no such lease. It is renewed first if that is
    /// wanted: the leader still led after that.
    ///
    /// # Errors
    /// No leader was to be had in time, or too many questions wait.
    pub async fn ask(&self, lease: i64, renew: bool) -> Result<Option<LeaseLeft>, RequestError> {
        let (asker, answer) = oneshot::channel();
        let until = self.shared.clock.now().after(self.shared.patience);
        let question = Question { lease, renew, asker: Asker::Client(asker), until };
        if !self.shared.desk().add(question) {
            return Err(RequestError::TooManyRequests);
        }
        self.shared.wake.notify_one();
        answer.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// Renews leases without a detour through the desk; answers the time to live of each in seconds, 0 where there is no such
    /// lease. None for those that are to be [asked](LeaseKeeper::ask) for, because something is to be done first; none at all
    /// where another member leads.
    ///
    /// # Errors
    /// That this member still leads could not be confirmed in time.
    pub async fn renew_at_once(
        &self,
        leases: &[i64],
        proposer: &Proposer,
    ) -> Result<Option<Vec<Option<i64>>>, RequestError> {
        let keeper = &*self.shared;
        let Some((term, renewed)) = keeper.renew(leases) else { return Ok(None) };
        let state = proposer.barrier().await?;
        if !keeper.leads(term) {
            return Ok(None);
        }
        // All that was acknowledged before the question is applied by now: grants and revokes of leases, too.
        let holds = |lease: i64, ttl: i64| ttl == state.leases.times(lease).map_or(0, |it| it.ttl);
        let pairs = leases.iter().zip(renewed);
        let answers: Vec<_> =
            pairs.map(|(lease, ttl)| ttl.filter(|ttl| holds(*lease, *ttl))).collect();
        let kept = answers.iter().flatten().filter(|ttl| **ttl > 0).count();
        keeper.metrics.leases_renewed.inc_by(kept as u64);
        Ok(Some(answers))
    }

    /// All leases, those first that end first, where this member leads.
    #[must_use]
    pub fn by_end(&self) -> Option<Vec<i64>> {
        let lessor = self.shared.lessor();
        lessor.term().is_some().then(|| lessor.by_end())
    }

    /// A turn of apply is over and published.
    pub(crate) fn applied(&self, applied: &Applied) {
        let keeper = &*self.shared;
        if !applied.leases.is_empty() {
            keeper.lessor().follow(&applied.leases, keeper.clock.now());
        }
        // Who takes up thousands of leases looks again when it is done: apply does not wait for it without need.
        if keeper.lessor.try_lock().is_ok_and(|lessor| lessor.is_news(keeper.stands())) {
            keeper.wake.notify_one();
        }
    }

    /// Takes a peer's message if it is about leases, else gives it back.
    pub(crate) fn take(&self, from: MemberId, body: Body) -> Option<Body> {
        let keeper = &*self.shared;
        match body {
            Body::LeaseQuestions(LeaseQuestions { questions }) => {
                // Who asked while this member led asks the next leader by itself.
                if keeper.shown.status.load().leads() {
                    let until = keeper.clock.now().after(READ_RETRY_INTERVAL);
                    let mut desk = keeper.desk();
                    for LeaseQuestion { number, lease, renew } in questions {
                        let asker = Asker::Peer { member: from, number };
                        if !desk.add(Question { lease, renew, asker, until }) {
                            break;
                        }
                    }
                    keeper.wake.notify_one();
                }
                None
            }
            Body::LeaseAnswers(LeaseAnswers { answers }) => {
                keeper.desk().answered(answers);
                None
            }
            other => Some(other),
        }
    }

    /// Looks after leases and questions; runs until it is dropped.
    pub(crate) async fn run(self, proposer: Proposer, outgoing: Outgoing) {
        let keeper = self.shared;
        let mut work = Work::new(Arc::clone(&keeper), proposer, outgoing);
        loop {
            observe(&keeper).await;
            work.look();
            let wait = work.wait();
            tokio::select! {
                Some(done) = work.next() => work.done(done),
                () = keeper.wake.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }
}

impl Keeper {
    fn lessor(&self) -> MutexGuard<'_, Lessor> {
        self.lessor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time to live of each lease after its renewal, 0 for one that is not there, none for one that cannot be renewed at
    /// once; holds when this member leads its term after it. None at all where it does not lead.
    fn renew(&self, leases: &[i64]) -> Option<(Term, Vec<Option<i64>>)> {
        let stands = self.stands();
        // Who takes up thousands of leases holds the lock for long, and this thread has other connections.
        let mut lessor = self.lessor.try_lock().ok()?;
        let term = lessor.term().filter(|term| stands.leads && *term == stands.term)?;
        let now = self.clock.now();
        let renew = |lease: &i64| match lessor.try_renew(*lease, now) {
            Renewal::Renewed(ttl) => Some(ttl),
            Renewal::Unknown => Some(0),
            Renewal::Later | Renewal::First(_) => None,
        };
        let renewed = leases.iter().map(renew).collect();
        Some((term, renewed))
    }

    /// Whether this member leads that term now.
    fn leads(&self, term: Term) -> bool {
        let status = self.shown.status.load();
        status.leads() && status.term == term
    }

    fn stands(&self) -> Stands {
        let status = self.shown.status.load();
        let applied_term = self.shown.published.load().applied_term;
        Stands { leads: status.leads(), term: status.term, applied_term }
    }
}

/// Becomes the leases' leader, or ceases to be it.
async fn observe(keeper: &Arc<Keeper>) {
    let stands = keeper.stands();
    if !keeper.lessor().is_news(stands) {
        return;
    }
    let keeper = Arc::clone(keeper);
    // Away from the connections of this thread: there may be many leases.
    let observed = tokio::task::spawn_blocking(move || {
        let leases = keeper.shown.published.load().leases.clone();
        // IMPORTANT: under the lock. What apply tells meanwhile is taken after it.
        keeper.lessor().observe(stands, &leases, keeper.clock.now());
    });
    // The work of a runtime that stops is dropped, and that is no panic.
    if let Err(error) = observed.await
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

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

use std::collections::BTreeMap;
use std::mem;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use mini_etcd_proto::internalpb::{LeaseRemaining, RevokeLease, command};
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_proto::peerpb::{LeaseAnswer, LeaseAnswers, LeaseQuestion, LeaseQuestions};
use mini_etcd_shared::clock::{Clock, Moment, SystemClock};
use mini_etcd_shared::types::{MemberId, Term};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use super::handle::{Proposer, Shown};
use super::transport::Outgoing;
use crate::apply::Applied;
use crate::config::Timing;
use crate::error::RequestError;
use crate::lease::{Lessor, Renewal, Stands};
use crate::limits::{
    LEASE_CHECKPOINT_INTERVAL, LEASE_LOOK_INTERVAL, LEASE_QUESTION_RETRY,
    LEASE_QUESTIONS_AT_ONCE_MAX, LEASE_QUESTIONS_WAITING_MAX, LEASE_REVOKES_IN_FLIGHT_MAX,
    READ_RETRY_INTERVAL, READ_ROUNDS_MAX,
};
use crate::metrics::Metrics;
use crate::raft::{Outbound, RaftStatus};

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

/// Questions without an answer.
#[derive(Default)]
struct Desk {
    /// To be looked at.
    waiting: Vec<Question>,
    /// To be looked at again a little later.
    later: Vec<Question>,
    /// The leader was asked.
    asked: BTreeMap<u64, AskedLeader>,
    last_number: u64,
    /// Those that take part in a round.
    in_rounds: usize,
}

struct Question {
    lease: i64,
    renew: bool,
    asker: Asker,
    until: Moment,
}

enum Asker {
    Client(oneshot::Sender<Result<Option<LeaseLeft>, RequestError>>),
    Peer { member: MemberId, number: u64 },
}

struct AskedLeader {
    question: Question,
    leader: MemberId,
    term: Term,
    again: Moment,
}

/// How much is left of a lease, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLeft {
    /// Until it ends, rounded down.
    pub remaining: i64,
    /// Its time to live.
    pub ttl: i64,
}

type Known = (Question, Option<LeaseLeft>);

/// Something that the task waited for.
enum Done {
    Round(Term, Vec<Known>, Result<(), RequestError>),
    Revoked(RevokeLease, Result<(), RequestError>),
    Checkpointed(Vec<LeaseRemaining>, Result<(), RequestError>),
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
        let desk = Mutex::new(Desk { last_number: boot_nonce << 32, ..Desk::default() });
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
    /// lease. None for those that are to be [asked](LeaseKeeper::ask) for: another member leads, or something is to be done
    /// first.
    pub async fn renew_at_once(&self, leases: &[i64], proposer: &Proposer) -> Vec<Option<i64>> {
        let keeper = &*self.shared;
        let none = || vec![None; leases.len()];
        let Some((term, renewed)) = keeper.renew(leases) else { return none() };
        let Ok(state) = proposer.barrier().await else { return none() };
        let status = keeper.shown.status.load();
        if !status.leads() || status.term != term {
            return none();
        }
        // All that was acknowledged before the question is applied by now: grants and revokes of leases, too.
        let holds = |lease: i64, ttl: i64| ttl == state.leases.times(lease).map_or(0, |it| it.ttl);
        let pairs = leases.iter().zip(renewed);
        let answers: Vec<_> =
            pairs.map(|(lease, ttl)| ttl.filter(|ttl| holds(*lease, *ttl))).collect();
        let kept = answers.iter().flatten().filter(|ttl| **ttl > 0).count();
        keeper.metrics.leases_renewed.inc_by(kept as u64);
        answers
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
                let mut desk = keeper.desk();
                for answer in answers {
                    if let Some(asked) = desk.asked.remove(&answer.number) {
                        let LeaseAnswer { remaining, ttl, .. } = answer;
                        asked.question.answer((ttl != 0).then_some(LeaseLeft { remaining, ttl }));
                    }
                }
                None
            }
            other => Some(other),
        }
    }

    /// Looks after leases and questions; runs until it is dropped.
    pub(crate) async fn run(self, proposer: Proposer, outgoing: Outgoing) {
        let tasks = FuturesUnordered::new();
        let keeper = self.shared;
        let mut work = Work {
            keeper: Arc::clone(&keeper),
            proposer,
            outgoing,
            tasks,
            rounds: 0,
            revokes: 0,
            swept: Moment::default(),
        };
        loop {
            observe(&keeper).await;
            work.look();
            let wait = work.wait();
            tokio::select! {
                Some(done) = work.tasks.next(), if !work.tasks.is_empty() => work.done(done),
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

impl Desk {
    /// False when too many wait.
    fn add(&mut self, question: Question) -> bool {
        let count = self.waiting.len() + self.later.len() + self.asked.len() + self.in_rounds;
        let has_room = count < LEASE_QUESTIONS_WAITING_MAX;
        if has_room {
            self.waiting.push(question);
        }
        has_room
    }

    /// Lets go of questions whose time is over, and takes up those again that were put off, or whose answer does not come.
    fn sweep(&mut self, now: Moment, status: &RaftStatus) {
        let is_lost = |asked: &AskedLeader| {
            asked.again <= now || asked.leader != status.leader || asked.term != status.term
        };
        self.waiting.append(&mut self.later);
        let lost = self.asked.iter().filter(|(_, asked)| is_lost(asked)).map(|(number, _)| *number);
        for number in lost.collect::<Vec<_>>() {
            self.waiting.extend(self.asked.remove(&number).map(|asked| asked.question));
        }
        let over = self.waiting.extract_if(.., |question| question.until <= now);
        for question in over {
            let has_leader = status.leader != MemberId(0);
            if let Asker::Client(asker) = question.asker {
                let error = if has_leader { RequestError::Timeout } else { RequestError::NoLeader };
                // Its task may be gone.
                let _ = asker.send(Err(error));
            }
        }
    }
}

impl Question {
    /// Answers a client.
    fn answer(self, left: Option<LeaseLeft>) {
        if let Asker::Client(asker) = self.asker {
            // Its task may be gone.
            let _ = asker.send(Ok(left));
        }
    }
}

/// The task and what it waits for.
struct Work {
    keeper: Arc<Keeper>,
    proposer: Proposer,
    outgoing: Outgoing,
    tasks: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Of each kind of task, how many there are.
    rounds: usize,
    revokes: usize,
    /// When the desk was last swept.
    swept: Moment,
}

impl Work {
    /// Begins what there is to do.
    fn look(&mut self) {
        let now = self.keeper.clock.now();
        let status = self.keeper.shown.status.load_full();
        if now.since(self.swept) >= LEASE_QUESTION_RETRY {
            self.swept = now;
            self.keeper.desk().sweep(now, &status);
        }
        if !status.leads() {
            return self.ask_leader(now, &status);
        }
        let is_ready = self.keeper.lessor().term() == Some(status.term);
        if is_ready {
            self.answer_all(now, status.term);
            self.revoke(now);
            let due = self.keeper.lessor().checkpoints(now);
            self.note(due);
        }
    }

    fn wait(&self) -> Duration {
        /// Shortest, so that rounding does not keep the thread busy.
        const LEAST: Duration = Duration::from_millis(1);
        let desk = self.keeper.desk();
        let is_quiet = desk.waiting.is_empty() && desk.later.is_empty() && desk.asked.is_empty();
        drop(desk);
        let longest = if is_quiet { LEASE_LOOK_INTERVAL } else { LEASE_QUESTION_RETRY };
        let next =
            self.keeper.lessor().next().filter(|_| self.revokes < LEASE_REVOKES_IN_FLIGHT_MAX);
        let until = next.map_or(longest, |next| next.since(self.keeper.clock.now()));
        until.clamp(LEAST, longest)
    }

    /// Sends the questions of this member's clients to whoever leads.
    fn ask_leader(&self, now: Moment, status: &RaftStatus) {
        if status.leader == MemberId(0) {
            return;
        }
        let mut questions = Vec::new();
        {
            let mut desk = self.keeper.desk();
            for question in mem::take(&mut desk.waiting) {
                if matches!(question.asker, Asker::Peer { .. }) {
                    continue;
                }
                desk.last_number += 1;
                let number = desk.last_number;
                questions.push(LeaseQuestion {
                    number,
                    lease: question.lease,
                    renew: question.renew,
                });
                let again = now.after(READ_RETRY_INTERVAL);
                let (leader, term) = (status.leader, status.term);
                desk.asked.insert(number, AskedLeader { question, leader, term, again });
            }
        }
        let messages = questions.chunks(LEASE_QUESTIONS_AT_ONCE_MAX).map(|questions| Outbound {
            to: status.leader,
            body: Body::LeaseQuestions(LeaseQuestions { questions: questions.to_vec() }),
        });
        self.outgoing.send(messages.collect());
    }

    /// Answers questions where this member leads: once it is confirmed that it still does.
    fn answer_all(&mut self, now: Moment, term: Term) {
        let mut first = Vec::new();
        while self.rounds < READ_ROUNDS_MAX {
            let known = self.known(now, &mut first);
            if known.is_empty() {
                break;
            }
            self.rounds += 1;
            let proposer = self.proposer.clone();
            self.tasks.push(Box::pin(async move {
                let led = proposer.barrier().await.map(drop);
                Done::Round(term, known, led)
            }));
        }
        self.note(first);
    }

    /// What is known of the leases that are asked for next, after their renewal. What must be noted before one can be
    /// renewed goes into `first`.
    fn known(&self, now: Moment, first: &mut Vec<LeaseRemaining>) -> Vec<Known> {
        let mut desk = self.keeper.desk();
        let count = desk.waiting.len().min(LEASE_QUESTIONS_AT_ONCE_MAX);
        if count == 0 {
            return Vec::new();
        }
        let mut lessor = self.keeper.lessor();
        let (mut known, mut later) = (Vec::with_capacity(count), Vec::new());
        for question in desk.waiting.drain(..count) {
            let renewal = question.renew.then(|| lessor.renew(question.lease, now));
            let left = match renewal {
                Some(Renewal::Renewed(ttl)) => Some(LeaseLeft { remaining: ttl, ttl }),
                Some(Renewal::Unknown) => None,
                Some(Renewal::Later) => {
                    later.push(question);
                    continue;
                }
                Some(Renewal::First(note)) => {
                    first.push(note);
                    later.push(question);
                    continue;
                }
                None => {
                    let left = lessor.remaining(question.lease, now);
                    left.map(|(remaining, ttl)| LeaseLeft { remaining, ttl })
                }
            };
            known.push((question, left));
        }
        desk.later.append(&mut later);
        desk.in_rounds += known.len();
        known
    }

    /// Proposes the end of leases that expired, a few at a time.
    fn revoke(&mut self, now: Moment) {
        let room = LEASE_REVOKES_IN_FLIGHT_MAX.saturating_sub(self.revokes);
        for expired in self.keeper.lessor().expired(now, room) {
            self.revokes += 1;
            let proposer = self.proposer.clone();
            self.tasks.push(Box::pin(async move {
                let revoked =
                    proposer.write_as_member(command::Request::LeaseRevoke(expired)).await;
                Done::Revoked(expired, revoked.map(drop))
            }));
        }
    }

    /// Proposes that it be noted how much is left of leases.
    fn note(&mut self, leases: Vec<LeaseRemaining>) {
        if leases.is_empty() {
            return;
        }
        let Some(command) = self.keeper.lessor().command(leases.clone()) else { return };
        let proposer = self.proposer.clone();
        self.tasks.push(Box::pin(async move {
            let noted = proposer.write_as_member(command::Request::LeaseCheckpoint(command)).await;
            Done::Checkpointed(leases, noted.map(drop))
        }));
    }

    fn done(&mut self, done: Done) {
        let now = self.keeper.clock.now();
        match done {
            Done::Round(term, known, led) => {
                self.rounds -= 1;
                self.keeper.desk().in_rounds -= known.len();
                let status = self.keeper.shown.status.load();
                if led.is_ok() && status.leads() && status.term == term {
                    self.tell(known);
                } else {
                    let questions = known.into_iter().map(|(question, _)| question);
                    self.keeper.desk().later.extend(questions);
                }
            }
            Done::Revoked(expired, outcome) => {
                self.revokes -= 1;
                if outcome.is_ok() {
                    self.keeper.metrics.leases_expired.inc();
                } else {
                    self.keeper.lessor().retry(&expired, now);
                }
            }
            Done::Checkpointed(leases, outcome) => {
                if outcome.is_err() {
                    self.keeper.lessor().unsure(&leases);
                }
            }
        }
    }

    /// Gives answers that hold: this member led its term after it made them.
    fn tell(&self, known: Vec<Known>) {
        let mut by_peer: BTreeMap<MemberId, Vec<LeaseAnswer>> = BTreeMap::new();
        // All that was acknowledged before the questions is applied by now: grants and revokes of leases, too.
        let leases = self.keeper.shown.published.load().leases.clone();
        for (question, left) in known {
            let ttl = leases.times(question.lease).map(|times| times.ttl);
            let left = left.filter(|_| ttl.is_some());
            if left.map(|left| left.ttl) != ttl {
                self.keeper.desk().later.push(question);
                continue;
            }
            if question.renew && left.is_some() {
                self.keeper.metrics.leases_renewed.inc();
            }
            match question.asker {
                Asker::Client(_) => question.answer(left),
                Asker::Peer { member, number } => {
                    let LeaseLeft { remaining, ttl } =
                        left.unwrap_or(LeaseLeft { remaining: 0, ttl: 0 });
                    by_peer.entry(member).or_default().push(LeaseAnswer { number, remaining, ttl });
                }
            }
        }
        let messages = by_peer.into_iter().map(|(to, answers)| Outbound {
            to,
            body: Body::LeaseAnswers(LeaseAnswers { answers }),
        });
        self.outgoing.send(messages.collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment(Duration::from_millis(ms))
    }

    type Answer = oneshot::Receiver<Result<Option<LeaseLeft>, RequestError>>;

    fn question(lease: i64, until: u64) -> (Question, Answer) {
        let (asker, answer) = oneshot::channel();
        (Question { lease, renew: true, asker: Asker::Client(asker), until: at(until) }, answer)
    }

    fn led_by(leader: u64, term: u64) -> RaftStatus {
        RaftStatus { leader: MemberId(leader), term: Term(term), ..RaftStatus::default() }
    }

    #[test]
    fn a_question_whose_time_is_over_hears_whether_there_is_a_leader() {
        for (leader, error) in [(0, RequestError::NoLeader), (2, RequestError::Timeout)] {
            let mut desk = Desk::default();
            let (late, mut answer) = question(1, 100);
            let (early, _open) = question(2, 101);
            assert!(desk.add(late) && desk.add(early));
            desk.sweep(at(100), &led_by(leader, 3));
            assert_eq!(answer.try_recv(), Ok(Err(error)));
            assert_eq!(desk.waiting.len(), 1);
        }
    }

    #[test]
    fn a_leader_that_does_not_answer_or_is_not_it_any_more_is_asked_no_longer() {
        let asked = |desk: &mut Desk, number, again| {
            let (question, answer) = question(1, 9999);
            let (leader, term) = (MemberId(2), Term(3));
            desk.asked.insert(number, AskedLeader { question, leader, term, again: at(again) });
            answer
        };
        let mut desk = Desk::default();
        let _answers = (asked(&mut desk, 1, 500), asked(&mut desk, 2, 600));
        desk.sweep(at(499), &led_by(2, 3));
        assert_eq!((desk.asked.len(), desk.waiting.len()), (2, 0));
        desk.sweep(at(500), &led_by(2, 3));
        assert_eq!((desk.asked.len(), desk.waiting.len()), (1, 1));
        desk.sweep(at(501), &led_by(2, 4));
        assert_eq!((desk.asked.len(), desk.waiting.len()), (0, 2));
    }

    #[test]
    fn questions_that_wait_are_bounded_wherever_they_are() {
        let mut desk = Desk { in_rounds: LEASE_QUESTIONS_WAITING_MAX - 1, ..Desk::default() };
        let ((first, _first), (second, _second)) = (question(1, 10), question(2, 10));
        assert!(desk.add(first));
        assert!(!desk.add(second));
        let put_off = desk.waiting.pop();
        desk.later.extend(put_off);
        let (third, _third) = question(3, 10);
        assert!(!desk.add(third));
    }
}

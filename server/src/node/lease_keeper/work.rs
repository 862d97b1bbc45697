//! [`Work`]: what the task of a [`LeaseKeeper`](super::LeaseKeeper) has to do, and waits for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use mini_etcd_proto::internalpb::{LeaseRemaining, RevokeLease, command};
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_proto::peerpb::{LeaseAnswer, LeaseAnswers, LeaseQuestions};
use mini_etcd_shared::clock::{Clock as _, Moment};
use mini_etcd_shared::types::{MemberId, Term};

use super::desk::{Asker, Question};
use super::{Keeper, LeaseLeft};
use crate::error::RequestError;
use crate::lease::Renewal;
use crate::limits::{
    LEASE_LOOK_INTERVAL, LEASE_QUESTION_RETRY, LEASE_QUESTIONS_AT_ONCE_MAX,
    LEASE_REVOKES_IN_FLIGHT_MAX, READ_ROUNDS_MAX,
};
use crate::node::Proposer;
use crate::node::transport::Outgoing;
use crate::raft::{Outbound, RaftStatus};

type Known = (Question, Option<LeaseLeft>);

/// Something that the task waited for.
pub(super) enum Done {
    Round(Term, Vec<Known>, Result<(), RequestError>),
    Revoked(RevokeLease, Result<(), RequestError>),
    Checkpointed(Vec<LeaseRemaining>, Result<(), RequestError>),
}

/// The task and what it waits for.
pub(super) struct Work {
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
    pub fn new(keeper: Arc<Keeper>, proposer: Proposer, outgoing: Outgoing) -> Self {
        let (tasks, swept) = (FuturesUnordered::new(), Moment::default());
        Self { keeper, proposer, outgoing, tasks, rounds: 0, revokes: 0, swept }
    }

    /// Something that it waited for; none at once where it waits for nothing.
    pub async fn next(&mut self) -> Option<Done> {
        self.tasks.next().await
    }

    /// Begins what there is to do.
    pub fn look(&mut self) {
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

    pub fn wait(&self) -> Duration {
        /// Shortest, so that rounding does not keep the thread busy.
        const LEAST: Duration = Duration::from_millis(1);
        let is_quiet = self.keeper.desk().is_quiet();
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
        let questions = self.keeper.desk().ask(now, status);
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

    pub fn done(&mut self, done: Done) {
        let now = self.keeper.clock.now();
        match done {
            Done::Round(term, known, led) => {
                self.rounds -= 1;
                self.keeper.desk().in_rounds -= known.len();
                if led.is_ok() && self.keeper.leads(term) {
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

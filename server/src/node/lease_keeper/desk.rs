//! [`Desk`]: questions about leases that have no answer yet.

use std::collections::BTreeMap;
use std::mem;

use mini_etcd_proto::peerpb::{LeaseAnswer, LeaseQuestion};
use mini_etcd_shared::clock::Moment;
use mini_etcd_shared::types::{MemberId, Term};
use tokio::sync::oneshot;

use super::LeaseLeft;
use crate::error::RequestError;
use crate::limits::{LEASE_QUESTIONS_WAITING_MAX, READ_RETRY_INTERVAL};
use crate::raft::RaftStatus;

/// Questions without an answer.
#[derive(Default)]
pub(super) struct Desk {
    /// To be looked at.
    pub waiting: Vec<Question>,
    /// To be looked at again a little later.
    pub later: Vec<Question>,
    /// The leader was asked.
    asked: BTreeMap<u64, AskedLeader>,
    last_number: u64,
    /// Those that take part in a round.
    pub in_rounds: usize,
}

pub(super) struct Question {
    pub lease: i64,
    pub renew: bool,
    pub asker: Asker,
    pub until: Moment,
}

pub(super) enum Asker {
    Client(oneshot::Sender<Result<Option<LeaseLeft>, RequestError>>),
    Peer { member: MemberId, number: u64 },
}

struct AskedLeader {
    question: Question,
    leader: MemberId,
    term: Term,
    again: Moment,
}

impl Desk {
    /// `boot_nonce` is drawn anew at each start: no number is used in two of them.
    pub fn new(boot_nonce: u64) -> Self {
        Self { last_number: boot_nonce << 32, ..Self::default() }
    }

    /// False when too many wait.
    pub fn add(&mut self, question: Question) -> bool {
        let count = self.waiting.len() + self.later.len() + self.asked.len() + self.in_rounds;
        let has_room = count < LEASE_QUESTIONS_WAITING_MAX;
        if has_room {
            self.waiting.push(question);
        }
        has_room
    }

    /// Lets go of questions whose time is over, and takes up those again that were put off, or whose answer does not come.
    pub fn sweep(&mut self, now: Moment, status: &RaftStatus) {
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

    /// Whether nothing is asked for.
    pub fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.later.is_empty() && self.asked.is_empty()
    }

    /// Takes the questions of this member's clients, to be put to whoever leads.
    pub fn ask(&mut self, now: Moment, status: &RaftStatus) -> Vec<LeaseQuestion> {
        let mut questions = Vec::new();
        for question in mem::take(&mut self.waiting) {
            if matches!(question.asker, Asker::Peer { .. }) {
                continue;
            }
            self.last_number += 1;
            let number = self.last_number;
            questions.push(LeaseQuestion { number, lease: question.lease, renew: question.renew });
            let again = now.after(READ_RETRY_INTERVAL);
            let (leader, term) = (status.leader, status.term);
            self.asked.insert(number, AskedLeader { question, leader, term, again });
        }
        questions
    }

    /// The leader answered.
    pub fn answered(&mut self, answers: Vec<LeaseAnswer>) {
        for LeaseAnswer { number, remaining, ttl } in answers {
            if let Some(asked) = self.asked.remove(&number) {
                asked.question.answer((ttl != 0).then_some(LeaseLeft { remaining, ttl }));
            }
        }
    }
}

impl Question {
    /// Answers a client.
    pub fn answer(self, left: Option<LeaseLeft>) {
        if let Asker::Client(asker) = self.asker {
            // Its task may be gone.
            let _ = asker.send(Ok(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

//! Reports on their way to the screen: bounded, and of a member only the newest word.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_shared::clock::Moment;
use tokio::sync::Notify;

use super::request::{Answer, Ticket};
use super::sample::{Fault, Proof, Sample};
use crate::engine::report::Report;
use crate::engine::sample::Listed;
use crate::engine::session::RunEnded;
use crate::engine::session::{LINES_MAX, SessionLine};

/// Reports kept that are not about the state of a member; beyond it the oldest go.
const EVENTS_MAX: usize = 256;
/// Answers that may wait before parts of further ones have to.
const ANSWERS_MAX: usize = 64;

/// Reports on their way to the screen.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<Waiting>,
    news: Notify,
    /// Told when everything was taken.
    room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    members: Option<(u64, Vec<Listed>)>,
    silent: Option<Vec<(String, Fault)>>,
    /// The newest word of each member.
    words: BTreeMap<u64, Word>,
    rtts: BTreeMap<u64, (Moment, Duration)>,
    proofs: BTreeMap<u64, Proof>,
    events: VecDeque<Report>,
    answers: Vec<(Ticket, Answer)>,
    /// What a session says: as much as the scrollback keeps.
    said: VecDeque<SessionLine>,
    /// Lines that had to make room for newer ones.
    lost: u64,
    /// The run that waits for a password, and its words; one at a time runs.
    asked: Option<(u64, String)>,
    /// Runs that are over; as many as were begun.
    ran: Vec<(u64, RunEnded)>,
}

#[derive(Debug)]
enum Word {
    Sample(Box<Sample>),
    Lost(Fault),
}

impl Inbox {
    /// Who is in the cluster.
    pub(crate) fn members(&self, cluster: u64, listed: Vec<Listed>) {
        self.put(|waiting| {
            waiting.members = Some((cluster, listed));
            waiting.silent = None;
        });
    }

    /// Nobody told who is in the cluster.
    pub(crate) fn silent(&self, faults: Vec<(String, Fault)>) {
        self.put(|waiting| waiting.silent = Some(faults));
    }

    /// What a member says.
    pub(crate) fn sample(&self, id: u64, sample: Sample) {
        self.put(|waiting| {
            waiting.words.insert(id, Word::Sample(Box::new(sample)));
        });
    }

    /// A member is not heard any more.
    pub(crate) fn lost(&self, id: u64, fault: Fault) {
        self.put(|waiting| {
            waiting.words.insert(id, Word::Lost(fault));
        });
    }

    /// How long a member took to answer.
    pub(crate) fn rtt(&self, id: u64, at: Moment, rtt: Duration) {
        self.put(|waiting| {
            waiting.rtts.insert(id, (at, rtt));
        });
    }

    /// A member has answered a linearizable read, or refused it to this user.
    pub(crate) fn proof(&self, id: u64, proof: Proof) {
        self.put(|waiting| {
            waiting.proofs.insert(id, proof);
        });
    }

    /// Anything else.
    pub fn event(&self, report: Report) {
        self.put(|waiting| {
            waiting.events.push_back(report);
            if waiting.events.len() > EVENTS_MAX {
                waiting.events.pop_front();
            }
        });
    }

    /// The answer to a question. As many as there are questions are kept, and the screens bound those.
    pub(crate) fn answer(&self, ticket: Ticket, answer: Answer) {
        self.put(|waiting| waiting.answers.push((ticket, answer)));
    }

    /// A part of an answer; waits until the screen has taken enough of what came before.
    pub(crate) async fn part(&self, ticket: Ticket, answer: Answer) {
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            if self.lock().answers.len() < ANSWERS_MAX {
                return self.answer(ticket, answer);
            }
            room.await;
        }
    }

    /// A session says lines; beyond what the scrollback keeps, the oldest go and are counted.
    pub fn said(&self, said: Vec<SessionLine>) {
        self.put(|waiting| {
            waiting.said.extend(said);
            let over = waiting.said.len().saturating_sub(LINES_MAX);
            waiting.said.drain(..over);
            waiting.lost += u64::try_from(over).unwrap_or(0);
        });
    }

    /// A run asks for a password; what it said comes first.
    pub(crate) fn asked(&self, run: u64, prompt: String) {
        self.put(|waiting| waiting.asked = Some((run, prompt)));
    }

    /// A run is over; what it said comes first.
    pub fn ran(&self, run: u64, ended: RunEnded) {
        self.put(|waiting| waiting.ran.push((run, ended)));
    }

    /// Waits until there is something to take.
    pub async fn ready(&self) {
        self.news.notified().await;
    }

    /// Takes everything, in an order in which it makes sense.
    #[must_use]
    pub fn take(&self) -> Vec<Report> {
        let waiting = std::mem::take(&mut *self.lock());
        self.room.notify_waiters();
        let mut reports: Vec<Report> = waiting.events.into();
        if !waiting.said.is_empty() {
            reports.push(Report::Said(waiting.said.into(), waiting.lost));
        }
        reports.extend(waiting.asked.map(|(run, prompt)| Report::Asked(run, prompt)));
        reports.extend(waiting.ran.into_iter().map(|(run, ended)| Report::Ran(run, ended)));
        let answers = waiting.answers.into_iter();
        reports.extend(answers.map(|(ticket, answer)| Report::Answer(ticket, answer)));
        reports.extend(waiting.members.map(|(cluster, listed)| Report::Members(cluster, listed)));
        reports.extend(waiting.silent.map(Report::Silent));
        reports.extend(waiting.rtts.into_iter().map(|(id, (at, rtt))| Report::Rtt(id, at, rtt)));
        reports.extend(waiting.words.into_iter().map(|(id, word)| match word {
            Word::Sample(sample) => Report::Sample(id, sample),
            Word::Lost(fault) => Report::Lost(id, fault),
        }));
        reports.extend(waiting.proofs.into_iter().map(|(id, proof)| Report::Proof(id, proof)));
        reports
    }

    fn put(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.lock());
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(words: &str) -> Fault {
        Fault { words: words.into(), next: String::new(), refused: false, denied: None }
    }

    #[tokio::test]
    async fn of_a_member_only_the_newest_word_is_kept() {
        let inbox = Inbox::default();
        for term in 0..1000 {
            inbox.sample(7, Sample { term, ..Sample::default() });
        }
        inbox.lost(8, fault("reset"));
        inbox.ready().await;
        let reports = inbox.take();
        assert_eq!(reports.len(), 2);
        assert!(matches!(&reports[0], Report::Sample(7, sample) if sample.term == 999));
        assert!(matches!(&reports[1], Report::Lost(8, _)));
        assert!(inbox.take().is_empty());
    }

    #[test]
    fn events_are_bounded() {
        let inbox = Inbox::default();
        for n in 0..10_000 {
            inbox.event(Report::Started(n.to_string()));
        }
        assert_eq!(inbox.take().len(), EVENTS_MAX);
    }
}

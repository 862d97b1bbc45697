//! [`Inbox`]: the inputs that wait for the Raft thread. One lock, one wake for each turn, a bound for each class.
//!
//! | class | bound | over it |
//! |---|---|---|
//! | control: completions, news of peers | one of a kind, merged | cannot be |
//! | messages of peers | [`PEER_MESSAGES_WAITING_MAX`], [`PEER_BATCH_BYTES_MAX`] | dropped and counted; Raft repeats |
//! | proposals, reads | [`Admission`], with what the driver holds of them | refused |
//!
//! Proposals and reads come in bursts, from tasks that one runtime polls one after the other. They wake nobody by
//! themselves: who put them in calls [`Inbox::rouse`] once the burst is over, so that a burst costs one system call and
//! one turn.
//!
//! That something is applied wakes the thread only where something waits for it ([`Heed`]): else it is taken with
//! whatever comes next.
//!
//! IMPORTANT: control is always taken first. The log writer puts `Persisted` here before it sends what promises
//! it, so no answer to such a message can be taken before the notice.

use std::collections::VecDeque;
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_shared::types::MemberId;

use crate::error::RequestError;
use crate::limits::{
    PEER_BATCH_BYTES_MAX, PEER_MESSAGES_PER_TURN_MAX, PEER_MESSAGES_WAITING_MAX,
    PROPOSALS_PER_TURN_MAX,
};
use crate::raft::{Admission, Input, Load};

/// The inbox of the Raft thread.
#[derive(Default)]
pub struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    control: Vec<Input>,
    messages: VecDeque<(MemberId, Body)>,
    message_bytes: usize,
    messages_dropped: u64,
    proposals: VecDeque<Input>,
    proposal_bytes: usize,
    reads: Vec<u64>,
    /// What waits here, and what the driver has of it.
    admission: Admission,
    /// What the thread waits for.
    heed: Heed,
    /// Only then is a wake worth its system call.
    sleeping: bool,
    stopped: bool,
}

/// What the thread is to be woken for beside the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heed {
    /// Proposals. Not while the log writer is behind: then they stay in their bounded queue.
    pub proposals: bool,
    /// News of what is applied; see [`crate::raft::Driver::heeds_applied`].
    pub applied: bool,
}

impl Heed {
    /// Everything.
    pub const ALL: Self = Self { proposals: true, applied: true };

    /// Whether a control input is worth a wake. That the state was synced is for a later look at the log.
    fn is_for(self, input: &Input) -> bool {
        match input {
            Input::Applied { .. } => self.applied,
            Input::StateSynced { .. } => false,
            _ => true,
        }
    }
}

impl Inbox {
    /// Puts a completion or news of a peer in; it is merged with what waits of its kind.
    pub fn control(&self, input: Input) {
        let mut state = self.lock();
        let is_news = state.heed.is_for(&input);
        merge(&mut state.control, input);
        if is_news {
            self.wake(state);
        }
    }

    /// Puts messages of one connection in and returns how many were dropped because too many wait.
    pub fn messages(&self, from: MemberId, bodies: impl IntoIterator<Item = Body>) -> u64 {
        let mut state = self.lock();
        let before = state.messages_dropped;
        for body in bodies {
            let bytes = weight(&body);
            let full = state.messages.len() >= PEER_MESSAGES_WAITING_MAX
                || state.message_bytes + bytes > PEER_BATCH_BYTES_MAX;
            if full {
                state.messages_dropped += 1;
                continue;
            }
            state.message_bytes += bytes;
            state.messages.push_back((from, body));
        }
        let dropped = state.messages_dropped - before;
        self.wake(state);
        dropped
    }

    /// Puts a proposal in, which must be an [`Input::Propose`]. [`Inbox::rouse`] must follow.
    ///
    /// # Errors
    /// Too many wait, or the member stops.
    pub fn propose(&self, proposal: Input) -> Result<(), RequestError> {
        let mut state = self.lock();
        let bytes = proposal_bytes(&proposal);
        if state.stopped {
            return Err(RequestError::Stopped);
        }
        state.admission.admit_proposal(bytes)?;
        state.proposal_bytes += bytes;
        state.proposals.push_back(proposal);
        Ok(())
    }

    /// Puts the question for a read index in. [`Inbox::rouse`] must follow.
    ///
    /// # Errors
    /// Too many wait, or the member stops.
    pub fn read(&self, id: u64) -> Result<(), RequestError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(RequestError::Stopped);
        }
        state.admission.admit_read()?;
        state.reads.push(id);
        Ok(())
    }

    /// Wakes the thread if it sleeps, for proposals and reads that were put in.
    pub fn rouse(&self) {
        let state = self.lock();
        self.wake(state);
    }

    /// Lets the thread end; what waits is not handled any more.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        self.wake(state);
    }

    /// Messages of peers that were dropped since the start.
    pub fn messages_dropped(&self) -> u64 {
        self.lock().messages_dropped
    }

    /// Takes one turn's inputs: control, messages, proposals, reads. Waits for `wait` when there is nothing.
    /// What was taken before and still waits is `waiting`. Breaks when the member stops.
    pub fn take(
        &self,
        wait: Duration,
        heed: Heed,
        waiting: Admission,
        into: &mut Vec<Input>,
    ) -> ControlFlow<()> {
        let mut state = self.lock();
        state.admission = waiting.and(state.queued());
        state.heed = heed;
        if !wait.is_zero() {
            // IMPORTANT: who wakes takes the mark away. A wake for what cannot be taken now must leave it standing for
            // the next, so it is set anew before each wait.
            let idle = |state: &mut State| {
                state.sleeping = !state.stopped && !state.has_work();
                state.sleeping
            };
            let waited = self.wake.wait_timeout_while(state, wait, idle);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.sleeping = false;
        }
        if state.stopped {
            return ControlFlow::Break(());
        }
        state.take(into);
        ControlFlow::Continue(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of the Raft thread ends the process; nobody else panics while holding the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let wake = mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }
}

impl State {
    fn queued(&self) -> Admission {
        let proposals = Load { count: self.proposals.len(), bytes: self.proposal_bytes };
        Admission { proposals, reads: self.reads.len() }
    }

    fn has_work(&self) -> bool {
        self.control.iter().any(|input| self.heed.is_for(input))
            || !(self.messages.is_empty() && self.reads.is_empty())
            || self.heed.proposals && !self.proposals.is_empty()
    }

    fn take(&mut self, into: &mut Vec<Input>) {
        into.append(&mut self.control);
        for _ in 0..PEER_MESSAGES_PER_TURN_MAX {
            let Some((from, body)) = self.messages.pop_front() else { break };
            self.message_bytes -= weight(&body);
            into.push(Input::Message { from, body });
        }
        if self.heed.proposals {
            for _ in 0..PROPOSALS_PER_TURN_MAX {
                let Some(proposal) = self.proposals.pop_front() else { break };
                self.proposal_bytes -= proposal_bytes(&proposal);
                into.push(proposal);
            }
        }
        into.extend(self.reads.drain(..).map(|id| Input::Read { id }));
    }
}

/// Adds a control input, or puts it into one that waits and says less.
fn merge(control: &mut Vec<Input>, input: Input) {
    let waiting =
        control.iter_mut().find(|old| mem::discriminant(*old) == mem::discriminant(&input));
    match (waiting, input) {
        (Some(Input::Persisted { number, reader }), Input::Persisted { number: n, reader: r }) => {
            (*number, *reader) = (n, r);
        }
        (
            Some(Input::Applied { index, term, sequences }),
            Input::Applied { index: i, term: t, sequences: s },
        ) => {
            (*index, *term) = (i, t);
            sequences.extend(s);
        }
        (Some(Input::StateSynced { applied }), Input::StateSynced { applied: a }) => *applied = a,
        (Some(Input::Members(members)), Input::Members(newer)) => *members = newer,
        (_, input) => {
            if !control.iter().any(|old| same_news(old, &input)) {
                control.push(input);
            }
        }
    }
}

/// Whether both say the same of the same peer.
fn same_news(old: &Input, new: &Input) -> bool {
    match (old, new) {
        (Input::PeerRefused { id: a }, Input::PeerRefused { id: b })
        | (Input::PeerUnreachable { id: a }, Input::PeerUnreachable { id: b }) => a == b,
        _ => false,
    }
}

fn proposal_bytes(input: &Input) -> usize {
    match input {
        Input::Propose { data, .. } => data.len(),
        _ => 0,
    }
}

/// Bytes that a message keeps, about.
pub(super) fn weight(body: &Body) -> usize {
    /// What a message has beside the contents of entries.
    const HEAD: usize = 64;
    HEAD + match body {
        Body::Raft(message) => message.entries.iter().map(|entry| entry.data.len() + HEAD).sum(),
        Body::Forward(forward) => {
            forward.commands.iter().map(|command| command.data.len() + HEAD).sum()
        }
        Body::LeaseQuestions(asked) => asked.questions.len() * HEAD / 2,
        Body::LeaseAnswers(told) => told.answers.len() * HEAD / 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mini_etcd_proto::internalpb::EntryKind;
    use mini_etcd_proto::peerpb::ReadBarrier;
    use mini_etcd_shared::types::{LogIndex, Term};

    use super::*;
    use crate::limits::{PROPOSAL_BYTES_WAITING_MAX, PROPOSALS_WAITING_MAX};

    const PEER: MemberId = MemberId(7);

    fn body(round: u64) -> Body {
        Body::ReadBarrier(ReadBarrier { round })
    }

    fn proposal(sequence: u64, bytes: usize) -> Input {
        let data = Bytes::from(vec![0; bytes]);
        Input::Propose { sequence, kind: EntryKind::Normal, data }
    }

    fn applied(index: u64) -> Input {
        Input::Applied { index: LogIndex(index), term: Term(1), sequences: vec![index] }
    }

    /// One turn as text, in order. The driver holds nothing before it.
    fn turn(inbox: &Inbox, proposals: bool) -> Vec<String> {
        let mut inputs = Vec::new();
        let _ = inbox.take(
            Duration::ZERO,
            Heed { proposals, applied: true },
            Admission::default(),
            &mut inputs,
        );
        let text = |input: &Input| match input {
            Input::Message { body: Body::ReadBarrier(barrier), .. } => {
                format!("message {}", barrier.round)
            }
            Input::Propose { sequence, .. } => format!("propose {sequence}"),
            Input::Read { id } => format!("read {id}"),
            Input::Applied { index, sequences, .. } => format!("applied {index} {sequences:?}"),
            Input::PeerUnreachable { id } => format!("unreachable {id}"),
            _ => "other".to_owned(),
        };
        inputs.iter().map(text).collect()
    }

    #[test]
    fn control_comes_first_whatever_came_before() {
        let inbox = Inbox::default();
        inbox.read(1).unwrap();
        inbox.propose(proposal(2, 1)).unwrap();
        inbox.messages(PEER, [body(3)]);
        inbox.control(applied(4));
        assert_eq!(turn(&inbox, true), ["applied 4 [4]", "message 3", "propose 2", "read 1"]);
        assert_eq!(turn(&inbox, true), Vec::<String>::new());
    }

    #[test]
    fn completions_that_wait_become_one() {
        let inbox = Inbox::default();
        for index in 4..7 {
            inbox.control(applied(index));
            inbox.control(Input::PeerUnreachable { id: PEER });
        }
        assert_eq!(turn(&inbox, true), ["applied 6 [4, 5, 6]", "unreachable 7"]);
    }

    #[test]
    fn every_class_has_a_bound_of_its_own() {
        let inbox = Inbox::default();
        for sequence in 0..PROPOSALS_WAITING_MAX as u64 {
            inbox.propose(proposal(sequence, 1)).unwrap();
        }
        assert_eq!(inbox.propose(proposal(0, 1)), Err(RequestError::TooManyRequests));
        assert_eq!(inbox.messages(PEER, (0..PEER_MESSAGES_WAITING_MAX as u64 + 3).map(body)), 3);
        inbox.read(1).unwrap();
        inbox.control(applied(1));
        assert_eq!(inbox.messages_dropped(), 3);
        // A turn makes room: for messages at once, for proposals when the driver has them no more.
        turn(&inbox, true);
        assert_eq!(inbox.messages(PEER, [body(0)]), 0);
        assert_eq!(inbox.propose(proposal(0, 1)), Err(RequestError::TooManyRequests));
        turn(&inbox, true);
        inbox.propose(proposal(0, 1)).unwrap();
    }

    #[test]
    fn proposals_are_bounded_by_bytes_too() {
        let inbox = Inbox::default();
        inbox.propose(proposal(1, PROPOSAL_BYTES_WAITING_MAX - 1)).unwrap();
        inbox.propose(proposal(2, 1)).unwrap();
        assert_eq!(inbox.propose(proposal(3, 1)), Err(RequestError::TooManyRequests));
        turn(&inbox, true);
        let held = Load { count: 2, bytes: PROPOSAL_BYTES_WAITING_MAX };
        let held = Admission { proposals: held, reads: 0 };
        let _ = inbox.take(Duration::ZERO, Heed::ALL, held, &mut Vec::new());
        assert_eq!(inbox.propose(proposal(3, 1)), Err(RequestError::TooManyRequests));
        turn(&inbox, true);
        inbox.propose(proposal(4, 1)).unwrap();
    }

    #[test]
    fn held_proposals_stay_and_hold_nothing_else_up() {
        let inbox = Inbox::default();
        inbox.propose(proposal(1, 1)).unwrap();
        inbox.read(2).unwrap();
        assert_eq!(turn(&inbox, false), ["read 2"]);
        assert_eq!(turn(&inbox, true), ["propose 1"]);
    }

    #[test]
    fn a_wake_for_what_cannot_be_taken_does_not_cost_the_next_one() {
        let inbox = std::sync::Arc::new(Inbox::default());
        let taker = {
            let inbox = inbox.clone();
            std::thread::spawn(move || {
                let mut inputs = Vec::new();
                let held = Admission::default();
                let _ = inbox.take(Duration::from_secs(60), Heed::default(), held, &mut inputs);
                inputs.len()
            })
        };
        let asleep = || {
            while !inbox.lock().sleeping {
                assert!(!taker.is_finished(), "woken by what it cannot take");
                std::thread::yield_now();
            }
        };
        asleep();
        inbox.propose(proposal(1, 1)).unwrap();
        inbox.rouse();
        asleep();
        inbox.control(applied(1));
        assert!(inbox.lock().sleeping, "nobody waits for what is applied");
        inbox.control(Input::PeerUnreachable { id: PEER });
        assert_eq!(taker.join().unwrap(), 2);
    }

    #[test]
    fn a_waiting_thread_is_woken_and_a_stopped_inbox_takes_nothing() {
        let inbox = std::sync::Arc::new(Inbox::default());
        let taker = {
            let inbox = inbox.clone();
            std::thread::spawn(move || {
                let mut inputs = Vec::new();
                let mut turns = 0;
                let (wait, held) = (Duration::from_secs(60), Admission::default());
                while inbox.take(wait, Heed::ALL, held, &mut inputs).is_continue() {
                    turns += 1;
                }
                (inputs.len(), turns)
            })
        };
        inbox.read(1).unwrap();
        inbox.rouse();
        while inbox.lock().reads.len() == 1 {
            std::thread::yield_now();
        }
        inbox.stop();
        assert_eq!(taker.join().unwrap(), (1, 1));
        assert_eq!(inbox.propose(proposal(1, 1)), Err(RequestError::Stopped));
        assert_eq!(inbox.read(1), Err(RequestError::Stopped));
    }
}

//! [`RaftThread`]: takes a turn's inputs, steps the driver, hands its jobs out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::MemberId;

use super::inbox::Inbox;
use super::parked_reads::ParkedReads;
use super::queue::Queue;
use super::transport::{Outgoing, Seen};
use crate::apply::ApplyTask;
use crate::fatal;
use crate::limits::{LOG_TASKS_WAITING_MAX, SHUTDOWN_TIMEOUT, TICK};
use crate::node::{Completion, Completions, Shown};
use crate::raft::{Driver, Input, Job, WriteTask};

/// What the thread works with.
pub(crate) struct RaftThread<C: Clock> {
    pub driver: Driver,
    pub inbox: Arc<Inbox>,
    pub log: Arc<Queue<WriteTask>>,
    pub apply: Arc<Queue<ApplyTask>>,
    pub outgoing: Outgoing,
    pub seen: Arc<Seen>,
    /// Peers that `seen` knows to have a log: more need not be noted.
    pub has_log: BTreeSet<MemberId>,
    pub shown: Arc<Shown>,
    pub parked: Arc<ParkedReads>,
    pub completions: Arc<Completions>,
    pub clock: C,
}

impl<C: Clock> RaftThread<C> {
    /// Starts the thread. It ends when the inbox is stopped, and lets the log writer and apply end after it.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        fatal::spawn("raft", move || self.run())
    }

    fn run(mut self) {
        let mut inputs = Vec::new();
        // Due at once: the driver may have something to do from the start.
        let mut next_tick = self.clock.now();
        let (mut written, mut persisted) = (0_u64, 0_u64);
        let mut removed = false;
        loop {
            let wait = next_tick.since(self.clock.now());
            // What is forwarded needs no room in the own log.
            let room = written.saturating_sub(persisted) < LOG_TASKS_WAITING_MAX
                || !self.shown.status.load().leads();
            let held = self.driver.waiting();
            if self.inbox.take(wait, room, held, &mut inputs).is_break() {
                break;
            }
            if let Some(number) = last_persisted(&inputs) {
                persisted = number;
            }
            self.note_logs(&inputs);
            self.tick(&mut next_tick, &mut inputs);
            let jobs = self.driver.step(&mut inputs);
            inputs.clear();
            // SAFETY-RAFT: shown before any message of this turn can leave. A read of a sole voter goes by what is shown
            // (`RaftStatus::read_index_alone`), so nobody may learn of a commit, or count an acknowledgement, before it.
            self.show();
            for job in jobs {
                if let Job::Write(task) = &job {
                    written = task.number;
                }
                removed |= self.hand_out(job);
            }
            if removed {
                break;
            }
        }
        self.log.close();
        self.apply.close();
        self.completions.push(Completion::Stopped);
        if removed {
            self.end_removed();
        }
    }

    /// Ends the process once what was committed before the removal is applied, which apply was given already.
    fn end_removed(&self) -> ! {
        /// Looks at the applied index until the process ends anyway.
        const LOOKS: u32 = 100;
        for _ in 0..LOOKS {
            let status = self.driver.status();
            if self.shown.published.load().applied >= status.commit {
                break;
            }
            thread::sleep(SHUTDOWN_TIMEOUT / LOOKS);
        }
        fatal::end(fatal::REMOVED, "this member was removed from the cluster")
    }

    /// At most one tick for each turn, however many are due: after a stall the answers that prove a leader's life
    /// wait in the inbox, and ticks that overtake them would end it.
    fn tick(&self, next: &mut Moment, inputs: &mut Vec<Input>) {
        let now = self.clock.now();
        if now >= *next {
            inputs.push(Input::Tick);
            *next = now.after(TICK);
        }
    }

    /// Remembers which peers have a log, so that one that comes back without is told (D13).
    fn note_logs(&mut self, inputs: &[Input]) {
        for input in inputs {
            if let Input::Message { from, body: Body::Raft(message) } = input
                && !self.has_log.contains(from)
                && self.seen.note(*from, message)
            {
                self.has_log.insert(*from);
            }
        }
    }

    /// Hands a job out; says whether it was the last one ever.
    fn hand_out(&self, job: Job) -> bool {
        match job {
            Job::Send(messages) => self.outgoing.send(messages),
            Job::Write(task) => self.log.push(task),
            Job::Apply(task) => self.apply.push(task),
            Job::ReadReady { ids, index } => self.parked.park(ids, index),
            Job::FailWrites { sequences, error } => {
                self.completions.push(Completion::WritesFailed(sequences, error));
            }
            Job::FailReads { ids, error } => {
                self.completions.push(Completion::ReadsFailed(ids, error));
            }
            Job::Removed => return true,
        }
        false
    }

    fn show(&self) {
        let status = self.driver.status();
        let before = self.shown.status.load();
        if **before == status {
            return;
        }
        if before.leads() && !status.leads() {
            self.seen.keep(&before);
        }
        let leader = status.leader;
        self.shown.status.store(Arc::new(status));
        self.shown.leader.send_if_modified(|seen| std::mem::replace(seen, leader) != leader);
    }
}

fn last_persisted(inputs: &[Input]) -> Option<u64> {
    inputs.iter().rev().find_map(|input| match input {
        Input::Persisted { number, .. } => Some(*number),
        _ => None,
    })
}

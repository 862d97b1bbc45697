//! [`RaftThread`] takes a turn's inputs, steps the driver, and sees to its jobs.
//!
//! It writes and applies small tasks itself ([`Hands::run`]), with the driver left in the [`Seat`] meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::MemberId;

use super::inbox::{Heed, Inbox};
use super::parked_reads::ParkedReads;
use super::seat::Seat;
use super::transport::{Outgoing, Seen, SnapshotOrders};
use super::worker::Hands;
use crate::fatal;
use crate::limits::{LOG_TASKS_WAITING_MAX, REMOVED_LINGER, SHUTDOWN_TIMEOUT, TICK};
use crate::node::{ApplyWork, Completion, Completions, LogTask, Shown};
use crate::raft::{Driver, Input, Job};

/// What the thread works with.
pub(crate) struct RaftThread<C: Clock> {
    pub driver: Driver,
    pub inbox: Arc<Inbox>,
    pub log: Arc<dyn Hands<LogTask>>,
    pub apply: Arc<dyn Hands<ApplyWork>>,
    pub outgoing: Outgoing,
    pub snapshots: SnapshotOrders,
    pub seen: Arc<Seen>,
    /// Peers that `seen` knows to have a log: more need not be noted.
    pub has_log: BTreeSet<MemberId>,
    pub shown: Arc<Shown>,
    pub parked: Arc<ParkedReads>,
    pub completions: Arc<Completions>,
    pub clock: C,
    pub course: Course,
    /// Called when what put this member in doubt is settled.
    pub no_more_doubt: Box<dyn Fn() + Send>,
}

/// How far it is.
#[derive(Default)]
pub(crate) struct Course {
    /// Due at once at the start: the driver may have something to do.
    next_tick: Moment,
    /// Number of the last write that was handed out, and of the last one that is durable.
    written: u64,
    persisted: u64,
    removed: bool,
    /// What this turn leaves to be carried out by this thread itself. What comes later of its kind stands behind it.
    apply: Option<ApplyWork>,
    write: Option<LogTask>,
}

impl<C: Clock> RaftThread<C> {
    /// Starts the thread and its stand-in. They end when the inbox is stopped, and let the log writer and apply end
    /// after them.
    pub fn start(self) -> std::io::Result<[JoinHandle<()>; 2]> {
        let seat = Arc::new(Seat::new());
        let stand_in = Arc::clone(&seat);
        Ok([
            fatal::spawn("raft", move || Self::serve(Some(Box::new(self)), &seat))?,
            fatal::spawn("raft-standby", move || Self::serve(None, &stand_in))?,
        ])
    }

    /// Runs Raft while it has it, and stands by while it has not.
    fn serve(mut raft: Option<Box<Self>>, seat: &Seat<Box<Self>>) {
        while let Some(this) = raft.take().or_else(|| seat.stand_by()) {
            this.run(seat);
        }
    }

    /// Runs until the member stops, or a stand-in goes on.
    fn run(mut self: Box<Self>, seat: &Seat<Box<Self>>) {
        let mut inputs = Vec::new();
        loop {
            match self.carry_out(seat) {
                Some(back) => self = back,
                None => return,
            }
            if self.course.removed || !self.turn(&mut inputs) {
                break;
            }
        }
        self.log.close();
        self.apply.close();
        if self.course.removed {
            self.await_applied();
        }
        self.completions.push(Completion::Stopped);
        seat.end();
        if self.course.removed {
            // Whoever asked this member for its removal is to hear of it.
            thread::sleep(REMOVED_LINGER);
            fatal::end(fatal::REMOVED, "this member was removed from the cluster")
        }
    }

    /// One turn; false when the member stops.
    fn turn(&mut self, inputs: &mut Vec<Input>) -> bool {
        let wait = self.course.next_tick.since(self.clock.now());
        // What is forwarded needs no room in the own log.
        let room = self.course.written.saturating_sub(self.course.persisted)
            < LOG_TASKS_WAITING_MAX
            || !self.shown.status.load().leads();
        let heed = Heed { proposals: room, applied: self.driver.heeds_applied() };
        let waiting = self.driver.waiting();
        if self.inbox.take(wait, heed, waiting, inputs).is_break() {
            return false;
        }
        if let Some(number) = last_persisted(inputs) {
            self.course.persisted = number;
        }
        if inputs.iter().any(|input| matches!(input, Input::LogReset(_))) {
            (self.course.written, self.course.persisted) = (0, 0);
        }
        self.note_logs(inputs);
        self.tick(inputs);
        let jobs = self.driver.step(inputs);
        inputs.clear();
        // SAFETY-RAFT: shown before any message of this turn can leave. A read of a sole voter goes by what is shown
        // (`RaftStatus::read_index_alone`), so nobody may learn of a commit, or count an acknowledgement, before it.
        self.show();
        for job in jobs {
            self.hand_out(job);
        }
        true
    }

    /// Does what this thread is to do itself, away from the seat. None when a stand-in goes on.
    fn carry_out(mut self: Box<Self>, seat: &Seat<Box<Self>>) -> Option<Box<Self>> {
        // What was committed first: a client waits for it, and no sync for the write of this turn.
        if let Some(task) = self.course.apply.take() {
            let apply = Arc::clone(&self.apply);
            self = self.run_away_from(seat, &*apply, task)?;
        }
        if let Some(task) = self.course.write.take() {
            let log = Arc::clone(&self.log);
            self = self.run_away_from(seat, &*log, task)?;
        }
        Some(self)
    }

    fn run_away_from<T>(
        self: Box<Self>,
        seat: &Seat<Box<Self>>,
        hands: &dyn Hands<T>,
        task: T,
    ) -> Option<Box<Self>> {
        let mut here = Some(self);
        // The seat is left once the task has its place: who stands in hands over what comes after it.
        hands.run(task, &mut || {
            here = here.take().and_then(|this| seat.leave(this).err());
            here.is_none()
        });
        here.or_else(|| seat.take_back())
    }

    /// Waits until what was committed with the removal is applied, which apply was given already.
    fn await_applied(&self) {
        /// Looks at the applied index until the process ends anyway.
        const LOOKS: u32 = 100;
        for _ in 0..LOOKS {
            let status = self.driver.status();
            if self.shown.published.load().applied >= status.commit {
                break;
            }
            thread::sleep(SHUTDOWN_TIMEOUT / LOOKS);
        }
    }

    /// At most one tick for each turn, however many are due: after a stall the answers that prove a leader's life
    /// wait in the inbox, and ticks that overtake them would end it.
    fn tick(&mut self, inputs: &mut Vec<Input>) {
        let now = self.clock.now();
        if now >= self.course.next_tick {
            inputs.push(Input::Tick);
            self.course.next_tick = now.after(TICK);
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

    /// Hands a job out, or keeps it for [`Self::carry_out`].
    fn hand_out(&mut self, job: Job) {
        match job {
            Job::Send(messages) => self.outgoing.send(messages),
            Job::Write(task) => {
                self.course.written = task.number;
                keep_or_push(&*self.log, &mut self.course.write, LogTask::Write(task));
            }
            Job::CutLog { upto } => {
                keep_or_push(&*self.log, &mut self.course.write, LogTask::Cut(upto));
            }
            Job::Apply(task) => {
                keep_or_push(&*self.apply, &mut self.course.apply, ApplyWork::Entries(task));
            }
            Job::Install(staged) => {
                keep_or_push(&*self.apply, &mut self.course.apply, ApplyWork::Install(staged));
            }
            Job::ResetLog { index, term } => {
                keep_or_push(&*self.log, &mut self.course.write, LogTask::Reset(index, term));
            }
            Job::SendSnapshot { to } => self.snapshots.send(to),
            Job::ReadReady { ids, index } => self.parked.park(ids, index),
            Job::FailWrites { sequences, error } => {
                self.completions.push(Completion::WritesFailed(sequences, error));
            }
            Job::FailReads { ids, error } => {
                self.completions.push(Completion::ReadsFailed(ids, error));
            }
            Job::Removed => self.course.removed = true,
            Job::Differs { leader } => {
                let published = self.shown.published.load();
                let leader = published.members.by_id.get(&leader.0);
                let leader = leader.map(|member| member.name.as_str()).unwrap_or_default();
                let told =
                    "an entry that is committed here is another one in the log of the leader";
                fatal::end(fatal::STATE_DIFFERS, format_args!("{told}, {leader}"))
            }
        }
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
        if before.doubt.is_some() && status.doubt.is_none() {
            (self.no_more_doubt)();
        }
        let leader = status.leader;
        self.shown.status.store(Arc::new(status));
        self.shown.leader.send_if_modified(|seen| std::mem::replace(seen, leader) != leader);
    }
}

/// Keeps the one task of a turn that this thread may carry out itself; else all go to the thread, in order.
fn keep_or_push<T>(hands: &dyn Hands<T>, kept: &mut Option<T>, task: T) {
    match kept.take() {
        // Asked here already: what is not for this thread begins at once, beside what this thread does first.
        None if hands.may_run(&task) => *kept = Some(task),
        before => {
            for task in before.into_iter().chain([task]) {
                hands.push(task);
            }
        }
    }
}

fn last_persisted(inputs: &[Input]) -> Option<u64> {
    inputs.iter().rev().find_map(|input| match input {
        Input::Persisted { number, .. } => Some(*number),
        _ => None,
    })
}

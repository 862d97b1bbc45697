//! Collects the jobs of one turn, in the order in which they must start.

use mini_etcd_proto::internalpb::Entry;
use mini_etcd_proto::peerpb::RaftMessage;
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_shared::types::{LogIndex, MemberId};

use super::core::Effects;
use super::job::{Job, Outbound, WriteTask};
use crate::apply::ApplyTask;
use crate::error::RequestError;
use crate::log::LogWrite;

/// Collects what a turn brings about.
#[derive(Default)]
pub(super) struct Turn {
    failures: Vec<Job>,
    sends: Vec<Outbound>,
    writes: Vec<WriteTask>,
    applies: Vec<ApplyTask>,
    reads: Vec<Job>,
    /// In the order in which they came.
    others: Vec<Job>,
}

impl Turn {
    /// A message that promises nothing.
    pub fn send(&mut self, to: MemberId, body: Body) {
        self.sends.push(Outbound { to, body });
    }

    /// Writes end without a result.
    pub fn fail_writes(&mut self, error: RequestError, sequences: Vec<u64>) {
        if !sequences.is_empty() {
            self.failures.push(Job::FailWrites { sequences, error });
        }
    }

    /// Reads end without a result.
    pub fn fail_reads(&mut self, error: RequestError, ids: Vec<u64>) {
        if !ids.is_empty() {
            self.failures.push(Job::FailReads { ids, error });
        }
    }

    /// Reads know the index they must see.
    pub fn reads_ready(&mut self, ids: Vec<u64>, index: LogIndex) {
        if !ids.is_empty() {
            self.reads.push(Job::ReadReady { ids, index });
        }
    }

    /// Entries to apply.
    pub fn apply(&mut self, task: ApplyTask) {
        self.applies.push(task);
    }

    /// Something that nothing of this turn waits for.
    pub fn other(&mut self, job: Job) {
        self.others.push(job);
    }

    /// What Raft wants written and said.
    pub fn write(&mut self, effects: &mut Effects) {
        let now = std::mem::take(&mut effects.send_now);
        self.sends.extend(now.into_iter().map(outbound));
        let write = LogWrite {
            entries: std::mem::take(&mut effects.entries),
            hard_state: effects.hard_state.take(),
            acked: None,
        };
        let then_send: Vec<Outbound> =
            std::mem::take(&mut effects.send_after).into_iter().map(outbound).collect();
        if write.entries.is_empty() && write.hard_state.is_none() && then_send.is_empty() {
            return;
        }
        let task = WriteTask { number: effects.number, write, then_send };
        match self.writes.last_mut().filter(|last| follows(&last.write.entries, &task)) {
            Some(last) => merge(last, task),
            None => self.writes.push(task),
        }
    }

    /// The jobs. SAFETY-RAFT: a leader's appends start before its own write, so that its followers' disks work
    /// beside its own; a write's messages are inside the write.
    pub fn into_jobs(self) -> Vec<Job> {
        let mut jobs = self.failures;
        if !self.sends.is_empty() {
            jobs.push(Job::Send(self.sends));
        }
        jobs.extend(self.writes.into_iter().map(Job::Write));
        jobs.extend(self.applies.into_iter().map(Job::Apply));
        jobs.extend(self.reads);
        jobs.extend(self.others);
        jobs
    }
}

fn outbound(message: RaftMessage) -> Outbound {
    Outbound { to: MemberId(message.to), body: Body::Raft(message) }
}

/// Whether `task` only adds to `entries`, so that one write can do both.
fn follows(entries: &[Entry], task: &WriteTask) -> bool {
    match (entries.last(), task.write.entries.first()) {
        (Some(last), Some(first)) => last.index + 1 == first.index,
        _ => true,
    }
}

fn merge(last: &mut WriteTask, task: WriteTask) {
    last.number = task.number;
    last.write.entries.extend(task.write.entries);
    last.write.hard_state = task.write.hard_state.or(last.write.hard_state.take());
    last.then_send.extend(task.then_send);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(number: u64, indexes: &[u64]) -> Effects {
        let entry = |index: &u64| Entry { index: *index, term: 1, ..Entry::default() };
        let entries = indexes.iter().map(entry).collect();
        Effects { number, entries, ..Effects::default() }
    }

    fn writes(turn: Turn) -> Vec<(u64, usize)> {
        let of = |job| match job {
            Job::Write(task) => Some((task.number, task.write.entries.len())),
            _ => None,
        };
        turn.into_jobs().into_iter().filter_map(of).collect()
    }

    #[test]
    fn writes_of_a_turn_are_merged_unless_one_replaces_the_other() {
        let mut turn = Turn::default();
        turn.write(&mut effects(1, &[2, 3]));
        turn.write(&mut effects(2, &[4]));
        turn.write(&mut effects(3, &[3]));
        assert_eq!(writes(turn), [(2, 3), (3, 1)]);
    }
}

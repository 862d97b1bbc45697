//! [`Completions`]: results on their way from plain threads to the tasks that wait for them.
//!
//! Waking a task from another thread is a system call. So results travel in batches: a thread leaves its batch here
//! and wakes one task, which completes all waiters on their own thread.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::apply::EntryResult;
use crate::error::RequestError;

/// One batch of results.
pub enum Completion {
    /// Entries of this member are applied.
    Applied(Vec<EntryResult>),
    /// Writes that end without a result.
    WritesFailed(Vec<u64>, RequestError),
    /// Reads whose state is published.
    ReadsReady(Vec<u64>),
    /// Reads that end without a result.
    ReadsFailed(Vec<u64>, RequestError),
    /// The member stops: nobody gets a result any more.
    Stopped,
}

/// Where batches of results wait, apart for each rpc thread: a thread gets what its own requests wait for, which their
/// numbers tell ([`Completions::thread_of`]).
///
/// Its bound is that of the waiters: nothing is in here that nobody waits for.
pub struct Completions {
    threads: Box<[Mailbox]>,
}

#[derive(Default)]
struct Mailbox {
    waiting: Mutex<Vec<Completion>>,
    wake: Notify,
}

impl Completions {
    /// For so many rpc threads, one at the least.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads: (0..threads.max(1)).map(|_| Mailbox::default()).collect() }
    }

    /// Number of rpc threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// The thread whose request has this number.
    fn thread_of(&self, number: u64) -> usize {
        let threads = self.threads.len() as u64;
        usize::try_from(number % threads).unwrap_or_default()
    }

    /// Leaves a batch, for each thread its part.
    pub fn push(&self, completion: Completion) {
        let [only] = &*self.threads else { return self.divide(completion) };
        only.leave(completion);
    }

    fn divide(&self, completion: Completion) {
        match completion {
            Completion::Applied(results) => {
                self.leave(results, |result| result.sequence, Completion::Applied);
            }
            Completion::WritesFailed(sequences, error) => {
                let failed = |part| Completion::WritesFailed(part, error.clone());
                self.leave(sequences, |sequence| *sequence, failed);
            }
            Completion::ReadsReady(ids) => self.leave(ids, |id| *id, Completion::ReadsReady),
            Completion::ReadsFailed(ids, error) => {
                let failed = |part| Completion::ReadsFailed(part, error.clone());
                self.leave(ids, |id| *id, failed);
            }
            Completion::Stopped => {
                for mailbox in &self.threads {
                    mailbox.leave(Completion::Stopped);
                }
            }
        }
    }

    fn leave<T>(
        &self,
        all: Vec<T>,
        number: impl Fn(&T) -> u64,
        batch: impl Fn(Vec<T>) -> Completion,
    ) {
        let mut parts: Vec<Vec<T>> = self.threads.iter().map(|_| Vec::new()).collect();
        for one in all {
            if let Some(part) = parts.get_mut(self.thread_of(number(&one))) {
                part.push(one);
            }
        }
        for (mailbox, part) in self.threads.iter().zip(parts) {
            if !part.is_empty() {
                mailbox.leave(batch(part));
            }
        }
    }

    /// Waits for batches of a thread and takes all there are.
    pub async fn take(&self, thread: usize) -> Vec<Completion> {
        // A thread that does not exist has no requests, so nothing ever comes for it.
        let Some(mailbox) = self.threads.get(thread) else { return std::future::pending().await };
        loop {
            mailbox.wake.notified().await;
            let taken = mem::take(&mut *mailbox.lock());
            if !taken.is_empty() {
                return taken;
            }
        }
    }
}

impl Mailbox {
    fn leave(&self, completion: Completion) {
        let mut waiting = self.lock();
        let first = waiting.is_empty();
        waiting.push(completion);
        drop(waiting);
        if first {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Completion>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_thread_gets_the_results_of_its_own_numbers() {
        let completions = Completions::new(3);
        completions.push(Completion::ReadsReady(vec![3, 4, 7, 9]));
        completions.push(Completion::WritesFailed(vec![5], RequestError::NoLeader));
        let mut told = Vec::new();
        for thread in 0..3 {
            for completion in completions.take(thread).await {
                told.push(match completion {
                    Completion::ReadsReady(ids) => format!("{thread}: ready {ids:?}"),
                    Completion::WritesFailed(ids, _) => format!("{thread}: failed {ids:?}"),
                    _ => "something else".to_owned(),
                });
            }
        }
        assert_eq!(told, ["0: ready [3, 9]", "1: ready [4, 7]", "2: failed [5]"]);
        completions.push(Completion::Stopped);
        for thread in 0..3 {
            assert!(matches!(*completions.take(thread).await, [Completion::Stopped]));
        }
    }
}

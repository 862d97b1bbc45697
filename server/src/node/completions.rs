//! Results on their way from plain threads to the tasks that wait for them.
//!
//! Waking a task from another thread is a system call. So results travel in batches: a thread leaves its batch here
//! and wakes one task, which completes all waiters on their own thread.

use std::mem;
use std::sync::{Mutex, PoisonError};

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

/// Where batches of results wait for the one task that takes them.
///
/// Its bound is that of the waiters: nothing is in here that nobody waits for.
#[derive(Default)]
pub struct Completions {
    waiting: Mutex<Vec<Completion>>,
    wake: Notify,
}

impl Completions {
    /// Leaves a batch.
    pub fn push(&self, completion: Completion) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.is_empty();
        waiting.push(completion);
        drop(waiting);
        if first {
            self.wake.notify_one();
        }
    }

    /// Waits for batches and takes all there are.
    pub async fn take(&self) -> Vec<Completion> {
        loop {
            self.wake.notified().await;
            let taken =
                mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
        }
    }
}

//! [`Waiters`]: who waits for the result of which number.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mini_etcd_shared::types::{LogIndex, Term};
use tokio::sync::oneshot;

use super::completions::Completion;
use crate::apply::{EntryResponse, EntryResult};
use crate::error::RequestError;

/// A write that is applied.
#[derive(Clone, Debug)]
pub struct Written {
    /// The answer.
    pub response: EntryResponse,
    /// Term of its entry.
    pub term: Term,
    /// Index of its entry.
    pub index: LogIndex,
}

type Waiter<T> = oneshot::Sender<Result<T, RequestError>>;

/// Writes and reads without a result, by number. A number is never used twice.
#[derive(Default)]
pub(super) struct Waiters {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    writes: BTreeMap<u64, Waiter<Written>>,
    reads: BTreeMap<u64, Waiter<()>>,
    stopped: bool,
}

/// Takes a waiter away when its task goes away first.
pub(super) struct Waits<'a> {
    waiters: &'a Waiters,
    number: u64,
}

impl Waits<'_> {
    /// Its waiter was taken by the completion.
    pub fn end(self) {
        mem::forget(self);
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut table = self.waiters.table();
        // It stands in one of the two at most.
        if table.writes.remove(&self.number).is_none() {
            table.reads.remove(&self.number);
        }
    }
}

impl Waiters {
    /// Waits for a write, until what this answers is dropped.
    ///
    /// # Errors
    /// The member stops.
    pub fn write(&self, number: u64, waiter: Waiter<Written>) -> Result<Waits<'_>, RequestError> {
        self.open()?.writes.insert(number, waiter);
        Ok(Waits { waiters: self, number })
    }

    /// Waits for a read, likewise.
    ///
    /// # Errors
    /// The member stops.
    pub fn read(&self, number: u64, waiter: Waiter<()>) -> Result<Waits<'_>, RequestError> {
        self.open()?.reads.insert(number, waiter);
        Ok(Waits { waiters: self, number })
    }

    /// Results came in.
    pub fn complete(&self, completion: Completion) {
        self.table().complete(completion);
    }

    pub fn is_empty(&self) -> bool {
        let table = self.table();
        table.writes.is_empty() && table.reads.is_empty()
    }

    /// How many writes and reads wait.
    #[cfg(test)]
    pub fn counts(&self) -> (usize, usize) {
        let table = self.table();
        (table.writes.len(), table.reads.len())
    }

    fn open(&self) -> Result<MutexGuard<'_, Table>, RequestError> {
        let table = self.table();
        if table.stopped { Err(RequestError::Stopped) } else { Ok(table) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    // A waiter whose task went away refuses its result, which is then nobody's business.
    fn complete(&mut self, completion: Completion) {
        match completion {
            Completion::Applied(results) => {
                for EntryResult { index, term, sequence, outcome, .. } in results {
                    if let Some(waiter) = self.writes.remove(&sequence) {
                        let written = outcome.map(|response| Written { response, term, index });
                        let _ = waiter.send(written);
                    }
                }
            }
            Completion::WritesFailed(sequences, error) => {
                for waiter in sequences.iter().filter_map(|number| self.writes.remove(number)) {
                    let _ = waiter.send(Err(error.clone()));
                }
            }
            Completion::ReadsReady(ids) => {
                for waiter in ids.iter().filter_map(|number| self.reads.remove(number)) {
                    let _ = waiter.send(Ok(()));
                }
            }
            Completion::ReadsFailed(ids, error) => {
                for waiter in ids.iter().filter_map(|number| self.reads.remove(number)) {
                    let _ = waiter.send(Err(error.clone()));
                }
            }
            Completion::Stopped => self.stop(),
        }
    }

    /// Lets every waiter end: a dropped sender says that the member stopped.
    fn stop(&mut self) {
        self.stopped = true;
        self.writes.clear();
        self.reads.clear();
    }
}

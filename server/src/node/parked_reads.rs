//! [`ParkedReads`]: reads whose index is known and not yet applied.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mini_etcd_shared::types::LogIndex;

use crate::node::{Completion, Completions, Shown};

/// Where the Raft thread leaves reads for the apply thread. Bounded by the reads the inbox lets in.
pub(crate) struct ParkedReads {
    parked: Mutex<BTreeMap<LogIndex, Vec<u64>>>,
    shown: Arc<Shown>,
    completions: Arc<Completions>,
}

impl ParkedReads {
    pub fn new(shown: Arc<Shown>, completions: Arc<Completions>) -> Self {
        Self { parked: Mutex::default(), shown, completions }
    }

    /// Completes the reads once `index` is applied, which may be now.
    pub fn park(&self, ids: Vec<u64>, index: LogIndex) {
        // IMPORTANT: looks at the published state under the lock. The apply thread publishes before it takes the
        // lock, so one of the two sees the other.
        let mut parked = self.lock();
        if self.shown.published.load().applied < index {
            parked.entry(index).or_default().extend(ids);
            return;
        }
        drop(parked);
        self.completions.push(Completion::ReadsReady(ids));
    }

    /// Completes the reads that wait for nothing above `applied`, which is published.
    pub fn release(&self, applied: LogIndex) {
        let mut parked = self.lock();
        if parked.is_empty() {
            return;
        }
        let later = parked.split_off(&LogIndex(applied.0 + 1));
        let ready: Vec<u64> = mem::replace(&mut *parked, later).into_values().flatten().collect();
        drop(parked);
        if !ready.is_empty() {
            self.completions.push(Completion::ReadsReady(ready));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LogIndex, Vec<u64>>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

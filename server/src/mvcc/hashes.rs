//! The hash of each state that a compaction gave up, so that members that compacted can still compare it.
//!
//! ```text
//! apply ─▶ push ─▶ Hashes ◀─ run ── hash thread
//!            collect ◀─ is_busy ─┘└─ of ─▶ HashKV
//! ```
//!
//! As etcd from 3.6 on: the last ten, in memory only, each as HashKV would have answered right before the compaction.
//! A hash reads every row up to its revision, so a thread of its own computes it; rows are removed after it. Whoever
//! asks sooner computes it himself or waits for who does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{HashKv, View};
use crate::error::RequestError;
use crate::limits::COMPACTION_HASHES_MAX;

/// The hashes of the last compactions.
#[derive(Default)]
pub(crate) struct Hashes {
    newest: Mutex<VecDeque<Arc<Taken>>>,
    pushed: Condvar,
    /// A thread computes them.
    attended: AtomicBool,
    stopped: AtomicBool,
}

/// A state that a compaction took.
struct Taken {
    revision: i64,
    /// The state, until it is hashed. It knows no hashes: this is no circle.
    view: Mutex<Option<View>>,
    /// None when it was not to be had.
    hash: OnceLock<Option<HashKv>>,
}

impl Hashes {
    /// What a compaction to `revision` took: `view` has its rows still, and the compacted revision before it.
    pub(super) fn push(&self, revision: i64, view: View) {
        let (view, hash) = (Mutex::new(Some(view)), OnceLock::new());
        let mut newest = self.lock();
        newest.push_back(Arc::new(Taken { revision, view, hash }));
        if newest.len() > COMPACTION_HASHES_MAX {
            newest.pop_front();
        }
        self.pushed.notify_one();
    }

    /// The hash of `revision` as of before the compaction to it; none when it is not one of the last, or was lost.
    pub(super) fn of(&self, revision: i64) -> Option<HashKv> {
        let taken = self.lock().iter().find(|taken| taken.revision == revision).cloned();
        taken?.hash(&self.stopped)
    }

    /// Whether rows must stay because a hash needs them. Without a thread for it, computes what is missing.
    pub(super) fn is_busy(&self) -> bool {
        if !self.attended.load(Relaxed) {
            while let Some(taken) = self.next() {
                taken.hash(&self.stopped);
            }
        }
        self.next().is_some()
    }

    /// From now on a thread computes them with [`Hashes::run`].
    pub(crate) fn attend(&self) {
        self.attended.store(true, Relaxed);
    }

    /// Computes what is pushed, until [`Hashes::stop`].
    pub(crate) fn run(&self) {
        while let Some(taken) = self.wait() {
            taken.hash(&self.stopped);
        }
    }

    /// Ends [`Hashes::run`], in the middle of a hash too.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        // IMPORTANT: under the lock, or the thread may look before and sleep after.
        let _newest = self.lock();
        self.pushed.notify_all();
    }

    /// The next one to compute; none at the end.
    fn wait(&self) -> Option<Arc<Taken>> {
        let mut newest = self.lock();
        loop {
            if self.stopped.load(Relaxed) {
                return None;
            }
            if let Some(taken) = newest.iter().find(|taken| taken.hash.get().is_none()) {
                return Some(Arc::clone(taken));
            }
            newest = self.pushed.wait(newest).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn next(&self) -> Option<Arc<Taken>> {
        self.lock().iter().find(|taken| taken.hash.get().is_none()).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Taken>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn hash(&self, stopped: &AtomicBool) -> Option<HashKv> {
        *self.hash.get_or_init(|| {
            let view = self.view.lock().unwrap_or_else(PoisonError::into_inner).take()?;
            match view.hash_up_to(self.revision, stopped) {
                Ok(hash) => Some(hash),
                Err(RequestError::Stopped) => None,
                Err(error) => {
                    tracing::warn!(revision = self.revision, %error, "no hash of a compaction");
                    None
                }
            }
        })
    }
}

//! Workers of fjall stand back: the first one spins while another compacts.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, getpriority_process, setpriority_process};

/// Workers per database. One would send to its own full queue and wait for ever.
pub(super) const WORKERS: usize = 2;

/// Niceness of the worker that only spins, and of those that work, if the thread that opens the database has not more.
const NICE_SPINNER: i32 = 15;
const NICE_WORKER: i32 = 5;

/// Niceness of a thread that stands back.
const NICE_BACKGROUND: i32 = 10;

/// Looks for the new threads, and the pause between two; a thread names itself a moment after its birth, which is long
/// where others want the processor.
const LOOKS_MAX: usize = 1000;
const LOOK_WAIT: Duration = Duration::from_millis(1);

/// Threads of this process that are workers of fjall; `None` where the system does not list threads.
pub(super) fn worker_threads() -> Option<BTreeSet<i32>> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let workers = tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            (name.trim_end() == "fjall:worker").then(|| task.file_name().to_str()?.parse().ok())?
        })
        .collect();
    Some(workers)
}

/// Lowers the priority of the thread that calls it, and so of those that it starts: it works on all tables, or on a state that
/// nobody reads yet.
pub(crate) fn stand_back() {
    if let Err(error) = setpriority_process(None, NICE_BACKGROUND) {
        tracing::debug!(%error, "a storage thread keeps its priority");
    }
}

/// Databases are opened one after another: whose workers are whose is known by nothing but the time of their birth.
static OPENING: Mutex<()> = Mutex::new(());

/// The workers that stood before a database is opened.
pub(super) struct Before {
    workers: Option<BTreeSet<i32>>,
    _opening: MutexGuard<'static, ()>,
}

impl Before {
    /// To be taken before the database is opened; others wait until it is dropped.
    pub(super) fn take() -> Self {
        let opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        Self { workers: worker_threads(), _opening: opening }
    }

    /// Lowers the priority of the workers that were born since.
    pub(super) fn stand_back(self) {
        let Some(before) = &self.workers else { return };
        let mut born = BTreeSet::new();
        for _ in 0..LOOKS_MAX {
            let Some(now) = worker_threads() else { return };
            born = now.difference(before).copied().collect();
            if born.len() >= WORKERS {
                break;
            }
            std::thread::sleep(LOOK_WAIT);
        }
        let own = getpriority_process(None).unwrap_or_default();
        for (place, thread) in born.into_iter().enumerate() {
            let nice = if place == 0 { NICE_SPINNER } else { NICE_WORKER };
            let nice = nice.max(own);
            if let Err(error) = setpriority_process(Pid::from_raw(thread), nice) {
                tracing::debug!(thread, %error, "a storage worker keeps its priority");
            }
        }
    }
}

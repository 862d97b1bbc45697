//! Workers of fjall stand back: the first one spins while another compacts (raft-fjall-notes, C8).

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, setpriority_process};

/// Workers per database. One would send to its own full queue and wait for ever.
pub(super) const WORKERS: usize = 2;

/// Niceness of the worker that only spins, and of those that work.
const NICE_SPINNER: i32 = 15;
const NICE_WORKER: i32 = 5;

/// Looks for the new threads, and the pause between two; a thread names itself a moment after its birth.
const LOOKS_MAX: usize = 50;
const LOOK_WAIT: Duration = Duration::from_millis(1);

/// Threads of this process that are workers of fjall.
pub(super) fn worker_threads() -> BTreeSet<i32> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return BTreeSet::new() };
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            (name.trim_end() == "fjall:worker").then(|| task.file_name().to_str()?.parse().ok())?
        })
        .collect()
}

/// Lowers the priority of the workers that were born since `before` was taken.
pub(super) fn stand_back(before: &BTreeSet<i32>) {
    let mut born = BTreeSet::new();
    for _ in 0..LOOKS_MAX {
        born = worker_threads().difference(before).copied().collect();
        if born.len() >= WORKERS {
            break;
        }
        std::thread::sleep(LOOK_WAIT);
    }
    for (place, thread) in born.into_iter().enumerate() {
        let nice = if place == 0 { NICE_SPINNER } else { NICE_WORKER };
        if let Err(error) = setpriority_process(Pid::from_raw(thread), nice) {
            tracing::debug!(thread, %error, "a storage worker keeps its priority");
        }
    }
}

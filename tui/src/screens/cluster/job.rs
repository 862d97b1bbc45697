//! [`Job`]: work that is under way, or was last, as the screen shows it.

use std::time::Duration;

use mini_etcd_shared::clock::Moment;

/// How far a step of a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    Waits,
    /// Under way since then; what goes on.
    Runs(Moment, String),
    /// Done; what came of it, and how long it took.
    Done(String, Duration),
    /// Not done, and why.
    Failed(String),
}

/// Work that is under way, or was last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it is.
    pub title: String,
    /// Its steps.
    pub steps: Vec<(String, Stage)>,
    /// Lines to read when it is over.
    pub notes: Vec<String>,
    /// It is over.
    pub over: bool,
}

impl Job {
    pub(super) fn new(title: String, steps: Vec<String>, now: Moment) -> Self {
        let mut steps: Vec<_> = steps.into_iter().map(|words| (words, Stage::Waits)).collect();
        if let Some((_, stage)) = steps.first_mut() {
            *stage = Stage::Runs(now, String::new());
        }
        Self { title, steps, notes: Vec::new(), over: false }
    }

    /// The step that is under way ends so.
    pub(super) fn end(&mut self, now: Moment, how: Result<String, String>) {
        let running = |(_, stage): &&mut (String, Stage)| matches!(stage, Stage::Runs(..));
        if let Some((_, stage)) = self.steps.iter_mut().find(running) {
            let since = if let Stage::Runs(since, _) = stage { *since } else { now };
            *stage = match how {
                Ok(words) => Stage::Done(words, now.since(since)),
                Err(why) => Stage::Failed(why),
            };
        }
    }
}

//! [`Background`]: work on tables beside the commits, on a thread of its own.

use std::io;
use std::thread::{Builder, JoinHandle};

/// At most one piece of work: it waits for merges that are under way, which may take long, and syncs manifests.
#[derive(Default)]
pub(super) struct Background(Option<JoinHandle<::fjall::Result<()>>>);

impl Background {
    /// Begins `work` on a thread of this name.
    pub(super) fn begin(
        thread: &str,
        work: impl FnOnce() -> ::fjall::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        Ok(Self(Some(Builder::new().name(thread.to_owned()).spawn(work)?)))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Waits for the thread, and says what came of it.
    pub(super) fn join(&mut self) -> ::fjall::Result<()> {
        let Some(thread) = self.0.take() else { return Ok(()) };
        thread.join().unwrap_or(Err(::fjall::Error::Poisoned))
    }
}

impl Drop for Background {
    /// The database is closed only when nobody works on it.
    fn drop(&mut self) {
        let _ = self.join();
    }
}

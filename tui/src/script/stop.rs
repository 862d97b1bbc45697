//! What ends a run early: a signal, or the end of its time.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::report::Stop;

/// Time that teardown has once the run was ended.
pub(super) const TEARDOWN_WITHIN: Duration = Duration::from_secs(10);

/// Waits for what ends a run.
pub(crate) struct Stopper {
    interrupt: Signal,
    terminate: Signal,
    until: Option<Instant>,
}

impl Stopper {
    pub(crate) fn new(timeout: Option<Duration>) -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            until: timeout.map(|time| Instant::now() + time),
        })
    }

    /// From here on only signals and this much time end what runs.
    pub(crate) fn last_grace(&mut self) {
        self.until = Some(Instant::now() + TEARDOWN_WITHIN);
    }

    /// Waits for the end. Safe to drop while it waits.
    pub(crate) async fn stopped(&mut self) -> Stop {
        let time = async {
            match self.until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Stop::Interrupted,
            _ = self.terminate.recv() => Stop::Interrupted,
            () = time => Stop::TimedOut,
        }
    }
}

//! Between the apply thread and the fan-out.

use std::sync::Arc;

use crate::apply::{Applied, Published};
use crate::limits;
use crate::mvcc::Event;

/// Bytes that an event is counted for beside its own.
const EVENT_OVERHEAD: usize = 128;

/// Turns that were applied and not yet fanned out.
pub(super) struct Inbox {
    turns: Vec<QueuedEvents>,
    bytes: usize,
    /// Turns were left out: the fan-out is to skip to the latest state.
    lost: bool,
    /// The consumer was woken and has not come yet.
    rung: bool,
    latest: Arc<Published>,
}

/// One apply turn.
pub(super) struct QueuedEvents {
    pub(super) events: Arc<[Event]>,
    pub(super) revision: i64,
    pub(super) compacted: i64,
}

/// What was in the inbox.
pub(super) struct TakenEvents {
    pub(super) turns: Vec<QueuedEvents>,
    pub(super) lost: bool,
    pub(super) latest: Arc<Published>,
}

impl Inbox {
    pub(super) fn new(latest: Arc<Published>) -> Self {
        Self { turns: Vec::new(), bytes: 0, lost: false, rung: false, latest }
    }

    /// Adds a turn; true when the consumer must be woken. Without watches nothing is kept and nobody woken;
    /// with too much waiting, nothing is kept either, and the watches will read history instead.
    pub(super) fn push(&mut self, applied: &Applied, watched: bool) -> bool {
        let before = std::mem::replace(&mut self.latest, Arc::clone(&applied.published));
        let (revision, compacted) = place(&self.latest);
        if (revision, compacted) == place(&before) {
            return false;
        }
        if !watched || self.bytes > limits::WATCH_INBOX_BYTES_MAX {
            self.lost = true;
        }
        if self.lost {
            self.turns.clear();
            self.bytes = 0;
        } else {
            self.bytes += EVENT_OVERHEAD;
            self.bytes +=
                applied.events.iter().map(|event| event.kv.len() + EVENT_OVERHEAD).sum::<usize>();
            self.turns.push(QueuedEvents {
                events: Arc::clone(&applied.events),
                revision,
                compacted,
            });
        }
        watched && !std::mem::replace(&mut self.rung, true)
    }

    pub(super) fn take(&mut self) -> TakenEvents {
        self.bytes = 0;
        self.rung = false;
        TakenEvents {
            turns: std::mem::take(&mut self.turns),
            lost: std::mem::take(&mut self.lost),
            latest: Arc::clone(&self.latest),
        }
    }
}

/// Revision and compacted revision of a state.
pub(super) fn place(published: &Published) -> (i64, i64) {
    (published.view.revision().0, published.view.compacted())
}

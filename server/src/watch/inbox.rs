//! Between the apply thread and the fan-out.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::apply::{Applied, Published};
use crate::limits;
use crate::mvcc::Event;

/// Bytes that an event is counted for beside its own.
const EVENT_OVERHEAD: usize = 128;

/// Turns that were applied and not yet fanned out.
pub(super) struct Inbox {
    turns: VecDeque<QueuedEvents>,
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

/// What is taken out of the inbox.
pub(super) struct TakenEvents {
    /// The next turn; none when there is none left.
    pub(super) turn: Option<QueuedEvents>,
    /// The turns up to the latest state were left out.
    pub(super) lost: bool,
    pub(super) latest: Arc<Published>,
}

impl Inbox {
    pub(super) fn new(latest: Arc<Published>) -> Self {
        Self { turns: VecDeque::new(), bytes: 0, lost: false, rung: false, latest }
    }

    /// Adds a turn; true when the consumer must be woken. Without watches nothing is kept and nobody woken;
    /// with too much waiting, or what a snapshot skipped, nothing is kept either, and the watches will read history instead.
    pub(super) fn push(&mut self, applied: &Applied, watched: bool) -> bool {
        let before = std::mem::replace(&mut self.latest, Arc::clone(&applied.published));
        let (revision, compacted) = place(&self.latest);
        if (revision, compacted) == place(&before) {
            // Running watches are judged anew when users or roles changed.
            let is_judged = Arc::ptr_eq(&before.auth, &self.latest.auth);
            return !is_judged && watched && !std::mem::replace(&mut self.rung, true);
        }
        if !watched || applied.skipped || self.bytes > limits::WATCH_INBOX_BYTES_MAX {
            self.lost = true;
        }
        if self.lost {
            self.turns.clear();
            self.bytes = 0;
        } else {
            let events = Arc::clone(&applied.events);
            let turn = QueuedEvents { events, revision, compacted };
            self.bytes += turn.bytes();
            self.turns.push_back(turn);
        }
        watched && !std::mem::replace(&mut self.rung, true)
    }

    /// Takes one turn out. Whoever does goes on until there is none: nobody is woken for those that are left.
    pub(super) fn take(&mut self) -> TakenEvents {
        self.rung = false;
        let turn = self.turns.pop_front();
        self.bytes -= turn.as_ref().map_or(0, QueuedEvents::bytes);
        let lost = std::mem::take(&mut self.lost);
        TakenEvents { turn, lost, latest: Arc::clone(&self.latest) }
    }
}

impl QueuedEvents {
    /// What it counts for.
    fn bytes(&self) -> usize {
        let events = self.events.iter().map(|event| event.kv.len() + EVENT_OVERHEAD);
        EVENT_OVERHEAD + events.sum::<usize>()
    }
}

/// Revision and compacted revision of a state.
pub(super) fn place(published: &Published) -> (i64, i64) {
    (published.view.revision().0, published.view.compacted())
}

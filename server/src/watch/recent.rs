//! The recent past in memory, for watches that are only a little behind.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits;
use crate::mvcc::Event;

/// Every event from a revision on, as far as the bounds allow.
#[derive(Debug)]
pub(crate) struct Recent {
    turns: VecDeque<Arc<[Event]>>,
    /// Every event of this revision and later is here.
    floor: i64,
    events: usize,
    bytes: usize,
}

impl Recent {
    /// Nothing yet; what comes has revision `floor` or more.
    pub(crate) fn new(floor: i64) -> Self {
        Self { turns: VecDeque::new(), floor, events: 0, bytes: 0 }
    }

    pub(crate) fn floor(&self) -> i64 {
        self.floor
    }

    /// Adds a turn and drops the oldest ones while there is too much.
    pub(crate) fn push(&mut self, turn: Arc<[Event]>) {
        self.events += turn.len();
        self.bytes += bytes(&turn);
        self.turns.push_back(turn);
        while self.events > limits::WATCH_RECENT_EVENTS_MAX
            || self.bytes > limits::WATCH_RECENT_BYTES_MAX
        {
            let Some(turn) = self.turns.pop_front() else { return };
            self.events -= turn.len();
            self.bytes -= bytes(&turn);
            if let Some(last) = turn.last() {
                self.floor = last.id.revision.0.saturating_add(1);
            }
        }
    }

    /// Events from revision `from` on, which must not be below the floor.
    pub(crate) fn since(&self, from: i64) -> Vec<Event> {
        assert!(from >= self.floor, "asked from {from}, kept from {}", self.floor);
        let turns = self.turns.iter().flat_map(|turn| turn.iter());
        turns.filter(|event| event.id.revision.0 >= from).cloned().collect()
    }
}

fn bytes(turn: &[Event]) -> usize {
    turn.iter().map(|event| event.kv.len()).sum()
}

//! What all streams hold in memory together, and how much of it one of them may take.

use crate::limits;

/// Bytes of events that wait on any stream or in its connection. Events that several streams share count for each:
/// the figure is an upper bound.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: usize,
    budget: usize,
}

impl Held {
    /// Nothing yet, of `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Self { bytes: 0, budget }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }

    /// Bytes that one stream may queue now: a fraction of what is left, so that those who come first and never read
    /// cannot take it all; never less than what keeps a stream going.
    pub(crate) fn share(&self) -> usize {
        self.fraction().min(limits::WATCH_STREAM_BYTES_MAX)
    }

    /// Bytes after which a response about the past takes no further revision. etcd has no such bound; where memory is
    /// short the past comes in smaller pieces.
    pub(crate) fn share_of_past(&self) -> usize {
        self.fraction().min(limits::WATCH_PAST_RESPONSE_BYTES)
    }

    fn fraction(&self) -> usize {
        let left = self.budget.saturating_sub(self.bytes);
        (left / limits::WATCH_STREAM_SHARE).max(limits::WATCH_STREAM_BYTES_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: streams that never read stay within the budget and what each may have at least. Method: each takes its
    // share and a response of the past on top.
    #[test]
    fn streams_that_never_read_stay_within_the_budget() {
        let mut held = Held::new(limits::WATCH_BYTES_MAX);
        let mut before = usize::MAX;
        for _ in 0..4000 {
            let share = held.share();
            assert!(share <= before);
            before = share;
            held.take(share.max(held.share_of_past()));
        }
        let least = 4000 * limits::WATCH_STREAM_BYTES_MIN;
        assert!(held.bytes() <= limits::WATCH_BYTES_MAX + least, "{}", held.bytes());
        held.give_back(held.bytes());
        assert_eq!(held.share(), limits::WATCH_STREAM_BYTES_MAX);
    }
}

//! Entries in order, as many as fit; what goes is counted.

use std::collections::VecDeque;

use super::event::Entry;

/// How much a ring keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Events.
    pub events: usize,
    /// Bytes of keys and values with what each event costs beside them.
    pub bytes: usize,
}

/// The newest entries. The newest one is always kept, however large it is.
#[derive(Clone, Debug)]
pub struct Ring {
    bound: Bound,
    entries: VecDeque<Entry>,
    /// Number of the oldest entry kept; numbers are never used twice.
    first: u64,
    events: usize,
    bytes: usize,
    /// Events that went because others came.
    pub dropped: u64,
}

impl Ring {
    /// An empty one.
    #[must_use]
    pub fn new(bound: Bound) -> Self {
        let entries = VecDeque::new();
        Self { bound, entries, first: 0, events: 0, bytes: 0, dropped: 0 }
    }

    /// Takes an entry in; older ones go until it fits. Answers its number.
    pub fn push(&mut self, entry: Entry) -> u64 {
        self.events += entry.events();
        self.bytes += entry.weight();
        self.entries.push_back(entry);
        // Marks weigh something too, so a ring of nothing but marks is bounded as well.
        while self.entries.len() > 1
            && (self.events > self.bound.events || self.bytes > self.bound.bytes)
        {
            let Some(gone) = self.entries.pop_front() else { break };
            self.first += 1;
            self.events -= gone.events();
            self.bytes -= gone.weight();
            self.dropped += u64::try_from(gone.events()).unwrap_or(u64::MAX);
        }
        self.end() - 1
    }

    /// Takes everything out, oldest first.
    pub fn drain(&mut self) -> Vec<Entry> {
        self.first = self.end();
        (self.events, self.bytes, self.dropped) = (0, 0, 0);
        std::mem::take(&mut self.entries).into()
    }

    /// The entry of that number, if it is still there.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Entry> {
        let place = number.checked_sub(self.first)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// Number of the oldest entry.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number of the entry that comes next.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    /// All entries with their numbers, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (self.first..).zip(&self.entries)
    }

    /// Events kept.
    #[must_use]
    pub fn events(&self) -> usize {
        self.events
    }

    /// Bytes kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::screens::watch::event::{Before, Event, Kind, Revision, Version, What};

    fn entry(number: i64, events: usize, value: usize) -> Entry {
        let now = Version { value: Bytes::from(vec![b'x'; value]), ..Version::default() };
        let event = Event::new(Kind::Put, Bytes::from_static(b"k"), 1, now, Before::Nothing);
        let revision = Revision { number, events: vec![event; events], cut: 0 };
        Entry { wall: 0, what: What::Revision(Arc::new(revision)) }
    }

    #[test]
    fn the_oldest_go_and_are_counted_by_events() {
        let mut ring = Ring::new(Bound { events: 10, bytes: 1 << 20 });
        for number in 0..8 {
            ring.push(entry(number, 3, 1));
        }
        assert_eq!((ring.events(), ring.dropped, ring.first(), ring.end()), (9, 15, 5, 8));
        assert!(ring.get(4).is_none() && ring.get(5).is_some() && ring.get(8).is_none());
    }

    #[test]
    fn bytes_are_bounded_and_the_newest_entry_stays_whatever_it_weighs() {
        let mut ring = Ring::new(Bound { events: 1000, bytes: 4096 });
        for number in 0..100 {
            ring.push(entry(number, 1, 1000));
            assert!(ring.bytes() <= 4096);
        }
        ring.push(entry(100, 1, 1 << 20));
        assert_eq!((ring.events(), ring.dropped), (1, 100));
        let drained = ring.drain();
        assert_eq!((drained.len(), ring.events(), ring.bytes()), (1, 0, 0));
        assert_eq!(ring.push(entry(101, 1, 1)), 101);
    }
}

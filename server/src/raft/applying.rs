//! [`Applying`]: what is committed, what apply was given of it, and what it has done.

use std::collections::VecDeque;

use mini_etcd_proto::internalpb::{ConfState, Entry};
use mini_etcd_shared::types::LogIndex;

use crate::apply::ApplyTask;
use crate::limits::{APPLY_AHEAD_BYTES_MAX, APPLY_AHEAD_MAX};

/// The line between commit and apply.
///
/// I1: applied ≤ handed ≤ committed. Entries are handed on once, in order, without a gap, and none of those that are held.
/// I2: what is handed on and not applied is bounded; the rest stays in the log, where it is read again later.
#[derive(Debug)]
pub struct Applying {
    applied: u64,
    handed: u64,
    committed: u64,
    /// Last index and bytes of each task under way.
    tasks: VecDeque<(u64, usize)>,
    bytes: usize,
    /// The first entry that may not be applied yet.
    held: Option<u64>,
    /// Membership after changes that are not handed on yet.
    conf_states: VecDeque<(LogIndex, ConfState)>,
}

impl Applying {
    /// Everything up to `applied` is applied.
    pub fn new(applied: LogIndex) -> Self {
        Self {
            applied: applied.0,
            handed: applied.0,
            committed: applied.0,
            tasks: VecDeque::new(),
            bytes: 0,
            held: None,
            conf_states: VecDeque::new(),
        }
    }

    /// Entries became committed. Returns the task for them, or none when apply is too far behind.
    pub fn committed(&mut self, mut entries: Vec<Entry>) -> Option<ApplyTask> {
        let (first, last) = (entries.first()?.index, entries.last()?.index);
        assert_eq!(first, self.committed + 1, "I1: committed entries have no gap");
        let behind = self.is_behind();
        self.committed = last;
        if behind || !self.has_room() {
            return None;
        }
        entries.truncate(entries.partition_point(|entry| entry.index < self.end()));
        if entries.is_empty() { None } else { Some(self.hand(entries)) }
    }

    /// Nothing from this entry on may be applied yet.
    pub fn hold_from(&mut self, held: Option<LogIndex>) {
        self.held = held.map(|index| index.0);
    }

    /// The change at this index made this membership; of entries that are not handed on yet.
    pub fn changed(&mut self, index: LogIndex, conf_state: ConfState) {
        self.conf_states.push_back((index, conf_state));
    }

    /// The entry behind the last that may be applied.
    fn end(&self) -> u64 {
        self.held.unwrap_or(u64::MAX).min(self.committed + 1)
    }

    /// What to read from the log for the next task, if apply has room for what it was not given.
    pub fn backlog(&self) -> Option<(LogIndex, LogIndex)> {
        let (low, end) = (self.handed + 1, self.end());
        (low < end && self.has_room()).then_some((LogIndex(low), LogIndex(end)))
    }

    /// The task for entries that were read for [`Applying::backlog`].
    pub fn hand(&mut self, entries: Vec<Entry>) -> ApplyTask {
        let bytes = entries.iter().map(|entry| entry.data.len()).sum();
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            assert_eq!(first.index, self.handed + 1, "I1: apply has no gap");
            self.handed = last.index;
        }
        assert!(self.handed <= self.committed, "I1: only what is committed is applied");
        self.tasks.push_back((self.handed, bytes));
        self.bytes += bytes;
        let due = self.conf_states.iter().take_while(|(index, _)| index.0 <= self.handed).count();
        ApplyTask { entries, conf_states: self.conf_states.drain(..due).collect() }
    }

    /// Apply is done up to `index`.
    pub fn applied(&mut self, index: LogIndex) {
        assert!(index.0 <= self.handed, "I1: apply cannot be ahead of what it was given");
        assert!(index.0 >= self.applied, "applied never falls");
        self.applied = index.0;
        while self.tasks.front().is_some_and(|(last, _)| *last <= index.0) {
            self.bytes -= self.tasks.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }

    /// Whether something waits until apply has room for it.
    pub fn is_behind(&self) -> bool {
        self.handed < self.committed
    }

    /// Whether apply has done all that it was given.
    pub fn is_idle(&self) -> bool {
        self.applied == self.handed
    }

    fn has_room(&self) -> bool {
        // I2
        self.handed - self.applied < APPLY_AHEAD_MAX && self.bytes < APPLY_AHEAD_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entries(first: u64, last: u64) -> Vec<Entry> {
        let entry = |index| Entry { kind: 0, term: 1, index, data: Bytes::from_static(b"x") };
        (first..=last).map(entry).collect()
    }

    #[test]
    fn what_apply_cannot_take_stays_in_the_log_and_is_read_later() {
        let mut applying = Applying::new(LogIndex(1));
        let first = APPLY_AHEAD_MAX + 1;
        assert!(applying.committed(entries(2, first)).is_some());
        applying.changed(LogIndex(first + 2), ConfState::default());
        assert!(applying.committed(entries(first + 1, first + 3)).is_none());
        assert_eq!(applying.backlog(), None);

        applying.applied(LogIndex(first));
        assert_eq!(applying.backlog(), Some((LogIndex(first + 1), LogIndex(first + 4))));
        let later = applying.committed(entries(first + 4, first + 4));
        assert!(later.is_none(), "what came first goes first");
        let task = applying.hand(entries(first + 1, first + 1));
        assert!(task.conf_states.is_empty(), "the change is not in this task");
        let task = applying.hand(entries(first + 2, first + 4));
        assert_eq!(task.conf_states.len(), 1);
        assert_eq!(applying.backlog(), None);
    }

    #[test]
    fn what_is_held_is_handed_on_once_it_may_be() {
        let mut applying = Applying::new(LogIndex(1));
        let indexes = |task: ApplyTask| task.entries.iter().map(|it| it.index).collect::<Vec<_>>();
        applying.hold_from(Some(LogIndex(4)));
        assert_eq!(applying.committed(entries(2, 5)).map(indexes), Some(vec![2, 3]));
        assert_eq!(applying.committed(entries(6, 6)).map(indexes), None);
        assert_eq!(applying.backlog(), None);
        applying.hold_from(Some(LogIndex(6)));
        assert_eq!(applying.backlog(), Some((LogIndex(4), LogIndex(6))));
        applying.hold_from(None);
        assert_eq!(applying.backlog(), Some((LogIndex(4), LogIndex(7))));
    }
}

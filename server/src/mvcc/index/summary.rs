//! What a subtree says of itself to those who would rather not descend.

use super::record::Record;

/// A subtree in three numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Keys that exist.
    pub(super) live: u64,
    /// Stamps of all keys; those above `live` are what a compaction may take.
    pub(super) stamps: u64,
    /// No stamp is newer. An upper bound: a compaction does not lower it.
    pub(super) newest: i64,
}

impl Summary {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            live: u64::from(record.live()),
            stamps: record.stamps() as u64,
            newest: record.newest().revision(),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            live: self.live + other.live,
            stamps: self.stamps + other.stamps,
            newest: self.newest.max(other.newest),
        }
    }

    /// After one more stamp of `revision`.
    pub(super) fn grown(self, revision: i64, was_live: bool, is_live: bool) -> Self {
        Self {
            live: self.live + u64::from(is_live) - u64::from(was_live),
            stamps: self.stamps + 1,
            newest: self.newest.max(revision),
        }
    }

    /// Whether a compaction could find something here.
    pub(super) fn has_garbage(self) -> bool {
        self.stamps > self.live
    }
}

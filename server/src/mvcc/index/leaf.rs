//! A run of neighbouring keys: their records in order, their bytes in one buffer.

use super::record::{Life, Record, Stamp};
use super::summary::Summary;

/// Most keys of a leaf.
pub(super) const LEAF_KEYS_MAX: usize = 64;
/// Records by which a leaf's room grows.
const GROWTH: usize = 4;

/// A leaf of the tree.
#[derive(Default)]
pub(super) struct Leaf {
    records: Vec<Record>,
    /// Keys in the order of arrival; records say where each stands.
    keys: Vec<u8>,
    /// Bytes of `keys` that belong to no record any more.
    wasted: usize,
    /// Words of history that the records hold.
    history: usize,
}

impl Leaf {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Memory of the leaf beside its node.
    pub(super) fn bytes(&self) -> usize {
        self.records.capacity() * size_of::<Record>() + self.keys.capacity() + self.history * 8
    }

    pub(super) fn key(&self, record: &Record) -> &[u8] {
        let (at, len) = (record.key_at() as usize, record.key_len() as usize);
        self.keys.get(at..at + len).unwrap_or_default()
    }

    /// Place of `key`, or the place where it would stand.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        self.records.binary_search_by(|record| self.key(record).cmp(key))
    }

    pub(super) fn first_key(&self) -> &[u8] {
        self.records.first().map_or(&[], |record| self.key(record))
    }

    pub(super) fn summary(&self) -> Summary {
        self.records.iter().fold(Summary::default(), |sum, record| sum.and(Summary::of(record)))
    }

    /// Adds a key at `at`, which [`Leaf::search`] gave.
    pub(super) fn insert(&mut self, at: usize, key: &[u8], stamps: &[Stamp], life: Life) {
        let missing = key.len().saturating_sub(self.keys.capacity() - self.keys.len());
        if missing > 0 {
            self.keys.reserve_exact(key.len() * GROWTH);
        }
        let key_at = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
        self.keys.extend_from_slice(key);
        if self.records.len() == self.records.capacity() {
            self.records.reserve_exact(GROWTH);
        }
        let record = Record::new(key_at, key_len, stamps, life);
        self.history += record.history_words();
        self.records.insert(at, record);
    }

    /// Adds a stamp to the key at `at`.
    pub(super) fn push(&mut self, at: usize, stamp: Stamp, life: Life) -> Option<bool> {
        let record = self.records.get_mut(at)?;
        let was_live = record.live();
        self.history -= record.history_words();
        record.push(stamp, life);
        self.history += record.history_words();
        Some(was_live)
    }

    /// Takes dead stamps out of the key at `at`; removes the key when none is left and answers false then.
    pub(super) fn prune(
        &mut self,
        at: usize,
        compacted: i64,
        max: usize,
        dead: &mut Vec<crate::mvcc::RowId>,
    ) -> bool {
        let Some(record) = self.records.get_mut(at) else { return false };
        self.history -= record.history_words();
        let stays = record.prune(compacted, max, dead);
        if stays {
            self.history += record.history_words();
        } else {
            self.wasted += record.key_len() as usize;
            self.records.remove(at);
        }
        stays
    }

    /// Gives back room after removals.
    pub(super) fn tidy(&mut self) {
        if self.wasted * 4 > self.keys.len() {
            *self = Self::of(std::mem::take(&mut self.records), &self.keys);
        } else if self.records.capacity() - self.records.len() > 2 * GROWTH {
            self.records.shrink_to(self.records.len());
        }
    }

    /// Moves the upper half into a leaf of its own.
    pub(super) fn split(&mut self) -> Self {
        let upper = self.records.split_off(self.records.len() / 2);
        let right = Self::of(upper, &self.keys);
        *self = Self::of(std::mem::take(&mut self.records), &self.keys);
        right
    }

    /// Takes in the keys of the right neighbour.
    pub(super) fn merge(&mut self, right: Self) {
        self.records.reserve_exact(right.records.len());
        self.keys.reserve_exact(right.keys.len() - right.wasted);
        for mut record in right.records {
            let (at, len) = (record.key_at() as usize, record.key_len() as usize);
            record.move_key(u32::try_from(self.keys.len()).unwrap_or(u32::MAX));
            self.keys.extend_from_slice(right.keys.get(at..at + len).unwrap_or_default());
            self.history += record.history_words();
            self.records.push(record);
        }
    }

    /// A leaf of `records` whose keys stand in `keys`.
    fn of(records: Vec<Record>, keys: &[u8]) -> Self {
        let bytes = records.iter().map(|record| record.key_len() as usize).sum();
        let mut leaf = Self { keys: Vec::with_capacity(bytes), ..Self::default() };
        leaf.records.reserve_exact(records.len());
        for mut record in records {
            let (at, len) = (record.key_at() as usize, record.key_len() as usize);
            record.move_key(u32::try_from(leaf.keys.len()).unwrap_or(u32::MAX));
            leaf.keys.extend_from_slice(keys.get(at..at + len).unwrap_or_default());
            leaf.history += record.history_words();
            leaf.records.push(record);
        }
        leaf
    }

    /// An empty leaf with exactly the room that is going to be filled.
    pub(super) fn with_room(records: usize, key_bytes: usize) -> Self {
        Self {
            records: Vec::with_capacity(records),
            keys: Vec::with_capacity(key_bytes),
            ..Self::default()
        }
    }
}

//! A cache of encoded versions, of fixed size.
//!
//! Apply fills it with what it writes, reads with what they had to fetch. Versions never change, so nothing is
//! ever invalidated; what compaction takes off the disk just ages. Replacement is CLOCK: a hit marks its entry,
//! the hand passes marked entries once.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use indexmap::IndexMap;

use super::RowId;

/// Parts with a lock each.
const SHARDS: usize = 16;
/// What an entry costs beside its bytes: slot, hash, reference count, allocator.
const ENTRY_OVERHEAD: usize = 128;

/// The cache; see the module.
pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    shard_bytes_max: usize,
    bytes: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    entries: IndexMap<RowId, Slot, BuildHasherDefault<RowHasher>>,
    bytes: usize,
    hand: usize,
}

struct Slot {
    kv: Bytes,
    hit: bool,
}

/// Spreads ids; they come from the log, not from clients who could aim at a bucket.
#[derive(Default)]
struct RowHasher(u64);

impl Hasher for RowHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }
}

impl Cache {
    /// A cache of about `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            shard_bytes_max: bytes_max / SHARDS,
            bytes: AtomicUsize::new(0),
        }
    }

    fn shard(&self, id: RowId) -> Option<MutexGuard<'_, Shard>> {
        let at = (id.revision.0.cast_unsigned() ^ u64::from(id.sub)) % SHARDS as u64;
        let shard = self.shards.get(usize::try_from(at).unwrap_or_default())?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The encoded version `id`.
    pub(crate) fn get(&self, id: RowId) -> Option<Bytes> {
        let mut shard = self.shard(id)?;
        let slot = shard.entries.get_mut(&id)?;
        slot.hit = true;
        Some(slot.kv.clone())
    }

    /// Length of the encoded version `id`, without keeping it any longer for that.
    pub(crate) fn len_of(&self, id: RowId) -> Option<usize> {
        self.shard(id)?.entries.get(&id).map(|slot| slot.kv.len())
    }

    /// Adds a version. Its bytes must be its own: what it shares a buffer with would be kept too.
    pub(crate) fn insert(&self, id: RowId, kv: Bytes) {
        let cost = kv.len() + ENTRY_OVERHEAD;
        let Some(mut shard) = self.shard(id) else { return };
        if cost > self.shard_bytes_max / 2 {
            return;
        }
        let before = shard.bytes;
        if shard.entries.insert(id, Slot { kv, hit: false }).is_none() {
            shard.bytes += cost;
        }
        shard.shrink(self.shard_bytes_max);
        let after = shard.bytes;
        drop(shard);
        self.account(before, after);
    }

    /// Forgets a version.
    pub(crate) fn remove(&self, id: RowId) {
        let Some(mut shard) = self.shard(id) else { return };
        let before = shard.bytes;
        if let Some(slot) = shard.entries.swap_remove(&id) {
            shard.bytes -= slot.kv.len() + ENTRY_OVERHEAD;
        }
        let after = shard.bytes;
        drop(shard);
        self.account(before, after);
    }

    fn account(&self, before: usize, after: usize) {
        if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Memory now.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Shard {
    /// Drops entries until the shard fits.
    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            match self.entries.get_index_mut(self.hand) {
                Some((_, slot)) if slot.hit => {
                    slot.hit = false;
                    self.hand += 1;
                }
                Some(_) => {
                    if let Some((_, slot)) = self.entries.swap_remove_index(self.hand) {
                        self.bytes -= slot.kv.len() + ENTRY_OVERHEAD;
                    }
                    self.hand += 1;
                }
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mini_etcd_shared::types::Revision;

    fn id(revision: i64) -> RowId {
        RowId { revision: Revision(revision), sub: 0 }
    }

    #[test]
    fn it_never_outgrows_its_size_and_keeps_what_is_hit() {
        let cache = Cache::new(64 << 10);
        for revision in 0..10_000 {
            cache.insert(id(revision), Bytes::from(vec![0; 100]));
            assert!(cache.bytes() <= 64 << 10, "at {revision}");
            assert!(revision < 5 || cache.get(id(5)).is_some(), "hit entries stay, at {revision}");
        }
        assert!(cache.get(id(9_999)).is_some());
        assert_eq!(cache.get(id(6)), None);
    }

    #[test]
    fn an_entry_that_would_push_out_half_the_rest_is_not_taken() {
        let cache = Cache::new(64 << 10);
        cache.insert(id(1), Bytes::from(vec![0; 4 << 10]));
        assert_eq!((cache.get(id(1)), cache.bytes()), (None, 0));
    }

    #[test]
    fn removing_gives_the_room_back() {
        let cache = Cache::new(64 << 10);
        cache.insert(id(1), Bytes::from_static(b"kv"));
        cache.insert(id(1), Bytes::from_static(b"kv"));
        assert_eq!(cache.len_of(id(1)), Some(2));
        cache.remove(id(1));
        cache.remove(id(1));
        assert_eq!((cache.get(id(1)), cache.bytes()), (None, 0));
    }
}

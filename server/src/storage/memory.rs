//! An engine without a disk: for tests, and as the content of the simulated disk.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, RwLock};

use bytes::Bytes;

use super::{Batch, Durability, Engine, Op, Reader, Space, StorageError, Visit};

/// Versions of one key, oldest first; `None` says that the key was removed.
type Versions = Vec<(u64, Option<Bytes>)>;

/// Keys with the versions that some reader may still want.
#[derive(Default)]
struct Tables {
    spaces: BTreeMap<Space, BTreeMap<Bytes, Versions>>,
    /// Number of the newest commit.
    newest: u64,
    /// Open readers by the commit they show.
    readers: BTreeMap<u64, usize>,
    /// Keys that may hold versions nobody wants once all readers show this commit.
    stale: VecDeque<(u64, Space, Bytes)>,
}

impl Tables {
    /// The oldest commit that a reader shows, now or from now on.
    fn oldest_shown(&self) -> u64 {
        self.readers.keys().next().copied().unwrap_or(self.newest)
    }

    fn apply(&mut self, ops: Vec<Op>) {
        self.newest += 1;
        let newest = self.newest;
        for op in ops {
            let (space, key, value) = match op {
                Op::Put(space, key, value) => (space, key, Some(Bytes::from(value))),
                Op::Remove(space, key) => (space, key, None),
            };
            let key = Bytes::from(key);
            let versions = self.spaces.entry(space).or_default().entry(key.clone()).or_default();
            if versions.last().is_some_and(|(number, _)| *number == newest) {
                versions.pop();
            }
            if !versions.is_empty() || value.is_none() {
                self.stale.push_back((newest, space, key));
            }
            versions.push((newest, value));
        }
        self.prune();
    }

    /// Drops what no reader can see any more.
    fn prune(&mut self) {
        let oldest = self.oldest_shown();
        while self.stale.front().is_some_and(|(number, _, _)| *number <= oldest) {
            let Some((_, space, key)) = self.stale.pop_front() else { return };
            let Some(table) = self.spaces.get_mut(&space) else { continue };
            let Some(versions) = table.get_mut(&key) else { continue };
            let hidden = versions.iter().take_while(|(number, _)| *number <= oldest).count();
            versions.drain(..hidden.saturating_sub(1));
            if matches!(versions.as_slice(), [(number, None)] if *number <= oldest) {
                table.remove(&key);
            }
        }
    }
}

/// An engine that keeps everything in memory; a sync is free.
#[derive(Default)]
pub struct MemoryEngine {
    tables: Arc<RwLock<Tables>>,
}

impl MemoryEngine {
    /// An empty engine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the content, with no connection to this engine.
    #[must_use]
    pub fn fork(&self) -> Self {
        let tables = read(&self.tables);
        let spaces = tables
            .spaces
            .iter()
            .map(|(space, table)| {
                let table = table
                    .iter()
                    .filter_map(|(key, versions)| {
                        let (_, value) = versions.last()?;
                        Some((key.clone(), vec![(0, Some(value.clone()?))]))
                    })
                    .collect();
                (*space, table)
            })
            .collect();
        Self { tables: Arc::new(RwLock::new(Tables { spaces, ..Tables::default() })) }
    }
}

impl Engine for MemoryEngine {
    fn commit(&mut self, batch: Batch, _durability: Durability) -> Result<(), StorageError> {
        if !batch.is_empty() {
            write(&self.tables).apply(batch.into_ops());
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        Ok(())
    }

    fn is_synced(&self) -> bool {
        true
    }

    fn discard_below(&mut self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        let mut tables = write(&self.tables);
        let table = tables.spaces.get(&space).into_iter().flat_map(BTreeMap::keys);
        let below = table.take_while(|found| **found < key);
        let removals = below.map(|found| Op::Remove(space, found.to_vec())).collect();
        tables.apply(removals);
        Ok(())
    }

    fn reader(&mut self) -> Arc<dyn Reader> {
        let mut tables = write(&self.tables);
        let shown = tables.newest;
        *tables.readers.entry(shown).or_default() += 1;
        drop(tables);
        Arc::new(MemoryReader { tables: Arc::clone(&self.tables), shown })
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn table_bytes(&self) -> u64 {
        0
    }
}

/// The tables as of one commit.
struct MemoryReader {
    tables: Arc<RwLock<Tables>>,
    shown: u64,
}

impl MemoryReader {
    fn visible<'a>(&self, versions: &'a Versions) -> Option<&'a Bytes> {
        let (_, value) = versions.iter().rev().find(|(number, _)| *number <= self.shown)?;
        value.as_ref()
    }

    /// The last key between the bounds that this reader sees.
    fn last_within(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Option<(Bytes, Bytes)> {
        let tables = read(&self.tables);
        let mut rows = tables.spaces.get(&space)?.range::<[u8], _>(bounds).rev();
        rows.find_map(|(key, versions)| Some((key.clone(), self.visible(versions)?.clone())))
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        let mut tables = write(&self.tables);
        if let Some(count) = tables.readers.get_mut(&self.shown) {
            *count -= 1;
            if *count == 0 {
                tables.readers.remove(&self.shown);
            }
        }
    }
}

impl Reader for MemoryReader {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let tables = read(&self.tables);
        let versions = tables.spaces.get(&space).and_then(|table| table.get(key));
        Ok(versions.and_then(|versions| self.visible(versions).cloned()))
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        if super::is_empty_range(bounds) {
            return Ok(());
        }
        // A page at a time, so that `visit` may read and no commit waits for it.
        let mut from = bounds.0.map(Bytes::copy_from_slice);
        loop {
            let page = self.page(space, (from.as_ref().map(AsRef::as_ref), bounds.1));
            let Some((last, _)) = page.last() else { return Ok(()) };
            from = Bound::Excluded(last.clone());
            for (key, value) in &page {
                if visit(key, value).is_break() {
                    return Ok(());
                }
            }
            if super::is_empty_range((from.as_ref().map(AsRef::as_ref), bounds.1)) {
                return Ok(());
            }
        }
    }

    fn last(&self, space: Space) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        Ok(self.last_within(space, (Bound::Unbounded, Bound::Unbounded)))
    }

    fn at_or_before(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        Ok(self.last_within(space, (Bound::Unbounded, Bound::Included(key))))
    }
}

impl MemoryReader {
    fn page(&self, space: Space, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> Vec<(Bytes, Bytes)> {
        const PAGE_ROWS: usize = 256;
        let tables = read(&self.tables);
        let Some(table) = tables.spaces.get(&space) else { return Vec::new() };
        table
            .range::<[u8], _>(bounds)
            .filter_map(|(key, versions)| Some((key.clone(), self.visible(versions)?.clone())))
            .take(PAGE_ROWS)
            .collect()
    }
}

/// A thread that panicked while it held the lock has ended the test or the process already.
fn read(tables: &RwLock<Tables>) -> std::sync::RwLockReadGuard<'_, Tables> {
    tables.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write(tables: &RwLock<Tables>) -> std::sync::RwLockWriteGuard<'_, Tables> {
    tables.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::suite;

    #[test]
    fn the_memory_engine_keeps_the_contract() {
        suite::run(|_| Box::new(MemoryEngine::new()));
    }

    #[test]
    fn versions_nobody_reads_are_dropped() {
        let mut engine = MemoryEngine::new();
        for round in 0..100_u32 {
            let mut batch = Batch::new();
            batch.put(Space::Rows, b"k".as_slice(), round.to_be_bytes());
            batch.put(Space::Rows, round.to_be_bytes(), b"v".as_slice());
            engine.commit(batch, Durability::Buffered).unwrap();
            let mut batch = Batch::new();
            batch.remove(Space::Rows, round.to_be_bytes());
            engine.commit(batch, Durability::Buffered).unwrap();
        }
        let tables = read(&engine.tables);
        let versions: usize = tables.spaces[&Space::Rows].values().map(Vec::len).sum();
        assert_eq!(versions, 1);
    }
}

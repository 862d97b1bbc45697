//! A simulated disk: what was not synced may be lost, and commits and syncs fail when told to.

use std::collections::BTreeSet;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Batch, Durability, Engine, MemoryEngine, Reader, Space, StorageError};

/// An error to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The commit of this number, counted from 1 over the life of the disk, fails.
    Commit(u64),
    /// The sync of this number fails; a synced commit counts as one of each.
    Sync(u64),
}

/// What outlives a process: the disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk {
    shared: Arc<Mutex<DiskImage>>,
}

#[derive(Default)]
struct DiskImage {
    /// What a crash cannot take away.
    durable: MemoryEngine,
    /// Commits since the last sync, in order.
    pending: Vec<Batch>,
    commits: u64,
    syncs: u64,
    faults: BTreeSet<Fault>,
    /// Engines opened before the last crash or close are dead.
    generation: u64,
}

impl DiskImage {
    fn settle(&mut self, kept: usize) -> Result<(), StorageError> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.truncate(kept);
        for batch in pending {
            self.durable.commit(batch, Durability::Buffered)?;
        }
        Ok(())
    }
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An engine on this disk; one opened earlier stops.
    #[must_use]
    pub fn open(&self) -> SimEngine {
        let mut shared = self.lock();
        shared.generation += 1;
        let mut content = shared.durable.fork();
        for batch in &shared.pending {
            // The memory engine refuses nothing.
            let _ = content.commit(batch.clone(), Durability::Buffered);
        }
        SimEngine { disk: self.clone(), generation: shared.generation, content, stopped: false }
    }

    /// Cuts the power: of the commits since the last sync the first `number % (their count + 1)` survive. The
    /// engines that were open are dead. Answers how many commits survived, and how many did not.
    #[expect(clippy::must_use_candidate, reason = "most callers only want the crash")]
    pub fn crash(&self, number: u64) -> (usize, usize) {
        let mut shared = self.lock();
        shared.generation += 1;
        let unsynced = shared.pending.len();
        let choices = u64::try_from(unsynced).unwrap_or(u64::MAX - 1) + 1;
        let kept = usize::try_from(number % choices).unwrap_or(unsynced);
        // The memory engine refuses nothing.
        let _ = shared.settle(kept);
        (kept, unsynced - kept)
    }

    /// Another disk with what is durable on this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        let durable = self.lock().durable.fork();
        let image = DiskImage { durable, ..DiskImage::default() };
        Self { shared: Arc::new(Mutex::new(image)) }
    }

    /// Lets a commit or sync to come fail.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.insert(fault);
    }

    /// Commits so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    fn lock(&self) -> MutexGuard<'_, DiskImage> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine on a [`SimDisk`].
pub struct SimEngine {
    disk: SimDisk,
    generation: u64,
    content: MemoryEngine,
    stopped: bool,
}

impl SimEngine {
    /// Runs `work` on the disk; any error stops the engine (I4).
    fn guarded(
        &mut self,
        work: impl FnOnce(&mut DiskImage) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut shared = self.disk.lock();
        if self.stopped || shared.generation != self.generation {
            return Err(StorageError::Stopped);
        }
        let outcome = work(&mut shared);
        self.stopped = outcome.is_err();
        outcome
    }
}

impl Engine for SimEngine {
    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        let copy = batch.clone();
        self.guarded(|shared| {
            shared.commits += 1;
            // A commit that fails may still be found after a crash, so it goes on the list first.
            shared.pending.push(copy);
            fail_if(shared, Fault::Commit(shared.commits), "write")?;
            if durability == Durability::Synced { sync(shared) } else { Ok(()) }
        })?;
        self.content.commit(batch, durability)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.guarded(sync)
    }

    fn is_synced(&self) -> bool {
        self.disk.lock().pending.is_empty()
    }

    /// Leaves every other key, so that whoever counts on their absence is found out (I5).
    fn discard_below(&mut self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        let mut found = Vec::new();
        let below = (Bound::Unbounded, Bound::Excluded(key));
        self.content.reader().scan(space, below, &mut |key, _| {
            found.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        let mut batch = Batch::new();
        for key in found.into_iter().step_by(2) {
            batch.remove(space, key);
        }
        let copy = batch.clone();
        self.guarded(|shared| shared.durable.commit(copy, Durability::Buffered))?;
        self.content.commit(batch, Durability::Buffered)
    }

    fn reader(&mut self) -> Arc<dyn Reader> {
        self.content.reader()
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn table_bytes(&self) -> u64 {
        0
    }
}

fn sync(shared: &mut DiskImage) -> Result<(), StorageError> {
    shared.syncs += 1;
    fail_if(shared, Fault::Sync(shared.syncs), "sync")?;
    let all = shared.pending.len();
    shared.settle(all)
}

fn fail_if(shared: &mut DiskImage, fault: Fault, doing: &str) -> Result<(), StorageError> {
    if !shared.faults.remove(&fault) {
        return Ok(());
    }
    let source = io::Error::other("injected");
    Err(StorageError::Io { context: format!("simulated {doing}"), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::suite;

    fn put(engine: &mut SimEngine, key: u8, durability: Durability) -> Result<(), StorageError> {
        let mut batch = Batch::new();
        batch.put(Space::Rows, [key], [key]);
        engine.commit(batch, durability)
    }

    fn keys(engine: &mut SimEngine) -> Vec<u8> {
        let reader = engine.reader();
        (0..=255).filter(|key| reader.get(Space::Rows, &[*key]).unwrap().is_some()).collect()
    }

    #[test]
    fn the_simulated_engine_keeps_the_contract() {
        let disks = std::cell::RefCell::new(std::collections::HashMap::new());
        suite::run(|name| {
            let mut disks = disks.borrow_mut();
            Box::new(disks.entry(name.to_owned()).or_insert_with(SimDisk::new).open())
        });
    }

    #[test]
    fn a_crash_keeps_a_prefix_that_holds_every_synced_commit() {
        for number in 0..4 {
            let disk = SimDisk::new();
            let mut engine = disk.open();
            put(&mut engine, 1, Durability::Synced).unwrap();
            put(&mut engine, 2, Durability::Buffered).unwrap();
            put(&mut engine, 3, Durability::Buffered).unwrap();
            let (kept, lost) = disk.crash(number);
            assert_eq!(kept + lost, 2);
            assert!(matches!(put(&mut engine, 4, Durability::Synced), Err(StorageError::Stopped)));
            let expected: &[u8] = match number {
                1 => &[1, 2],
                2 => &[1, 2, 3],
                _ => &[1],
            };
            assert_eq!(keys(&mut disk.open()), expected);
        }
    }

    #[test]
    fn after_an_injected_error_nothing_more_is_accepted() {
        let disk = SimDisk::new();
        let mut engine = disk.open();
        disk.inject(Fault::Sync(2));
        put(&mut engine, 1, Durability::Synced).unwrap();
        assert!(matches!(put(&mut engine, 2, Durability::Synced), Err(StorageError::Io { .. })));
        assert!(matches!(put(&mut engine, 3, Durability::Buffered), Err(StorageError::Stopped)));
        assert!(matches!(engine.sync(), Err(StorageError::Stopped)));
        // The batch whose sync failed is of unknown outcome: both futures can come.
        disk.crash(1);
        assert_eq!(keys(&mut disk.open()), [1, 2]);
    }

    #[test]
    fn a_process_that_dies_alone_loses_nothing() {
        let disk = SimDisk::new();
        let mut engine = disk.open();
        put(&mut engine, 1, Durability::Buffered).unwrap();
        assert_eq!(keys(&mut disk.open()), [1]);
    }
}

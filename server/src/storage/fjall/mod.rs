//! The engine on fjall 3: the only code that knows it.
//!
//! What it shields the others from:
//! - a snapshot taken while another thread commits can be torn: readers are opened by the owner of the engine, who is
//!   also the only one who commits (`&mut self`);
//! - one worker thread blocks itself for ever and two keep a core busy while they compact: there are two, and they run
//!   at a low priority (`priority`);
//! - its write stalls are sleeps of 100 ms: the commit waits earlier and shorter ([`FjallEngine::make_room`]);
//! - two changes of one key in one batch have no defined order: only the last goes in;
//! - a process that died while it created the database leaves one that never opens again (`open`);
//! - it believes manifests and tables before it checks them, and damage there can end the process without a word: their
//!   checksums are compared before it opens them (`verify`);
//! - a removed key costs as much as a written one, and more when it is merged away: what is not read any more is dropped by
//!   whole tables (`discard`);
//! - it leaves removed rows in tables that do not grow: all tables are written anew when that is asked for (`reclaim`);
//! - it refuses a journal whose last batch, never synced, has a hole: for those who want it such a tail is cut
//!   (`repair`);
//! - what it finds damaged it reports as any of a dozen errors or by a panic: both become
//!   [`StorageError::Damaged`].

mod background;
mod discard;
mod open;
mod priority;
mod reader;
mod reclaim;
mod repair;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::fjall::{Database, Keyspace, OwnedWriteBatch as WriteBatch, PersistMode};

use self::background::Background;
pub(crate) use self::priority::stand_back;
use self::reader::FjallReader;
use super::{Batch, Durability, Engine, Op, Reader, ReclaimStep, Space, StorageError};
use crate::metrics::Durations;

/// Longest that one commit waits for memtables to reach the disk, and how often it looks.
const MAKE_ROOM_WAIT_MAX: Duration = Duration::from_millis(50);
const MAKE_ROOM_WAIT: Duration = Duration::from_millis(1);

/// What fjall may use.
#[derive(Clone, Copy, Debug)]
pub struct FjallOptions {
    /// Size at which the changes of a space go from memory to a table.
    pub memtable_bytes: u64,
    /// Cache of blocks of tables.
    pub cache_bytes: u64,
    /// Size of all journals at which old ones are made dispensable; at least 64 MiB.
    pub journal_bytes_max: u64,
    /// Unsynced bytes after which a commit ends with a sync, so that no later sync has much to do.
    pub unsynced_bytes_max: u64,
    /// Descriptors of tables that are kept open.
    pub tables_open: usize,
    /// Cut off what a power loss left damaged at the end of the newest journal, rather than refuse to open. For
    /// those who know by other means how far the database must reach.
    pub cut_damaged_tail: bool,
}

impl FjallOptions {
    /// For the log: everything is synced, all but the newest entries are rarely read, and what is cut off is to leave the
    /// disk: a journal goes as soon as the next one is begun.
    #[must_use]
    pub const fn log() -> Self {
        Self {
            memtable_bytes: 16 << 20,
            cache_bytes: 2 << 20,
            journal_bytes_max: 64 << 20,
            unsynced_bytes_max: u64::MAX,
            tables_open: 128,
            cut_damaged_tail: false,
        }
    }

    /// For the state: nothing is synced for its own sake, and values have a cache of their own above. What its journals hold is read
    /// again at a start, so that one goes as soon as the next is begun.
    #[must_use]
    pub const fn state() -> Self {
        Self {
            memtable_bytes: 16 << 20,
            cache_bytes: 8 << 20,
            journal_bytes_max: 64 << 20,
            unsynced_bytes_max: 4 << 20,
            tables_open: 128,
            cut_damaged_tail: true,
        }
    }
}

/// One fjall database.
pub struct FjallEngine {
    /// Dropped first: they work on what comes after them.
    discarding: Background,
    reclaiming: Background,
    path: PathBuf,
    database: Database,
    spaces: Arc<[(Space, Keyspace)]>,
    options: FjallOptions,
    unsynced_bytes: u64,
    stopped: bool,
    commits: Durations,
}

impl FjallEngine {
    /// The time of each commit goes there.
    #[must_use]
    pub fn measured(mut self, commits: Durations) -> Self {
        self.commits = commits;
        self
    }

    /// Opens the database at `path`, or creates it. It holds `spaces` and no others.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process has it open; damage; any refusal of the disk.
    pub fn open(
        path: &Path,
        spaces: &[Space],
        options: FjallOptions,
    ) -> Result<Self, StorageError> {
        let (database, spaces) = open::database(path, spaces, options)?;
        Ok(Self {
            discarding: Background::default(),
            reclaiming: Background::default(),
            path: path.to_owned(),
            database,
            spaces: spaces.into(),
            options,
            unsynced_bytes: 0,
            stopped: false,
            commits: Durations::default(),
        })
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a reader of it is alive.
    pub(super) fn is_read(&self) -> bool {
        Arc::strong_count(&self.spaces) > 1
    }

    fn keyspace(&self, space: Space) -> Result<&Keyspace, StorageError> {
        find(&self.spaces, space)
    }

    /// Waits a little while the workers are behind. fjall itself would first spin, then sleep for 100 ms at a time.
    fn make_room(&self) {
        let mut waited = Duration::ZERO;
        let full = self.options.memtable_bytes.saturating_mul(3);
        while waited < MAKE_ROOM_WAIT_MAX
            && (self.database.outstanding_flushes() > 1 || self.database.write_buffer_size() > full)
        {
            std::thread::sleep(MAKE_ROOM_WAIT);
            waited += MAKE_ROOM_WAIT;
        }
    }

    fn translate(&self, batch: Batch) -> Result<WriteBatch, StorageError> {
        let ops = last_of_each_key(batch.into_ops());
        let mut out = WriteBatch::with_capacity(self.database.clone(), ops.len());
        for op in ops {
            match op {
                Op::Put(space, key, value) => out.insert(self.keyspace(space)?, key, value),
                Op::Remove(space, key) => out.remove(self.keyspace(space)?, key),
            }
        }
        Ok(out)
    }

    /// Remembers an error (I4) and puts it into our words.
    fn settle(&mut self, outcome: ::fjall::Result<()>, doing: &str) -> Result<(), StorageError> {
        outcome.map_err(|error| {
            self.stopped = true;
            open::explain(error, &self.path, doing)
        })
    }
}

impl Engine for FjallEngine {
    #[expect(
        clippy::disallowed_methods,
        reason = "a measurement of the real disk, which decides nothing"
    )]
    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        if self.stopped {
            return Err(StorageError::Stopped);
        }
        let begun = Instant::now();
        let synced = durability == Durability::Synced;
        if batch.is_empty() {
            return if synced { self.sync() } else { Ok(()) };
        }
        self.make_room();
        let bytes = u64::try_from(batch.bytes()).unwrap_or(u64::MAX);
        let mode = if synced { PersistMode::SyncData } else { PersistMode::Buffer };
        let batch = self.translate(batch)?.durability(Some(mode));
        self.settle(batch.commit(), "committing a batch")?;
        self.unsynced_bytes = if synced { 0 } else { self.unsynced_bytes.saturating_add(bytes) };
        let outcome = if self.unsynced_bytes >= self.options.unsynced_bytes_max {
            self.sync()
        } else {
            Ok(())
        };
        self.commits.observe(begun.elapsed());
        outcome
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        if self.stopped {
            return Err(StorageError::Stopped);
        }
        let outcome = self.database.persist(PersistMode::SyncData);
        self.settle(outcome, "syncing the journal")?;
        self.unsynced_bytes = 0;
        Ok(())
    }

    fn is_synced(&self) -> bool {
        self.unsynced_bytes == 0
    }

    /// Drops the tables that hold nothing else. What is in memory or shares a table with later keys goes with a later call.
    fn discard_below(&mut self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        if self.stopped {
            return Err(StorageError::Stopped);
        }
        if self.discarding.is_busy() {
            return Ok(());
        }
        let before = self.discarding.join();
        self.settle(before, "dropping tables")?;
        let keyspace = self.keyspace(space)?.clone();
        if discard::has_table_below(&keyspace, key) {
            self.discarding = discard::begin(keyspace, key).map_err(|source| {
                let context = format!("a thread that drops tables of {}", self.path.display());
                StorageError::Io { context, source }
            })?;
        }
        Ok(())
    }

    /// Room for all tables once more, and for what is written meanwhile.
    fn reclaim_lacks(&self) -> u64 {
        let wanted = self.table_bytes().saturating_add(self.options.journal_bytes_max);
        // Where the system does not tell, fjall finds out.
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return 0 };
        wanted.saturating_sub(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn begin_reclaim(&mut self, step: ReclaimStep) -> Result<(), StorageError> {
        if self.stopped {
            return Err(StorageError::Stopped);
        }
        let before = self.reclaiming.join();
        self.settle(before, "writing tables anew")?;
        let (database, spaces) = (self.database.clone(), Arc::clone(&self.spaces));
        let work = move || match step {
            ReclaimStep::Rewrite => reclaim::rewrite(&database, &spaces),
            ReclaimStep::Release => reclaim::release(&spaces),
        };
        self.reclaiming = Background::begin("reclaim", work).map_err(|source| {
            let context = format!("a thread that writes tables of {}", self.path.display());
            StorageError::Io { context, source }
        })?;
        Ok(())
    }

    fn is_reclaimed(&mut self) -> Result<bool, StorageError> {
        if self.reclaiming.is_busy() {
            return Ok(false);
        }
        let outcome = self.reclaiming.join();
        self.settle(outcome, "writing tables anew").map(|()| true)
    }

    fn reader(&mut self) -> Arc<dyn Reader> {
        let snapshot = self.database.snapshot();
        Arc::new(FjallReader::new(snapshot, Arc::clone(&self.spaces), self.path.as_path()))
    }

    /// What the files occupy, holes not counted. Walks the directory: not for a hot path.
    fn disk_bytes(&self) -> u64 {
        open::occupied_bytes(&self.path)
    }

    fn table_bytes(&self) -> u64 {
        self.spaces.iter().map(|(_, keyspace)| keyspace.disk_space()).sum()
    }
}

fn find(spaces: &[(Space, Keyspace)], space: Space) -> Result<&Keyspace, StorageError> {
    let found = spaces.iter().find(|(name, _)| *name == space);
    found.map(|(_, keyspace)| keyspace).ok_or_else(|| StorageError::Io {
        context: format!("space {:?}", space.name()),
        source: std::io::Error::other("the database was opened without it"),
    })
}

/// Leaves the last change of each key. Rows come in ascending order almost always, and then nothing needs doing.
fn last_of_each_key(ops: Vec<Op>) -> Vec<Op> {
    fn place(op: &Op) -> (Space, &[u8]) {
        match op {
            Op::Put(space, key, _) | Op::Remove(space, key) => (*space, key),
        }
    }
    if ops.is_sorted_by(|a, b| place(a) < place(b)) {
        return ops;
    }
    let mut newest = BTreeMap::new();
    for op in ops {
        let (space, key) = place(&op);
        newest.insert((space, key.to_vec()), op);
    }
    newest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::suite;

    const SPACES: [Space; 2] = [Space::Rows, Space::Meta];

    fn open(path: &Path) -> FjallEngine {
        FjallEngine::open(path, &SPACES, FjallOptions::state()).unwrap()
    }

    fn nice(thread: i32) -> Option<i32> {
        let pid = rustix::process::Pid::from_raw(thread)?;
        rustix::process::getpriority_process(Some(pid)).ok()
    }

    #[test]
    fn the_fjall_engine_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        suite::run(|name| Box::new(open(&dir.path().join(name))));
        suite::run_reopening(|name| Box::new(open(&dir.path().join(name))));
    }

    #[test]
    fn a_second_open_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let _first = open(dir.path());
        let second = FjallEngine::open(dir.path(), &SPACES, FjallOptions::state());
        assert!(matches!(second, Err(StorageError::Locked { .. })));
    }

    #[test]
    fn a_half_created_database_is_created_again() {
        // A process that dies in its first open leaves a journal of zeros and no version marker.
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("keyspaces")).unwrap();
        std::fs::write(dir.path().join("lock"), []).unwrap();
        std::fs::File::create(dir.path().join("0.jnl")).unwrap().set_len(64 << 20).unwrap();
        let mut engine = open(dir.path());
        assert_eq!(engine.reader().last(Space::Rows).unwrap(), None);
    }

    #[test]
    fn a_database_that_lost_its_marker_is_not_created_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        let mut batch = Batch::new();
        batch.put(Space::Rows, b"k".as_slice(), b"v".as_slice());
        engine.commit(batch, Durability::Synced).unwrap();
        drop(engine);
        std::fs::remove_file(dir.path().join("version")).unwrap();
        let again = FjallEngine::open(dir.path(), &SPACES, FjallOptions::state());
        assert!(matches!(again, Err(StorageError::Damaged { .. })));
        assert!(std::fs::read(dir.path().join("0.jnl")).unwrap().iter().any(|byte| *byte != 0));
    }

    #[test]
    fn a_space_the_database_was_not_opened_with_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        let mut batch = Batch::new();
        batch.put(Space::Log, b"k".as_slice(), b"v".as_slice());
        assert!(engine.commit(batch, Durability::Synced).is_err());
        assert!(engine.reader().get(Space::Log, b"k").is_err());
    }

    #[test]
    fn readers_outlive_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        let mut batch = Batch::new();
        batch.put(Space::Rows, b"k".as_slice(), b"v".as_slice());
        engine.commit(batch, Durability::Synced).unwrap();
        let reader = engine.reader();
        drop(engine);
        assert_eq!(reader.get(Space::Rows, b"k").unwrap().as_deref(), Some(b"v".as_slice()));
    }

    #[test]
    fn workers_run_at_low_priority_also_of_databases_that_are_opened_at_once() {
        let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        let all = std::sync::Barrier::new(dirs.len());
        let start = |dir: &tempfile::TempDir| {
            all.wait();
            open(dir.path())
        };
        let engines: Vec<_> = std::thread::scope(|scope| {
            let start = &start;
            let threads: Vec<_> = dirs.iter().map(|dir| scope.spawn(move || start(dir))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        // Other tests have engines too, of which one may be half open.
        let _nobody_else = priority::Before::take();
        let nice: Vec<i32> =
            priority::worker_threads().unwrap().into_iter().filter_map(nice).collect();
        let at = |wanted: i32| nice.iter().filter(|nice| **nice == wanted).count();
        assert!(at(15) >= engines.len() && at(5) >= engines.len(), "{nice:?}");
    }

    #[test]
    fn a_thread_that_stood_back_starts_workers_that_stand_back_too() {
        let dir = tempfile::tempdir().unwrap();
        let open = move || {
            super::stand_back();
            let own = rustix::process::getpriority_process(None).unwrap();
            let before = priority::worker_threads().unwrap();
            let _engine = open(dir.path());
            let _nobody_else = priority::Before::take();
            let now = priority::worker_threads().unwrap();
            let born: Vec<i32> = now.difference(&before).copied().collect();
            (own, born.into_iter().filter_map(nice).collect::<Vec<_>>())
        };
        let (own, nice) = std::thread::spawn(open).join().unwrap();
        assert!(own >= 10 && nice.contains(&own), "{own}: {nice:?}");
    }
}

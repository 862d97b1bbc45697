//! [`Home`]: where a state database stands, and how another one takes its place.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Engine, FjallEngine, FjallOptions, SimDisk, SimEngine, Space, StorageError};
use crate::metrics::Durations;

/// Where the state of a member stands. Another state is staged beside it, and takes its place at once or not at all.
pub trait Home: Send + Sync + 'static {
    type Engine: Engine;

    /// An empty database to fill; what was staged before is gone. One at a time, and never while [`Home::switch`] runs.
    ///
    /// # Errors
    /// A refusal of the disk.
    fn stage(&self) -> Result<Self::Engine, StorageError>;

    /// Makes what was staged, synced and dropped the state, durably; `number` is above those of earlier switches. After a
    /// crash it is the state or it was never there.
    ///
    /// # Errors
    /// A refusal of the disk.
    fn switch(&self, number: u64) -> Result<Self::Engine, StorageError>;

    /// Gives up the engine that another one took the place of, and its space once nobody reads from it.
    fn retire(&self, old: Self::Engine);
}

/// Spaces of a state database.
const SPACES: [Space; 3] = [Space::Rows, Space::System, Space::Meta];

/// Name of the first state; a later one has its number behind it.
const STATE: &str = "state";
/// Digits of that number.
const DIGITS: usize = 20;
/// Name of what is staged.
const STAGED: &str = "state.staged";

/// Time between two looks whether an old state is still read from.
const RETIRE_LOOK: Duration = Duration::from_secs(1);

/// The state databases in the directory of a member. The one with the highest number counts.
#[derive(Clone, Debug)]
pub struct StateDirs {
    dir: PathBuf,
    options: FjallOptions,
    commits: Durations,
}

impl StateDirs {
    /// Those in `dir`.
    #[must_use]
    pub fn new(dir: &Path, options: FjallOptions) -> Self {
        Self { dir: dir.to_owned(), options, commits: Durations::default() }
    }

    /// Time of each commit to the state that counts.
    #[must_use]
    pub fn commits(&self) -> Durations {
        self.commits.clone()
    }

    /// Whether `dir` has a state.
    ///
    /// # Errors
    /// A refusal of the disk.
    pub fn exists(dir: &Path) -> io::Result<bool> {
        Ok(numbers(dir)?.last().is_some())
    }

    /// Opens the state that counts, or creates the first; removes what a crash left beside it.
    ///
    /// # Errors
    /// As [`FjallEngine::open`].
    pub fn open(&self) -> Result<FjallEngine, StorageError> {
        let found = numbers(&self.dir).map_err(|error| refused(&self.dir, error))?;
        let (current, older) = match found.split_last() {
            Some((last, older)) => (*last, older),
            None => (0, found.as_slice()),
        };
        for path in older.iter().map(|number| self.path(*number)).chain([self.staged()]) {
            remove(&path)?;
        }
        self.engine(current)
    }

    fn engine(&self, number: u64) -> Result<FjallEngine, StorageError> {
        let engine = FjallEngine::open(&self.path(number), &SPACES, self.options)?;
        Ok(engine.measured(self.commits()))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(match number {
            0 => STATE.to_owned(),
            number => format!("{STATE}.{number:0DIGITS$}"),
        })
    }

    fn staged(&self) -> PathBuf {
        self.dir.join(STAGED)
    }
}

impl Home for StateDirs {
    type Engine = FjallEngine;

    fn stage(&self) -> Result<FjallEngine, StorageError> {
        let path = self.staged();
        remove(&path)?;
        FjallEngine::open(&path, &SPACES, self.options)
    }

    fn switch(&self, number: u64) -> Result<FjallEngine, StorageError> {
        let path = self.path(number);
        // The rename is the switch: an open takes the highest number.
        fs::rename(self.staged(), &path)
            .and_then(|()| File::open(&self.dir)?.sync_all())
            .map_err(|error| refused(&path, error))?;
        self.engine(number)
    }

    fn retire(&self, old: FjallEngine) {
        let give_up = move || {
            while old.is_read() {
                thread::sleep(RETIRE_LOOK);
            }
            let path = old.path().to_owned();
            drop(old);
            if let Err(error) = remove(&path) {
                tracing::warn!(path = %path.display(), %error, "the next start removes an old state");
            }
        };
        if let Err(error) = thread::Builder::new().name("retire".to_owned()).spawn(give_up) {
            tracing::warn!(%error, "the next start removes an old state");
        }
    }
}

/// The numbers of the states in `dir`, in order.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    let children = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        children => children?,
    };
    for child in children {
        let name = child?.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(STATE));
        match rest {
            Some("") => found.push(0),
            Some(rest) => {
                let digits = rest.strip_prefix('.').filter(|digits| digits.len() == DIGITS);
                found.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
            }
            None => {}
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn remove(path: &Path) -> Result<(), StorageError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(refused(path, error)),
        _ => Ok(()),
    }
}

fn refused(path: &Path, source: io::Error) -> StorageError {
    StorageError::Io { context: format!("the state at {}", path.display()), source }
}

/// Simulated disks for a state and what is staged beside it. Clones are the same disks.
#[derive(Clone, Default)]
pub struct SimHome {
    disks: Arc<Mutex<SimDisks>>,
}

#[derive(Default)]
struct SimDisks {
    current: SimDisk,
    staged: SimDisk,
}

impl SimHome {
    /// The disk of the state.
    #[must_use]
    pub fn current(&self) -> SimDisk {
        self.lock().current.clone()
    }

    /// Others with what is durable on these.
    #[must_use]
    pub fn fork(&self) -> Self {
        let disks = self.lock();
        let disks = SimDisks { current: disks.current.fork(), staged: disks.staged.fork() };
        Self { disks: Arc::new(Mutex::new(disks)) }
    }

    /// Cuts the power, as [`SimDisk::crash`] for both disks.
    pub fn crash(&self, number: u64) {
        let disks = self.lock();
        disks.current.crash(number);
        disks.staged.crash(number);
    }

    fn lock(&self) -> MutexGuard<'_, SimDisks> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for SimHome {
    type Engine = SimEngine;

    fn stage(&self) -> Result<SimEngine, StorageError> {
        let mut disks = self.lock();
        disks.staged = SimDisk::new();
        Ok(disks.staged.open())
    }

    fn switch(&self, _number: u64) -> Result<SimEngine, StorageError> {
        let mut disks = self.lock();
        disks.current = std::mem::take(&mut disks.staged);
        Ok(disks.current.open())
    }

    fn retire(&self, _old: SimEngine) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Batch, Durability};

    fn put(engine: &mut FjallEngine, value: u8) {
        let mut batch = Batch::new();
        batch.put(Space::Meta, b"k".as_slice(), [value]);
        engine.commit(batch, Durability::Synced).unwrap();
    }

    fn value(engine: &mut FjallEngine) -> Option<u8> {
        let value = engine.reader().get(Space::Meta, b"k").unwrap()?;
        value.first().copied()
    }

    fn states(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|child| child.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_staged_is_nothing_until_it_is_switched_to_and_then_all_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = StateDirs::new(dir.path(), FjallOptions::state());
        assert!(!StateDirs::exists(dir.path()).unwrap());
        put(&mut dirs.open().unwrap(), 1);
        assert!(StateDirs::exists(dir.path()).unwrap());
        put(&mut dirs.stage().unwrap(), 2);
        assert_eq!(states(dir.path()), ["state", "state.staged"]);
        // A start before the switch.
        let mut first = dirs.open().unwrap();
        assert_eq!((value(&mut first), states(dir.path())), (Some(1), vec!["state".to_owned()]));
        for number in [9, 10] {
            put(&mut dirs.stage().unwrap(), u8::try_from(number).unwrap());
            let mut second = dirs.switch(number).unwrap();
            assert_eq!(value(&mut second).map(u64::from), Some(number));
        }
        // What is read from stays as it was.
        assert_eq!(value(&mut first), Some(1));
        drop(first);
        // A start after it.
        assert_eq!(value(&mut dirs.open().unwrap()), Some(10));
        assert_eq!(states(dir.path()), ["state.00000000000000000010"]);
    }

    #[test]
    fn an_old_state_goes_once_nobody_reads_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = StateDirs::new(dir.path(), FjallOptions::state());
        let mut old = dirs.open().unwrap();
        put(&mut old, 1);
        let reader = old.reader();
        put(&mut dirs.stage().unwrap(), 2);
        let mut new = dirs.switch(5).unwrap();
        dirs.retire(old);
        assert_eq!(reader.get(Space::Meta, b"k").unwrap().as_deref(), Some([1].as_slice()));
        drop(reader);
        while dir.path().join(STATE).exists() {
            thread::yield_now();
        }
        assert_eq!(value(&mut new), Some(2));
    }
}

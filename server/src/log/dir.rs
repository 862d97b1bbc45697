//! A log in a data directory: `log/` is the database, `guard` the guard, `aside/` the copies while a check runs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use mini_etcd_shared::clock::Clock;
use mini_etcd_shared::types::{LogIndex, Term};

use super::aside::{Aside, sync_directory};
use super::error::{Finding, LogError};
use super::file::FileGuard;
use super::guard::{self, Found, Guard, SLOT_BYTES};
use super::store::{self, LogStore, Recovered};
use crate::storage::{FjallEngine, FjallOptions, Space, StorageError};

const SPACES: [Space; 2] = [Space::Log, Space::LogMeta];

/// A log on disk.
pub type DirStore<C> = LogStore<FjallEngine, FileGuard, C>;

/// Whether nothing was ever acknowledged here: no log, or one whose creation did not come to its end. Changes nothing.
///
/// # Errors
/// Any refusal of the disk.
pub fn is_new(dir: &Path) -> Result<bool, LogError> {
    let found = match fs::read(dir.join(FileGuard::NAME)) {
        Ok(bytes) => guard::newest(&[slot_of(&bytes, 0), slot_of(&bytes, 1)]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(error) => return Err(refused(dir)(error).into()),
    };
    Ok(match found {
        Found::Nothing => !log_exists(dir)?,
        Found::Unreadable => false,
        Found::Slot(slot) => slot.newborn,
    })
}

/// Opens the log in `dir` after checking all of it. With a `birth` a new one is created if there is none yet.
///
/// # Errors
/// What was acknowledged is missing or damaged; another process has the directory; any refusal of the disk.
pub fn open_dir<C: Clock>(
    dir: &Path,
    clock: C,
    birth: Option<(LogIndex, Term)>,
) -> Result<(DirStore<C>, Recovered), LogError> {
    open_dir_with(dir, clock, birth, FjallOptions::log())
}

/// [`open_dir`] with options of the engine.
///
/// # Errors
/// As [`open_dir`].
pub fn open_dir_with<C: Clock>(
    dir: &Path,
    clock: C,
    birth: Option<(LogIndex, Term)>,
    options: FjallOptions,
) -> Result<(DirStore<C>, Recovered), LogError> {
    match (is_new(dir)?, birth) {
        (true, Some(birth)) => create(dir, clock, birth, options),
        (true, None) => {
            let (place, finding) = (dir.display().to_string(), Finding::NoLog);
            Err(LogError::Missing { place, finding })
        }
        (false, _) => open(dir, clock, options),
    }
}

fn create<C: Clock>(
    dir: &Path,
    clock: C,
    birth: (LogIndex, Term),
    options: FjallOptions,
) -> Result<(DirStore<C>, Recovered), LogError> {
    fs::create_dir_all(dir).map_err(refused(dir))?;
    let file = FileGuard::open(dir)?;
    // From here on the guard says that whatever is found was never acknowledged.
    let mut guard = Guard::new(file, clock.clone())?;
    guard.announce(store::birth_mark(birth))?;
    let log = log_path(dir);
    if log.try_exists().map_err(refused(dir))? {
        refuse_if_open(dir)?;
        fs::remove_dir_all(&log).map_err(refused(dir))?;
    }
    let engine = FjallEngine::open(&log, &SPACES, options)?;
    sync_directory(dir).map_err(refused(dir))?;
    let parent = dir.canonicalize().map_err(refused(dir))?;
    sync_directory(parent.parent().unwrap_or(dir)).map_err(refused(dir))?;
    LogStore::create(engine, guard.into_file(), clock, birth)
}

fn open<C: Clock>(
    dir: &Path,
    clock: C,
    options: FjallOptions,
) -> Result<(DirStore<C>, Recovered), LogError> {
    let file = FileGuard::open(dir)?;
    let slot = store::usable_slot(&file)?;
    if !log_exists(dir)? {
        let (place, finding) = (dir.display().to_string(), Finding::NoLog);
        return Err(LogError::Missing { place, finding });
    }
    refuse_if_open(dir)?;
    let aside = Aside::new(dir, &log_path(dir));
    if slot.clean {
        aside.discard().map_err(refused(dir))?;
    } else {
        aside.take().map_err(refused(dir))?;
    }
    let mut checked = check(dir, file, clock.clone(), options);
    if !slot.clean && matches!(checked, Err(LogError::Storage(StorageError::Damaged { .. }))) {
        // A batch with a hole, if it lies behind the guard, is what a power loss leaves. If it does not, the cut log is
        // too short, and the first finding stands.
        aside.take().map_err(refused(dir))?;
        let options = FjallOptions { cut_damaged_tail: true, ..options };
        if let Ok(cut) = check(dir, FileGuard::open(dir)?, clock, options) {
            checked = Ok(cut);
        }
    }
    match checked {
        Ok(_) => aside.discard(),
        Err(_) => aside.put_back(),
    }
    .map_err(refused(dir))?;
    checked
}

/// Opens engine and log. Damage can make fjall panic wherever it reads.
fn check<C: Clock>(
    dir: &Path,
    file: FileGuard,
    clock: C,
    options: FjallOptions,
) -> Result<(DirStore<C>, Recovered), LogError> {
    let open = || {
        let engine = FjallEngine::open(&log_path(dir), &SPACES, options)?;
        LogStore::open(engine, file, clock)
    };
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| {
        let path = log_path(dir).display().to_string();
        Err(StorageError::Damaged { path, detail: "reading it panicked".to_owned() }.into())
    })
}

fn log_path(dir: &Path) -> PathBuf {
    dir.join("log")
}

fn log_exists(dir: &Path) -> Result<bool, LogError> {
    Ok(log_path(dir).join("version").try_exists().map_err(refused(dir))?)
}

/// The guard's lock is the lock of the directory; this also finds a database that somebody opened without it.
fn refuse_if_open(dir: &Path) -> Result<(), LogError> {
    let lock = match File::options().write(true).open(log_path(dir).join("lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(dir)(error).into()),
    };
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(StorageError::Locked { path: dir.display().to_string() }.into())
        }
        Err(TryLockError::Error(error)) => Err(refused(dir)(error).into()),
    }
}

fn refused(dir: &Path) -> impl Fn(io::Error) -> StorageError + '_ {
    move |source| StorageError::Io {
        context: format!("opening the log in {}", dir.display()),
        source,
    }
}

/// A slot of a guard file that was read.
fn slot_of(file: &[u8], slot: usize) -> Option<[u8; SLOT_BYTES]> {
    let at = usize::try_from(super::file::offset(slot)).ok()?;
    file.get(at..)?.first_chunk().copied()
}

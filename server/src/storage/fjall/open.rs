//! Opening a database, and putting what goes wrong into our words.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::fjall::config::{BlockSizePolicy, CompressionPolicy};
use ::fjall::{CompressionType, Database, Error, Keyspace, KeyspaceCreateOptions};

use super::{FjallOptions, priority, repair, verify};
use crate::storage::{Space, StorageError};

/// Sequence numbers that no honest database reaches. One read from a damaged journal may be anything.
const SEQUENCE_MAX: u64 = 1 << 56;

/// First bytes of a journal that tell whether anything was written to it.
const JOURNAL_HEAD_BYTES: u64 = 4096;

type Spaces = Vec<(Space, Keyspace)>;

pub(super) fn database(
    path: &Path,
    spaces: &[Space],
    options: FjallOptions,
) -> Result<(Database, Spaces), StorageError> {
    clear_half_created(path)?;
    verify::files(path)?;
    let before = priority::Before::take();
    let (database, spaces) = match attempt(path, spaces, options) {
        Err(StorageError::Damaged { detail, .. }) if options.cut_damaged_tail => {
            let cut = repair::cut_damaged_tail(path);
            if !cut.map_err(|error| explain(error.into(), path, "repairing"))? {
                return Err(damaged(path, &detail));
            }
            tracing::warn!(path = %path.display(), detail, "a damaged tail was cut off");
            attempt(path, spaces, options)?
        }
        opened => opened?,
    };
    if database.seqno() > SEQUENCE_MAX {
        return Err(damaged(path, "a sequence number cannot be"));
    }
    before.stand_back();
    Ok((database, spaces))
}

fn attempt(
    path: &Path,
    spaces: &[Space],
    options: FjallOptions,
) -> Result<(Database, Spaces), StorageError> {
    // fjall panics on some of what damage can do to its journals.
    let opened = catch_unwind(AssertUnwindSafe(|| open(path, spaces, options)));
    let opened = opened.map_err(|_| damaged(path, "opening it panicked"))?;
    opened.map_err(|error| explain(error, path, "opening"))
}

fn open(
    path: &Path,
    spaces: &[Space],
    options: FjallOptions,
) -> ::fjall::Result<(Database, Spaces)> {
    let database = Database::builder(path)
        .worker_threads(priority::WORKERS)
        .cache_size(options.cache_bytes)
        .max_journaling_size(options.journal_bytes_max)
        .max_cached_files(Some(options.tables_open))
        // Recovery packs values again to check their sum: another version of the packer would refuse a good journal.
        .journal_compression(CompressionType::None)
        .open()?;
    let spaces = spaces
        .iter()
        .map(|space| {
            let keyspace = database.keyspace(space.name(), || keyspace_options(*space, options))?;
            Ok((*space, keyspace))
        })
        .collect::<::fjall::Result<_>>()?;
    Ok((database, spaces))
}

/// Stored when a space is created; later changes here do not reach spaces that exist.
fn keyspace_options(space: Space, options: FjallOptions) -> KeyspaceCreateOptions {
    let rows = matches!(space, Space::Log | Space::Rows);
    KeyspaceCreateOptions::default()
        .max_memtable_size(options.memtable_bytes)
        .data_block_compression_policy(CompressionPolicy::disabled())
        .data_block_size_policy(BlockSizePolicy::all(4096))
        // Rows are asked for by keys that are known to be there.
        .expect_point_read_hits(rows)
}

/// Removes what a process left that died while it created the database: without this it never opens again.
/// Only if nothing was ever written to it.
fn clear_half_created(path: &Path) -> Result<(), StorageError> {
    let io =
        |source| StorageError::Io { context: format!("looking at {}", path.display()), source };
    if path.join("version").try_exists().map_err(io)?
        || !path.join("0.jnl").try_exists().map_err(io)?
    {
        return Ok(());
    }
    let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
    match lock.map_err(io)?.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked(path)),
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    if holds_data(path).map_err(io)? {
        return Err(damaged(path, "the file \"version\" is gone"));
    }
    fs::remove_file(path.join("0.jnl")).map_err(io)
}

fn holds_data(path: &Path) -> io::Result<bool> {
    let keyspaces = path.join("keyspaces");
    if keyspaces.try_exists()? && fs::read_dir(keyspaces)?.next().is_some() {
        return Ok(true);
    }
    let mut head = Vec::new();
    File::open(path.join("0.jnl"))?.take(JOURNAL_HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head.iter().any(|byte| *byte != 0))
}

/// An error of fjall in our words. What is not a refusal of the operating system is damage.
pub(super) fn explain(error: Error, path: &Path, doing: &str) -> StorageError {
    match error {
        Error::Locked => locked(path),
        Error::Poisoned => ask_the_disk(path, doing),
        Error::Io(source) | Error::Storage(::fjall::LsmError::Io(source)) => {
            match source.kind() {
                // The files are there and can be read, but are not what they should be.
                ErrorKind::UnexpectedEof
                | ErrorKind::InvalidData
                | ErrorKind::InvalidInput
                | ErrorKind::NotFound => damaged(path, &source.to_string()),
                _ => StorageError::Io { context: format!("{doing} {}", path.display()), source },
            }
        }
        other => damaged(path, &other.to_string()),
    }
}

/// Bytes that a disk must take for the cause of a stop to lie elsewhere; more than a file system keeps back.
const PROBE_BYTES: usize = 4 << 20;

/// fjall only says that an error of a background thread ended it. The usual one is a full disk, and the operator is
/// to read that, so the disk is asked with a file of its own.
fn ask_the_disk(path: &Path, doing: &str) -> StorageError {
    let probe = path.join("probe");
    let written = File::create(&probe)
        .and_then(|mut file| file.write_all(&vec![0; PROBE_BYTES]).and_then(|()| file.sync_all()));
    // What cannot be removed is removed, or written over, by the next probe.
    let _ = fs::remove_file(&probe);
    match written {
        Ok(()) => StorageError::Stopped,
        Err(source) => StorageError::Io { context: format!("{doing} {}", path.display()), source },
    }
}

pub(super) fn damaged(path: &Path, detail: &str) -> StorageError {
    StorageError::Damaged { path: path.display().to_string(), detail: detail.to_owned() }
}

fn locked(path: &Path) -> StorageError {
    StorageError::Locked { path: path.display().to_string() }
}

/// Bytes that the files below `path` occupy. Files come and go meanwhile; what is gone counts nothing.
pub(super) fn occupied_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    const BLOCK_BYTES: u64 = 512;
    let Ok(children) = fs::read_dir(path) else { return 0 };
    let sizes = children.filter_map(Result::ok).map(|child| match child.metadata() {
        Ok(metadata) if metadata.is_dir() => occupied_bytes(&child.path()),
        Ok(metadata) => metadata.blocks() * BLOCK_BYTES,
        Err(_) => 0,
    });
    sizes.sum()
}

//! Compares manifests and tables with their checksums before fjall opens them.
//!
//! fjall stores a checksum for each manifest and each table and does not look at them when it opens: a damaged count
//! there makes it ask for memory that no machine has, or panic in a place from which nothing can be caught. Journals are
//! not checked here; what is wrong with them fjall survives, and `log` finds out.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use xxhash_rust::xxh3::Xxh3Default;

use super::open::damaged;
use crate::storage::StorageError;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 18;

/// The only kind of checksum there is: xxh3 of 128 bits.
const CHECKSUM_KIND: u8 = 0;

/// Checks all trees of the database at `path`.
pub(super) fn files(path: &Path) -> Result<(), StorageError> {
    for tree in trees(path).map_err(|error| refused(path, error))? {
        tree_files(&tree).map_err(|fault| match fault {
            Fault::Io(error) if error.kind() == ErrorKind::NotFound => {
                damaged(&tree, "a file is missing")
            }
            Fault::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                damaged(&tree, "a file is too short")
            }
            Fault::Io(error) => refused(&tree, error),
            Fault::Content(what) => damaged(&tree, &what),
        })?;
    }
    Ok(())
}

enum Fault {
    Io(io::Error),
    Content(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn refused(path: &Path, source: io::Error) -> StorageError {
    StorageError::Io { context: format!("checking {}", path.display()), source }
}

fn trees(path: &Path) -> io::Result<Vec<PathBuf>> {
    let children = match fs::read_dir(path.join("keyspaces")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        children => children?,
    };
    let mut trees = Vec::new();
    for child in children {
        let tree = child?.path();
        // A tree without this was never finished, and fjall removes it.
        if tree.join("current").try_exists()? {
            trees.push(tree);
        }
    }
    Ok(trees)
}

fn tree_files(tree: &Path) -> Result<(), Fault> {
    let current = fs::read(tree.join("current"))?;
    let unreadable = || Fault::Content("the file \"current\" cannot be read".to_owned());
    let mut current = Bytes::from(current);
    let version = current.try_get_u64_le().map_err(|_| unreadable())?;
    let checksum = current.try_get_u128_le().map_err(|_| unreadable())?;
    if current.try_get_u8() != Ok(CHECKSUM_KIND) {
        return Err(unreadable());
    }
    let manifest = tree.join(format!("v{version}"));
    compare(&manifest, checksum)?;
    for (table, checksum) in tables(&manifest)? {
        compare(&tree.join("tables").join(table.to_string()), checksum)?;
    }
    Ok(())
}

fn compare(file: &Path, expected: u128) -> Result<(), Fault> {
    let mut hasher = Xxh3Default::new();
    let mut source = File::open(file)?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = source.read(&mut buffer)?;
        let (part, _) = buffer.split_at(count);
        if part.is_empty() {
            break;
        }
        hasher.update(part);
    }
    if hasher.digest128() == expected {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().display();
    Err(Fault::Content(format!("the checksum of {name} does not match")))
}

/// Tables of a manifest that was checked, with their checksums.
fn tables(manifest: &Path) -> Result<Vec<(u64, u128)>, Fault> {
    let unreadable = || Fault::Content("the manifest cannot be read".to_owned());
    let reader = sfa::Reader::new(manifest).map_err(|_| unreadable())?;
    let section = reader.toc().section(b"tables").ok_or_else(unreadable)?;
    let mut bytes = Vec::new();
    section.buf_reader(manifest)?.read_to_end(&mut bytes)?;
    read_tables(bytes.into()).ok_or_else(unreadable)
}

fn read_tables(mut bytes: Bytes) -> Option<Vec<(u64, u128)>> {
    let mut tables = Vec::new();
    for _ in 0..bytes.try_get_u8().ok()? {
        for _ in 0..bytes.try_get_u8().ok()? {
            for _ in 0..bytes.try_get_u32_le().ok()? {
                let table = bytes.try_get_u64_le().ok()?;
                let kind = bytes.try_get_u8().ok()?;
                let checksum = bytes.try_get_u128_le().ok()?;
                let _global_seqno = bytes.try_get_u64_le().ok()?;
                if kind != CHECKSUM_KIND {
                    return None;
                }
                tables.push((table, checksum));
            }
        }
    }
    Some(tables)
}

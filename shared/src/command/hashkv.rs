//! `hashkv`: prints the hash of the keys in a backup.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message as _;
use tokio::task::spawn_blocking;

use super::request::asks;
use super::snapshot_status::{META, REVISION_BYTES, VERSIONS, refusal};
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::target::Target;
use super::{CommandLine, Made, Refusal};
use crate::bbolt::{BackupFile, BboltError, Item};
use crate::failure::{Failure, exit};
use crate::format::{Answer, Facts, Field, Table, Value};

/// Where a database says up to which revision history is gone, or is to go.
const COMPACTED: &[&[u8]] = &[b"finishedCompactRev", b"scheduledCompactRev"];

/// `hashkv`
pub(super) const HASHKV: CommandSpec = CommandSpec {
    effect: Effect::Local,
    args: &[Arg::needed("filename", ArgKind::File)],
    flags: &[Flag::new("rev", ValueKind::Int, "0", "hash keys up to this revision; 0 for all")],
    long: "Columns: hash, revision that it was taken up to, revision up to which history is gone (-1 for none). It is the hash that\n`endpoint hashkv` prints of the member that the backup is of.",
    examples: &["hashkv backup.db", "hashkv backup.db --rev 100 -w json"],
    ..CommandSpec::new("hashkv", "Prints the hash of the keys in a backup", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [path] = line.args() else {
        let text = format!("accepts 1 arg(s), received {}", line.args().len());
        return Err(Refusal {
            help: Some(Target::Command(&HASHKV)),
            ..Refusal::new(exit::ERROR, text)
        });
    };
    let asked = (PathBuf::from(OsStr::from_bytes(path)), line.int("rev"));
    Ok(asks(asked, |_, (path, revision)| async move {
        let read = spawn_blocking(move || hash(&path, revision)).await;
        read.unwrap_or_else(|error| Err(Failure::new(exit::ERROR, error.to_string())))
    }))
}

/// The hash of the keys of a backup.
#[derive(Debug, Default)]
struct Hashed {
    hash: u32,
    /// Up to which revision.
    revision: i64,
    /// Up to which history is gone; -1 for none.
    compacted: i64,
}

/// The last row of each key up to the revision that is hashed, unless that is a removal: of what is compacted these alone
/// count, as etcd has it, for others may be gone from the file or not.
type Kept = HashMap<Bytes, Vec<u8>>;

fn main_of(row: &[u8]) -> Option<i64> {
    row.first_chunk().map(|revision| i64::from_be_bytes(*revision))
}

/// The last revision, and the one up to which history is gone; -1 for none.
fn bounds(file: &BackupFile) -> Result<(i64, i64), BboltError> {
    let (mut last, mut compacted, mut bucket) = (0, -1, Vec::new());
    file.database()?.walk(&mut |item| {
        match item {
            Item::Bucket(name) => bucket = name.to_vec(),
            Item::Entry(key, value) if bucket == META && COMPACTED.contains(&key) => {
                compacted = main_of(value).unwrap_or(-1).max(compacted);
            }
            Item::Entry(row, _) if bucket == VERSIONS => {
                last = main_of(row).unwrap_or(0).max(last);
            }
            Item::Entry(..) => {}
        }
        Ok::<_, BboltError>(())
    })?;
    // A store begins at revision 1, and a compaction may have taken the row of the last.
    Ok((last.max(compacted).max(1), compacted))
}

/// Takes a row: its revision, its name and its value.
type Each<'a> = dyn FnMut(i64, &[u8], &[u8]) + 'a;

/// Calls `each` for every row up to a revision.
fn rows(file: &BackupFile, upper: i64, each: &mut Each<'_>) -> Result<(), BboltError> {
    let mut bucket = Vec::new();
    file.database()?.walk(&mut |item| {
        match item {
            Item::Bucket(name) => bucket = name.to_vec(),
            Item::Entry(row, value) if bucket == VERSIONS => {
                if let Some(main) = main_of(row).filter(|main| *main <= upper) {
                    each(main, row, value);
                }
            }
            Item::Entry(..) => {}
        }
        Ok::<_, BboltError>(())
    })
}

fn key_of(value: &[u8]) -> Bytes {
    // One that is no key is as good as none.
    KeyValue::decode(value).unwrap_or_default().key
}

fn hash(path: &Path, revision: i64) -> Result<Hashed, Failure> {
    let fail = |text: String| Failure::new(exit::ERROR, text);
    let damaged = |error: BboltError| fail(error.to_string());
    let file = BackupFile::open(path).map_err(|error| fail(refusal(path, &error)))?;
    let (now, compacted) = bounds(&file).map_err(damaged)?;
    let upper = if revision > 0 { revision } else { now };
    if upper > now {
        return Err(fail("mvcc: required revision is a future revision".to_owned()));
    }
    if upper < compacted {
        return Err(fail("mvcc: required revision has been compacted".to_owned()));
    }
    let mut kept = Kept::new();
    if compacted >= 0 {
        let keep = &mut |_, row: &[u8], value: &[u8]| {
            let key = key_of(value);
            if row.len() > REVISION_BYTES {
                kept.remove(&key);
            } else {
                kept.insert(key, row.to_vec());
            }
        };
        rows(&file, upper, keep).map_err(damaged)?;
    }
    let mut hash = crc32c::crc32c(VERSIONS);
    let add = &mut |main, row: &[u8], value: &[u8]| {
        let is_kept = || kept.get(&key_of(value)).is_some_and(|last| last == row);
        let is_gone = main <= compacted && !kept.is_empty() && !is_kept();
        // Some versions of etcd keep it, and some do not: it counts for nobody.
        let is_last_removal = main == compacted && row.len() > REVISION_BYTES;
        if !is_gone && !is_last_removal {
            hash = crc32c::crc32c_append(crc32c::crc32c_append(hash, row), value);
        }
    };
    rows(&file, upper, add).map_err(damaged)?;
    Ok(Hashed { hash, revision: upper, compacted })
}

impl Answer for Hashed {
    fn shown(&self, _hex: bool) -> Value {
        vec![
            Field::new("hash", "Hash", self.hash).always(),
            Field::new("hashRevision", "Hash revision", self.revision).always(),
            Field::new("compactRevision", "Compact revision", self.compacted).always(),
        ]
        .into()
    }

    fn table(&self) -> Option<Table> {
        let row =
            vec![self.hash.to_string(), self.revision.to_string(), self.compacted.to_string()];
        Some(Table { head: &["HASH", "HASH REVISION", "COMPACT REVISION"], rows: vec![row] })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { rev: Some(self.revision), ..Facts::default() }
    }
}

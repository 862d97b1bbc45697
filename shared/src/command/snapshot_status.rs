//! `snapshot status`: tells what is in a backup.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message as _;
use tokio::task::spawn_blocking;

use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made, Refusal, Report};
use crate::bbolt::{BackupFile, BboltError, Item};
use crate::failure::{Failure, exit};
use crate::format::{Answer, Facts, Field, Table, Value, count_of};
use crate::text::{size, words_of_system};

/// The bucket whose keys begin with a revision.
pub(super) const VERSIONS: &[u8] = b"key";
/// The bucket of what is to be known of all.
pub(super) const META: &[u8] = b"meta";
/// Where that says which version of etcd wrote it; etcd 3.5 does not say.
const STORAGE_VERSION: &[u8] = b"storageVersion";
/// Bytes of a revision's name; a removal has one more.
pub(super) const REVISION_BYTES: usize = 17;

/// `snapshot status`
pub(super) const SNAPSHOT_STATUS: CommandSpec = CommandSpec {
    group: "snapshot",
    effect: Effect::Local,
    args: &[Arg::needed("filename", ArgKind::File)],
    long: "Columns: hash, revision, keys, size, version of etcd that wrote it (3.6 and later). Every page is read and checked, and so is the checksum of the file if it\nhas one. It may be a backup of mini-etcd or of etcd, or a copy of a database file of etcd.",
    examples: &["snapshot status backup.db -w table"],
    ..CommandSpec::new("status", "Tells what is in a backup", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [path] = line.args() else {
        return Err(Refusal::bad_args("snapshot status requires exactly one argument"));
    };
    let path = PathBuf::from(OsStr::from_bytes(path));
    Ok(asks(path, |_, path| async move {
        let read = spawn_blocking(move || report(&path)).await;
        read.unwrap_or_else(|error| Failure::new(exit::ERROR, error.to_string()).into())
    }))
}

fn report(path: &Path) -> Report {
    let read = || -> Result<_, Failure> {
        let refuse = |error: io::Error| Failure::new(exit::ERROR, refusal(path, &error));
        let file = BackupFile::open(path).map_err(refuse)?;
        let status =
            Status::of(&file).map_err(|error| Failure::new(exit::ERROR, error.to_string()))?;
        Ok((status, file.is_sound().map_err(refuse)?))
    };
    match read() {
        Err(failure) => failure.into(),
        Ok((status, sound)) => {
            let what = "the file is damaged: its sha256 checksum is of something else";
            let failure = (sound == Some(false)).then(|| Failure::new(exit::ERROR, what));
            Report { failure, ..Report::of(status) }
        }
    }
}

/// In Go's words.
pub(super) fn refusal(path: &Path, error: &io::Error) -> String {
    let did = match error.kind() {
        io::ErrorKind::NotFound => "stat ",
        io::ErrorKind::IsADirectory | io::ErrorKind::PermissionDenied => "open ",
        _ => "",
    };
    format!("{did}{}: {}", path.display(), words_of_system(error))
}

/// What etcdutl says of a backup.
#[derive(Debug, Default)]
struct Status {
    /// CRC-32C over names of buckets, keys and values.
    hash: u32,
    /// Of the last version.
    revision: i64,
    /// Keys that are there at that revision.
    keys: i64,
    bytes: i64,
    /// Version of etcd that wrote it; empty where it does not say.
    version: String,
}

impl Status {
    fn of(file: &BackupFile) -> Result<Self, BboltError> {
        let database = file.database()?;
        let bytes = i64::try_from(database.bytes()).unwrap_or(i64::MAX);
        let mut status = Self { bytes, ..Self::default() };
        let mut bucket = Vec::new();
        let mut there = HashSet::new();
        let mut add = |bytes: &[u8]| status.hash = crc32c::crc32c_append(status.hash, bytes);
        database.walk(&mut |item| {
            match item {
                Item::Bucket(name) => {
                    add(name);
                    bucket = name.to_vec();
                }
                Item::Entry(key, value) => {
                    add(key);
                    add(value);
                    if bucket == META && key == STORAGE_VERSION {
                        status.version = String::from_utf8_lossy(value).into_owned();
                    }
                    if let Some(revision) = key.first_chunk().filter(|_| bucket == VERSIONS) {
                        status.revision = i64::from_be_bytes(*revision);
                        // One that is no key is as good as none.
                        let name = KeyValue::decode(value).unwrap_or_default().key;
                        if key.len() > REVISION_BYTES {
                            there.remove(&name);
                        } else {
                            there.insert(name);
                        }
                    }
                }
            }
            Ok::<_, BboltError>(())
        })?;
        status.keys = count_of(there.len()).unwrap_or(i64::MAX);
        Ok(status)
    }
}

impl Answer for Status {
    fn shown(&self, _hex: bool) -> Value {
        vec![
            Field::new("hash", "Hash", self.hash).always(),
            Field::new("revision", "Revision", self.revision).always(),
            Field::new("totalKey", "Keys", self.keys).always(),
            Field::new("totalSize", "Size", self.bytes).always(),
            Field::new("version", "Version", Value::Plain(self.version.clone())).always(),
        ]
        .into()
    }

    fn table(&self) -> Option<Table> {
        let hash = format!("{:x}", self.hash);
        let (revision, keys) = (self.revision.to_string(), self.keys.to_string());
        let row = vec![hash, revision, keys, size(self.bytes), self.version.clone()];
        let head = &["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"];
        Some(Table { head, rows: vec![row] })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { rev: Some(self.revision), ..Facts::default() }
    }
}

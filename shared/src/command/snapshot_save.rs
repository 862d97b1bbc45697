//! `snapshot save`: writes a backup of a member into a file.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::spec::{Arg, ArgKind, CommandSpec};
use super::{CommandLine, Input, Made, Refusal, Reply, Request};
use crate::bbolt::{BackupFile, SUM_BYTES};
use crate::client::{Client, ClientConfig, Endpoint};
use crate::error::ClientError;
use crate::failure::{Failure, done, exit, words_of_rpc};
use crate::format::{Answer, Field, Format, Page, Value};
use crate::text::words_of_system;

/// Pieces that wait for the disk.
const PIECES_MAX: usize = 16;
/// Only the owner may read a backup: it has everything.
const MODE: u32 = 0o600;
/// Why a backup is not saved where something is.
const THERE: &str = "is there already: it is not replaced";

/// `snapshot save`
pub const SNAPSHOT_SAVE: CommandSpec = CommandSpec {
    group: "snapshot",
    args: &[Arg::needed("filename", ArgKind::File)],
    long: "The file is the database of an etcd 3.5 with a checksum, which etcd's own programs restore too. It is checked as it comes in,\n\
        written beside as FILENAME.part, and takes its name when it is whole and on the disk. What is there under that name is\n\
        replaced if it is a backup, or empty. Ask one member: with several endpoints, nobody knows which it came from.\n\
        Ctrl-C and SIGTERM leave nothing of it. A process that is killed leaves FILENAME.part, which may be deleted, and is written\n\
        over by the next backup of that name.",
    examples: &["snapshot save backup.db"],
    ..CommandSpec::new("save", "Writes a backup of a member into a file", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [path] = line.args() else {
        return Err(Refusal::bad_args("snapshot save expects one argument <filename>"));
    };
    let path = PathBuf::from(OsStr::from_bytes(path));
    Ok(Box::new(Save { path }))
}

/// A backup that is to be saved.
#[derive(Debug)]
struct Save {
    path: PathBuf,
}

impl Request for Save {
    fn run<'a>(self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        let saved = save(client.clone(), self.path);
        Box::pin(async { saved.await.map_err(interrupted).into() })
    }

    fn pending(&self) -> Option<String> {
        Some(format!("{} is there whole, or as it was", self.path.display()))
    }
}

async fn save(client: Client, path: PathBuf) -> Result<Saved, Failure> {
    client.log_in().await?;
    save_backup(&client, path.clone(), true, |_| {}).await.map_err(as_streamed)?;
    Ok(Saved(path))
}

/// What a server says of a stream, etcd's client hands on as it stands.
fn as_streamed(mut failure: Failure) -> Failure {
    if let Some(ClientError::Refused { code, message }) = &failure.error {
        failure.text = words_of_rpc(*code, message);
    }
    failure
}

/// Whatever keeps a backup from being saved has this exit code in etcdctl.
fn interrupted(failure: Failure) -> Failure {
    Failure { exit: exit::INTERRUPTED, ..failure }
}

/// Saves a backup of the one member that `client` asks, and tells `count` the bytes of each piece as it comes. A backup
/// that is at `path` is replaced only if `replace`. Given up, nothing is left of it.
///
/// # Errors
/// What keeps it from being saved whole; then nothing of it is at its place.
pub async fn save_backup(
    client: &Client,
    path: PathBuf,
    replace: bool,
    count: impl Fn(u64),
) -> Result<(), Failure> {
    let ClientConfig { endpoints, learn_members, .. } = client.config();
    if endpoints.len() > 1 && !learn_members {
        let endpoints: Vec<_> = endpoints.iter().map(Endpoint::as_str).collect();
        let endpoints = endpoints.join(" ");
        return Err(Failure::new(
            exit::INTERRUPTED,
            format!("snapshot must be requested to one selected node, not multiple [{endpoints}]"),
        ));
    }
    let (send, pieces) = mpsc::channel(PIECES_MAX);
    let target = Target::of(path, replace)?;
    let mut backup = done(client.backup().await)?;
    let write = spawn_blocking(move || target.write(pieces));
    let streamed = loop {
        match backup.next().await {
            Ok(None) => break Ok(()),
            Ok(Some(piece)) => {
                count(piece.len() as u64);
                if send.send(piece).await.is_err() {
                    // Whoever writes knows why it does not any more.
                    break Ok(());
                }
            }
            Err(error) => break Err(Failure::from(error)),
        }
    };
    drop(send);
    let written = write.await;
    streamed?;
    written.unwrap_or_else(|error| Err(Failure::new(exit::ERROR, error.to_string())))
}

/// Where a backup goes.
struct Target {
    path: PathBuf,
    part: PathBuf,
    replace: bool,
}

impl Target {
    /// A place at which nothing is that could be missed.
    fn of(path: PathBuf, replace: bool) -> Result<Self, Failure> {
        let refuse = |what| Failure::new(exit::ERROR, format!("{}: {what}", path.display()));
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::of_file(&path, &error)),
            Ok(about) if !about.is_file() => return Err(refuse("is there, and is no file")),
            Ok(about) if about.len() == 0 => {}
            Ok(_) if !replace => return Err(refuse(THERE)),
            Ok(_) => {
                let there = BackupFile::open(&path);
                let there = there.map_err(|error| Failure::of_file(&path, &error))?;
                if there.database().is_err() {
                    return Err(refuse("is there and no backup: it is not overwritten"));
                }
            }
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        Ok(Self { path, part: part.into(), replace })
    }

    /// Writes what comes until there is no more. It is at its place afterwards, or nothing is left of it.
    fn write(self, pieces: mpsc::Receiver<Bytes>) -> Result<(), Failure> {
        let file = self.open()?;
        let written = self.fill(file, pieces);
        if written.is_err() {
            // It is gone, or cannot be removed: what went wrong before is what counts.
            let _ = fs::remove_file(&self.part);
        }
        written
    }

    fn open(&self) -> Result<File, Failure> {
        let part = self.part.display();
        let refuse = |error: io::Error| {
            let words = words_of_system(&error);
            Failure::new(exit::IO, format!("could not open {part} (open {part}: {words})"))
        };
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(false).mode(MODE);
        let file = options.open(&self.part).map_err(refuse)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{part}: another backup is being saved there");
                return Err(Failure::new(exit::ERROR, text));
            }
            Err(TryLockError::Error(error)) => return Err(refuse(error)),
        }
        file.set_len(0).map_err(refuse)?;
        Ok(file)
    }

    fn fill(&self, mut file: File, mut pieces: mpsc::Receiver<Bytes>) -> Result<(), Failure> {
        let refuse = |error: io::Error| Failure::of_file(&self.part, &error);
        let mut sum = TrailingSum::default();
        while let Some(piece) = pieces.blocking_recv() {
            file.write_all(&piece).map_err(refuse)?;
            sum.add(&piece);
        }
        sum.check()?;
        file.sync_all().map_err(refuse)?;
        let came = || fs::metadata(&self.path).is_ok_and(|about| about.len() > 0);
        if !self.replace && came() {
            return Err(Failure::new(exit::ERROR, format!("{}: {THERE}", self.path.display())));
        }
        fs::rename(&self.part, &self.path).map_err(|error| Failure::of_file(&self.path, &error))?;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let synced = File::open(dir.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all());
        synced.map_err(|error| Failure::of_file(&self.path, &error))
    }
}

/// The sum of all bytes but the last, which must be that sum.
#[derive(Default)]
struct TrailingSum {
    sum: Sha256,
    last: Vec<u8>,
    bytes: u64,
}

impl TrailingSum {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.last.extend_from_slice(bytes);
        let summed = self.last.len().saturating_sub(SUM_BYTES);
        self.sum.update(self.last.drain(..summed).as_slice());
    }

    fn check(self) -> Result<(), Failure> {
        let Self { sum, last, bytes } = self;
        if bytes % 512 != SUM_BYTES as u64 {
            let text = format!("sha256 checksum not found [bytes: {bytes}]");
            return Err(Failure::new(exit::ERROR, text));
        }
        if sum.finalize()[..] != last[..] {
            let text = "the backup came in damaged: its sha256 checksum is of something else";
            return Err(Failure::new(exit::ERROR, text));
        }
        Ok(())
    }
}

/// A backup that is at its place.
#[derive(Debug)]
struct Saved(PathBuf);

impl Answer for Saved {
    fn shown(&self, _hex: bool) -> Value {
        vec![Field::new("path", "Path", self.0.to_string_lossy().as_ref())].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("Snapshot saved at {}", self.0.display()));
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked.or_simple())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(content: &[u8]) -> Vec<Bytes> {
        let sum = Sha256::digest(content).to_vec();
        vec![Bytes::copy_from_slice(content), Bytes::from(sum)]
    }

    fn save_as(path: &Path, pieces: Vec<Bytes>) -> Result<(), Failure> {
        let (send, receive) = mpsc::channel(PIECES_MAX);
        for piece in pieces {
            send.try_send(piece).unwrap();
        }
        drop(send);
        Target::of(path.to_owned(), true)?.write(receive)
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_backup_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.db");
        let whole = backup(&[7; 1024]);
        for (pieces, why) in [
            (vec![], "sha256 checksum not found [bytes: 0]"),
            (vec![whole[0].clone()], "sha256 checksum not found [bytes: 1024]"),
            (vec![whole[0].clone(), vec![0; 32].into()], "of something else"),
        ] {
            let failure = save_as(&path, pieces).unwrap_err();
            assert!(failure.text.contains(why), "{failure}");
            assert!(names(dir.path()).is_empty());
        }
        save_as(&path, whole.clone()).unwrap();
        assert_eq!(names(dir.path()), ["b.db"]);
        assert_eq!(fs::read(&path).unwrap(), whole.concat());
    }

    #[test]
    fn what_is_no_backup_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("thesis.txt");
        fs::write(&path, "years of work").unwrap();
        let failure = save_as(&path, backup(&[7; 512])).unwrap_err();
        assert!(failure.text.contains("not overwritten"), "{failure}");
        assert_eq!(fs::read(&path).unwrap(), b"years of work");
        assert!(save_as(dir.path(), backup(&[7; 512])).unwrap_err().text.contains("no file"));
        // As `mktemp` leaves it.
        fs::write(&path, "").unwrap();
        save_as(&path, backup(&[7; 512])).unwrap();
    }

    #[test]
    fn a_backup_is_replaced_only_when_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.db");
        let (send, pieces) = mpsc::channel(PIECES_MAX);
        let target = Target::of(path.clone(), false).unwrap();
        save_as(&path, backup(&[7; 512])).unwrap();
        assert!(Target::of(path.clone(), false).is_err_and(|it| it.text.contains(THERE)));
        // What has come there meanwhile stays, too.
        for piece in backup(&[8; 512]) {
            send.try_send(piece).unwrap();
        }
        drop(send);
        assert!(target.write(pieces).unwrap_err().text.contains(THERE));
        assert_eq!(names(dir.path()), ["b.db"]);
        assert_eq!(fs::read(&path).unwrap(), backup(&[7; 512]).concat());
    }

    #[test]
    fn two_do_not_write_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.db");
        let _held = Target::of(path.clone(), true).unwrap().open().unwrap();
        assert!(save_as(&path, backup(&[7; 512])).unwrap_err().text.contains("another backup"));
    }
}

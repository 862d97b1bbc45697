//! [`Restore`]: a backup as the data directory of a member of a new cluster.
//!
//! Log and state are born at the revision of the backup, as those of a cluster without a past are born at 1. They are made in
//! a directory beside and take their place by a rename. Every member of the cluster is restored with the same backup and
//! settings, and comes to the same state.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::bbolt::{BackupFile, BboltError};
use mini_etcd_shared::clock::SystemClock;
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId};

use super::StartError;
use super::data::{Data, lock};
use super::disk::BIRTH_TERM;
use crate::apply::{Applier, Birth, Identity, Standing, StateBuilder};
use crate::backup::{BackupContent, ContentError};
use crate::config::{Cluster, Config, Peer};
use crate::log;
use crate::mvcc::RowId;
use crate::node::transport::{LocalNames, resolves};
use crate::storage::{FjallOptions, StateDirs, StorageError};

/// What is restored, and as what.
#[derive(Clone, Debug)]
pub struct Restore {
    pub backup: PathBuf,
    /// Directory of the member's data; not there yet, or empty.
    pub data: PathBuf,
    /// The new cluster, and which member of it this is.
    pub cluster: Cluster,
    /// Take a file that has no checksum, or the wrong one.
    pub skip_hash_check: bool,
    /// How much the revision is raised, so that clients that saw later ones than the backup has do not see them again.
    pub bump_revision: u64,
    /// Give up all history below the revision, so that watches that begin there are told.
    pub mark_compacted: bool,
    /// Say what would be, and change nothing.
    pub dry_run: bool,
}

/// What a restore came to.
#[derive(Debug)]
pub struct Restored {
    pub content: BackupContent,
    /// Revision of the new cluster, and index at which its log begins.
    pub revision: i64,
    /// Revision below which it has no history; -1 for none.
    pub compacted: i64,
    /// Whether the checksum of the file was compared.
    pub is_checked: bool,
    pub cluster_id: ClusterId,
    pub member_id: MemberId,
    /// Where it has to listen for its peers to reach it, as `--listen` takes it; none for one alone.
    pub listen: Option<String>,
}

/// Why nothing was restored. All are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// In etcdctl's words.
    #[error("--mark-compacted required if --bump-revision > 0")]
    Flags,
    /// The revision would be none any more.
    #[error("--bump-revision: {bump} above revision {revision} is more than a revision can be")]
    Bump { bump: u64, revision: i64 },
    /// The backup cannot be read.
    #[error("{path}: {source}")]
    Backup { path: PathBuf, source: io::Error },
    /// In etcdctl's words.
    #[error("snapshot missing hash but --skip-hash-check=false")]
    NoSum,
    /// The backup is not what it was.
    #[error(
        "{path} is damaged: its sha256 checksum is of something else; --skip-hash-check takes it all the same"
    )]
    WrongSum { path: PathBuf },
    /// It holds what cannot be.
    #[error("{path}: {source}")]
    Content { path: PathBuf, source: ContentError },
    /// In etcdctl's words.
    #[error("data-dir {path:?} not empty or could not be read")]
    NotEmpty { path: PathBuf },
    /// The directory cannot be used.
    #[error("{path}: {source}")]
    Directory { path: PathBuf, source: io::Error },
    /// The directory cannot be made a member's.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Restore {
    /// Restores.
    ///
    /// # Errors
    /// A backup that is none or damaged, a directory that is in use, a failing disk. The directory is as it was then.
    pub fn run(&self) -> Result<Restored, RestoreError> {
        if self.mark_compacted != (self.bump_revision > 0) {
            return Err(RestoreError::Flags);
        }
        let refuse = |source| RestoreError::Backup { path: self.backup.clone(), source };
        let file = BackupFile::open(&self.backup).map_err(refuse)?;
        let is_checked = self.check_sum(&file)?;
        if !self.dry_run && !is_vacant(&self.data) {
            return Err(RestoreError::NotEmpty { path: self.data.clone() });
        }
        // The first pass tells the index that the state is born at, and is all that a dry run needs.
        let content = self.read(&file, &mut |_, _, _| Ok(()))?;
        let (revision, bump) = (content.revision, self.bump_revision);
        let born = revision.checked_add_unsigned(bump).filter(|born| *born < i64::MAX);
        let revision = born.ok_or(RestoreError::Bump { bump, revision })?;
        let compacted = if self.mark_compacted { revision } else { content.compacted };
        let (cluster_id, member_id) = (self.cluster.id(), self.cluster.me());
        let listen = self.listen();
        let restored =
            Restored { content, revision, compacted, is_checked, cluster_id, member_id, listen };
        if !self.dry_run {
            self.write(&file, &restored)?;
        }
        Ok(restored)
    }

    /// The own entry of the peers; this machine where its name means that.
    fn listen(&self) -> Option<String> {
        let me =
            self.cluster.member(self.cluster.me()).filter(|_| !self.cluster.typed().is_empty());
        let names = LocalNames::decide(&self.cluster, resolves);
        me.map(|Peer { address, .. }| {
            let is_here = names.contains(&address.host);
            if is_here { format!("localhost:{}", address.port) } else { address.to_string() }
        })
    }

    /// Whether the file has the sum that it should; false where that is not to be asked.
    fn check_sum(&self, file: &BackupFile) -> Result<bool, RestoreError> {
        if self.skip_hash_check {
            return Ok(false);
        }
        let path = || self.backup.clone();
        let sound = file.is_sound();
        let sound = sound.map_err(|source| RestoreError::Backup { path: path(), source })?;
        if sound == Some(true) {
            return Ok(true);
        }
        // One that was cut off has no sum, or the wrong one: that is not what is wrong with it.
        if let Err(short @ BboltError::Short { .. }) = file.database() {
            return Err(RestoreError::Content { path: path(), source: short.into() });
        }
        Err(sound.map_or(RestoreError::NoSum, |_| RestoreError::WrongSum { path: path() }))
    }

    fn read(
        &self,
        file: &BackupFile,
        take: &mut dyn FnMut(RowId, &KeyValue, bool) -> Result<(), StorageError>,
    ) -> Result<BackupContent, RestoreError> {
        let read = file.database().map_err(ContentError::from);
        let read = read.and_then(|database| BackupContent::read(&database, take));
        read.map_err(|source| match source {
            ContentError::Storage(error) => StartError::from(error).into(),
            ContentError::Bbolt(BboltError::Io(source)) => {
                RestoreError::Backup { path: self.backup.clone(), source }
            }
            source => RestoreError::Content { path: self.backup.clone(), source },
        })
    }

    fn write(&self, file: &BackupFile, restored: &Restored) -> Result<(), RestoreError> {
        let beside = beside(&self.data);
        let refuse = |source| RestoreError::Directory { path: beside.clone(), source };
        if beside.exists() {
            // What a restore left that did not come to its end, unless one is under way.
            let held = lock(&beside)?;
            fs::remove_dir_all(&beside).map_err(refuse)?;
            drop(held);
        }
        let written = self.fill(&beside, file, restored);
        if written.is_err() {
            // What went wrong before is what counts.
            let _ = fs::remove_dir_all(&beside);
        }
        written?;
        let parent = self.data.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::rename(&beside, &self.data)
            .and_then(|()| File::open(parent.unwrap_or(Path::new(".")))?.sync_all())
            .map_err(|source| RestoreError::Directory { path: self.data.clone(), source })
    }

    /// Makes log, state and the file `member` in `dir`; durable when it returns.
    fn fill(&self, dir: &Path, file: &BackupFile, restored: &Restored) -> Result<(), RestoreError> {
        let config = Config {
            name: self.cluster.name().to_owned(),
            cluster: self.cluster.clone(),
            ..Config::alone(dir)
        };
        let data = Data::open(&config)?;
        let index = LogIndex(restored.revision.unsigned_abs());
        let birth = Birth {
            index,
            term: BIRTH_TERM,
            conf_state: self.cluster.conf_state(),
            members: self.cluster.birth_members(),
        };
        let log = log::open_dir(dir, SystemClock::new(), Some((index, BIRTH_TERM)));
        let (store, _) = log.map_err(StartError::from)?;
        store.close().map_err(StartError::from)?;
        let dirs = StateDirs::new(dir, FjallOptions::state());
        let identity = Identity { cluster_id: self.cluster.id(), member_id: self.cluster.me() };
        let mut engine = dirs.open().map_err(StartError::from)?;
        let mut builder = StateBuilder::new(&mut engine, index);
        let content =
            self.read(file, &mut |id, kv, tombstone| builder.version(id, kv, tombstone))?;
        let rest = || {
            content.leases(index).try_for_each(|lease| builder.lease(&lease))?;
            builder.auth(&content.auth)?;
            content.alarms.iter().try_for_each(|alarm| builder.alarm(*alarm))?;
            let (revision, compacted) = (restored.revision, restored.compacted);
            let standing = Standing { revision, compacted, finished: content.finished };
            builder.finish(identity, &birth, standing)
        };
        rest().map_err(StartError::from)?;
        // As a start would take it up.
        let taken = Applier::open(engine, identity).map_err(StartError::from)?;
        drop(taken);
        data.keep()?;
        Ok(())
    }
}

/// Whether nothing is there, or a directory without content.
fn is_vacant(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Where the directory is made.
fn beside(data: &Path) -> PathBuf {
    let mut path = data.components().collect::<PathBuf>().into_os_string();
    path.push(".restoring");
    path.into()
}

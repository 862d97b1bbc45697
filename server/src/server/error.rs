//! Why a member does not start.

use std::io;
use std::path::PathBuf;

use crate::apply::ApplyError;
use crate::config::ConfigError;
use crate::fatal;
use crate::log::LogError;
use crate::node::transport::Born;
use crate::raft::DriverError;
use crate::storage::StorageError;
use crate::tls::TlsError;

/// Why a member does not start. All are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },
    /// A certificate, a key or an authority cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system allows too few open files.
    #[error(
        "the limit of open files is {limit} and at least {needed} are needed: raise the hard one, \
         as with ulimit -n or LimitNOFILE"
    )]
    Descriptors { limit: usize, needed: usize },
    /// The directory cannot be used.
    #[error("{path}: {source}")]
    Directory {
        /// The directory, or the file in it.
        path: PathBuf,
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("{path} is in use by another process")]
    InUse { path: PathBuf },
    /// The directory belongs to another member, or to another cluster.
    #[error("{path} belongs to {found}, and this is {wanted}")]
    Foreign { path: PathBuf, found: String, wanted: String },
    /// What says whose the directory is cannot be read.
    #[error("{path} is damaged: {detail}")]
    Damaged {
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The directory is that of an etcd.
    #[error(
        "{path} has the data of an etcd: give this member a directory of its own, filled by \
         `mini-etcdctl snapshot restore` from a `snapshot save` of that etcd, or empty to begin anew"
    )]
    OfEtcd { path: PathBuf },
    /// There is no place in the cluster that it is to join.
    #[error("{problem}")]
    Join { problem: String },
    /// It is to go on alone, and has nothing to go on with.
    #[error(
        "--force-new-cluster goes on with the data of a member, and {path} has none: \
         say where it is with --data, or leave the flag out to begin anew"
    )]
    NoData { path: PathBuf },
    /// It is to go on alone, and the cluster goes on too.
    #[error(
        "--force-new-cluster is for a quorum that is lost for good, and member {peer} answers that it has a leader: \
         leave the flag out, or stop the others first"
    )]
    NotLost { peer: String },
    /// The same, and this member is not in that cluster any more.
    #[error(
        "--force-new-cluster is for a quorum that is lost for good, and member {peer} answers that it goes on without this one: \
         leave the flag out, or stop {peer} first if this member is the one to go on"
    )]
    GoesOn { peer: String },
    /// The cluster goes on without this member.
    #[error("this member was removed from the cluster")]
    Removed,
    /// It has nothing, and the cluster that it would found lives already.
    #[error("{detail}")]
    Born { code: u8, detail: String },
    /// The log is gone, and there is reason to believe that there was one.
    #[error("{detail}")]
    Lost { detail: String },
    /// The log is not what was acknowledged.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state is not what was applied.
    #[error(transparent)]
    State(#[from] ApplyError),
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Log and state do not fit each other.
    #[error(transparent)]
    Raft(#[from] DriverError),
    /// The machine refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// Exit code of a program that ends because of this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(error) => error.exit_code(),
            Self::Log(error) => error.exit_code(),
            Self::State(error) => error.exit_code(),
            Self::Raft(error) => error.exit_code(),
            Self::Born { code, .. } => *code,
            Self::Lost { .. } => fatal::LOG_MISSING,
            Self::Damaged { .. } | Self::Storage(StorageError::Damaged { .. }) => fatal::DAMAGED,
            Self::Storage(StorageError::Io { .. } | StorageError::Stopped) => fatal::DISK,
            Self::Removed => fatal::REMOVED,
            Self::Listen { .. }
            | Self::Join { .. }
            | Self::NoData { .. }
            | Self::NotLost { .. }
            | Self::GoesOn { .. }
            | Self::Tls(_)
            | Self::Descriptors { .. }
            | Self::Directory { .. }
            | Self::InUse { .. }
            | Self::OfEtcd { .. }
            | Self::Foreign { .. }
            | Self::Storage(StorageError::Locked { .. })
            | Self::Thread(_) => 1,
        }
    }
}

impl From<Born> for StartError {
    fn from(born: Born) -> Self {
        Self::Born { code: born.code, detail: born.to_string() }
    }
}

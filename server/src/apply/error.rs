//! Why apply cannot go on. None of these is an answer to a client: the process ends.

use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId};

use crate::error::RequestError;
use crate::storage::StorageError;

/// Why apply cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The disk refused. For the operator.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What is stored cannot be what was written. For the operator: re-add the member.
    #[error("the applied state is damaged: {0}")]
    Damaged(String),
    /// The directory belongs to somebody else. For the operator: the wrong `--data`.
    #[error(
        "the data belongs to member {found_member} of cluster {found_cluster}, not to member {member} of cluster {cluster}"
    )]
    WrongIdentity {
        /// Member that the data is of.
        found_member: MemberId,
        /// Cluster that the data is of.
        found_cluster: ClusterId,
        member: MemberId,
        cluster: ClusterId,
    },
    /// A format that this program does not know. For the operator: use a newer program.
    #[error("the applied state has format {found}, this program knows {known}")]
    Format { found: u32, known: u32 },
    /// There is no state in the directory yet.
    #[error("there is no applied state yet")]
    Empty,
    /// There is a state in the directory already.
    #[error("there is an applied state already")]
    Exists,
    /// A committed entry does not follow the last one, or cannot be read. Nobody's fault but the program's.
    #[error("entry {index} cannot be applied: {reason}")]
    Entry {
        index: LogIndex,
        /// What is wrong with it.
        reason: String,
    },
    /// A failure that other members need not share, so that it must not become an entry's outcome.
    #[error("entry {index} failed on this member only: {error}")]
    Local { index: LogIndex, error: RequestError },
}

impl ApplyError {
    /// Exit code of the process that met it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Storage(StorageError::Locked { .. })
            | Self::WrongIdentity { .. }
            | Self::Format { .. }
            | Self::Empty
            | Self::Exists => 1,
            Self::Storage(StorageError::Damaged { .. }) | Self::Damaged(_) | Self::Entry { .. } => {
                72
            }
            Self::Storage(StorageError::Io { .. } | StorageError::Stopped) | Self::Local { .. } => {
                70
            }
        }
    }
}

//! What can be wrong with a log, and what to do about it.

use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::codec::RowFault;
use crate::storage::StorageError;

/// Why the log cannot be used. Every one ends the process.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Entries or a vote that were acknowledged are not there. Nobody can bring them back here. Exit code 71.
    #[error(
        "acknowledged log is missing: {finding}; remove this member and add it anew (a lone member: restore a \
         backup); its data is in {place}"
    )]
    Missing { place: String, finding: Finding },
    /// What is there is not what was written. Exit code 72.
    #[error(
        "the log is damaged: {finding}; check the disk, then remove this member and add it anew (a lone member: \
         restore a backup); its data is in {place}"
    )]
    Damaged { place: String, finding: Finding },
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl LogError {
    /// The exit code of a process that ends by this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Missing { .. } => 71,
            Self::Damaged { .. } => 72,
            Self::Storage(error) => error.exit_code(),
        }
    }
}

/// What a recovery found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// No log at all.
    #[error("there is no log")]
    NoLog,
    /// A log without its guard.
    #[error("the guard file is gone")]
    NoGuard,
    /// No slot of the guard can be read.
    #[error("the guard file cannot be read")]
    GuardUnreadable,
    /// The log ends before the guard.
    #[error("the log ends at index {last} and {guarded} was acknowledged")]
    Shorter {
        last: LogIndex,
        /// Last index that the guard knows.
        guarded: LogIndex,
    },
    /// A stop after which guard and log agree, and they do not.
    #[error("the log ends at index {last} and was closed at {guarded}")]
    Longer {
        last: LogIndex,
        /// Last index that the guard knows.
        guarded: LogIndex,
    },
    /// The log went back behind a truncation.
    #[error("the log is of epoch {found} and {guarded} was acknowledged")]
    Epoch { found: u64, guarded: u64 },
    /// Term or vote went back.
    #[error(
        "term {term} with vote {vote} is older than term {guarded_term} with vote {guarded_vote}"
    )]
    Vote { term: Term, vote: MemberId, guarded_term: Term, guarded_vote: MemberId },
    /// A row is not what follows the rows before it.
    #[error("after index {after}: {fault}")]
    Row {
        /// Last index that is sound.
        after: LogIndex,
        /// What is wrong with the row.
        fault: RowFault,
    },
    /// The rows are sound and are not those that were acknowledged.
    #[error("the entries up to index {at} are not those that were acknowledged")]
    Other {
        /// Last index that the guard knows.
        at: LogIndex,
    },
    /// A row of hard state or truncation cannot be read.
    #[error("the row {0:?} cannot be read")]
    Meta(&'static str),
}

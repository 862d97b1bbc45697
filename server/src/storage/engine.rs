//! The seam: what a storage engine must offer.

use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;

/// A set of keys with an order of its own. Each database holds the spaces it was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Log database: rows of entries.
    Log,
    /// Log database: term, vote, truncation marker.
    LogMeta,
    /// State database: versions of keys by revision.
    Rows,
    /// State database: members, alarms, leases, later users.
    System,
    /// State database: where the state stands.
    Meta,
}

impl Space {
    /// Name on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::LogMeta => "log_meta",
            Self::Rows => "rows",
            Self::System => "system",
            Self::Meta => "meta",
        }
    }
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes a key.
    Put(Space, Vec<u8>, Vec<u8>),
    /// Removes a key.
    Remove(Space, Vec<u8>),
}

/// Changes that happen together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<Op>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes `key`. A later change of the same key in the same batch wins.
    pub fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += key.len() + value.len();
        self.ops.push(Op::Put(space, key, value));
    }

    /// Removes `key`; no error when it is not there.
    pub fn remove(&mut self, space: Space, key: impl Into<Vec<u8>>) {
        let key = key.into();
        self.bytes += key.len();
        self.ops.push(Op::Remove(space, key));
    }

    /// The changes, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The changes, in order.
    #[must_use]
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }

    /// Keys and values in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives the death of the process, not of the machine.
    Buffered,
    /// It, and every commit before it, survives the loss of power.
    Synced,
}

/// A step towards space for other files. Between the two, who reads opens readers anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReclaimStep {
    /// Writes what is there anew, without what was removed or written over. Readers keep what was there before.
    Rewrite,
    /// Lets go of what no reader shows any more.
    Release,
}

/// Why the disk refused. Every variant but `Locked` and `Damaged` ends the process with exit code 70.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process has the directory open. For the operator.
    #[error("{path} is in use by another process")]
    Locked { path: String },
    /// What is on disk cannot be what was written. For the operator; exit code 72.
    #[error("{path} is damaged: {detail}")]
    Damaged { path: String, detail: String },
    /// The operating system refused. For the operator; exit code 70.
    #[error("{context}: {source}")]
    Io { context: String, source: io::Error },
    /// An earlier error ended this engine; nothing is accepted any more.
    #[error("the storage engine stopped after an earlier error")]
    Stopped,
}

impl StorageError {
    /// The exit code of a process that ends by this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Locked { .. } => 1,
            Self::Damaged { .. } => 72,
            Self::Io { .. } | Self::Stopped => 70,
        }
    }
}

/// A store of ordered keys. One thread commits; see I3 for readers.
pub trait Engine: Send + 'static {
    /// Applies a batch (I1) and, for [`Durability::Synced`], waits until it is durable (I2).
    ///
    /// # Errors
    /// Any refusal of the disk; the batch is then of unknown outcome and the engine is stopped (I4).
    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StorageError>;

    /// Waits until every commit so far is durable.
    ///
    /// # Errors
    /// As for [`Engine::commit`].
    fn sync(&mut self) -> Result<(), StorageError>;

    /// Whether every commit of this engine is durable. What an engine before it committed, a sync alone makes sure of.
    fn is_synced(&self) -> bool;

    /// Gives up the keys of `space` below `key`, which nobody reads any more (I5). Cheap, and durable on its own.
    ///
    /// # Errors
    /// As for [`Engine::commit`].
    fn discard_below(&mut self, space: Space, key: &[u8]) -> Result<(), StorageError>;

    /// Bytes that the file system lacks for giving space back; 0 when there is room.
    fn reclaim_lacks(&self) -> u64 {
        0
    }

    /// Begins a step of giving space back to the file system, beside the commits; waits for one that is under way.
    ///
    /// # Errors
    /// As for [`Engine::commit`].
    fn begin_reclaim(&mut self, _step: ReclaimStep) -> Result<(), StorageError> {
        Ok(())
    }

    /// Whether no such step is under way.
    ///
    /// # Errors
    /// As for [`Engine::commit`]; also what came of the step.
    fn is_reclaimed(&mut self) -> Result<bool, StorageError> {
        Ok(true)
    }

    /// A consistent view of everything committed so far (I3). Cheap.
    fn reader(&mut self) -> Arc<dyn Reader>;

    /// Bytes on disk; 0 where there is no disk.
    fn disk_bytes(&self) -> u64;

    /// Bytes of tables: what left memory and journals, garbage included; 0 where there are none. Cheap.
    fn table_bytes(&self) -> u64;
}

/// Takes a key and its value, and says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A state of the store that does not change. Clones share it.
pub trait Reader: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// A refusal of the disk, or damage.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    /// Visits the keys between the bounds in ascending order until `visit` breaks.
    ///
    /// # Errors
    /// A refusal of the disk, or damage.
    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError>;

    /// The greatest key and its value.
    ///
    /// # Errors
    /// A refusal of the disk, or damage.
    fn last(&self, space: Space) -> Result<Option<(Bytes, Bytes)>, StorageError>;

    /// The greatest key that is not above `key`, and its value.
    ///
    /// # Errors
    /// A refusal of the disk, or damage.
    fn at_or_before(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<(Bytes, Bytes)>, StorageError>;
}

/// Whether no key can lie between the bounds; the ordered maps panic when asked for such a range.
#[must_use]
pub(super) fn is_empty_range(bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match bounds {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (
            Bound::Included(low) | Bound::Excluded(low),
            Bound::Included(high) | Bound::Excluded(high),
        ) => low >= high,
        _ => false,
    }
}

//! [`StateBuilder`]: a state that no log leads to: the first one of a cluster, empty or restored.

use mini_etcd_proto::internalpb::AppliedState;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::LogIndex;
use prost::Message;

use super::digest::Digest;
use super::load::{CURRENT, FORMAT};
use super::{Alarms, Birth, Identity, Members};
use crate::auth::Auth;
use crate::lease::StoredLease;
use crate::limits::RESTORE_BATCH_BYTES;
use crate::mvcc::{RowId, encode_kv, encode_row, logical_len};
use crate::storage::{Batch, Durability, Engine, Space, StorageError};

/// Where the keys of a new state stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub revision: i64,
    /// Revision below which history was given up; -1 for none.
    pub compacted: i64,
    /// The compaction up to which dead rows are gone; -1 for none.
    pub finished: i64,
}

/// Fills an empty database. What it is given goes into the digest, so that members of a cluster that were restored from
/// different backups differ in it, and into the lineage, so that they do not speak to each other.
pub struct StateBuilder<'a, E> {
    engine: &'a mut E,
    batch: Batch,
    digest: Digest,
    logical_bytes: u64,
    is_restored: bool,
    /// Whether users count, and their revision.
    auth: (bool, u64),
}

impl<'a, E: Engine> StateBuilder<'a, E> {
    /// For a state that is born at `index`.
    pub fn new(engine: &'a mut E, index: LogIndex) -> Self {
        let mut digest = Digest(0);
        digest.word(index.0);
        Self {
            engine,
            batch: Batch::new(),
            digest,
            logical_bytes: 0,
            is_restored: false,
            auth: (false, 1),
        }
    }

    /// Adds a version; ascending by row.
    ///
    /// # Errors
    /// A failing disk.
    pub fn version(
        &mut self,
        id: RowId,
        kv: &KeyValue,
        tombstone: bool,
    ) -> Result<(), StorageError> {
        let row = encode_row(&encode_kv(kv), tombstone);
        self.logical_bytes += logical_len(row.len());
        self.put(Space::Rows, id.key().to_vec(), row)
    }

    pub(crate) fn lease(&mut self, lease: &StoredLease) -> Result<(), StorageError> {
        let (key, row) = lease.row();
        self.put(Space::System, key, row)
    }

    /// Raises an alarm: a member, and what.
    ///
    /// # Errors
    /// A failing disk.
    pub fn alarm(&mut self, alarm: (u64, i32)) -> Result<(), StorageError> {
        self.put(Space::System, Alarms::row(alarm), Vec::new())
    }

    pub(crate) fn auth(&mut self, auth: &Auth) -> Result<(), StorageError> {
        self.auth = (auth.is_enabled(), auth.revision());
        auth.rows().try_for_each(|(key, row)| self.put(Space::System, key, row))
    }

    fn put(&mut self, space: Space, key: Vec<u8>, row: Vec<u8>) -> Result<(), StorageError> {
        self.is_restored = true;
        self.digest.bytes(&key);
        self.digest.bytes(&row);
        self.batch.put(space, key, row);
        if self.batch.bytes() < RESTORE_BATCH_BYTES {
            return Ok(());
        }
        self.engine.commit(std::mem::take(&mut self.batch), Durability::Buffered)
    }

    /// Ends the state; durable when it returns.
    ///
    /// # Errors
    /// A failing disk.
    pub fn finish(
        mut self,
        identity: Identity,
        birth: &Birth,
        standing: Standing,
    ) -> Result<AppliedState, StorageError> {
        let Standing { revision, compacted, finished } = standing;
        let (auth_enabled, auth_revision) = self.auth;
        if self.is_restored {
            self.digest.word(revision.cast_unsigned());
            self.digest.word(compacted.cast_unsigned());
            self.digest.word(auth_enabled.into());
            self.digest.word(auth_revision);
        }
        let mut lineage = self.digest;
        lineage.word(identity.cluster_id.0);
        let meta = AppliedState {
            format: FORMAT,
            applied_index: birth.index.0,
            applied_term: birth.term.0,
            revision,
            compact_revision: compacted,
            compact_finished: finished,
            conf_state: Some(birth.conf_state.clone()),
            digest: self.digest.0,
            cluster_id: identity.cluster_id.0,
            member_id: identity.member_id.0,
            logical_bytes: self.logical_bytes,
            // Otherwise the first command names it. 0 is no name.
            lineage: Some(if self.is_restored { lineage.0.max(1) } else { 0 }),
            snapshot_index: 0,
            auth_enabled,
            auth_revision,
        };
        Members::create(&birth.members, &mut self.batch);
        self.batch.put(Space::Meta, CURRENT, meta.encode_to_vec());
        self.engine.commit(self.batch, Durability::Synced)?;
        Ok(meta)
    }
}

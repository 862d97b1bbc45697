//! [`Store::load`]: the index, from the rows on disk.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message;

use super::RowId;
use super::index::{Builder, Life, Stamp};
use super::row::{key_of, logical_len, split_row};
use super::store::{Store, StoreMeta};
use crate::lease::Leases;
use crate::storage::{Reader, Space, StorageError};

/// Why the keys cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The rows cannot be what was written.
    #[error("{0}")]
    Damaged(String),
}

impl Store {
    /// The keys as they stand in `reader`. Dead versions are in the index too: collecting them has to find them. The
    /// rows must add up to what `standing` says of them. `leases` learns what hangs on them.
    pub(crate) fn load(
        reader: Arc<dyn Reader>,
        standing: StoreMeta,
        leases: &mut Leases,
    ) -> Result<Self, LoadError> {
        let mut builder = Builder::default();
        let mut bytes = 0;
        let mut damaged = None;
        let all = (Bound::Unbounded, Bound::Unbounded);
        reader.scan(Space::Rows, all, &mut |key, row| {
            bytes += logical_len(row.len());
            let revision = load_row(&mut builder, leases, key, row);
            if revision.is_some_and(|revision| revision <= standing.revision) {
                return ControlFlow::Continue(());
            }
            damaged = Some(LoadError::Damaged(format!("row {key:02x?}")));
            ControlFlow::Break(())
        })?;
        if let Some(error) = damaged {
            return Err(error);
        }
        if let Some(key) = leases.orphan() {
            return Err(LoadError::Damaged(format!(
                "key {key:?} hangs on a lease that is not there"
            )));
        }
        if bytes != standing.logical_bytes {
            let expected = standing.logical_bytes;
            return Err(LoadError::Damaged(format!("{bytes} bytes of rows, {expected} expected")));
        }
        Ok(Self::new(builder.finish(), reader, standing))
    }
}

/// The revision of the row, none when it is damaged.
fn load_row(builder: &mut Builder, leases: &mut Leases, key: &[u8], row: &[u8]) -> Option<i64> {
    let id = RowId::parse(key)?;
    let (kv, tombstone) = split_row(row)?;
    let (life, lease) = if tombstone { (Life::default(), 0) } else { life_of(kv)? };
    let stamp = if tombstone { Stamp::removal(id) } else { Stamp::put(id, kv.len()) };
    let key = key_of(kv)?;
    builder.push(key, stamp, life);
    if lease != 0 || !leases.is_unused() {
        leases.follow(key, lease);
    }
    Some(id.revision.0)
}

/// The life that a put began or went on with, and the lease that its key hangs on.
fn life_of(kv: &[u8]) -> Option<(Life, i64)> {
    let kv = KeyValue::decode(kv).ok()?;
    Some((Life { create: kv.create_revision, version: kv.version }, kv.lease))
}

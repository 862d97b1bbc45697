//! [`Store::load`]: the index, from the rows on disk.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message;

use super::RowId;
use super::index::{Builder, Life, Stamp};
use super::row::{key_of, logical_len, split_row};
use super::store::{Store, StoreMeta};
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
    /// rows must add up to what `standing` says of them.
    pub(crate) fn load(reader: Arc<dyn Reader>, standing: StoreMeta) -> Result<Self, LoadError> {
        let mut builder = Builder::default();
        let mut bytes = 0;
        let mut damaged = None;
        let all = (Bound::Unbounded, Bound::Unbounded);
        reader.scan(Space::Rows, all, &mut |key, row| {
            bytes += logical_len(row.len());
            let revision = load_row(&mut builder, key, row);
            if revision.is_some_and(|revision| revision <= standing.revision) {
                return ControlFlow::Continue(());
            }
            damaged = Some(LoadError::Damaged(format!("row {key:02x?}")));
            ControlFlow::Break(())
        })?;
        if let Some(error) = damaged {
            return Err(error);
        }
        if bytes != standing.logical_bytes {
            let expected = standing.logical_bytes;
            return Err(LoadError::Damaged(format!("{bytes} bytes of rows, {expected} expected")));
        }
        Ok(Self::new(builder.finish(), reader, standing))
    }
}

/// The revision of the row, none when it is damaged.
fn load_row(builder: &mut Builder, key: &[u8], row: &[u8]) -> Option<i64> {
    let id = RowId::parse(key)?;
    let (kv, tombstone) = split_row(row)?;
    let life = if tombstone { Life::default() } else { life_of(kv)? };
    let stamp = if tombstone { Stamp::removal(id) } else { Stamp::put(id, kv.len()) };
    builder.push(key_of(kv)?, stamp, life);
    Some(id.revision.0)
}

fn life_of(kv: &[u8]) -> Option<Life> {
    let kv = KeyValue::decode(kv).ok()?;
    Some(Life { create: kv.create_revision, version: kv.version })
}

//! A snapshot of a fjall database.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use ::fjall::{Keyspace, Readable, Snapshot};
use bytes::Bytes;

use super::{find, open};
use crate::storage::{Reader, Space, StorageError, Visit, is_empty_range};

/// What a snapshot shows. Opened between two commits by the thread that commits (I3).
pub(super) struct FjallReader {
    snapshot: Snapshot,
    spaces: Arc<[(Space, Keyspace)]>,
    path: Arc<Path>,
}

impl FjallReader {
    pub(super) fn new(
        snapshot: Snapshot,
        spaces: Arc<[(Space, Keyspace)]>,
        path: impl Into<Arc<Path>>,
    ) -> Self {
        Self { snapshot, spaces, path: path.into() }
    }

    fn last_within(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        let keyspace = find(&self.spaces, space)?;
        let Some(row) = self.snapshot.range::<&[u8], _>(keyspace, bounds).next_back() else {
            return Ok(None);
        };
        let (key, value) = row.into_inner().map_err(|error| self.explain(error))?;
        Ok(Some((Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value))))
    }

    fn explain(&self, error: ::fjall::Error) -> StorageError {
        open::explain(error, &self.path, "reading")
    }
}

impl Reader for FjallReader {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let keyspace = find(&self.spaces, space)?;
        // A slice of fjall keeps its whole block alive, so what is handed out is a copy of the right size.
        let value = self.snapshot.get(keyspace, key).map_err(|error| self.explain(error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        let keyspace = find(&self.spaces, space)?;
        if is_empty_range(bounds) {
            return Ok(());
        }
        for row in self.snapshot.range::<&[u8], _>(keyspace, bounds) {
            let (key, value) = row.into_inner().map_err(|error| self.explain(error))?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, space: Space) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        self.last_within(space, (Bound::Unbounded, Bound::Unbounded))
    }

    fn at_or_before(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        self.last_within(space, (Bound::Unbounded, Bound::Included(key)))
    }
}

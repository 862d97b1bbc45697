//! The keys at one applied state, for readers.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::{KeyRange, Revision};

use super::RowId;
use super::cache::Cache;
use super::chunks::RangeChunks;
use super::hashes::Hashes;
use super::index::Index;
use super::range::{Source, check_size, decode};
use super::row::split_row;
use crate::error::RequestError;
use crate::storage::{Reader, Space, StorageError};

/// What all views and the writer have in common.
pub(crate) struct SharedKeys {
    pub(crate) index: Index,
    pub(crate) cache: Cache,
}

/// Held by every view made between two compactions: while one is alive, the later of the two takes nothing away.
#[derive(Debug)]
pub(crate) struct Pin;

/// The keys at one applied state. Cheap to clone; whatever happens later does not show in it.
#[derive(Clone)]
pub struct View {
    pub(super) shared: Arc<SharedKeys>,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) pin: Option<Arc<Pin>>,
    pub(super) hashes: Arc<Hashes>,
    pub(super) revision: i64,
    pub(super) compacted: i64,
    pub(super) keys: u64,
    pub(super) logical_bytes: u64,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("revision", &self.revision)
            .field("compacted", &self.compacted)
            .field("keys", &self.keys)
            .field("pinned", &self.pin.is_some())
            .finish_non_exhaustive()
    }
}

impl View {
    /// Revision of the last change that the view shows.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.revision)
    }

    /// Revision below which history was given up; -1 for none.
    #[must_use]
    pub fn compacted(&self) -> i64 {
        self.compacted
    }

    /// Answers a range request, without header. The request must have passed validation: the key is not empty.
    ///
    /// # Errors
    /// A revision that is compacted or not there yet, a result over the limit, a failing disk.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        let selection = self.selection(request)?;
        check_size(selection.sure_bytes())?;
        selection.read(self)
    }

    /// Number of keys in the range of a request.
    ///
    /// # Errors
    /// A revision that is compacted or not there yet.
    pub fn count_range(&self, request: &RangeRequest) -> Result<i64, RequestError> {
        let at = self.resolve(request.revision)?;
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        self.kept(at, Ok(self.count(&range, at)))
    }

    /// Answers a range request piece by piece. Does not hold compaction back: a stream that a compaction passes
    /// ends with that error.
    #[must_use]
    pub fn range_chunks(&self, request: &RangeRequest) -> RangeChunks {
        RangeChunks::new(self.unpinned(), request)
    }

    /// The version `id`: none when it is a tombstone or not there any more.
    ///
    /// # Errors
    /// A failing disk.
    pub fn key_value(&self, id: RowId) -> Result<Option<KeyValue>, RequestError> {
        if id.revision.0 > self.revision {
            return Ok(None);
        }
        let kv = read_version(&self.shared.cache, self.reader.as_ref(), id)?;
        kv.map(decode).transpose()
    }

    /// The version of `key` that stood right before revision `before`; none when the key did not exist there or
    /// that history was given up.
    #[must_use]
    pub fn previous(&self, key: &[u8], before: Revision) -> Option<RowId> {
        let at = before.0 - 1;
        let stamp = (at >= self.compacted).then(|| self.shared.index.at(key, at))??;
        (!stamp.tombstone).then_some(stamp.id)
    }

    /// The storage as of the view's commit: rows, members, alarms and where they stand.
    #[must_use]
    pub fn reader(&self) -> &dyn Reader {
        self.reader.as_ref()
    }

    /// The same view of another storage.
    #[cfg(test)]
    pub(crate) fn reading(self, reader: impl FnOnce(Arc<dyn Reader>) -> Arc<dyn Reader>) -> Self {
        Self { reader: reader(Arc::clone(&self.reader)), ..self }
    }

    /// Keys that exist.
    #[must_use]
    pub fn key_count(&self) -> u64 {
        self.keys
    }

    /// Bytes of memory that the index takes now.
    #[must_use]
    pub fn index_bytes(&self) -> u64 {
        self.shared.index.bytes()
    }

    /// Bytes of memory that the value cache takes now.
    #[must_use]
    pub fn cache_bytes(&self) -> u64 {
        self.shared.cache.bytes() as u64
    }

    /// Bytes of keys and values, with history, by their logical size.
    #[must_use]
    pub fn logical_bytes(&self) -> u64 {
        self.logical_bytes
    }

    /// The revision that a plain read of `revision` reads.
    pub(super) fn resolve(&self, revision: i64) -> Result<i64, RequestError> {
        match revision {
            ..=0 => Ok(self.revision),
            wanted if wanted > self.revision => Err(RequestError::FutureRevision),
            wanted if wanted < self.compacted => Err(RequestError::Compacted),
            wanted => Ok(wanted),
        }
    }

    pub(super) fn source(&self, at: i64) -> Source<'_> {
        Source { index: &self.shared.index, at }
    }

    /// The result of a read at `at`, unless a compaction took versions away under it.
    pub(super) fn kept<T>(
        &self,
        at: i64,
        result: Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        if self.shared.index.floor() > at { Err(RequestError::Compacted) } else { result }
    }

    /// The same state, without holding compaction back.
    #[must_use]
    pub(crate) fn unpinned(&self) -> Self {
        Self { pin: None, ..self.clone() }
    }

    /// The encoded version `id`, which the index named.
    pub(super) fn value(&self, id: RowId) -> Result<Bytes, RequestError> {
        read_version(&self.shared.cache, self.reader.as_ref(), id)?.ok_or_else(|| missing(id))
    }

    /// Count of keys in `range` at `at`.
    pub(super) fn count(&self, range: &KeyRange, at: i64) -> i64 {
        i64::try_from(self.shared.index.count(range, at)).unwrap_or(i64::MAX)
    }
}

/// A version that the index names and the disk does not have.
pub(super) fn missing(id: RowId) -> RequestError {
    RequestError::Storage(format!("row {}.{} is missing", id.revision, id.sub))
}

/// Puts a refusal of the disk into words for whoever reads.
pub(super) fn failed(error: &StorageError) -> RequestError {
    RequestError::Storage(error.to_string())
}

/// The encoded version `id` from the cache or the disk; none when there is no such row, or it is a tombstone.
pub(super) fn read_version(
    cache: &Cache,
    reader: &dyn Reader,
    id: RowId,
) -> Result<Option<Bytes>, RequestError> {
    if let Some(kv) = cache.get(id) {
        return Ok(Some(kv));
    }
    let row = reader.get(Space::Rows, &id.key()).map_err(|error| failed(&error))?;
    let Some(row) = row else { return Ok(None) };
    let (kv, tombstone) = split_row(&row).ok_or_else(|| damaged(id))?;
    if tombstone {
        return Ok(None);
    }
    let kv = row.slice_ref(kv);
    cache.insert(id, kv.clone());
    Ok(Some(kv))
}

pub(super) fn damaged(id: RowId) -> RequestError {
    RequestError::Storage(format!("row {}.{} is damaged", id.revision, id.sub))
}

/// Whether any view that holds one of `pins` is alive; forgets the others.
pub(super) fn any_alive(pins: &mut Vec<Weak<Pin>>) -> bool {
    pins.retain(|pin| pin.strong_count() > 0);
    !pins.is_empty()
}

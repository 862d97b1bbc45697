//! What is still known of one key, across its removals.

use bytes::Bytes;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::Revision;

use super::range::decode;
use super::row::split_row;
use super::view::{damaged, failed, missing};
use super::{RowId, View};
use crate::error::RequestError;
use crate::limits;
use crate::storage::Space;

/// What one page may hold and cost.
#[derive(Clone, Copy, Debug)]
pub struct PageBounds {
    /// Entries that it may have; at least 1.
    pub entries: usize,
    /// Bytes of keys and values that it may have, if it is more than one entry.
    pub bytes: usize,
    /// Bytes of rows after which no further row is read for it.
    pub read_bytes: usize,
    /// Keys that may be looked at for it.
    pub looks: usize,
}

impl PageBounds {
    /// The bounds of a page of up to `entries`.
    #[must_use]
    pub fn of(entries: usize) -> Self {
        Self {
            entries,
            bytes: limits::ADMIN_PAGE_BYTES_MAX,
            read_bytes: limits::ADMIN_READ_BYTES_MAX,
            looks: limits::ADMIN_LOOKS_MAX,
        }
    }
}

/// How full a page is.
#[derive(Default)]
pub(super) struct Filling {
    entries: usize,
    bytes: usize,
    read_bytes: usize,
}

impl Filling {
    /// Counts what was read for the next entry.
    pub(super) fn read(&mut self, bytes: usize) {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
    }

    /// Whether one more entry, of `bytes`, has its place; it is counted then. The first one always has.
    pub(super) fn takes(&mut self, bytes: usize, bounds: &PageBounds) -> bool {
        let filled = self.bytes.saturating_add(bytes);
        let fits = filled <= bounds.bytes && self.entries < bounds.entries;
        if self.entries > 0 && !fits {
            return false;
        }
        self.entries += 1;
        self.bytes = filled;
        true
    }

    /// Whether no further entry is to be read, whatever its size.
    pub(super) fn is_full(&self, bounds: &PageBounds) -> bool {
        let has_read_enough = self.entries > 0 && self.read_bytes > bounds.read_bytes;
        self.entries >= bounds.entries.max(1) || has_read_enough
    }
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub id: RowId,
    /// It ended the key's life.
    pub tombstone: bool,
    /// Content of a put; the default for a tombstone.
    pub kv: KeyValue,
}

/// A page of the versions of a key, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    pub versions: Vec<Version>,
    /// Older ones exist: go on below this one.
    pub below: Option<RowId>,
}

impl View {
    /// Versions of `key` below `below`, none for the newest, as far back as history goes: newest first. Their values
    /// are part of the page, and count in its bytes, if `values` are wanted.
    ///
    /// # Errors
    /// `Compacted` when a compaction passed this view; a failing disk.
    pub fn versions(
        &self,
        key: &[u8],
        below: Option<RowId>,
        values: bool,
        bounds: &PageBounds,
    ) -> Result<Versions, RequestError> {
        self.kept(self.compacted, self.read_versions(key, below, values, bounds))
    }

    fn read_versions(
        &self,
        key: &[u8],
        below: Option<RowId>,
        values: bool,
        bounds: &PageBounds,
    ) -> Result<Versions, RequestError> {
        let newest = RowId { revision: Revision(self.revision.saturating_add(1)), sub: 0 };
        let below = below.map_or(newest, |below| below.min(newest));
        let most = bounds.entries.max(1).saturating_add(1);
        let stamps = self.shared.index.versions(key, self.compacted, below, most);
        let mut filling = Filling::default();
        let mut page = Versions { versions: Vec::new(), below: None };
        for stamp in stamps {
            page.below = page.versions.last().map(|version: &Version| version.id);
            if filling.is_full(bounds) {
                return Ok(page);
            }
            let kv = if stamp.tombstone { KeyValue::default() } else { self.peek(stamp.id)? };
            filling.read(kv.key.len() + kv.value.len());
            let bytes = if values { kv.value.len() } else { 0 };
            if !filling.takes(bytes, bounds) {
                return Ok(page);
            }
            page.versions.push(Version { id: stamp.id, tombstone: stamp.tombstone, kv });
        }
        page.below = None;
        Ok(page)
    }

    /// The version `id`, which the index named and which is no tombstone. Leaves the cache to those who read the
    /// present.
    pub(super) fn peek(&self, id: RowId) -> Result<KeyValue, RequestError> {
        if let Some(kv) = self.shared.cache.get(id) {
            return decode(kv);
        }
        let row: Option<Bytes> =
            self.reader.get(Space::Rows, &id.key()).map_err(|error| failed(&error))?;
        let row = row.ok_or_else(|| missing(id))?;
        let (kv, _) = split_row(&row).ok_or_else(|| damaged(id))?;
        decode(row.slice_ref(kv))
    }
}

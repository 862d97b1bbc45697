//! Hashes that members compare.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crc32c::crc32c_append as append;
use mini_etcd_shared::types::{KeyRange, Revision};

use super::row::{StoredRow, key_of};
use super::view::failed;
use super::{RowId, View};
use crate::error::RequestError;
use crate::storage::Space;

/// What etcd's hash begins with: the name of the bucket its versions stand in.
const BUCKET: &[u8] = b"key";

/// The hash of the keys and their history, comparable between members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKv {
    pub hash: u32,
    /// Compacted revision it stands on; -1 for none.
    pub compact_revision: i64,
    /// Revision up to which it goes.
    pub hash_revision: i64,
}

impl View {
    /// Hash of the keys and their history up to `revision`, 0 for the current one: over the names and contents
    /// that etcd would store. The same on every member with the same compacted revision, whatever of the dead
    /// rows is still on its disk. Reads every row. For the revision of one of the last compactions it is what it
    /// was before it, and says so by its compacted revision.
    ///
    /// # Errors
    /// A revision that is compacted or not there yet; a failing disk.
    pub fn hash_kv(&self, revision: i64) -> Result<HashKv, RequestError> {
        let hash_revision = if revision == 0 { self.revision } else { revision };
        if hash_revision > self.revision {
            return Err(RequestError::FutureRevision);
        }
        if let Some(hash) = self.hashes.of(revision) {
            return Ok(hash);
        }
        if (0..self.compacted).contains(&hash_revision) {
            return Err(RequestError::Compacted);
        }
        self.hash_up_to(hash_revision, &AtomicBool::new(false))
    }

    /// The hash over what this view shows up to `hash_revision`. Ends without a result when `stopped` turns true.
    pub(super) fn hash_up_to(
        &self,
        hash_revision: i64,
        stopped: &AtomicBool,
    ) -> Result<HashKv, RequestError> {
        let mut hash = crc32c::crc32c(BUCKET);
        let compact_revision = self.compacted;
        if hash_revision < 0 {
            return Ok(HashKv { hash, compact_revision, hash_revision });
        }
        // etcd drops what is dead at the revision asked for, from what compaction may touch. Where nothing is
        // alive it drops nothing but what compaction took.
        let any_alive = self.count(&KeyRange::all(), hash_revision) > 0;
        let standing_at = if any_alive { hash_revision } else { self.compacted };
        let mut damaged = false;
        let high = RowId { revision: Revision(hash_revision), sub: u32::MAX }.key();
        let bounds = (Bound::Unbounded, Bound::Included(high.as_ref()));
        let scanned = self.reader.scan(Space::Rows, bounds, &mut |key, row| {
            if stopped.load(Relaxed) {
                return ControlFlow::Break(());
            }
            if let Some(sum) = self.hash_row(hash, standing_at, (key, row)) {
                hash = sum;
                return ControlFlow::Continue(());
            }
            damaged = true;
            ControlFlow::Break(())
        });
        scanned.map_err(|error| failed(&error))?;
        if stopped.load(Relaxed) {
            return Err(RequestError::Stopped);
        }
        if damaged {
            return Err(RequestError::Storage("a row is damaged".to_owned()));
        }
        self.kept(hash_revision, Ok(HashKv { hash, compact_revision, hash_revision }))
    }

    /// Goes on with one row; none when it is damaged. A row up to the compacted revision counts if it is the
    /// version of its key at `standing_at`.
    fn hash_row(&self, hash: u32, standing_at: i64, (key, row): (&[u8], &[u8])) -> Option<u32> {
        let StoredRow { id, tombstone, version } = StoredRow::of(key, row)?;
        if id.revision.0 <= self.compacted {
            let standing = self.shared.index.at(key_of(version)?, standing_at);
            if tombstone || standing.is_none_or(|stamp| stamp.id != id) {
                return Some(hash);
            }
        }
        let (revision, sub) = (id.revision.0.to_be_bytes(), u64::from(id.sub).to_be_bytes());
        let hash = append(append(append(hash, &revision), b"_"), &sub);
        let hash = if tombstone { append(hash, b"t") } else { hash };
        Some(append(hash, version))
    }

    /// Hash of what this member stores of keys, members and alarms; not comparable between members. Where the log
    /// stands is left out, so that it stays when nothing of these changed.
    ///
    /// # Errors
    /// A failing disk.
    pub fn hash_all(&self) -> Result<u32, RequestError> {
        let mut hash = 0;
        for space in [Space::Rows, Space::System] {
            hash = append(hash, space.name().as_bytes());
            let scanned =
                self.reader.scan(space, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
                    hash = append(append(hash, key), value);
                    ControlFlow::Continue(())
                });
            scanned.map_err(|error| failed(&error))?;
        }
        Ok(hash)
    }
}

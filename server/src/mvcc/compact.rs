//! Giving history up: at once for readers, step by step on disk.
//!
//! The entry only moves the compacted revision; that is all that readers need. What is dead by it leaves index and
//! disk later, in slices between turns ([`Store::collect`]), each slice one batch. After a crash the index is
//! rebuilt from what is on disk and collecting starts over: it ends with `finished`, written with the last slice.

use std::sync::Arc;
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{CompactionRequest, CompactionResponse};

use super::RowId;
use super::row::{logical_len, row_len};
use super::store::Store;
use super::view::{Pin, any_alive};
use crate::error::RequestError;
use crate::limits::COLLECT_WAITS_MAX;
use crate::metrics::Counts;
use crate::storage::{Space, StorageError};

/// One wait for readers of a state before the compaction.
const WAIT: Duration = Duration::from_millis(1);

impl Store {
    /// Gives up the history below the revision asked for.
    pub(crate) fn compact(
        &mut self,
        request: &CompactionRequest,
    ) -> Result<CompactionResponse, RequestError> {
        if request.revision <= self.standing.compacted {
            return Err(RequestError::Compacted);
        }
        if request.revision > self.standing.revision {
            return Err(RequestError::FutureRevision);
        }
        // etcd reads a key, any one, for the header.
        self.count(Counts::of_ranges(1));
        self.took(request.revision);
        self.standing.compacted = request.revision;
        let old = std::mem::replace(&mut self.pin, Arc::new(Pin));
        self.old_pins.push(Arc::downgrade(&old));
        self.cursor = Box::default();
        self.waited = 0;
        Ok(CompactionResponse { header: Some(self.header()) })
    }

    /// Whether dead versions may still be on disk.
    pub(crate) fn has_garbage(&self) -> bool {
        self.standing.finished < self.standing.compacted
    }

    /// Puts the removal of up to `max` dead versions into the turn's batch; false when it found nothing to do yet.
    ///
    /// The state that the compaction took is hashed before anything of it goes. A reader who began before the compaction is waited for, though not for ever: then it is the reader who finds
    /// its revision compacted.
    pub(crate) fn collect(&mut self, max: usize) -> Result<bool, StorageError> {
        if self.hashes.is_busy() {
            return Ok(false);
        }
        if any_alive(&mut self.old_pins) && self.waited < COLLECT_WAITS_MAX {
            self.waited += 1;
            std::thread::sleep(WAIT);
            return Ok(false);
        }
        let mut dead = Vec::new();
        let compacted = self.standing.compacted;
        let rest = self.shared.index.prune(compacted, &self.cursor, max.max(1), &mut dead);
        dead.sort_unstable();
        for id in dead {
            self.remove(id)?;
        }
        if let Some(key) = rest {
            self.cursor = key;
        } else {
            self.cursor = Box::default();
            self.standing.finished = compacted;
        }
        Ok(true)
    }

    fn remove(&mut self, id: RowId) -> Result<(), StorageError> {
        let key = id.key();
        let len = match self.shared.cache.len_of(id) {
            Some(kv) => Some(row_len(kv, false)),
            None => self.reader.get(Space::Rows, &key)?.map(|row| row.len()),
        };
        let bytes = len.map_or(0, logical_len);
        self.standing.logical_bytes = self.standing.logical_bytes.saturating_sub(bytes);
        self.shared.cache.remove(id);
        self.count_collected();
        self.batch().remove(Space::Rows, key);
        Ok(())
    }
}

//! What happened, read back from the rows: for watchers that were not there.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use mini_etcd_shared::types::Revision;

use super::range::decode;
use super::row::{key_of, split_row};
use super::view::{damaged, failed};
use super::{Event, EventKind, RowId, View};
use crate::error::RequestError;
use crate::limits::{HISTORY_BYTES_MAX, HISTORY_ROWS_MAX};
use crate::storage::Space;

/// A piece of history, oldest first.
#[derive(Debug)]
pub struct History {
    /// Changes in the order they happened; of each revision all or none.
    pub events: Vec<Event>,
    /// First revision that was not looked at: go on from there.
    pub next: Revision,
}

/// A scan in progress.
struct Scan<'a> {
    wanted: &'a dyn Fn(&[u8]) -> bool,
    revisions_left: usize,
    rows_left: usize,
    bytes_left: usize,
    /// Revision of the last row.
    current: i64,
    /// The current revision has a wanted change.
    counted: bool,
    /// (id, encoded version, tombstone)
    found: Vec<(RowId, Bytes, bool)>,
    outcome: Result<Option<i64>, RequestError>,
}

impl View {
    /// Changes from revision `from` on of the keys that `wanted` accepts: whole revisions, in order, up to
    /// `max_revisions` that have any. Ends early after many rows, so that a search for a rare key does not hold
    /// its caller up; `next` above the view's revision says that nothing is left.
    ///
    /// # Errors
    /// `Compacted` below the compacted revision; the changes at that revision itself are there. A failing disk.
    pub fn history(
        &self,
        from: Revision,
        max_revisions: usize,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<History, RequestError> {
        if from.0 < self.compacted {
            return Err(RequestError::Compacted);
        }
        let mut scan = Scan {
            wanted,
            revisions_left: max_revisions.max(1),
            rows_left: HISTORY_ROWS_MAX,
            bytes_left: HISTORY_BYTES_MAX,
            current: i64::MIN,
            counted: false,
            found: Vec::new(),
            outcome: Ok(None),
        };
        let low = RowId { revision: from, sub: 0 }.key();
        let high = RowId { revision: self.revision(), sub: u32::MAX }.key();
        if low <= high {
            let bounds = (Bound::Included(low.as_ref()), Bound::Included(high.as_ref()));
            let scanned =
                self.reader.scan(Space::Rows, bounds, &mut |key, row| scan.visit(key, row));
            scanned.map_err(|error| failed(&error))?;
        }
        let next = scan.outcome?.unwrap_or_else(|| from.0.max(self.revision + 1));
        let events =
            scan.found.into_iter().map(|(id, kv, tombstone)| self.event(id, kv, tombstone));
        Ok(History { events: events.collect::<Result<_, _>>()?, next: Revision(next) })
    }

    fn event(&self, id: RowId, kv: Bytes, tombstone: bool) -> Result<Event, RequestError> {
        let key = kv.slice_ref(key_of(&kv).ok_or_else(|| damaged(id))?);
        let mut prev = self.previous(&key, id.revision);
        if prev.is_some() && !tombstone {
            // A key removed and written in one transaction counts as created by it.
            let created = decode(kv.clone())?.create_revision == id.revision.0;
            prev = prev.filter(|_| !created);
        }
        let kind = if tombstone { EventKind::Delete } else { EventKind::Put };
        Ok(Event { id, kind, key, kv, prev })
    }
}

impl Scan<'_> {
    fn visit(&mut self, key: &[u8], row: &[u8]) -> ControlFlow<()> {
        let parts = RowId::parse(key).zip(split_row(row));
        let Some((id, (kv, tombstone, row_key))) =
            parts.and_then(|(id, (kv, tombstone))| Some((id, (kv, tombstone, key_of(kv)?))))
        else {
            self.outcome = Err(RequestError::Storage(format!("row {key:02x?} is damaged")));
            return ControlFlow::Break(());
        };
        if id.revision.0 != self.current {
            let full = self.revisions_left == 0 || self.rows_left == 0 || self.bytes_left == 0;
            if full {
                self.outcome = Ok(Some(id.revision.0));
                return ControlFlow::Break(());
            }
            self.current = id.revision.0;
            self.counted = false;
        }
        self.rows_left = self.rows_left.saturating_sub(1);
        if (self.wanted)(row_key) {
            if !self.counted {
                self.counted = true;
                self.revisions_left -= 1;
            }
            self.bytes_left = self.bytes_left.saturating_sub(kv.len());
            self.found.push((id, Bytes::copy_from_slice(kv), tombstone));
        }
        ControlFlow::Continue(())
    }
}

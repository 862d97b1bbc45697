//! [`View::rows`]: the rows of an answer, many at a time.
//!
//! What the cache has is taken from there. The rest is read in the order of the disk, which is that of revisions: rows
//! that lie close together by one scan, the others one by one. Keys that were written one after the other lie so, and a
//! scan passes ten rows and more in the time that a single read takes. It leaves the cache to those rows that are dear.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::range::Pick;
use super::row::split_row;
use super::view::{damaged, failed, missing};
use super::{RowId, View};
use crate::error::RequestError;
use crate::storage::Space;

/// Rows, and about bytes, that are looked up together: they are in memory twice while they go into the answer.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 256 << 10;

/// Rows that are read by a scan rather than one by one, at least.
const RUN_ROWS_MIN: usize = 4;
/// Revisions from one wanted row to the next of the same scan.
const GAP_MAX: i64 = 16;
/// Rows that a scan looks at for each wanted one. One revision may have any number of rows.
const PASSED_MAX: usize = 16;

/// A row that the cache has not, and its place in the answer.
type Missing = (RowId, usize);

impl View {
    /// Reads the versions that `picks` name, in their order.
    pub(super) fn rows(
        &self,
        picks: &[Pick],
        take: &mut dyn FnMut(Bytes) -> Result<(), RequestError>,
    ) -> Result<(), RequestError> {
        if let [pick] = picks {
            return take(self.value(pick.id())?);
        }
        let mut rest = picks;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_len(rest));
            for row in self.batch(batch)? {
                take(row)?;
            }
            rest = later;
        }
        Ok(())
    }

    fn batch(&self, picks: &[Pick]) -> Result<Vec<Bytes>, RequestError> {
        let mut rows = Vec::with_capacity(picks.len());
        let mut missing_rows = Vec::new();
        for (at, pick) in picks.iter().enumerate() {
            let row = self.shared.cache.get(pick.id());
            if row.is_none() {
                missing_rows.push((pick.id(), at));
            }
            rows.push(row);
        }
        for run in runs(&mut missing_rows) {
            let found = if run.len() >= RUN_ROWS_MIN { self.scan(run, &mut rows)? } else { 0 };
            for (id, at) in run.iter().skip(found) {
                if let Some(row) = rows.get_mut(*at) {
                    *row = Some(self.value(*id)?);
                }
            }
        }
        let all = rows.into_iter().zip(picks);
        all.map(|(row, pick)| row.ok_or_else(|| missing(pick.id()))).collect()
    }

    /// Reads the first rows of a run by a scan that passes a bounded number of others, and tells how many.
    fn scan(&self, run: &[Missing], rows: &mut [Option<Bytes>]) -> Result<usize, RequestError> {
        let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { return Ok(0) };
        let (low, high) = (first.key(), last.key());
        let bounds = (Bound::Included(low.as_slice()), Bound::Included(high.as_slice()));
        let mut wanted = run.iter().peekable();
        let mut found = 0;
        let mut passes = run.len().saturating_mul(PASSED_MAX);
        let mut refused = None;
        let scanned = self.reader.scan(Space::Rows, bounds, &mut |key, row| {
            // Several places may want one row.
            while let Some((id, at)) = wanted.next_if(|(id, _)| id.key() == key) {
                match (split_row(row), rows.get_mut(*at)) {
                    (Some((kv, false)), Some(row)) => *row = Some(Bytes::copy_from_slice(kv)),
                    _ => refused = Some(damaged(*id)),
                }
                found += 1;
            }
            passes -= 1;
            if passes == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        scanned.map_err(|error| failed(&error))?;
        refused.map_or(Ok(found), Err)
    }

    /// Reads of the disk that it takes to get these rows, as far as that is known without any; a scan counts as one.
    pub(super) fn disk_reads(&self, picks: &[Pick]) -> usize {
        let absent = picks.iter().filter(|pick| self.shared.cache.len_of(pick.id()).is_none());
        let mut absent: Vec<Missing> = absent.map(|pick| (pick.id(), 0)).collect();
        let reads = |run: &[Missing]| if run.len() >= RUN_ROWS_MIN { 1 } else { run.len() };
        runs(&mut absent).map(reads).sum()
    }
}

/// How many of the next rows are looked up together.
fn batch_len(picks: &[Pick]) -> usize {
    let mut bytes = 0;
    let fits = picks.iter().take(BATCH_ROWS).take_while(|pick| {
        bytes += Pick::sum(std::slice::from_ref(pick));
        bytes <= BATCH_BYTES
    });
    fits.count().max(1)
}

/// Rows in the order of the disk, those that lie close together as one.
fn runs(rows: &mut [Missing]) -> impl Iterator<Item = &[Missing]> {
    rows.sort_unstable();
    rows.chunk_by(|(a, _), (b, _)| b.revision.0 - a.revision.0 <= GAP_MAX)
}

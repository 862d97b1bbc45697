//! [`Store::load`]: the index, from the rows on disk.

use std::ops::{Bound, ControlFlow};
use std::panic::resume_unwind;
use std::sync::Arc;

use bytes::Bytes;
use mini_etcd_shared::types::Revision;
use prost::Message as _;

use super::RowId;
use super::index::{Builder, Index, Life, Sorted, Stamp};
use super::row::{key_of, logical_len, split_row};
use super::store::{Store, StoreMeta};
use crate::lease::Leases;
use crate::limits::LOAD_THREADS_MAX;
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

/// Revisions from which on a thread of its own pays for reading their rows.
const THREAD_REVISIONS: i64 = 20_000;

/// As much of an encoded version as the index has of it, and its lease: key and value are passed over, not copied.
#[derive(Clone, PartialEq, prost::Message)]
struct Standing {
    #[prost(int64, tag = "2")]
    create_revision: i64,
    #[prost(int64, tag = "4")]
    version: i64,
    #[prost(int64, tag = "6")]
    lease: i64,
}

impl Store {
    /// The keys as they stand in `reader`. Dead versions are in the index too: collecting them has to find them. The
    /// rows must add up to what `standing` says of them. `leases` learns what hangs on them.
    pub(crate) fn load(
        reader: Arc<dyn Reader>,
        standing: StoreMeta,
        leases: &mut Leases,
    ) -> Result<Self, LoadError> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let worthwhile = usize::try_from(standing.revision / THREAD_REVISIONS).unwrap_or_default();
        let threads = worthwhile.clamp(1, processors.min(LOAD_THREADS_MAX));
        let index = load(reader.as_ref(), standing, leases, threads)?;
        Ok(Self::new(index, reader, standing))
    }
}

/// The index, from parts of the rows that as many threads read.
fn load(
    reader: &dyn Reader,
    standing: StoreMeta,
    leases: &mut Leases,
    threads: usize,
) -> Result<Index, LoadError> {
    let mut spans = spans(standing.revision, threads).into_iter();
    let parts: Vec<Result<Part, LoadError>> = std::thread::scope(|scope| {
        let read = |span| move || Part::read(reader, span, standing.revision);
        let first = spans.next().map(read);
        let others: Vec<_> = spans.map(|span| scope.spawn(read(span))).collect();
        let first = first.map(|read| read());
        let others = others.into_iter();
        let others = others.map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)));
        first.into_iter().chain(others).collect()
    });
    let (mut sorted, mut attached, mut bytes) = (Vec::new(), Vec::new(), 0);
    for part in parts {
        let part = part?;
        sorted.push(part.rows);
        attached.extend(part.attached);
        bytes += part.bytes;
    }
    if bytes != standing.logical_bytes {
        let expected = standing.logical_bytes;
        return Err(LoadError::Damaged(format!("{bytes} bytes of rows, {expected} expected")));
    }
    let index = Sorted::merge(&sorted);
    for Attached { key, id, lease } in attached {
        if index.latest(&key).is_some_and(|(newest, _)| newest.id == id) {
            leases.follow(&key, lease);
        }
    }
    if let Some(key) = leases.orphan() {
        return Err(LoadError::Damaged(format!("key {key:?} hangs on a lease that is not there")));
    }
    Ok(index)
}

/// The keys of rows from the first on, up to the second.
type Span = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// All rows, in so many spans of the time up to `revision`.
fn spans(revision: i64, count: usize) -> Vec<Span> {
    let count = i64::try_from(count.max(1)).unwrap_or(1);
    let start = |at| RowId { revision: Revision(revision / count * at), sub: 0 }.key().to_vec();
    let low = |at| if at == 0 { Bound::Unbounded } else { Bound::Included(start(at)) };
    let high = |at| if at == count { Bound::Unbounded } else { Bound::Excluded(start(at)) };
    (0..count).map(|at| (low(at), high(at + 1))).collect()
}

/// A version that hangs on a lease.
struct Attached {
    key: Bytes,
    id: RowId,
    lease: i64,
}

/// What one thread read.
struct Part {
    rows: Sorted,
    attached: Vec<Attached>,
    /// Logical size of the rows.
    bytes: u64,
}

impl Part {
    fn read(reader: &dyn Reader, span: Span, newest: i64) -> Result<Self, LoadError> {
        let (mut rows, mut attached, mut bytes) = (Builder::default(), Vec::new(), 0);
        let mut damaged = None;
        let span = (as_slice(&span.0), as_slice(&span.1));
        reader.scan(Space::Rows, span, &mut |key, row| {
            bytes += logical_len(row.len());
            let revision = load_row(&mut rows, &mut attached, key, row);
            if revision.is_some_and(|revision| revision <= newest) {
                return ControlFlow::Continue(());
            }
            damaged = Some(LoadError::Damaged(format!("row {key:02x?}")));
            ControlFlow::Break(())
        })?;
        damaged.map_or_else(|| Ok(Self { rows: rows.sorted(), attached, bytes }), Err)
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// The revision of the row, none when it is damaged.
fn load_row(
    rows: &mut Builder,
    attached: &mut Vec<Attached>,
    key: &[u8],
    row: &[u8],
) -> Option<i64> {
    let id = RowId::parse(key)?;
    let (kv, tombstone) = split_row(row)?;
    let key = key_of(kv)?;
    if tombstone {
        rows.push(key, Stamp::removal(id), Life::default());
        return Some(id.revision.0);
    }
    let Standing { create_revision: create, version, lease } = Standing::decode(kv).ok()?;
    rows.push(key, Stamp::put(id, kv.len()), Life { create, version });
    if lease != 0 {
        attached.push(Attached { key: Bytes::copy_from_slice(key), id, lease });
    }
    Some(id.revision.0)
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::mvccpb::KeyValue;
    use mini_etcd_shared::types::KeyRange;

    use super::super::row::{encode_kv, encode_row};
    use super::*;
    use crate::storage::{Batch, Durability, Engine, MemoryEngine};

    /// Goal: however many threads read, the index is the same. Method: keys whose versions and removals fall into several
    /// parts, as seen at each revision.
    #[test]
    fn parts_that_several_threads_read_make_the_index_that_one_thread_makes() {
        let mut batch = Batch::new();
        let mut logical_bytes = 0;
        for revision in 1..500_i64 {
            let tombstone = revision % 7 == 0;
            let kv = encode_kv(&KeyValue {
                key: format!("key {}", revision * 31 % 97).into(),
                create_revision: revision,
                mod_revision: revision,
                version: 1,
                ..KeyValue::default()
            });
            let row = encode_row(&kv, tombstone);
            logical_bytes += logical_len(row.len());
            batch.put(Space::Rows, RowId { revision: Revision(revision), sub: 0 }.key(), row);
        }
        let mut engine = MemoryEngine::new();
        engine.commit(batch, Durability::Synced).unwrap();
        let reader = engine.reader();
        let standing = StoreMeta { revision: 499, compacted: -1, finished: -1, logical_bytes };
        let seen = |threads| {
            let index = load(reader.as_ref(), standing, &mut Leases::default(), threads).unwrap();
            let mut seen = Vec::new();
            for revision in 0..500 {
                index.visit(&KeyRange::all(), revision, |key, stamp, life| {
                    seen.push((revision, key.to_vec(), stamp, life));
                    ControlFlow::Continue(())
                });
            }
            (seen, index.live(), index.bytes())
        };
        let one = seen(1);
        assert!(one.0.len() > 10_000);
        for threads in 2..6 {
            assert!(seen(threads) == one, "{threads} threads");
        }
        let short = StoreMeta { logical_bytes: logical_bytes - 1, ..standing };
        let refused = load(reader.as_ref(), short, &mut Leases::default(), 3);
        assert!(matches!(refused, Err(LoadError::Damaged(_))));
    }
}

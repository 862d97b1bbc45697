//! [`Store`]: the keys for the apply thread, which alone changes them; one batch a turn.

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest, ResponseHeader};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::{KeyRange, Revision};

use super::answer::{Answer, Body};
use super::cache::Cache;
use super::hashes::Hashes;
use super::index::{Index, Life, Stamp};
use super::range::{Pick, Source, check_size, decode};
use super::row::{encode_kv, encode_row, key_of, logical_len};
use super::view::{Pin, SharedKeys, missing, read_version};
use super::{Event, EventKind, RowId, View};
use crate::error::RequestError;
use crate::lease::Leases;
use crate::limits::VALUE_CACHE_BYTES_MAX;
use crate::metrics::Counts;
use crate::storage::{Batch, Reader, Space};

/// Newest state, whatever its revision: what the writer reads.
pub(super) const NOW: i64 = i64::MAX;

/// Where the keys stand; what `AppliedState` stores of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreMeta {
    /// Revision of the last change.
    pub(crate) revision: i64,
    /// Revision below which history was given up; -1 for none.
    pub(crate) compacted: i64,
    /// Compactions up to this one are off the disk.
    pub(crate) finished: i64,
    /// Bytes of keys and values, with history.
    pub(crate) logical_bytes: u64,
}

/// The keys, for the one thread that changes them.
pub(crate) struct Store {
    pub(super) shared: Arc<SharedKeys>,
    pub(super) reader: Arc<dyn Reader>,
    pub(super) standing: StoreMeta,
    /// Held by views made since the last compaction.
    pub(super) pin: Arc<Pin>,
    /// Held by views made before it, while they live.
    pub(super) old_pins: Vec<Weak<Pin>>,
    /// How long collecting has waited for them.
    pub(super) waited: u32,
    /// Of the states that compactions took.
    pub(super) hashes: Arc<Hashes>,
    /// Where collecting goes on.
    pub(super) cursor: Box<[u8]>,
    /// Revision that the present entry makes if it changes something.
    pub(super) main: i64,
    /// Changes of the present entry.
    pub(super) sub: u32,
    turn: Uncommitted,
}

/// What is not committed yet.
#[derive(Default)]
struct Uncommitted {
    batch: Batch,
    /// Puts of the turn, ascending: their rows are not on disk, and nothing may push them out of memory.
    pinned: Vec<(RowId, Bytes)>,
    events: Vec<Event>,
    counts: Counts,
    /// Compactions: the compacted revision before each, and that after it.
    compactions: Vec<(i64, i64)>,
    /// Operations of the access in progress.
    access: Counts,
}

impl Store {
    /// The keys of `index`, whose rows stand in `reader`.
    pub(super) fn new(index: Index, reader: Arc<dyn Reader>, standing: StoreMeta) -> Self {
        let shared = Arc::new(SharedKeys { index, cache: Cache::new(VALUE_CACHE_BYTES_MAX) });
        Self {
            shared,
            reader,
            standing,
            pin: Arc::new(Pin),
            old_pins: Vec::new(),
            waited: 0,
            hashes: Arc::default(),
            cursor: Box::default(),
            main: standing.revision,
            sub: 0,
            turn: Uncommitted::default(),
        }
    }

    pub(crate) fn standing(&self) -> StoreMeta {
        self.standing
    }

    /// Begins an entry that makes `revision` if it changes something.
    pub(crate) fn begin(&mut self, revision: Revision) {
        assert!(revision.0 > self.standing.revision, "revisions ascend");
        self.main = revision.0;
        self.sub = 0;
    }

    /// Ends the entry: its changes, in order.
    pub(crate) fn end(&mut self) -> &[Event] {
        self.end_access();
        self.standing.revision = self.revision();
        let first = self.turn.events.len() - self.sub as usize;
        self.turn.events.get(first..).unwrap_or_default()
    }

    /// The revision as the present entry sees it.
    pub(crate) fn revision(&self) -> i64 {
        if self.sub > 0 { self.main } else { self.standing.revision }
    }

    pub(super) fn header(&self) -> ResponseHeader {
        ResponseHeader { revision: self.revision(), ..ResponseHeader::default() }
    }

    /// Counts operations.
    pub(super) fn count(&mut self, counts: Counts) {
        self.turn.access.add(counts);
    }

    /// What comes is counted as another access.
    pub(super) fn end_access(&mut self) {
        let access = std::mem::take(&mut self.turn.access).ended();
        self.turn.counts.add(access);
    }

    /// A dead version is off the disk.
    pub(super) fn count_collected(&mut self) {
        self.turn.counts.collected += 1;
    }

    /// The operations since the last call.
    pub(crate) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.turn.counts)
    }

    /// What the turn has to commit.
    pub(crate) fn batch(&mut self) -> &mut Batch {
        &mut self.turn.batch
    }

    /// Takes the turn's batch; the turn ends with [`Store::committed`].
    pub(crate) fn take_batch(&mut self) -> Batch {
        std::mem::take(&mut self.turn.batch)
    }

    /// The turn is committed and `reader` shows it: answers what happened.
    pub(crate) fn committed(&mut self, reader: Arc<dyn Reader>) -> Vec<Event> {
        self.reader = reader;
        let turn = std::mem::take(&mut self.turn);
        self.turn.counts = turn.counts;
        for (id, kv) in turn.pinned {
            self.shared.cache.insert(id, kv);
        }
        for (compacted, revision) in turn.compactions {
            // It holds nothing back, for nothing is removed before it is hashed.
            let view = View { hashes: Arc::default(), compacted, ..self.view().unpinned() };
            self.hashes.push(revision, view);
        }
        turn.events
    }

    /// A compaction takes the state at `revision`.
    pub(super) fn took(&mut self, revision: i64) {
        // To HashKV 0 means the current revision, which must not be answered by an old hash.
        if revision > 0 {
            self.turn.compactions.push((self.standing.compacted, revision));
        }
    }

    /// Goes on with the hashes of the keys before, which are those of the same history.
    pub(crate) fn keep_hashes(&mut self, hashes: Arc<Hashes>) {
        self.hashes = hashes;
    }

    /// The hashes of the states that compactions took, for the thread that computes them.
    pub(crate) fn hashes(&self) -> Arc<Hashes> {
        Arc::clone(&self.hashes)
    }

    /// The state as of the last commit.
    pub(crate) fn view(&self) -> View {
        View {
            shared: Arc::clone(&self.shared),
            reader: Arc::clone(&self.reader),
            pin: Some(Arc::clone(&self.pin)),
            hashes: Arc::clone(&self.hashes),
            revision: self.standing.revision,
            compacted: self.standing.compacted,
            keys: self.shared.index.live(),
            logical_bytes: self.standing.logical_bytes,
        }
    }

    pub(super) fn source(&self, at: i64) -> Source<'_> {
        Source { index: &self.shared.index, at }
    }

    /// The put, if nothing speaks against it.
    pub(crate) fn put(
        &mut self,
        request: &PutRequest,
        leases: &Leases,
    ) -> Result<Answer, RequestError> {
        leases.check(request.lease)?;
        if let Err(error) = self.check_key(request) {
            self.count(Counts::of_ranges(1));
            return Err(error);
        }
        Ok(Answer::uncommitted(self.put_checked(request)?))
    }

    /// A put that keeps something needs a key to keep it of.
    pub(super) fn check_key(&self, request: &PutRequest) -> Result<(), RequestError> {
        let keeps = request.ignore_value || request.ignore_lease;
        let live = || self.shared.index.latest(&request.key).is_some_and(|(s, _)| !s.tombstone);
        if keeps && !live() { Err(RequestError::KeyNotFound) } else { Ok(()) }
    }

    /// Only a failing disk stops it now.
    pub(super) fn put_checked(&mut self, request: &PutRequest) -> Result<Body, RequestError> {
        let latest = self.shared.index.latest(&request.key);
        let standing = latest.filter(|(stamp, _)| !stamp.tombstone);
        let keeps = request.ignore_value || request.ignore_lease;
        let kept = match standing {
            Some((stamp, _)) if keeps => Some(decode(self.value(stamp.id)?)?),
            _ => None,
        };
        let prev_kv = standing.filter(|_| request.prev_kv).map(|(stamp, _)| Pick::whole(stamp));
        let life = match standing {
            Some((_, life)) => Life { version: life.version + 1, ..life },
            None => Life { create: self.main, version: 1 },
        };
        let mut kv = KeyValue {
            key: request.key.clone(),
            create_revision: life.create,
            mod_revision: self.main,
            version: life.version,
            value: request.value.clone(),
            lease: request.lease,
        };
        if let Some(prev) = kept {
            if request.ignore_value {
                kv.value = prev.value;
            }
            if request.ignore_lease {
                kv.lease = prev.lease;
            }
        }
        self.count(Counts {
            puts: 1,
            ranges: u64::from(keeps || request.prev_kv),
            put_bytes: (kv.key.len() + kv.value.len()) as u64,
            ..Counts::default()
        });
        // A key that was removed and is written by one transaction counts as created by it.
        let prev = standing
            .filter(|_| life.create != self.main)
            .and_then(|(stamp, _)| self.before_entry(&request.key, stamp));
        self.change(&kv, Some(life), prev);
        Ok(Body::Put(Some(self.header()), prev_kv))
    }

    /// Removes what is in the range, unless the answer would be too large.
    pub(crate) fn delete_range(
        &mut self,
        request: &DeleteRangeRequest,
    ) -> Result<Answer, RequestError> {
        if request.prev_kv {
            check_size(self.source(NOW).bound(&previous(request), false).bytes)?;
        }
        Ok(Answer::uncommitted(self.delete_checked(request)))
    }

    /// Removes what is in the range.
    pub(super) fn delete_checked(&mut self, request: &DeleteRangeRequest) -> Body {
        self.count(Counts { deletes: 1, ranges: request.prev_kv.into(), ..Counts::default() });
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        let mut keys = Vec::new();
        self.shared.index.visit(&range, NOW, |key, stamp, _| {
            keys.push((Bytes::copy_from_slice(key), stamp));
            ControlFlow::Continue(())
        });
        let picks = keys.iter().filter(|_| request.prev_kv).map(|(_, stamp)| Pick::whole(*stamp));
        let prev_kvs = picks.collect();
        let deleted = i64::try_from(keys.len()).unwrap_or(i64::MAX);
        for (key, stamp) in keys {
            self.end_life(key, stamp);
        }
        Body::Removal(Some(self.header()), deleted, prev_kvs)
    }

    /// Removes these keys, of those that there are.
    pub(crate) fn remove_all<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) {
        for key in keys {
            let latest = self.shared.index.latest(key);
            if let Some((stamp, _)) = latest.filter(|(stamp, _)| !stamp.tombstone) {
                self.count(Counts { deletes: 1, ..Counts::default() });
                self.end_life(Bytes::copy_from_slice(key), stamp);
            }
        }
    }

    /// Removes a key whose `latest` version is no tombstone.
    fn end_life(&mut self, key: Bytes, latest: Stamp) {
        let prev = self.before_entry(&key, latest);
        let kv = KeyValue { key, mod_revision: self.main, ..KeyValue::default() };
        self.change(&kv, None, prev);
    }

    /// The version of `key` that stood before the present entry, given its `latest` one, which is no tombstone.
    fn before_entry(&self, key: &[u8], latest: Stamp) -> Option<RowId> {
        if latest.revision() < self.main {
            return Some(latest.id);
        }
        let before = self.shared.index.at(key, self.main - 1)?;
        (!before.tombstone).then_some(before.id)
    }

    /// One change: row, index, event. `life` is none for a removal.
    fn change(&mut self, kv: &KeyValue, life: Option<Life>, prev: Option<RowId>) {
        let id = RowId { revision: Revision(self.main), sub: self.sub };
        let tombstone = life.is_none();
        let bytes = encode_kv(kv);
        let row = encode_row(&bytes, tombstone);
        self.standing.logical_bytes += logical_len(row.len());
        self.turn.batch.put(Space::Rows, id.key(), row);
        let stamp = if tombstone { Stamp::removal(id) } else { Stamp::put(id, bytes.len()) };
        self.shared.index.push(&kv.key, stamp, life.unwrap_or_default());
        if !tombstone {
            self.turn.pinned.push((id, bytes.clone()));
        }
        let key = key_of(&bytes).map_or_else(Bytes::new, |key| bytes.slice_ref(key));
        let kind = if tombstone { EventKind::Delete } else { EventKind::Put };
        self.turn.events.push(Event { id, kind, key, kv: bytes, prev });
        self.sub += 1;
    }
}

/// The range whose rows the answer to a removal has.
pub(super) fn previous(request: &DeleteRangeRequest) -> RangeRequest {
    RangeRequest {
        key: request.key.clone(),
        range_end: request.range_end.clone(),
        ..RangeRequest::default()
    }
}

impl Store {
    /// The encoded version `id`, which the index named.
    pub(super) fn value(&self, id: RowId) -> Result<Bytes, RequestError> {
        let pinned = &self.turn.pinned;
        if let Ok(at) = pinned.binary_search_by_key(&id, |(id, _)| *id)
            && let Some((_, kv)) = pinned.get(at)
        {
            return Ok(kv.clone());
        }
        read_version(&self.shared.cache, self.reader.as_ref(), id)?.ok_or_else(|| missing(id))
    }
}

//! A state that travels as chunks, and takes the place of another one.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::PutRequest;
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::peerpb::SnapshotChunk;
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};

use super::fixture::{IDENTITY, Node, Table, birth, compact, delete, grant, put, range, table};
use crate::apply::{Applier, Identity, Published, SnapshotError, SnapshotSink, SnapshotSource};
use crate::storage::{
    Engine, FjallOptions, Home, MemoryEngine, Reader, SimHome, Space, StateDirs, StorageError,
    Visit,
};

/// The member that receives.
const OTHER: Identity = Identity { member_id: MemberId(2), ..IDENTITY };

fn hangs_on(key: &str, lease: i64) -> Request {
    let key = key.to_owned().into();
    Request::Put(PutRequest { key, lease, value: vec![b'v'; 700].into(), ..PutRequest::default() })
}

/// A state with history, dead rows, a lease and an alarm-free system.
fn sender() -> Node {
    let mut node = Node::new();
    node.run(grant(7, 60)).unwrap();
    for round in 0..5 {
        for key in ["a", "b", "c"] {
            node.run(put(key, &format!("{round}"))).unwrap();
        }
        node.run(hangs_on("hanging", 7)).unwrap();
    }
    node.run(delete("b", "")).unwrap();
    node.run(compact(12)).unwrap();
    node.run(put("after", "x")).unwrap();
    node
}

fn chunks(node: &Node, bytes: usize) -> Vec<SnapshotChunk> {
    let mut all = Vec::new();
    let source = SnapshotSource::new(node.published());
    source.read(bytes, &mut |chunk| take(&mut all, chunk)).unwrap();
    all
}

fn take(all: &mut Vec<SnapshotChunk>, chunk: SnapshotChunk) -> ControlFlow<()> {
    all.push(chunk);
    ControlFlow::Continue(())
}

fn sink<E: Engine>(engine: E, node: &Node) -> SnapshotSink<E> {
    SnapshotSink::new(engine, OTHER, SnapshotSource::new(node.published()).snapshot())
}

/// Rows and system rows: what members have in common.
fn shared(mut table: Table) -> Table {
    table.retain(|(space, _), _| *space != Space::Meta);
    table
}

/// Stages the state of `node` in `home` and takes it up in place of a new one.
fn install<H: Home>(home: &H, first: H::Engine, node: &Node, bytes: usize) {
    let mut receiver = Applier::create(first, OTHER, &birth()).unwrap();
    let before = receiver.published();
    let mut sink = sink(home.stage().unwrap(), node);
    let all = chunks(node, bytes);
    assert!(all.len() > 3, "{} chunks", all.len());
    let lasts: Vec<bool> = all.iter().map(|chunk| sink.take(chunk).unwrap()).collect();
    assert_eq!(lasts.iter().filter(|last| **last).count(), 1);
    assert_eq!(lasts.last(), Some(&true));
    drop(sink);
    let index = node.published().applied;
    let (applied, old) = receiver.install(home.switch(index.0).unwrap()).unwrap();
    let (now, wanted) = (applied.published, node.published());
    assert_eq!((now.applied, now.digest, receiver.synced()), (index, wanted.digest, index));
    assert_eq!((now.snapshot, now.lineage), (index, wanted.lineage));
    assert_eq!((now.view.revision(), now.view.compacted()), (wanted.view.revision(), 12));
    assert_eq!(shared(table(now.view.reader())), shared(table(wanted.view.reader())));
    let past = range("a", "z", 15);
    assert_eq!(now.view.range(&past).unwrap(), wanted.view.range(&past).unwrap());
    assert!(now.leases.keys(7).is_some_and(|keys| keys.len() == 1), "the lease came along");
    // Who read the old state still does.
    assert_eq!(before.view.range(&range("a", "", 0)).unwrap().count, 0);
    home.retire(old);
}

#[test]
fn a_state_that_came_as_chunks_is_the_same_on_a_simulated_disk_and_on_fjall() {
    let node = sender();
    let home = SimHome::default();
    let first = home.current().open();
    install(&home, first, &node, 200);
    // A loss of power takes nothing of it, and whose it is was put into it.
    home.crash(0);
    let again = Applier::open(home.current().open(), OTHER).unwrap().published();
    assert_eq!(again.digest, node.published().digest);
    let dir = tempfile::tempdir().unwrap();
    let dirs = StateDirs::new(dir.path(), FjallOptions::state());
    let first = dirs.open().unwrap();
    install(&dirs, first, &node, 500);
    assert_eq!(
        Applier::open(dirs.open().unwrap(), OTHER).unwrap().published().digest,
        again.digest
    );
}

/// Counts the scans of a storage.
struct Counted(Arc<dyn Reader>, Arc<AtomicUsize>);

impl Reader for Counted {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        self.0.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        self.1.fetch_add(1, Relaxed);
        self.0.scan(space, bounds, visit)
    }

    fn last(&self, space: Space) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        self.0.last(space)
    }

    fn at_or_before(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<(Bytes, Bytes)>, StorageError> {
        self.0.at_or_before(space, key)
    }
}

/// Each scan of fjall steps over what was written since the state was published: one for each chunk read a snapshot of
/// 1 GB at 1 MB a second beside 2,000 writes a second.
#[test]
fn however_many_chunks_there_are_each_space_is_scanned_once() {
    let published = sender().published();
    let scans = Arc::<AtomicUsize>::default();
    let counted = |reader| Arc::new(Counted(reader, Arc::clone(&scans))) as Arc<dyn Reader>;
    let view = published.view.clone().reading(counted);
    let source = SnapshotSource::new(Arc::new(Published { view, ..(*published).clone() }));
    let mut all = Vec::new();
    source.read(100, &mut |chunk| take(&mut all, chunk)).unwrap();
    assert!(all.len() > 10, "{} chunks", all.len());
    assert_eq!(scans.load(Relaxed), 3);
}

#[test]
fn who_takes_no_more_chunks_gets_none() {
    let mut taken = 0;
    let source = SnapshotSource::new(sender().published());
    source
        .read(100, &mut |_| {
            taken += 1;
            if taken < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
    assert_eq!(taken, 2);
}

#[test]
fn what_is_staged_and_not_complete_is_no_state() {
    let node = sender();
    let all = chunks(&node, 200);
    for count in 0..all.len() {
        let home = SimHome::default();
        let mut sink = sink(home.stage().unwrap(), &node);
        for chunk in all.iter().take(count) {
            assert!(!sink.take(chunk).unwrap());
        }
        drop(sink);
        let staged = Applier::open(home.switch(1).unwrap(), OTHER);
        assert!(matches!(staged.err(), Some(crate::apply::ApplyError::Empty)), "{count} chunks");
    }
}

/// Goal: no chunk is taken that is not the one that was sent. Method: each chunk left out, repeated, cut, and with a bit
/// flipped, after those before it.
#[test]
fn a_chunk_that_is_missing_or_damaged_is_refused() {
    let node = sender();
    let all = chunks(&node, 300);
    let refused = |before: &[SnapshotChunk], chunk: &SnapshotChunk| {
        let mut sink = sink(MemoryEngine::new(), &node);
        for chunk in before {
            sink.take(chunk).unwrap();
        }
        matches!(sink.take(chunk), Err(SnapshotError::Chunk { .. }))
    };
    for (place, chunk) in all.iter().enumerate() {
        let (before, rest) = all.split_at(place);
        assert!(rest.get(1).is_none_or(|next| refused(before, next)), "{place} left out");
        assert!(before.last().is_none_or(|last| refused(before, last)), "repeated");
        let shorter = chunk.rows.slice(..chunk.rows.len() - 1);
        assert!(refused(before, &SnapshotChunk { rows: shorter, ..chunk.clone() }));
        let mut rows = chunk.rows.to_vec();
        rows[chunk.rows.len() / 2] ^= 4;
        assert!(refused(before, &SnapshotChunk { rows: rows.into(), ..chunk.clone() }));
    }
}

#[test]
fn a_snapshot_of_another_cluster_or_place_is_refused() {
    let node = sender();
    let all = chunks(&node, 1 << 20);
    let [chunk] = all.as_slice() else { panic!("{} chunks", all.len()) };
    let snapshot = SnapshotSource::new(node.published()).snapshot();
    let stranger = Identity { cluster_id: ClusterId(8), ..OTHER };
    let elsewhere =
        mini_etcd_proto::peerpb::Snapshot { index: snapshot.index + 1, ..snapshot.clone() };
    for (identity, snapshot) in [(stranger, snapshot), (OTHER, elsewhere)] {
        let mut sink = SnapshotSink::new(MemoryEngine::new(), identity, snapshot);
        assert!(matches!(sink.take(chunk), Err(SnapshotError::Chunk { .. })));
    }
    // Rows that say where they end, and lie.
    let rows = Bytes::from_static(b"\x00\x00\x00\x00\x09\x00\x00\x00\x01key");
    let crc = crc32c::crc32c(&rows);
    let lie = SnapshotChunk { number: 0, rows, crc, last: true };
    assert!(matches!(
        sink(MemoryEngine::new(), &node).take(&lie),
        Err(SnapshotError::Chunk { .. })
    ));
}

/// Goal: a log that ends before a state is explained by a snapshot, and only while the state stands there. Method: a state
/// right after an installation, and after one more entry.
#[test]
fn a_state_is_ahead_of_its_log_only_until_something_is_applied_on_top() {
    let mut node = sender();
    let home = SimHome::default();
    let mut receiver = Applier::create(home.current().open(), OTHER, &birth()).unwrap();
    let empty = |_: LogIndex| Ok::<_, std::convert::Infallible>(None);
    assert_eq!(
        receiver.published().is_ahead_of(empty),
        Ok(None),
        "a new one came from no snapshot"
    );
    let mut sink = sink(home.stage().unwrap(), &node);
    for chunk in chunks(&node, 200) {
        sink.take(&chunk).unwrap();
    }
    let index = node.published().applied;
    let (applied, _) = receiver.install(home.switch(index.0).unwrap()).unwrap();
    let place = (index, Term(1));
    assert_eq!(applied.published.is_ahead_of(empty), Ok(Some(place)));
    let there = |_: LogIndex| Ok::<_, std::convert::Infallible>(Some(Term(1)));
    assert_eq!(applied.published.is_ahead_of(there), Ok(None), "the log has it");
    let entry = node.entry(Some(put("more", "")));
    node.log.push(entry.clone());
    let task = crate::apply::ApplyTask { entries: vec![entry], conf_states: Vec::new() };
    let applied = receiver.apply(&task).unwrap();
    assert_eq!(applied.published.is_ahead_of(empty), Ok(None));
}

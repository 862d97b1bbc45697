//! The contract of the log as tests, run on every engine.

use bytes::Bytes;
use mini_etcd_proto::internalpb::{Entry, HardState};
use mini_etcd_shared::clock::{Clock, Moment, SystemClock};
use mini_etcd_shared::types::{LogIndex, Term};

use crate::limits;
use crate::log::{
    FileGuard, GuardFile, LogReader, LogStore, LogWrite, MemoryGuard, Recovered, open_dir,
};
use crate::storage::{Engine, FjallEngine, MemoryEngine, SimDisk, SimEngine};

/// A clock that stands still.
#[derive(Clone)]
pub(super) struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment::default()
    }
}

pub(super) fn entry(index: u64, term: u64, size: usize) -> Entry {
    Entry { kind: 0, term, index, data: Bytes::from(vec![b'x'; size]) }
}

pub(super) fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
    (first..).zip(terms).map(|(index, term)| entry(index, *term, 10)).collect()
}

/// A write that also moves the term up to that of its last entry.
pub(super) fn write(entries: Vec<Entry>) -> LogWrite {
    let term = entries.last().map_or(1, |entry| entry.term);
    let hard_state = Some(HardState { term, vote: 3, commit: 1 });
    LogWrite { entries, hard_state, acked: None }
}

/// A log as a bench gives it.
type Opened<B> =
    (LogStore<<B as Bench>::Engine, <B as Bench>::Guard, <B as Bench>::Clock>, Recovered);

/// A place where a log can be opened again and again.
trait Bench {
    type Engine: Engine;
    type Guard: GuardFile;
    type Clock: Clock;
    fn open(&mut self) -> Opened<Self>;
}

struct SimBench(SimDisk, MemoryGuard, bool);

impl Bench for SimBench {
    type Engine = SimEngine;
    type Guard = MemoryGuard;
    type Clock = Still;
    fn open(&mut self) -> (LogStore<SimEngine, MemoryGuard, Still>, Recovered) {
        let (engine, guard) = (self.0.open(), self.1.clone());
        let born = std::mem::replace(&mut self.2, true);
        if born {
            LogStore::open(engine, guard, Still).unwrap()
        } else {
            LogStore::create(engine, guard, Still, (LogIndex(1), Term(1))).unwrap()
        }
    }
}

/// Cannot be opened again.
struct MemoryBench;

impl Bench for MemoryBench {
    type Engine = MemoryEngine;
    type Guard = MemoryGuard;
    type Clock = Still;
    fn open(&mut self) -> (LogStore<MemoryEngine, MemoryGuard, Still>, Recovered) {
        let (engine, guard) = (MemoryEngine::new(), MemoryGuard::new());
        LogStore::create(engine, guard, Still, (LogIndex(1), Term(1))).unwrap()
    }
}

struct FjallBench(tempfile::TempDir);

impl Bench for FjallBench {
    type Engine = FjallEngine;
    type Guard = FileGuard;
    type Clock = SystemClock;
    fn open(&mut self) -> (LogStore<FjallEngine, FileGuard, SystemClock>, Recovered) {
        open_dir(self.0.path(), SystemClock::new(), Some((LogIndex(1), Term(1)))).unwrap()
    }
}

#[test]
fn a_log_in_memory_keeps_the_contract() {
    run(|| MemoryBench);
}

#[test]
fn a_log_on_a_simulated_disk_keeps_the_contract() {
    let bench = || SimBench(SimDisk::new(), MemoryGuard::new(), false);
    run(bench);
    run_reopening(bench);
}

#[test]
fn a_log_on_fjall_keeps_the_contract() {
    let bench = || FjallBench(tempfile::tempdir().unwrap());
    run(bench);
    run_reopening(bench);
}

fn run<B: Bench>(bench: impl Fn() -> B) {
    a_new_log_is_empty(bench());
    what_was_appended_is_read(bench());
    reads_are_bounded(bench());
    a_conflict_replaces_the_suffix(&bench);
    a_prefix_is_given_up(bench());
    a_reset_leaves_nothing(&bench);
    large_writes_become_several_rows(bench());
}

fn run_reopening<B: Bench>(bench: impl Fn() -> B) {
    everything_is_there_after_a_stop(bench());
    everything_is_there_without_a_close(bench());
    a_truncated_log_opens(bench());
    a_reset_log_opens(&bench);
    the_tail_is_bounded(bench());
}

fn terms(reader: &LogReader) -> Vec<(u64, u64)> {
    let all = reader.entries(LogIndex(0), LogIndex(u64::MAX), u64::MAX).unwrap();
    all.iter().map(|entry| (entry.index, entry.term)).collect()
}

fn a_new_log_is_empty<B: Bench>(mut bench: B) {
    let (_store, recovered) = bench.open();
    assert_eq!(recovered.hard_state, HardState { term: 1, vote: 0, commit: 1 });
    assert_eq!(recovered.last, (LogIndex(1), Term(1)));
    assert_eq!(recovered.truncated, (LogIndex(1), Term(1)));
    let reader = &recovered.reader;
    assert_eq!((reader.first(), reader.last()), (LogIndex(2), LogIndex(1)));
    assert_eq!(reader.term(LogIndex(1)).unwrap(), Some(Term(1)));
    assert_eq!(reader.term(LogIndex(2)).unwrap(), None);
    assert_eq!(terms(reader), []);
}

fn what_was_appended_is_read<B: Bench>(mut bench: B) {
    let (mut store, _) = bench.open();
    let early = store.append(&write(entries(2, &[1, 1]))).unwrap();
    store.append(&write(entries(4, &[1, 2, 2]))).unwrap();
    let late = store.append(&write(entries(7, &[5]))).unwrap();
    assert_eq!(terms(&early), [(2, 1), (3, 1)]);
    assert_eq!(terms(&late), [(2, 1), (3, 1), (4, 1), (5, 2), (6, 2), (7, 5)]);
    let found: Vec<_> = (0..9).map(|index| late.term(LogIndex(index)).unwrap()).collect();
    let expected = [0, 1, 1, 1, 1, 2, 2, 5, 0].map(|term| (term > 0).then_some(Term(term)));
    assert_eq!(found, expected);
    // Nothing to write is no error.
    assert_eq!(terms(&store.append(&LogWrite::default()).unwrap()), terms(&late));
}

fn reads_are_bounded<B: Bench>(mut bench: B) {
    let (mut store, _) = bench.open();
    for first in (2..20).step_by(3) {
        store.append(&write(entries(first, &[1, 1, 1]))).unwrap();
    }
    let reader = store.reader();
    let read = |low, high, bytes| -> Vec<u64> {
        let read = reader.entries(LogIndex(low), LogIndex(high), bytes).unwrap();
        read.iter().map(|entry| entry.index).collect()
    };
    for low in 2..20 {
        for high in low..22 {
            assert_eq!(read(low, high, u64::MAX), (low..high.min(20)).collect::<Vec<_>>());
        }
    }
    let size = u64::try_from(prost::Message::encoded_len(&entry(2, 1, 10))).unwrap();
    assert_eq!(read(6, 20, 0), [6]);
    assert_eq!(read(6, 20, 4 * size), [6, 7, 8, 9]);
    assert_eq!(read(6, 20, 5 * size - 1), [6, 7, 8, 9]);
    assert_eq!(read(9, 9, u64::MAX), [0_u64; 0]);
    assert_eq!(read(30, 40, u64::MAX), [0_u64; 0]);
}

fn a_conflict_replaces_the_suffix<B: Bench>(bench: impl Fn() -> B) {
    // Rows begin at 2, 5 and 8; every place to cut at, inside of a row and between two.
    for cut in 2..11 {
        let (mut store, _) = bench().open();
        for first in [2, 5, 8] {
            store.append(&write(entries(first, &[1, 1, 1]))).unwrap();
        }
        let before = store.reader();
        let after = store.append(&write(entries(cut, &[2, 2]))).unwrap();
        assert_eq!(terms(&before).len(), 9);
        let mut expected: Vec<_> = (2..cut).map(|index| (index, 1)).collect();
        expected.extend([(cut, 2), (cut + 1, 2)]);
        assert_eq!(terms(&after), expected);
        let more = store.append(&write(entries(cut + 2, &[3]))).unwrap();
        assert_eq!(terms(&more).last(), Some(&(cut + 2, 3)));
    }
}

fn a_prefix_is_given_up<B: Bench>(mut bench: B) {
    let (mut store, _) = bench.open();
    store.append(&write(entries(2, &[1, 1, 2]))).unwrap();
    store.append(&write(entries(5, &[3, 3, 4]))).unwrap();
    for upto in [3, 6, 7] {
        store.truncate_prefix(LogIndex(upto)).unwrap();
        let reader = store.reader();
        assert_eq!(reader.first(), LogIndex(upto + 1));
        assert_eq!(reader.last(), LogIndex(7));
        assert_eq!(reader.term(LogIndex(upto - 1)).unwrap(), None);
        assert!(reader.term(LogIndex(upto)).unwrap().is_some());
        assert_eq!(terms(&reader).len(), usize::try_from(7 - upto).unwrap());
    }
    // Going back changes nothing; and an empty log goes on.
    store.truncate_prefix(LogIndex(2)).unwrap();
    assert_eq!(store.reader().first(), LogIndex(8));
    assert_eq!(terms(&store.append(&write(entries(8, &[4]))).unwrap()), [(8, 4)]);
}

/// Behind which a log with rows 2 to 4, 5 to 7 and 8 to 10 begins anew: beyond it, at its end, between two rows, inside of one.
const RESETS: [u64; 5] = [40, 10, 7, 6, 5];

fn a_reset_leaves_nothing<B: Bench>(bench: impl Fn() -> B) {
    for index in RESETS {
        let (mut store, _) = bench().open();
        for first in [2, 5, 8] {
            store.append(&write(entries(first, &[1, 1, 1]))).unwrap();
        }
        let place = (LogIndex(index), Term(2));
        let log = store.reset(place).unwrap();
        assert_eq!((log.truncated, log.last), (place, place));
        // In the later term nobody was voted for.
        assert_eq!(log.hard_state, HardState { term: 2, vote: 0, commit: index });
        assert_eq!(terms(&log.reader), []);
        let more = store.append(&write(entries(index + 1, &[2, 3]))).unwrap();
        assert_eq!(terms(&more), [(index + 1, 2), (index + 2, 3)]);
        assert_eq!(more.term(LogIndex(index)).unwrap(), Some(Term(2)));
    }
}

fn a_reset_log_opens<B: Bench>(bench: impl Fn() -> B) {
    for index in RESETS {
        let mut bench = bench();
        let (mut store, _) = bench.open();
        for first in [2, 5, 8] {
            store.append(&write(entries(first, &[1, 1, 1]))).unwrap();
        }
        drop(store.reset((LogIndex(index), Term(2))).unwrap());
        drop(store);
        let (mut store, recovered) = bench.open();
        assert_eq!(recovered.last, (LogIndex(index), Term(2)));
        assert_eq!(recovered.hard_state.commit, index);
        drop(recovered);
        store.append(&write(entries(index + 1, &[2]))).unwrap();
        store.close().unwrap();
        let (_store, recovered) = bench.open();
        assert_eq!(recovered.truncated, (LogIndex(index), Term(2)));
        assert_eq!(terms(&recovered.reader), [(index + 1, 2)]);
    }
}

/// Goal: a crash between the reset and its guard leaves a log that opens. Method: the slots as they were before, written back.
#[test]
fn a_reset_that_the_guard_did_not_hear_of_counts() {
    for index in RESETS {
        let (disk, mut guard) = (SimDisk::new(), MemoryGuard::new());
        let birth = (LogIndex(1), Term(1));
        let (mut store, _) = LogStore::create(disk.open(), guard.clone(), Still, birth).unwrap();
        for first in [2, 5, 8] {
            store.append(&write(entries(first, &[1, 1, 1]))).unwrap();
        }
        let slots = [0, 1].map(|slot| guard.read(slot).unwrap().unwrap());
        store.reset((LogIndex(index), Term(2))).unwrap();
        drop(store);
        for (slot, bytes) in slots.iter().enumerate() {
            guard.write(slot, bytes).unwrap();
        }
        guard.sync().unwrap();
        let (_store, recovered) = LogStore::open(disk.open(), guard, Still).unwrap();
        assert_eq!(recovered.last, (LogIndex(index), Term(2)));
        assert_eq!(terms(&recovered.reader), []);
    }
}

fn large_writes_become_several_rows<B: Bench>(mut bench: B) {
    let (mut store, _) = bench.open();
    let half = limits::LOG_ROW_BYTES_MAX / 2;
    let sizes = [half, half, half, limits::LOG_ROW_BYTES_MAX * 2, 1, half];
    let written: Vec<_> = (2..).zip(sizes).map(|(index, size)| entry(index, 1, size)).collect();
    let reader = store.append(&write(written.clone())).unwrap();
    let read = reader.entries(LogIndex(2), LogIndex(8), u64::MAX).unwrap();
    assert_eq!(read, written);
    assert_eq!(reader.entries(LogIndex(5), LogIndex(8), 1).unwrap(), written[3..4]);
}

fn everything_is_there_after_a_stop<B: Bench>(mut bench: B) {
    let (mut store, _) = bench.open();
    store.append(&write(entries(2, &[1, 1, 1]))).unwrap();
    store.append(&write(entries(3, &[2, 2]))).unwrap();
    store.sync_guard_if_due().unwrap();
    let commit = LogWrite {
        hard_state: Some(HardState { term: 2, vote: 3, commit: 3 }),
        ..LogWrite::default()
    };
    store.append(&commit).unwrap();
    store.close().unwrap();
    let (store, recovered) = bench.open();
    assert!(recovered.clean);
    assert_eq!(recovered.hard_state, HardState { term: 2, vote: 3, commit: 3 });
    assert_eq!(recovered.last, (LogIndex(4), Term(2)));
    assert_eq!(terms(&recovered.reader), [(2, 1), (3, 2), (4, 2)]);
    assert_eq!(recovered.tail, [entries(2, &[1]), entries(3, &[2, 2])].concat());
    drop((store, recovered));
    // The clean stop counts once.
    let (_store, recovered) = bench.open();
    assert!(!recovered.clean);
}

fn everything_is_there_without_a_close<B: Bench>(mut bench: B) {
    for round in 0..4 {
        let (mut store, recovered) = bench.open();
        assert!(!recovered.clean || round == 0);
        assert_eq!(recovered.last.0, LogIndex(1 + 2 * round));
        store.append(&write(entries(2 + 2 * round, &[round + 1, round + 1]))).unwrap();
    }
    let (_store, recovered) = bench.open();
    assert_eq!(terms(&recovered.reader).len(), 8);
    assert_eq!(recovered.hard_state.term, 4);
}

fn a_truncated_log_opens<B: Bench>(mut bench: B) {
    let (mut store, _) = bench.open();
    store.append(&write(entries(2, &[1, 1, 1]))).unwrap();
    store.append(&write(entries(5, &[1, 1]))).unwrap();
    store.truncate_prefix(LogIndex(3)).unwrap();
    drop(store);
    let (mut store, recovered) = bench.open();
    assert_eq!(recovered.truncated, (LogIndex(3), Term(1)));
    assert_eq!(terms(&recovered.reader), [(4, 1), (5, 1), (6, 1)]);
    assert_eq!(recovered.tail.len(), 3);
    // fjall keeps its lock as long as somebody reads.
    drop(recovered);
    store.truncate_prefix(LogIndex(6)).unwrap();
    store.close().unwrap();
    let (_store, recovered) = bench.open();
    assert_eq!(recovered.last, (LogIndex(6), Term(1)));
    assert_eq!(recovered.hard_state.commit, 6);
}

fn the_tail_is_bounded<B: Bench>(mut bench: B) {
    let (mut store, _) = bench.open();
    let size = 1 << 20;
    let count = limits::LOG_TAIL_BYTES_MAX / size + 4;
    for index in (2..).take(count) {
        store.append(&write(vec![entry(index, 1, size)])).unwrap();
    }
    store.close().unwrap();
    let (_store, recovered) = bench.open();
    let expected = limits::LOG_TAIL_BYTES_MAX / (size + 10);
    assert_eq!(recovered.tail.len(), expected);
    assert_eq!(recovered.tail.last().map(|entry| entry.index), Some(recovered.last.0.0));
    assert_eq!(recovered.reader.entries(LogIndex(2), LogIndex(4), u64::MAX).unwrap().len(), 2);
}

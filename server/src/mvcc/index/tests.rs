//! The index against a map that does everything the slow way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use mini_etcd_shared::types::{KeyRange, Revision};
use proptest::prelude::*;

use super::{Builder, Index, IndexMark, Life, Stamp, Wanted};
use crate::mvcc::RowId;

/// Stamps of each key, oldest first.
#[derive(Clone, Debug, Default)]
struct Naive(BTreeMap<Vec<u8>, Vec<Stamp>>);

impl Naive {
    fn at(&self, key: &[u8], revision: i64) -> Option<Stamp> {
        self.0.get(key)?.iter().rev().find(|stamp| stamp.revision() <= revision).copied()
    }

    fn ids(&self, range: &KeyRange, revision: i64) -> Vec<RowId> {
        let keys = self.0.keys().filter(|key| range.contains(key));
        let stamps = keys.filter_map(|key| self.at(key, revision));
        stamps.filter(|stamp| !stamp.tombstone).map(|stamp| stamp.id).collect()
    }

    fn prune(&mut self, compacted: i64) -> Vec<RowId> {
        let mut dead = Vec::new();
        for stamps in self.0.values_mut() {
            let standing = stamps.iter().rev().find(|stamp| stamp.revision() <= compacted).copied();
            stamps.retain(|stamp| {
                let keep =
                    stamp.revision() >= compacted || (Some(*stamp) == standing && !stamp.tombstone);
                if !keep {
                    dead.push(stamp.id);
                }
                keep
            });
        }
        self.0.retain(|_, stamps| !stamps.is_empty());
        dead
    }
}

/// Stamps of a range over a span of revisions, in parts of `max` looks.
fn swept(index: &Index, wanted: Wanted<'_>, max: usize) -> Vec<Stamp> {
    let (mut stamps, mut from) = (Vec::new(), None::<IndexMark>);
    loop {
        from = index.sweep(wanted, from, max, |stamp| stamps.push(stamp));
        if from.is_none() {
            return stamps;
        }
    }
}

/// Removed keys of a range with their removal, in parts of `max` looks.
fn removed(index: &Index, wanted: Wanted<'_>, max: usize) -> Vec<(Vec<u8>, Stamp)> {
    let (mut keys, mut from) = (Vec::new(), None::<IndexMark>);
    loop {
        from = index.removed(wanted, from, max, &mut |key, end, _| {
            keys.push((key.to_vec(), end));
            ControlFlow::Continue(())
        });
        if from.is_none() {
            return keys;
        }
    }
}

/// Walks over versions from `oldest` to `newest`.
fn check_past(index: &Index, naive: &Naive, oldest: i64, newest: i64, range: &KeyRange) {
    let wanted = Wanted { range, oldest, newest };
    let keys = || naive.0.iter().filter(|(key, _)| range.contains(key));
    let within = |stamp: &Stamp| (oldest..=newest).contains(&stamp.revision());
    let stamps: Vec<Stamp> =
        keys().flat_map(|(_, stamps)| stamps.iter().copied().filter(within)).collect();
    let gone: Vec<(Vec<u8>, Stamp)> = keys()
        .filter_map(|(key, _)| Some((key.clone(), naive.at(key, newest)?)))
        .filter(|(_, stamp)| stamp.tombstone && within(stamp))
        .collect();
    for max in [7, 1000, usize::MAX] {
        assert_eq!(swept(index, wanted, max), stamps, "{oldest} to {newest}");
        assert_eq!(removed(index, wanted, max), gone, "{oldest} to {newest}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Changes `count` keys from `key` on at one revision.
    Change {
        key: u16,
        count: u16,
        tombstone: bool,
        far: bool,
    },
    Prune {
        back: i64,
        max: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => (0..600_u16, prop_oneof![4 => 1..3_u16, 1 => 1..300_u16], prop::bool::weighted(0.3),
              prop::bool::weighted(0.02))
            .prop_map(|(key, count, tombstone, far)| Step::Change { key, count, tombstone, far }),
        1 => (0..60_i64, 1..200_usize).prop_map(|(back, max)| Step::Prune { back, max }),
    ]
}

fn key(number: u16) -> Vec<u8> {
    format!("k{:03}", u32::from(number) * 7 % 701).into_bytes()
}

/// A version whose size differs from that of its neighbours.
fn stamp(id: RowId, tombstone: bool) -> Stamp {
    let bytes = usize::try_from(id.revision.0 % 1000 * 1000).unwrap();
    if tombstone { Stamp::removal(id) } else { Stamp::put(id, bytes) }
}

/// The first keys of a range at a revision.
fn ids(index: &Index, range: &KeyRange, revision: i64, max: usize) -> Vec<RowId> {
    let mut ids = Vec::new();
    index.visit(range, revision, |_, stamp, _| {
        ids.push(stamp.id);
        if ids.len() >= max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    ids
}

fn id(revision: i64, sub: u32) -> RowId {
    RowId { revision: Revision(revision), sub }
}

fn prune_all(index: &Index, compacted: i64, max: usize) -> Vec<RowId> {
    let (mut dead, mut from) = (Vec::new(), Box::<[u8]>::default());
    loop {
        let mut some = Vec::new();
        let rest = index.prune(compacted, &from, max, &mut some);
        assert!(some.len() <= max, "a slice takes no more than it may");
        dead.append(&mut some);
        match rest {
            Some(key) => from = key,
            None => return dead,
        }
    }
}

fn check(index: &Index, naive: &Naive, revision: i64, probes: &[(u16, u16)]) {
    for (low, high) in probes {
        let range = KeyRange::new(Bytes::from(key(*low)), Bytes::from(key(*high)));
        for range in [range, KeyRange::single(Bytes::from(key(*low))), KeyRange::all()] {
            let wanted = naive.ids(&range, revision);
            assert_eq!(index.count(&range, revision), wanted.len() as u64, "count at {revision}");
            assert_eq!(ids(index, &range, revision, usize::MAX), wanted, "ids at {revision}");
            assert_eq!(ids(index, &range, revision, 3), wanted[..wanted.len().min(3)]);
        }
        assert_eq!(index.at(&key(*low), revision), naive.at(&key(*low), revision));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Any history of changes and prunings: point reads, lists and counts at any revision from the floor on are
    /// those of the naive map, and so is what pruning takes away; a bulk build gives the same index.
    #[test]
    fn the_index_agrees_with_a_naive_map(
        steps in prop::collection::vec(step(), 1..120),
        probes in prop::collection::vec((0..700_u16, 0..700_u16), 1..4),
        backs in prop::collection::vec(0..200_i64, 1..4),
    ) {
        let (index, mut naive) = (Builder::default().finish(), Naive::default());
        let (mut revision, mut floor) = (1, -1);
        for step in steps {
            match step {
                Step::Change { key: first, count, tombstone, far } => {
                    revision += 1;
                    for sub in 0..count {
                        let key = key(first + sub);
                        let sub = u32::from(sub) + if far { 1 << 19 } else { 0 };
                        let latest = index.latest(&key);
                        let live = latest.is_some_and(|(stamp, _)| !stamp.tombstone);
                        let doubled = latest.is_some_and(|(stamp, _)| stamp.revision() == revision);
                        if doubled || (tombstone && !live) {
                            continue;
                        }
                        let stamp = stamp(id(revision, sub), tombstone);
                        index.push(&key, stamp, Life { create: revision, version: 1 });
                        naive.0.entry(key).or_default().push(stamp);
                    }
                }
                Step::Prune { back, max } => {
                    floor = floor.max(revision - back);
                    let mut expected = naive.prune(floor);
                    let mut dead = prune_all(&index, floor, max);
                    expected.sort_unstable();
                    dead.sort_unstable();
                    prop_assert_eq!(dead, expected);
                }
            }
            check(&index, &naive, revision, &probes);
        }
        for back in backs {
            let from = (revision - back).max(floor);
            check(&index, &naive, from, &probes);
            for (low, high) in &probes {
                let some = KeyRange::new(Bytes::from(key(*low)), Bytes::from(key(*high)));
                for range in [some, KeyRange::all()] {
                    check_past(&index, &naive, from, revision, &range);
                    check_past(&index, &naive, floor, from, &range);
                }
            }
        }
        let tree = index.read();
        prop_assert_eq!(tree.bytes, tree.root.bytes().cast_signed(), "memory is accounted for");
        drop(tree);

        let mut rows: Vec<_> = naive.0.iter()
            .flat_map(|(key, stamps)| stamps.iter().map(move |stamp| (*stamp, key))).collect();
        rows.sort();
        let mut builder = Builder::default();
        for (stamp, key) in rows {
            builder.push(key, stamp, Life { create: stamp.revision(), version: 1 });
        }
        let built = builder.finish();
        check(&built, &naive, revision, &probes);
        check(&built, &naive, floor.max(revision / 2), &probes);
        prop_assert_eq!(built.live(), index.live());
    }
}

#[test]
fn a_reader_sees_nothing_newer_than_its_revision() {
    let index = Builder::default().finish();
    index.push(b"a", stamp(id(2, 0), false), Life { create: 2, version: 1 });
    let before = (index.count(&KeyRange::all(), 2), index.at(b"a", 2));
    index.push(b"a", stamp(id(3, 0), true), Life::default());
    index.push(b"b", stamp(id(4, 0), false), Life { create: 4, version: 1 });
    assert_eq!((index.count(&KeyRange::all(), 2), index.at(b"a", 2)), before);
    assert_eq!(index.at(b"b", 3), None);
    assert_eq!(index.count(&KeyRange::all(), 4), 1);
}

#[test]
fn a_walk_longer_than_a_hold_visits_every_key_once() {
    let index = Builder::default().finish();
    for number in 0..5_000_u32 {
        let stamp = stamp(id(2, number), false);
        index.push(format!("{number:08}").as_bytes(), stamp, Life { create: 2, version: 1 });
    }
    let mut seen = Vec::new();
    index.visit(&KeyRange::all(), 2, |key, _, _| {
        seen.push(key.to_vec());
        ControlFlow::Continue(())
    });
    assert_eq!(seen.len(), 5_000);
    assert!(seen.is_sorted_by(|a, b| a < b));
}

#[test]
fn numbers_beyond_the_narrow_form_are_kept_exactly() {
    let index = Builder::default().finish();
    let life = Life { create: 5, version: 9 };
    let stamps = [
        stamp(id(7, 3), false),
        stamp(id(7, u32::MAX - 1), true),
        stamp(id((1 << 44) - 1, 0), false),
        stamp(id(i64::MAX - 1, 1), false),
    ];
    let narrow = [
        stamp(id(7, (1 << 14) - 1), false),
        stamp(id(8, (1 << 22) - 1), true),
        stamp(id(9, 1 << 14), false),
        stamp(id(10, 1 << 22), true),
        stamp(id((1 << 41) - 2, 3), false),
        stamp(id((1 << 41) - 1, 3), true),
    ];
    let others = Builder::default().finish();
    for stamp in narrow {
        others.push(format!("{stamp:?}").as_bytes(), stamp, life);
        let found = others.latest(format!("{stamp:?}").as_bytes());
        assert_eq!(found, Some((stamp, life)));
    }
    for stamp in stamps {
        index.push(b"k", stamp, life);
    }
    assert_eq!(index.at(b"k", 7), Some(stamps[1]));
    assert_eq!(index.at(b"k", (1 << 44) - 1), Some(stamps[2]));
    assert_eq!(index.latest(b"k"), Some((stamps[3], life)));
    assert_eq!(prune_all(&index, i64::MAX - 1, 100), [stamps[0].id, stamps[1].id, stamps[2].id]);
    assert_eq!(index.latest(b"k"), Some((stamps[3], life)));
}

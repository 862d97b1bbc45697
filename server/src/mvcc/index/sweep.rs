//! Reading versions rather than keys, in slices that end after a budget.

use std::ops::{Bound, ControlFlow};

use mini_etcd_shared::types::{KeyRange, Revision};

use super::node::{Node, bounded, is_within};
use super::record::{Record, Stamp};
use super::summary::Summary;
use super::walk::{EVERYTHING, Span};
use super::{Index, KEYS_PER_HOLD};
use crate::mvcc::RowId;

/// A place in a walk over versions: a key, and the first of its versions that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexMark {
    pub key: Box<[u8]>,
    /// The version.
    pub id: RowId,
}

/// Which versions are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) range: &'a KeyRange,
    /// Oldest revision.
    pub(crate) oldest: i64,
    /// Newest revision.
    pub(crate) newest: i64,
}

/// Why a slice stopped.
enum Halt {
    /// The range was at its end.
    Done,
    /// The budget was.
    Rest(IndexMark),
    /// The visitor takes no more, and did not take this.
    Full(IndexMark),
}

/// A slice of a walk over records.
struct Slice<'a> {
    from: &'a IndexMark,
    upper: Bound<&'a [u8]>,
    /// Records and versions that may still be looked at.
    budget: usize,
}

/// Takes a key that was removed: the tombstone, and the version before it if a reader could still want it.
pub(crate) type VisitRemoved<'v> =
    &'v mut dyn FnMut(&[u8], Stamp, Option<Stamp>) -> ControlFlow<()>;

impl Index {
    /// Versions of `key` below `below` that a compaction at `compacted` leaves, newest first, up to `max`.
    pub(crate) fn versions(
        &self,
        key: &[u8],
        compacted: i64,
        below: RowId,
        max: usize,
    ) -> Vec<Stamp> {
        let tree = self.read();
        let Some(record) = tree.root.find(key) else { return Vec::new() };
        let (first, end) = (record.first_kept(compacted), record.place(|stamp| stamp.id < below));
        (first..end).rev().take(max).map_while(|place| record.nth(place)).collect()
    }

    /// Visits the wanted versions key by key, those of a key in the order of time, from `from` on. Looks at up to
    /// `max` of them, at keys that have none too; answers where to go on, none when all were seen.
    pub(crate) fn sweep(
        &self,
        wanted: Wanted<'_>,
        from: Option<IndexMark>,
        max: usize,
        mut visit: impl FnMut(Stamp),
    ) -> Option<IndexMark> {
        let holds_any = |summary: Summary| summary.newest >= wanted.oldest;
        self.slices(wanted.range, from, max, |slice, root| {
            let from = slice.from;
            let mut budget = slice.budget;
            slice.records(root, EVERYTHING, &holds_any, &mut |key, record| {
                let is_first = key == from.key.as_ref();
                let mut next = RowId { revision: Revision(wanted.oldest), sub: 0 };
                if is_first {
                    next = next.max(from.id);
                }
                sweep_record(record, next, wanted.newest, &mut budget, &mut visit)
                    .map_break(|id| Halt::Rest(IndexMark { key: key.into(), id }))
            })
        })
    }

    /// Visits, in key order from `from` on, the keys of `range` that were removed from `oldest` on and do not exist
    /// at `newest`. Looks at up to `max` keys; answers where to go on, which is also the key that the visitor did
    /// not take; none when all were seen.
    pub(crate) fn removed(
        &self,
        wanted: Wanted<'_>,
        from: Option<IndexMark>,
        max: usize,
        visit: VisitRemoved<'_>,
    ) -> Option<IndexMark> {
        let holds_any = |summary: Summary| summary.has_garbage() && summary.newest >= wanted.oldest;
        self.slices(wanted.range, from, max, |slice, root| {
            let mut budget = slice.budget;
            slice.records(root, EVERYTHING, &holds_any, &mut |key, record| {
                let mark = || IndexMark { key: key.into(), id: RowId::FIRST };
                if budget == 0 {
                    return ControlFlow::Break(Halt::Rest(mark()));
                }
                budget -= 1;
                match removal(record, wanted) {
                    Some((end, last)) if visit(key, end, last).is_break() => {
                        ControlFlow::Break(Halt::Full(mark()))
                    }
                    _ => ControlFlow::Continue(()),
                }
            })
        })
    }

    /// Runs slices until the range or `max` is at its end. I3.
    fn slices(
        &self,
        range: &KeyRange,
        from: Option<IndexMark>,
        max: usize,
        mut slice: impl FnMut(&Slice<'_>, &Node) -> ControlFlow<Halt>,
    ) -> Option<IndexMark> {
        if range.is_empty() {
            return None;
        }
        let (start, upper) = (range.start().as_ref(), range.bounds().1);
        let mut from = from
            .filter(|mark| mark.key.as_ref() >= start)
            .unwrap_or_else(|| IndexMark { key: start.into(), id: RowId::FIRST });
        let mut left = max.max(1);
        while left > 0 {
            let budget = left.min(KEYS_PER_HOLD);
            let halted = slice(&Slice { from: &from, upper, budget }, &self.read().root);
            match halted {
                ControlFlow::Break(Halt::Rest(mark)) => from = mark,
                ControlFlow::Break(Halt::Full(mark)) => return Some(mark),
                ControlFlow::Break(Halt::Done) | ControlFlow::Continue(()) => return None,
            }
            left -= budget;
            // Where processors are few, a thread that runs on would be stopped in the middle of a hold, and apply
            // would wait until it runs again. Here it holds nothing.
            std::thread::yield_now();
        }
        Some(from)
    }
}

impl Slice<'_> {
    /// Hands the records of the subtrees that `holds_any` accepts to `each`, in key order.
    fn records(
        &self,
        node: &Node,
        span: Span<'_>,
        holds_any: &dyn Fn(Summary) -> bool,
        each: &mut dyn FnMut(&[u8], &Record) -> ControlFlow<Halt>,
    ) -> ControlFlow<Halt> {
        let from = self.from.key.as_ref();
        match node {
            Node::Leaf(leaf) => {
                let first = leaf.search(from).unwrap_or_else(|at| at);
                for record in leaf.records().get(first..).unwrap_or_default() {
                    let key = leaf.key(record);
                    if !is_within(key, self.upper) {
                        return ControlFlow::Break(Halt::Done);
                    }
                    each(key, record)?;
                }
            }
            Node::Inner(children) => {
                for (child, low, high) in bounded(children, from, span.0, span.1) {
                    if low > from && !is_within(low, self.upper) {
                        return ControlFlow::Break(Halt::Done);
                    }
                    if holds_any(child.summary) {
                        self.records(&child.node, (low, high), holds_any, each)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Visits the versions of one key from `next` up to revision `newest`. The first one comes with the look at the
/// key. Breaks with the version to go on with.
fn sweep_record(
    record: &Record,
    mut next: RowId,
    newest: i64,
    budget: &mut usize,
    visit: &mut impl FnMut(Stamp),
) -> ControlFlow<RowId> {
    let mut place = record.place(|stamp| stamp.id < next);
    loop {
        if *budget == 0 {
            return ControlFlow::Break(next);
        }
        *budget -= 1;
        let wanted = |place| record.nth(place).filter(|stamp| stamp.revision() <= newest);
        let Some(stamp) = wanted(place) else { return ControlFlow::Continue(()) };
        visit(stamp);
        place += 1;
        match wanted(place) {
            Some(stamp) => next = stamp.id,
            None => return ControlFlow::Continue(()),
        }
    }
}

/// The removal that stands at the newest wanted revision, and the version before it.
fn removal(record: &Record, wanted: Wanted<'_>) -> Option<(Stamp, Option<Stamp>)> {
    let place = record.place(|stamp| stamp.revision() <= wanted.newest).checked_sub(1)?;
    let end = record.nth(place)?;
    if !end.tombstone || end.revision() < wanted.oldest {
        return None;
    }
    let before = place.checked_sub(1).filter(|place| *place >= record.first_kept(wanted.oldest));
    Some((end, before.and_then(|place| record.nth(place))))
}

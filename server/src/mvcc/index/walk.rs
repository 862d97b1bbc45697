//! Reading the tree in key order, in slices that end after a budget.

use std::ops::{Bound, ControlFlow};

use super::node::{Node, bounded, ends_within, is_within};
use super::record::{Life, Stamp};

/// A slice of a walk over the keys that exist at a revision.
pub(super) struct Walk<'a> {
    /// First key of the slice.
    pub(super) from: &'a [u8],
    /// End of the range.
    pub(super) upper: Bound<&'a [u8]>,
    /// Revision that is read.
    pub(super) at: i64,
    /// Records and subtrees that may still be looked at.
    pub(super) budget: usize,
}

/// Why a walk stopped.
pub(super) enum Stop {
    /// The range, or the visitor, was at its end.
    Done,
    /// The budget was: go on from this key.
    Rest(Box<[u8]>),
}

/// Takes a key, the version that stands at the revision, and the life that a put would continue now.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&[u8], Stamp, Life) -> ControlFlow<()>;

/// Keys of a subtree: at or above the first, below the second.
pub(super) type Span<'a> = (&'a [u8], Option<&'a [u8]>);

/// The span of the root.
pub(super) const EVERYTHING: Span<'static> = (&[], None);

impl Walk<'_> {
    /// Visits every key that exists.
    pub(super) fn visit(
        &mut self,
        node: &Node,
        span: Span<'_>,
        visit: Visit<'_>,
    ) -> ControlFlow<Stop> {
        match node {
            Node::Leaf(leaf) => {
                let first = leaf.search(self.from).unwrap_or_else(|at| at);
                for record in leaf.records().get(first..).unwrap_or_default() {
                    let key = leaf.key(record);
                    if !is_within(key, self.upper) {
                        return ControlFlow::Break(Stop::Done);
                    }
                    self.spend(key)?;
                    if let Some(stamp) = record.at(self.at).filter(|stamp| !stamp.tombstone)
                        && visit(key, stamp, record.life()).is_break()
                    {
                        return ControlFlow::Break(Stop::Done);
                    }
                }
            }
            Node::Inner(children) => {
                for (child, low, high) in bounded(children, self.from, span.0, span.1) {
                    self.not_past(low)?;
                    if child.summary.newest > self.at || child.summary.live > 0 {
                        self.visit(&child.node, (low, high), visit)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Adds the number of keys that exist to `count`.
    pub(super) fn count(
        &mut self,
        node: &Node,
        span: Span<'_>,
        count: &mut u64,
    ) -> ControlFlow<Stop> {
        let children = match node {
            Node::Leaf(_) => {
                return self.visit(node, span, &mut |_, _, _| {
                    *count += 1;
                    ControlFlow::Continue(())
                });
            }
            Node::Inner(children) => children,
        };
        for (child, low, high) in bounded(children, self.from, span.0, span.1) {
            self.not_past(low)?;
            let whole = low >= self.from && ends_within(high, self.upper);
            if child.summary.newest <= self.at && (whole || child.summary.live == 0) {
                *count += child.summary.live;
            } else {
                self.count(&child.node, (low, high), count)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Ends the walk where a subtree's lowest key lies behind the range.
    fn not_past(&self, low: &[u8]) -> ControlFlow<Stop> {
        if low > self.from && !is_within(low, self.upper) {
            return ControlFlow::Break(Stop::Done);
        }
        ControlFlow::Continue(())
    }

    fn spend(&mut self, key: &[u8]) -> ControlFlow<Stop> {
        if self.budget == 0 {
            return ControlFlow::Break(Stop::Rest(key.into()));
        }
        self.budget -= 1;
        ControlFlow::Continue(())
    }
}

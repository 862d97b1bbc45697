//! The tree above the leaves.

use std::ops::Bound;

use super::leaf::{LEAF_KEYS_MAX, Leaf};
use super::record::{Life, Record, Stamp};
use super::summary::Summary;
use crate::mvcc::RowId;

/// Most children of an inner node.
pub(super) const CHILDREN_MAX: usize = 64;

/// A subtree.
pub(super) enum Node {
    Leaf(Leaf),
    Inner(Vec<Child>),
}

/// A subtree as its parent knows it.
pub(super) struct Child {
    /// No key of the subtree lies below, except for the first child, whose keys may.
    pub(super) low: Box<[u8]>,
    pub(super) summary: Summary,
    pub(super) node: Box<Node>,
}

/// Right half of a node that got too large, and its lowest key.
pub(super) type Split = Option<Child>;

/// What adding a stamp did below.
pub(super) struct Grown {
    pub(super) was_live: bool,
    pub(super) bytes: isize,
    pub(super) split: Split,
}

impl Child {
    fn of(node: Node) -> Self {
        let low = node.first_key().into();
        Self { low, summary: node.summary(), node: Box::new(node) }
    }
}

/// Place of the child that `key` belongs to.
fn place(children: &[Child], key: &[u8]) -> usize {
    children.partition_point(|child| child.low.as_ref() <= key).saturating_sub(1)
}

fn child_bytes(child: &Child) -> usize {
    size_of::<Child>() + size_of::<Node>() + child.low.len()
}

impl Node {
    fn first_key(&self) -> &[u8] {
        match self {
            Self::Leaf(leaf) => leaf.first_key(),
            Self::Inner(children) => children.first().map_or(&[], |child| &child.low),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        match self {
            Self::Leaf(leaf) => leaf.summary(),
            Self::Inner(children) => {
                children.iter().fold(Summary::default(), |sum, child| sum.and(child.summary))
            }
        }
    }

    /// Keys of a leaf, children of an inner node.
    fn width(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(children) => children.len(),
        }
    }

    /// Memory of the subtree.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.bytes(),
            Self::Inner(children) => {
                children.iter().map(|child| child_bytes(child) + child.node.bytes()).sum()
            }
        }
    }

    /// What is known of `key`.
    pub(super) fn find(&self, key: &[u8]) -> Option<&Record> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(leaf) => {
                    return leaf.search(key).ok().and_then(|at| leaf.records().get(at));
                }
                Self::Inner(children) => node = &children.get(place(children, key))?.node,
            }
        }
    }

    /// Adds a stamp to `key`.
    pub(super) fn push(&mut self, key: &[u8], stamp: Stamp, life: Life) -> Grown {
        match self {
            Self::Leaf(leaf) => {
                let before = leaf.bytes();
                let was_live = match leaf.search(key) {
                    Ok(at) => leaf.push(at, stamp, life).unwrap_or_default(),
                    Err(at) => {
                        leaf.insert(at, key, &[stamp], life);
                        false
                    }
                };
                let right = (leaf.len() > LEAF_KEYS_MAX).then(|| Self::Leaf(leaf.split()));
                let after = leaf.bytes() + right.as_ref().map_or(0, Self::bytes);
                let bytes = after.cast_signed() - before.cast_signed();
                Grown { was_live, bytes, split: right.map(Child::of) }
            }
            Self::Inner(children) => push_inner(children, key, stamp, life),
        }
    }

    /// Takes dead stamps out from key `from` on, in key order. Stops after `budget` records or when `dead` has
    /// `max` more, and names the key to go on with.
    pub(super) fn prune(&mut self, from: &[u8], pruning: &mut Pruning<'_>) -> Option<Box<[u8]>> {
        let children = match self {
            Self::Leaf(leaf) => return prune_leaf(leaf, from, pruning),
            Self::Inner(children) => children,
        };
        let mut rest = None;
        let first = place(children, from);
        let mut at = first;
        while let Some(child) = children.get_mut(at) {
            if child.summary.has_garbage() {
                if pruning.is_spent() {
                    rest = Some(child.low.clone());
                    break;
                }
                rest = child.node.prune(if at == first { from } else { &[] }, pruning);
                child.summary = child.node.summary();
                if rest.is_some() {
                    at += 1;
                    break;
                }
            }
            at += 1;
        }
        pruning.bytes += merge_children(children, first, at);
        rest
    }
}

/// What a pruning may do and has done.
pub(super) struct Pruning<'a> {
    pub(super) compacted: i64,
    pub(super) budget: usize,
    pub(super) max: usize,
    pub(super) dead: &'a mut Vec<RowId>,
    /// Change of the tree's memory.
    pub(super) bytes: isize,
}

impl Pruning<'_> {
    fn is_spent(&self) -> bool {
        self.budget == 0 || self.dead.len() >= self.max
    }
}

fn push_inner(children: &mut Vec<Child>, key: &[u8], stamp: Stamp, life: Life) -> Grown {
    let at = place(children, key);
    let Some(child) = children.get_mut(at) else {
        return Grown { was_live: false, bytes: 0, split: None };
    };
    let mut grown = child.node.push(key, stamp, life);
    if let Some(right) = grown.split.take() {
        child.summary = child.node.summary();
        grown.bytes += child_bytes(&right).cast_signed();
        if children.len() == children.capacity() {
            children.reserve_exact(4);
        }
        children.insert(at + 1, right);
    } else {
        child.summary = child.summary.grown(stamp.revision(), grown.was_live, !stamp.tombstone);
    }
    if children.len() > CHILDREN_MAX {
        let upper = children.split_off(children.len() / 2);
        children.shrink_to_fit();
        grown.split = Some(Child::of(Node::Inner(upper)));
    }
    grown
}

fn prune_leaf(leaf: &mut Leaf, from: &[u8], pruning: &mut Pruning<'_>) -> Option<Box<[u8]>> {
    let before = leaf.bytes();
    let mut at = leaf.search(from).unwrap_or_else(|at| at);
    let mut rest = None;
    while let Some(record) = leaf.records().get(at) {
        if pruning.is_spent() {
            rest = Some(leaf.key(record).into());
            break;
        }
        pruning.budget -= 1;
        let max = pruning.max - pruning.dead.len();
        if leaf.prune(at, pruning.compacted, max, pruning.dead) {
            if pruning.dead.len() >= pruning.max {
                // The record may have more to give.
                continue;
            }
            at += 1;
        }
    }
    leaf.tidy();
    pruning.bytes += leaf.bytes().cast_signed() - before.cast_signed();
    rest
}

/// Drops children that became empty between `first` and `end` and joins small neighbours. Answers the change of
/// the tree's memory.
fn merge_children(children: &mut Vec<Child>, first: usize, end: usize) -> isize {
    let mut bytes = 0;
    let mut at = end.min(children.len());
    while at > first.saturating_sub(1) {
        at -= 1;
        let Some(width) = children.get(at).map(|child| child.node.width()) else { continue };
        let left = at.checked_sub(1).and_then(|left| children.get(left));
        let joins = left.is_some_and(|left| left.node.width() + width <= LEAF_KEYS_MAX * 3 / 4);
        if width == 0 && children.len() > 1 {
            let empty = children.remove(at);
            bytes -= (child_bytes(&empty) + empty.node.bytes()).cast_signed();
        } else if joins {
            let right = children.remove(at);
            bytes -= child_bytes(&right).cast_signed();
            if let Some(left) = at.checked_sub(1).and_then(|left| children.get_mut(left)) {
                left.summary = left.summary.and(right.summary);
                bytes += left.node.merge(right);
            }
        }
    }
    bytes
}

impl Node {
    /// Takes in the right neighbour, which is as high. Answers the change of the tree's memory.
    fn merge(&mut self, right: Child) -> isize {
        match (self, *right.node) {
            (Self::Leaf(left), Self::Leaf(right)) => {
                let before = left.bytes() + right.bytes();
                left.merge(right);
                left.bytes().cast_signed() - before.cast_signed()
            }
            (Self::Inner(left), Self::Inner(mut rest)) => {
                let mut bytes = 0;
                if let Some(first) = rest.first_mut() {
                    bytes = right.low.len().cast_signed() - first.low.len().cast_signed();
                    first.low = right.low; // it is a first child no more
                }
                left.extend(rest);
                bytes
            }
            _ => 0,
        }
    }

    /// The only child of an inner node, which may stand in its place.
    pub(super) fn take_only_child(&mut self) -> Option<Self> {
        match self {
            Self::Inner(children) if children.len() == 1 => children.pop().map(|child| *child.node),
            _ => None,
        }
    }

    /// Two levels from one.
    pub(super) fn raise(self, right: Child) -> Self {
        let left = Child::of(self);
        Self::Inner(vec![left, right])
    }

    /// Memory of the node without that of its children.
    pub(super) fn own_bytes(&self) -> usize {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner(children) => children.iter().map(child_bytes).sum(),
        }
    }

    /// An inner node over `nodes`.
    pub(super) fn over(nodes: impl IntoIterator<Item = Self>) -> Self {
        Self::Inner(nodes.into_iter().map(Child::of).collect())
    }
}

/// Children from the one that `from` belongs to, each with true bounds of its keys: at or above, and below.
pub(super) fn bounded<'n>(
    children: &'n [Child],
    from: &[u8],
    low: &'n [u8],
    high: Option<&'n [u8]>,
) -> impl Iterator<Item = (&'n Child, &'n [u8], Option<&'n [u8]>)> {
    let first = place(children, from);
    children.iter().enumerate().skip(first).map(move |(at, child)| {
        let low = if at == 0 { low } else { &child.low };
        let high = children.get(at + 1).map(|next| next.low.as_ref()).or(high);
        (child, low, high)
    })
}

/// Whether a subtree that ends before `high` ends within the upper bound of a range.
pub(super) fn ends_within(high: Option<&[u8]>, upper: Bound<&[u8]>) -> bool {
    match (upper, high) {
        (Bound::Unbounded, _) => true,
        (_, None) => false,
        (Bound::Excluded(end) | Bound::Included(end), Some(high)) => high <= end,
    }
}

/// Whether `key` lies within the upper bound of a range.
pub(super) fn is_within(key: &[u8], upper: Bound<&[u8]>) -> bool {
    match upper {
        Bound::Unbounded => true,
        Bound::Excluded(end) => key < end,
        Bound::Included(end) => key <= end,
    }
}

//! Which ranges hold a key: an ordered map for single keys, an interval tree for the rest.
//!
//! The tree is a treap ordered by (start, end); each node also knows the greatest end below it, so that a look-up
//! passes by every subtree that ends before the key. Priorities come from a counter, not from a source of chance.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;
use mini_etcd_shared::types::KeyRange;

/// A map from ranges to `T`, asked by key.
#[derive(Debug)]
pub(crate) struct Index<T> {
    single: BTreeMap<Bytes, T>,
    root: Tree<T>,
    nodes: u64,
}

type Tree<T> = Option<Box<Node<T>>>;

#[derive(Debug)]
struct Node<T> {
    start: Bytes,
    end: End,
    value: T,
    priority: u64,
    /// Greatest end in this subtree.
    reach: End,
    left: Tree<T>,
    right: Tree<T>,
}

/// Where a range ends; the order of the variants is their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Before(Bytes),
    Open,
}

impl End {
    fn of(range: &KeyRange) -> Self {
        let end = range.range_end();
        if end.as_ref() == [0] { Self::Open } else { Self::Before(end) }
    }

    fn is_above(&self, key: &[u8]) -> bool {
        match self {
            Self::Before(end) => key < end.as_ref(),
            Self::Open => true,
        }
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { single: BTreeMap::new(), root: None, nodes: 0 }
    }
}

impl<T: Default> Index<T> {
    /// What stands at exactly this range, made on first use.
    pub(crate) fn entry(&mut self, range: &KeyRange) -> &mut T {
        if range.is_single() {
            return self.single.entry(range.start().clone()).or_default();
        }
        let (start, end) = (range.start().clone(), End::of(range));
        if find(&mut self.root, &start, &end).is_none() {
            self.nodes += 1;
            let node = Node::new(start.clone(), end.clone(), scatter(self.nodes));
            let (below, above) = split(self.root.take(), &start, &end);
            self.root = merge(merge(below, Some(Box::new(node))), above);
        }
        #[expect(clippy::expect_used, reason = "the node was found or inserted just above")]
        find(&mut self.root, &start, &end).expect("the range is in the tree")
    }

    /// What stands at exactly this range.
    pub(crate) fn get_mut(&mut self, range: &KeyRange) -> Option<&mut T> {
        if range.is_single() {
            return self.single.get_mut(range.start());
        }
        find(&mut self.root, range.start(), &End::of(range))
    }

    /// Forgets exactly this range.
    pub(crate) fn remove(&mut self, range: &KeyRange) {
        if range.is_single() {
            self.single.remove(range.start());
            return;
        }
        let (start, end) = (range.start(), End::of(range));
        self.root = remove(self.root.take(), start, &end);
    }

    /// Calls `visit` with what stands at each range that holds `key`, until it answers false.
    pub(crate) fn visit<'a>(&'a self, key: &[u8], visit: &mut dyn FnMut(&'a T) -> bool) -> bool {
        if let Some(value) = self.single.get(key)
            && !visit(value)
        {
            return false;
        }
        stab(self.root.as_deref(), key, visit)
    }
}

impl<T: Default> Node<T> {
    fn new(start: Bytes, end: End, priority: u64) -> Self {
        let reach = end.clone();
        Self { start, end, value: T::default(), priority, reach, left: None, right: None }
    }
}

impl<T> Node<T> {
    fn cmp(&self, start: &[u8], end: &End) -> Ordering {
        self.start.as_ref().cmp(start).then_with(|| self.end.cmp(end))
    }
}

/// To be called after a change of the node's children.
fn settle<T>(node: &mut Node<T>) {
    let below = [&node.left, &node.right].into_iter().flatten().map(|child| &child.reach);
    let reach = below.chain([&node.end]).max().cloned();
    if let Some(reach) = reach {
        node.reach = reach;
    }
}

/// Spreads a counter over all values (the finaliser of `SplitMix64`).
fn scatter(counter: u64) -> u64 {
    let mut x = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn find<'a, T>(tree: &'a mut Tree<T>, start: &[u8], end: &End) -> Option<&'a mut T> {
    let mut here = tree;
    while let Some(node) = here {
        match node.cmp(start, end) {
            Ordering::Equal => return Some(&mut node.value),
            Ordering::Greater => here = &mut node.left,
            Ordering::Less => here = &mut node.right,
        }
    }
    None
}

/// Parts the tree into what is below (start, end) and what is not.
fn split<T>(tree: Tree<T>, start: &[u8], end: &End) -> (Tree<T>, Tree<T>) {
    let Some(mut node) = tree else { return (None, None) };
    if node.cmp(start, end) == Ordering::Less {
        let (below, above) = split(node.right.take(), start, end);
        node.right = below;
        settle(&mut node);
        (Some(node), above)
    } else {
        let (below, above) = split(node.left.take(), start, end);
        node.left = above;
        settle(&mut node);
        (below, Some(node))
    }
}

/// Joins two trees of which all of `low` is below all of `high`.
fn merge<T>(low: Tree<T>, high: Tree<T>) -> Tree<T> {
    match (low, high) {
        (None, tree) | (tree, None) => tree,
        (Some(mut low), Some(mut high)) => {
            if low.priority > high.priority {
                low.right = merge(low.right.take(), Some(high));
                settle(&mut low);
                Some(low)
            } else {
                high.left = merge(Some(low), high.left.take());
                settle(&mut high);
                Some(high)
            }
        }
    }
}

fn remove<T>(tree: Tree<T>, start: &[u8], end: &End) -> Tree<T> {
    let mut node = tree?;
    match node.cmp(start, end) {
        Ordering::Equal => return merge(node.left.take(), node.right.take()),
        Ordering::Greater => node.left = remove(node.left.take(), start, end),
        Ordering::Less => node.right = remove(node.right.take(), start, end),
    }
    settle(&mut node);
    Some(node)
}

fn stab<'a, T>(
    tree: Option<&'a Node<T>>,
    key: &[u8],
    visit: &mut dyn FnMut(&'a T) -> bool,
) -> bool {
    let Some(node) = tree else { return true };
    if !node.reach.is_above(key) {
        return true;
    }
    if !stab(node.left.as_deref(), key, visit) {
        return false;
    }
    if node.start.as_ref() > key {
        return true;
    }
    if node.end.is_above(key) && !visit(&node.value) {
        return false;
    }
    stab(node.right.as_deref(), key, visit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(0u8..4, 0..3).prop_map(Bytes::from)
    }

    proptest! {
        // Goal: the index answers what a list of ranges answers. Method: random inserts and removals beside a list.
        #[test]
        fn the_index_agrees_with_a_list(
            steps in proptest::collection::vec((any::<bool>(), key(), key()), 0..60),
            asked in proptest::collection::vec(key(), 1..12),
        ) {
            let mut index = Index::<Option<KeyRange>>::default();
            let mut list: Vec<KeyRange> = Vec::new();
            for (insert, start, end) in steps {
                let range = KeyRange::new(start, end);
                if range.is_empty() {
                    continue;
                }
                list.retain(|other| other != &range);
                if insert {
                    *index.entry(&range) = Some(range.clone());
                    list.push(range);
                } else {
                    index.remove(&range);
                    prop_assert!(index.get_mut(&range).is_none());
                }
            }
            for key in asked {
                let mut found = Vec::new();
                index.visit(&key, &mut |range: &Option<KeyRange>| {
                    found.extend(range.clone().map(|range| (range.start().clone(), range.range_end())));
                    true
                });
                let mut wanted: Vec<_> = list
                    .iter()
                    .filter(|range| range.contains(&key))
                    .map(|range| (range.start().clone(), range.range_end()))
                    .collect();
                found.sort();
                wanted.sort();
                prop_assert_eq!(found, wanted);
            }
        }
    }
}

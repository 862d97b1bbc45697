//! The tree from a scan of the rows, without a single insert.

use std::ops::Range;

use super::Index;
use super::leaf::Leaf;
use super::node::{CHILDREN_MAX, Node};
use super::record::{Life, Stamp};

/// Keys that a built leaf holds, so that the next insert need not split it.
const LEAF_KEYS: usize = 60;

/// Collects versions in the order of their rows.
#[derive(Default)]
pub(crate) struct Builder {
    keys: Vec<u8>,
    versions: Vec<Version>,
}

struct Version {
    key_at: usize,
    key_len: usize,
    stamp: Stamp,
    life: Life,
}

impl Builder {
    /// Adds a version; ascending by row.
    pub(crate) fn push(&mut self, key: &[u8], stamp: Stamp, life: Life) {
        let key_at = self.keys.len();
        self.keys.extend_from_slice(key);
        self.versions.push(Version { key_at, key_len: key.len(), stamp, life });
    }

    /// Everything pushed, in the order of keys.
    pub(crate) fn sorted(self) -> Sorted {
        let Self { keys, mut versions } = self;
        versions
            .sort_unstable_by(|a, b| a.key(&keys).cmp(b.key(&keys)).then(a.stamp.cmp(&b.stamp)));
        Sorted { keys, versions }
    }

    /// The index of everything pushed.
    #[cfg(test)]
    pub(crate) fn finish(self) -> Index {
        Sorted::merge(&[self.sorted()])
    }
}

impl Version {
    fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        keys.get(self.key_at..self.key_at + self.key_len).unwrap_or_default()
    }
}

/// What a [`Builder`] collected, by key and time.
pub(crate) struct Sorted {
    keys: Vec<u8>,
    versions: Vec<Version>,
}

impl Sorted {
    /// The index of all `parts`, each of which is later than those before it.
    pub(crate) fn merge(parts: &[Self]) -> Index {
        let mut rest: Vec<&[Version]> = parts.iter().map(|part| part.versions.as_slice()).collect();
        let mut nodes = Vec::new();
        let mut filling = Filling::default();
        loop {
            let heads = parts.iter().zip(&rest);
            let heads = heads.filter_map(|(part, rest)| Some(rest.first()?.key(&part.keys)));
            let Some(key) = heads.min() else { break };
            let (from, mut life) = (filling.stamps.len(), Life::default());
            for (part, rest) in parts.iter().zip(&mut rest) {
                while let Some((version, later)) = rest.split_first()
                    && version.key(&part.keys) == key
                {
                    filling.stamps.push(version.stamp);
                    (life, *rest) = (version.life, later);
                }
            }
            filling.keys.push((key, from..filling.stamps.len(), life));
            if filling.keys.len() == LEAF_KEYS {
                nodes.push(filling.take());
            }
        }
        if !filling.keys.is_empty() {
            nodes.push(filling.take());
        }
        while nodes.len() > 1 {
            let mut upper = Vec::with_capacity(nodes.len() / (CHILDREN_MAX - 4) + 1);
            let mut rest = nodes.into_iter().peekable();
            while rest.peek().is_some() {
                upper.push(Node::over(rest.by_ref().take(CHILDREN_MAX - 4)));
            }
            nodes = upper;
        }
        Index::of(nodes.pop().unwrap_or_else(|| Node::Leaf(Leaf::default())))
    }
}

/// What the next leaf gets.
#[derive(Default)]
struct Filling<'k> {
    /// Key, place of its stamps, and its life.
    keys: Vec<(&'k [u8], Range<usize>, Life)>,
    stamps: Vec<Stamp>,
}

impl Filling<'_> {
    fn take(&mut self) -> Node {
        let bytes = self.keys.iter().map(|(key, ..)| key.len()).sum();
        let mut leaf = Leaf::with_room(self.keys.len(), bytes);
        for (at, (key, stamps, life)) in self.keys.drain(..).enumerate() {
            leaf.insert(at, key, self.stamps.get(stamps).unwrap_or_default(), life);
        }
        self.stamps.clear();
        Node::Leaf(leaf)
    }
}

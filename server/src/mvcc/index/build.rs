//! The tree from a scan of the rows, without a single insert.

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

/// A key and its versions, as a run of the sorted versions.
type Run<'a> = &'a [Version];

impl Builder {
    /// Adds a version; ascending by row.
    pub(crate) fn push(&mut self, key: &[u8], stamp: Stamp, life: Life) {
        let key_at = self.keys.len();
        self.keys.extend_from_slice(key);
        self.versions.push(Version { key_at, key_len: key.len(), stamp, life });
    }

    /// The index of everything pushed.
    pub(crate) fn finish(self) -> Index {
        let Self { keys, mut versions } = self;
        let key = |version: &Version| {
            keys.get(version.key_at..version.key_at + version.key_len).unwrap_or_default()
        };
        versions.sort_by(|a, b| key(a).cmp(key(b)).then(a.stamp.cmp(&b.stamp)));
        let runs: Vec<Run<'_>> = versions.chunk_by(|a, b| key(a) == key(b)).collect();
        let mut nodes: Vec<Node> = runs.chunks(LEAF_KEYS).map(|runs| leaf(runs, &key)).collect();
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

fn leaf<'k>(runs: &[Run<'_>], key: &impl Fn(&Version) -> &'k [u8]) -> Node {
    let first = |run: &Run<'_>| run.first().map_or(0, |version| version.key_len);
    let mut leaf = Leaf::with_room(runs.len(), runs.iter().map(first).sum());
    let mut stamps = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let Some(last) = run.last() else { continue };
        stamps.clear();
        stamps.extend(run.iter().map(|version| version.stamp));
        leaf.insert(at, key(last), &stamps, last.life);
    }
    Node::Leaf(leaf)
}

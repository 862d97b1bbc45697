//! Which versions each key has, in memory and in key order.
//!
//! ```text
//! apply ─▶ push, prune ─▶ Index ─▶ latest, at, count, ids ─▶ range, txn, hash, history
//!                              └─▶ versions, sweep, removed ─▶ lives, histogram, graveyard
//! rows ─▶ Builder ─▶ Sorted ─▶ Index                      (at start)
//! ```
//!
//! A B-tree of packed leaves. A record costs 48 bytes beside its key and 8 for each further version; keys of a
//! leaf share one buffer. Inner nodes know of each subtree how many keys exist in it and the newest revision
//! that touched it, so a count descends only where something changed after the revision it asks for.
//!
//! *Invariants.*
//! - I1: the stamps of a key ascend, and the tree changes only by stamps above all others, and by pruning.
//! - I2: a reader who asks at revision R sees the same answer before and after any change above R. So the tree
//!   may run ahead of what is published.
//! - I3: no lock is held for more than [`KEYS_PER_HOLD`] records, or versions where a walk goes by those, or a page
//!   of the versions of one key: a long walk lets go and seeks its next key.
//! - I4: pruning raises the floor first. A walk at a revision below the floor that it finds afterwards may have
//!   missed versions and must not be answered.
//!
//! *Not here.* Values, and whether a revision may be read: `View` knows both.
//!
//! *Tested* against a naive map in `tests.rs`.

mod build;
mod leaf;
mod node;
mod record;
mod size;
mod summary;
mod sweep;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mini_etcd_shared::types::KeyRange;

pub(crate) use build::{Builder, Sorted};
use node::{Node, Pruning};
pub(crate) use record::{Life, Stamp};
pub use sweep::IndexMark;
pub(crate) use sweep::Wanted;
use walk::{EVERYTHING, Stop, Walk};

use super::RowId;

/// Most records looked at under one hold of the lock.
const KEYS_PER_HOLD: usize = 512;

/// The index; see the module.
pub(crate) struct Index {
    tree: RwLock<Tree>,
    /// Versions that only a reader below this revision could want may be gone.
    floor: AtomicI64,
}

struct Tree {
    root: Node,
    bytes: isize,
}

impl Index {
    fn of(root: Node) -> Self {
        let bytes = root.bytes().cast_signed();
        Self { tree: RwLock::new(Tree { root, bytes }), floor: AtomicI64::new(-1) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Newest version of `key` and the life that a put would continue.
    pub(crate) fn latest(&self, key: &[u8]) -> Option<(Stamp, Life)> {
        self.read().root.find(key).map(|record| (record.newest(), record.life()))
    }

    /// Version of `key` that stands at `revision`: a tombstone if it does not exist there any more.
    pub(crate) fn at(&self, key: &[u8], revision: i64) -> Option<Stamp> {
        self.read().root.find(key).and_then(|record| record.at(revision))
    }

    /// Adds a version, newer than all others.
    pub(crate) fn push(&self, key: &[u8], stamp: Stamp, life: Life) {
        let mut tree = self.write();
        let grown = tree.root.push(key, stamp, life);
        tree.bytes += grown.bytes;
        if let Some(right) = grown.split {
            let left = std::mem::replace(&mut tree.root, Node::Inner(Vec::new()));
            tree.root = left.raise(right);
            tree.bytes += tree.root.own_bytes().cast_signed();
        }
    }

    /// Visits the keys of `range` that exist at `revision`, in key order: key, version, and the life that a put
    /// would continue now. The visitor must not use the index.
    pub(crate) fn visit(
        &self,
        range: &KeyRange,
        revision: i64,
        mut visit: impl FnMut(&[u8], Stamp, Life) -> ControlFlow<()>,
    ) {
        if !range.is_empty() {
            self.walk(range, revision, |walk, tree| walk.visit(&tree.root, EVERYTHING, &mut visit));
        }
    }

    /// Number of keys of `range` that exist at `revision`.
    pub(crate) fn count(&self, range: &KeyRange, revision: i64) -> u64 {
        let mut count = 0;
        if !range.is_empty() {
            self.walk(range, revision, |walk, tree| walk.count(&tree.root, EVERYTHING, &mut count));
        }
        count
    }

    /// Runs slices of a walk until it is done. I3.
    fn walk(
        &self,
        range: &KeyRange,
        at: i64,
        mut slice: impl FnMut(&mut Walk<'_>, &Tree) -> ControlFlow<Stop>,
    ) {
        let (lower, upper) = range.bounds();
        let mut from: Box<[u8]> = match lower {
            Bound::Included(key) | Bound::Excluded(key) => key.into(),
            Bound::Unbounded => Box::default(),
        };
        loop {
            let mut walk = Walk { from: &from, upper, at, budget: KEYS_PER_HOLD };
            match slice(&mut walk, &self.read()) {
                ControlFlow::Break(Stop::Rest(key)) => from = key,
                ControlFlow::Break(Stop::Done) | ControlFlow::Continue(()) => return,
            }
        }
    }

    /// Takes up to `max` versions out that no reader at `compacted` or later can want, from key `from` on.
    /// Looks at a bounded number of keys; answers the key to go on with, none when all were seen.
    pub(crate) fn prune(
        &self,
        compacted: i64,
        from: &[u8],
        max: usize,
        dead: &mut Vec<RowId>,
    ) -> Option<Box<[u8]>> {
        self.floor.fetch_max(compacted, Ordering::Relaxed); // I4, ordered by the lock
        let mut tree = self.write();
        let mut pruning = Pruning { compacted, budget: KEYS_PER_HOLD, max, dead, bytes: 0 };
        let rest = tree.root.prune(from, &mut pruning);
        let mut bytes = pruning.bytes;
        loop {
            let own = tree.root.own_bytes().cast_signed();
            let Some(child) = tree.root.take_only_child() else { break };
            bytes -= own;
            tree.root = child;
        }
        tree.bytes += bytes;
        rest
    }

    /// See I4.
    pub(crate) fn floor(&self) -> i64 {
        self.floor.load(Ordering::Relaxed)
    }

    /// Keys that exist now.
    pub(crate) fn live(&self) -> u64 {
        self.read().root.summary().live
    }

    /// Memory now.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.read().bytes).unwrap_or_default() + size_of::<Tree>() as u64
    }
}

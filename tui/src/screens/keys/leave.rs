//! What was seen is not there any more: another cluster answers, or this one was put back to an older state.

use super::tree::Tree;
use super::{Keys, Left, Pane, Right, Undo};
use crate::console::{Context, Effect};
use crate::screens::{Screen, ScreenId};
use crate::widget::grouped;

/// Why nothing is taken back of another cluster.
const OTHER_CLUSTER: &str =
    "the last change was made in another cluster, which does not answer any more";
/// Why nothing is taken back of another history.
const OTHER_HISTORY: &str = "the cluster was put back to a state before the last change";

/// Drops everything that was of the cluster.
pub(super) fn leave(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    // A change that is under way is told about, and noted.
    let mut effects = keys.cancel(ctx).unwrap_or_default();
    effects.extend(keys.requests.forget());
    let before = std::mem::take(keys);
    keys.tree = Tree::new(before.tree.prefix, before.tree.separator);
    (keys.value.viewer, keys.wrap) = (before.value.viewer, before.wrap);
    keys.requests = before.requests;
    keys.undo = before.undo.map(|_| Undo::Not(OTHER_CLUSTER.to_owned()));
    effects
}

impl Keys {
    /// What was seen at a revision that the cluster does not have any more goes.
    fn go_back(&mut self) {
        self.undo = self.undo.take().map(|_| Undo::Not(OTHER_HISTORY.to_owned()));
        self.marks.clear();
        self.strip = super::Strip::default();
        (self.left, self.right) = (Left::Tree, Right::Value);
        self.leaseless = None;
        (self.pane, self.zoom) = (Pane::Tree, false);
        self.value.key = None;
        self.matches = super::Matches::default();
    }
}

/// A tree has come that is of the newest revision, which is `revision`.
pub(super) fn note_newest(keys: &mut Keys, ctx: &mut Context, revision: i64) {
    let before = keys.newest;
    keys.newest = revision;
    if revision >= before {
        return;
    }
    keys.go_back();
    ctx.withdraw(ScreenId::Keys);
    ctx.done = None;
    let number = |revision: i64| grouped(revision.unsigned_abs());
    let what =
        format!("the keys went back to revision {} from {}", number(revision), number(before));
    let why = "the cluster's data was replaced by an older state, or by none".to_owned();
    let next = "all is read anew; u takes nothing back".to_owned();
    ctx.toasts.error(ctx.now, what, why, next);
}

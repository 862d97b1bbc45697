//! Taking back the last change.
//!
//! * I1: what can be taken back is the last change that was made here, by its revision, whatever it was; a change of
//!   which nobody knows what became of it, and one by a command, leave nothing to take back but the reason.
//! * I2: what was taken back can be made again the same way, and so on.

use super::model::{Batch, Bulk, Change, Changed, Entry, Target, Write};
use super::requests::{ChangeMany, WriteKey};
use super::{Doing, Keys, bulk, change};
use crate::console::{Context, Effect};

/// Whether something is done, or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is done.
    Do,
    /// It is taken back.
    Undo,
    /// What was taken back is made again.
    Redo,
}

impl Way {
    /// What takes it back.
    pub(crate) fn back(self) -> Self {
        if self == Self::Undo { Self::Redo } else { Self::Undo }
    }
}

/// How to take back the last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// By this.
    By {
        /// What takes it back.
        reversal: Reversal,
        /// What was done.
        what: String,
        /// Whether this is the first way, or the way back.
        way: Way,
        /// The revision of the change.
        revision: i64,
    },
    /// It cannot be taken back; why.
    Not(String),
}

/// What takes a change back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// A change of one key.
    One(Write),
    /// A change of many.
    Many(Bulk),
}

impl Keys {
    /// Whether a change is under way.
    pub(crate) fn is_changing(&self) -> bool {
        self.requests.running::<WriteKey>().next().is_some()
            || self.requests.running::<ChangeMany>().next().is_some()
    }

    /// I1: the last change cannot be taken back.
    pub(super) fn no_undo(&mut self, why: impl Into<String>) {
        self.undo = Some(Undo::Not(why.into()));
    }

    /// I1: a change was made at this revision.
    fn can_undo(&mut self, reversal: Reversal, doing: &Doing, revision: i64) {
        // Answers may come in another order than the changes were made in.
        let newer =
            matches!(self.undo, Some(Undo::By { revision: newest, .. }) if newest > revision);
        if !newer {
            let (what, way) = (doing.what.clone(), doing.way.back());
            self.undo = Some(Undo::By { reversal, what, way, revision });
        }
    }

    /// One key was changed, which was like `before`.
    pub(super) fn changed_one(
        &mut self,
        write: &Write,
        doing: &Doing,
        revision: i64,
        before: Option<Entry>,
    ) {
        let put = |entry: Entry| Change::Put(entry.value, entry.meta.lease);
        let (change, expected) = match (&write.change, before) {
            (Change::Delete, Some(before)) => (put(before), 0),
            // It was gone before: nothing was changed.
            (Change::Delete, None) => return,
            (_, Some(before)) => (put(before), revision),
            (_, None) => (Change::Delete, revision),
        };
        let reversal = Reversal::One(Write { key: write.key.clone(), expected, change });
        self.can_undo(reversal, doing, revision);
    }

    /// Many keys were changed.
    pub(super) fn changed_many(&mut self, bulk: &Bulk, doing: &Doing, changed: &Changed) {
        let Some(revision) = changed.batches.iter().map(|batch| batch.revision).max() else {
            return;
        };
        let batches = changed.batches.clone();
        let reversal = match bulk {
            Bulk::PutBack { .. } => Bulk::TakeAway(batches),
            Bulk::Delete { .. } | Bulk::TakeAway(_) => {
                let before =
                    |batch: Batch| Batch { revision: batch.revision.saturating_sub(1), ..batch };
                let batches = batches.into_iter().map(before).collect();
                Bulk::PutBack { batches, exact: true, leaseless: false }
            }
        };
        self.can_undo(Reversal::Many(reversal), doing, revision);
    }
}

/// Takes back the last change, if what it left is still so.
pub(crate) fn undo(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if ctx.refuses_changes() {
        return Vec::new();
    }
    if keys.is_changing() {
        let hint = "the last change is still under way: ^c gives it up";
        ctx.toasts.hint(ctx.now, hint);
        return Vec::new();
    }
    let (reversal, doing) = match keys.undo.clone() {
        None => {
            ctx.toasts.hint(ctx.now, "there is nothing to take back");
            return Vec::new();
        }
        Some(Undo::Not(why)) => {
            ctx.toasts.hint(ctx.now, format!("u takes nothing back: {why}"));
            return Vec::new();
        }
        Some(Undo::By { reversal, what, way, .. }) => (reversal, Doing { what, way }),
    };
    match reversal {
        Reversal::One(mut write) => {
            change::without_lost_lease(keys, &mut write);
            change::ask_write(keys, ctx, write, doing)
        }
        Reversal::Many(mut bulk) => {
            bulk::without_lost_lease(keys, &mut bulk);
            bulk::ask(keys, ctx, bulk, doing, 0)
        }
    }
}

impl Keys {
    /// I1: a command that changes keys is run, in the pane or the palette.
    pub(crate) fn changed_by(&mut self, command: &str) {
        self.no_undo(format!("the last change was made by a command, {command}"));
    }
}

/// The keys that a change of many is about, to be shown.
pub(super) fn about(targets: &[Target]) -> String {
    let shown = |target: &Target| match target {
        Target::Key(key) => crate::widget::escape_name(key),
        Target::Prefix(prefix) => format!("keys below {}", crate::widget::escape_name(prefix)),
    };
    match targets {
        [] => String::new(),
        [one] => shown(one),
        [one, rest @ ..] => format!("{} or one of {} more", shown(one), rest.len()),
    }
}

//! What stands beside the tree, moved: up and down, and sideways, for lines may be longer than there is room for.

use super::lines::{Lines, Place, Room};
use super::{Keys, Pane, Right, find, load, view};
use crate::console::{Context, Effect};
use crate::screens::Motion;

/// Columns of one move, and what stays in sight of the longest line.
const COLUMNS: usize = 20;
/// Lines that other things may take of a page, in a value and in a difference: no page passes over a line unseen.
const BESIDE_VALUE: usize = 6;
const BESIDE_DIFF: usize = 12;

impl Keys {
    /// What stands beside the tree, and its first row in sight.
    pub(super) fn beside(&self) -> (&Lines, Place) {
        match self.right.below_editor() {
            Right::Conflict(over) => (&over.top.diff, over.top.top),
            Right::History(history) => (&history.diff, history.top),
            _ => (&self.value.lines, self.value.top),
        }
    }

    /// The first row in sight of it.
    pub(super) fn top(&mut self) -> &mut Place {
        match self.right.below_editor_mut() {
            Right::Conflict(over) => &mut over.top.top,
            Right::History(history) => &mut history.top,
            _ => &mut self.value.top,
        }
    }

    /// Something else is looked for.
    pub(super) fn forget_hits(&mut self) {
        self.value.lines.forget();
        if let Right::Conflict(over) = self.right.below_editor_mut() {
            over.top.diff.forget();
        }
        if let Some(history) = self.right.history_mut() {
            history.diff.forget();
        }
    }

    /// Whether the value is what stands there.
    pub(super) fn is_value(&self) -> bool {
        matches!(self.right.below_editor(), Right::Value)
    }
}

/// The room there is beside the tree, and rows of a page.
pub(super) fn sight(keys: &Keys, ctx: &Context) -> (Room, usize) {
    let others = if keys.is_value() { BESIDE_VALUE } else { BESIDE_DIFF };
    let width = view::columns(view::value_width(keys, ctx.size.0), keys.beside().0);
    (Room { width, wrap: keys.wrap }, ctx.page().saturating_sub(others).max(2))
}

/// Moves up or down.
pub(super) fn scroll(keys: &mut Keys, ctx: &Context, motion: Motion) {
    let (room, page) = sight(keys, ctx);
    let (lines, top) = keys.beside();
    *keys.top() = lines.step(top, motion.rows(page), room);
}

/// Long lines go on in the next row, or do not any more.
pub(crate) fn wrap(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    (keys.wrap, keys.shift) = (!keys.wrap, 0);
    (keys.top().at, keys.value.chosen.at) = (0, 0);
    find::stay(keys, ctx);
    Vec::new()
}

/// Opens what is chosen in the tree; beside it, shows more of what is to the right.
pub(crate) fn right(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if keys.pane == Pane::Tree {
        return load::open(keys, ctx);
    }
    if !keys.wrap {
        let most = keys.beside().0.longest().saturating_sub(COLUMNS);
        keys.shift = (keys.shift + COLUMNS).min(most);
    }
    Vec::new()
}

/// Moves back to the left. Answers whether there was anything to move.
pub(super) fn left(keys: &mut Keys) -> bool {
    let moved = keys.shift > 0;
    keys.shift = keys.shift.saturating_sub(COLUMNS);
    moved
}

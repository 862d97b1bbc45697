//! A structured value, folded: the chosen line, and what is folded there.

use super::lines::Place;
use super::sideways::sight;
use super::{Keys, Pane};
use crate::console::{Context, Effect};
use crate::screens::Motion;

impl Keys {
    /// The chosen line of a value that can be folded, while the pane has the keyboard.
    pub(super) fn chosen_line(&self) -> Option<Place> {
        let can = self.pane == Pane::Value && !self.beside().0.folds().is_empty();
        can.then_some(self.value.chosen)
    }

    /// What the key would do: fold or unfold.
    pub(super) fn fold_words(&self) -> Option<&'static str> {
        let folds = self.value.lines.folds();
        let head = folds.head(self.chosen_line()?.line)?;
        Some(if folds.open(head) == Some(true) { "fold" } else { "unfold" })
    }
}

/// Folds what begins at the chosen line or what it is in, or unfolds it.
pub(super) fn toggle(keys: &mut Keys, ctx: &Context) -> Vec<Effect> {
    let folds = keys.value.lines.folds();
    if let Some(head) = keys.chosen_line().and_then(|chosen| folds.head(chosen.line)) {
        keys.value.lines.folds_mut().toggle(head);
        settle(keys, ctx, Place { line: head, at: 0 });
    }
    Vec::new()
}

/// Folds all parts of the value, or unfolds all.
pub(crate) fn toggle_all(keys: &mut Keys, ctx: &mut Context) -> Vec<Effect> {
    if !keys.beside().0.folds().is_empty() {
        keys.value.lines.folds_mut().toggle_all();
        settle(keys, ctx, keys.value.chosen);
    }
    Vec::new()
}

/// Other lines are folded: a line is chosen, or the one that hides it.
fn settle(keys: &mut Keys, ctx: &Context, chosen: Place) {
    keys.value.chosen = keys.value.lines.settled(chosen);
    show(keys, ctx);
}

/// Chooses another line, and scrolls so that it is in sight.
pub(super) fn choose(keys: &mut Keys, ctx: &Context, motion: Motion) {
    let (room, page) = sight(keys, ctx);
    keys.value.chosen = keys.value.lines.step(keys.value.chosen, motion.rows(page), room);
    show(keys, ctx);
}

/// Scrolls as little as is needed for the chosen row to be in sight.
fn show(keys: &mut Keys, ctx: &Context) {
    let (room, page) = sight(keys, ctx);
    // As many rows as were drawn last.
    let rows = match usize::from(keys.panes.lines.height) {
        0 => page,
        rows => rows,
    };
    let above = isize::try_from(rows - 1).unwrap_or(isize::MAX).saturating_neg();
    let value = &mut keys.value;
    let row = value.lines.row_of(value.chosen.line, value.chosen.at, room);
    let least = value.lines.step(row, above, room);
    value.top = value.lines.settled(value.top).clamp(least, row);
}

/// A click on a row: it is chosen; on the chosen one of the pane that has the keyboard, it does what Enter does.
pub(super) fn click(keys: &mut Keys, ctx: &Context, row: usize, has_keyboard: bool) {
    if keys.chosen_line().is_none() {
        return;
    }
    let (room, _) = sight(keys, ctx);
    let lines = &keys.value.lines;
    let by = isize::try_from(row).unwrap_or(isize::MAX);
    let clicked = lines.step(keys.value.top, by, room);
    // There is nothing below the last row.
    if row > 0 && lines.step(keys.value.top, by - 1, room) == clicked {
        return;
    }
    let before = std::mem::replace(&mut keys.value.chosen, clicked);
    if has_keyboard && before.line == clicked.line {
        toggle(keys, ctx);
    }
}

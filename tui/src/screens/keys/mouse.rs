//! [`mouse`]: what the mouse does on the Keys screen: a click goes to a pane or chooses a row, the wheel scrolls.

use ratatui::layout::{Position, Rect};

use super::{Keys, Pane, folding, load, sideways};
use crate::console::{Context, Effect, Mouse};
use crate::screens::{Motion, Screen as _};

/// The panes as they were drawn last; empty for one that was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrawnPanes {
    /// The tree, or the deleted keys.
    pub tree: Rect,
    /// The value, or what stands in its place.
    pub value: Rect,
    /// The lines in that.
    pub lines: Rect,
}

/// Takes what is done with the mouse.
pub(super) fn mouse(keys: &mut Keys, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
    // What is typed has the keyboard until it is done.
    if keys.prompt.is_some() || keys.right.editor().is_some() {
        return Vec::new();
    }
    let place = event.place();
    match event {
        Mouse::Click(_) if keys.panes.tree.contains(place) => {
            keys.pane = Pane::Tree;
            return click(keys, ctx, place);
        }
        Mouse::Click(_) if keys.panes.value.contains(place) => {
            let before = std::mem::replace(&mut keys.pane, Pane::Value);
            let line = place.y.checked_sub(keys.panes.lines.y).map(usize::from);
            if let Some(line) = line.filter(|_| keys.panes.lines.contains(place)) {
                folding::click(keys, ctx, line, before == Pane::Value);
            }
        }
        Mouse::Wheel(_, by) if keys.panes.value.contains(place) => {
            sideways::scroll(keys, ctx, Motion::Step(by));
        }
        Mouse::Wheel(_, by) if keys.panes.tree.contains(place) => {
            if keys.left.graveyard().is_none() {
                keys.drawn.scroll(by, keys.tree.rows().len());
            } else {
                return keys.motion(ctx, Motion::Step(by));
            }
        }
        Mouse::Click(_) | Mouse::Wheel(..) => {}
    }
    Vec::new()
}

/// Chooses a row of the list at the left; does on the chosen one what Enter does.
fn click(keys: &mut Keys, ctx: &mut Context, place: Position) -> Vec<Effect> {
    let row = keys.drawn.rows.at(place).and_then(|row| usize::try_from(row).ok());
    let (rows, chosen) = keys.list();
    let Some(row) = row.filter(|row| *row < rows) else { return Vec::new() };
    if std::mem::replace(chosen, row) == row {
        return load::open(keys, ctx);
    }
    keys.remember_chosen();
    if let Some(row) = keys.tree.rows().get(keys.chosen) {
        keys.drawn.choose(&keys.tree, *row);
    }
    load::look(keys, false)
}

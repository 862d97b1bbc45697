//! [`mouse`]: what the mouse does on the Auth screen, by what was drawn last.

use ratatui::layout::Rect;

use super::{Auth, Pane, actions};
use crate::console::{Context, Effect, Mouse};
use crate::screens::{Motion, Screen as _};
use crate::widget::DrawnRows;

/// What was drawn where.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DrawnAuth {
    /// The tree with its border.
    pub tree: Rect,
    /// Its rows.
    pub rows: DrawnRows,
    /// What is said, with its border.
    pub facts: Rect,
}

/// Takes what is done with the mouse.
pub(super) fn mouse(auth: &mut Auth, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
    // What is typed has the keyboard until it is done.
    if auth.prompt.is_some() {
        return Vec::new();
    }
    let (drawn, place) = (auth.drawn, event.place());
    let pane = if drawn.tree.contains(place) {
        Pane::Tree
    } else if drawn.facts.contains(place) {
        Pane::Facts
    } else {
        return Vec::new();
    };
    match event {
        Mouse::Wheel(_, by) => {
            let before = std::mem::replace(&mut auth.pane, pane);
            let effects = auth.motion(ctx, Motion::Step(by));
            auth.pane = before;
            effects
        }
        Mouse::Click(_) => {
            let had = std::mem::replace(&mut auth.pane, pane) == pane;
            let row = drawn.rows.at(place).and_then(|row| usize::try_from(row).ok());
            match row {
                Some(row) if had && row == auth.chosen => actions::open(auth, ctx),
                Some(row) => actions::go(auth, ctx, row),
                None => Vec::new(),
            }
        }
    }
}

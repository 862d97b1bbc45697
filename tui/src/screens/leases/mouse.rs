//! [`mouse`]: what the mouse does on the Leases screen, by what was drawn last.

use ratatui::layout::Rect;

use super::{Leases, Pane, actions};
use crate::console::{Context, Effect, Mouse};
use crate::screens::{Motion, Screen as _};
use crate::widget::DrawnRows;

/// What was drawn where.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DrawnLeases {
    /// The list with its border.
    pub list: Rect,
    /// Its rows.
    pub rows: DrawnRows,
    /// The chosen lease with its border.
    pub detail: Rect,
    /// Its keys.
    pub keys: DrawnRows,
}

/// Takes what is done with the mouse.
pub(super) fn mouse(leases: &mut Leases, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
    // What is typed has the keyboard until it is done.
    if leases.prompt.is_some() {
        return Vec::new();
    }
    let (drawn, place) = (leases.drawn, event.place());
    let pane = if drawn.list.contains(place) {
        Pane::List
    } else if drawn.detail.contains(place) {
        Pane::Keys
    } else {
        return Vec::new();
    };
    let rows = if pane == Pane::List { drawn.rows } else { drawn.keys };
    match event {
        Mouse::Wheel(_, by) => {
            let before = std::mem::replace(&mut leases.pane, pane);
            let effects = leases.motion(ctx, Motion::Step(by));
            leases.pane = before;
            effects
        }
        Mouse::Click(_) => {
            let had = std::mem::replace(&mut leases.pane, pane) == pane;
            let Some(row) = rows.at(place).and_then(|row| usize::try_from(row).ok()) else {
                return Vec::new();
            };
            let chosen = if pane == Pane::List { leases.chosen } else { leases.key };
            if had && row == chosen {
                return actions::open(leases, ctx);
            }
            actions::go(leases, ctx, row)
        }
    }
}

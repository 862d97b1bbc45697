//! [`mouse`]: what the mouse does on the Keys screen: a click goes to a pane, the wheel scrolls the value.

use ratatui::layout::Rect;

use super::{Keys, Pane};
use crate::console::Mouse;
use crate::screens::Motion;

/// The panes as they were drawn last; empty for one that was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrawnPanes {
    /// The tree, or the deleted keys.
    pub tree: Rect,
    /// The value, or what stands in its place.
    pub value: Rect,
}

/// Takes what is done with the mouse.
pub(super) fn mouse(keys: &mut Keys, event: Mouse) {
    // What is typed has the keyboard until it is done.
    if keys.prompt.is_some() || keys.editor.is_some() {
        return;
    }
    let place = event.place();
    match event {
        Mouse::Click(_) if keys.panes.tree.contains(place) => keys.pane = Pane::Tree,
        Mouse::Click(_) if keys.panes.value.contains(place) => keys.pane = Pane::Value,
        Mouse::Wheel(_, by) if keys.panes.value.contains(place) => scroll(keys, by),
        Mouse::Click(_) | Mouse::Wheel(..) => {}
    }
}

/// Scrolls what stands in the pane of the value.
fn scroll(keys: &mut Keys, by: isize) {
    let (first, lines) = if let Some(conflict) = &mut keys.conflict {
        (&mut conflict.scroll, conflict.diff.len())
    } else if let Some(history) = &mut keys.history {
        (&mut history.scroll, history.diff.len())
    } else {
        (&mut keys.value.scroll, keys.value.lines.len())
    };
    *first = Motion::Step(by).apply(*first, lines, 0);
}

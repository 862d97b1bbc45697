//! The line at the bottom: what can be done now, from the keymap.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::say;
use crate::action;
use crate::app::State;
use crate::theme::Meaning;

/// Draws the keys of what can be done now.
pub(super) fn footer(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let look = &state.look;
    let mut spans = vec![Span::raw(" ")];
    let mut room = usize::from(area.width).saturating_sub(1);
    for action in action::all() {
        let usable = action.scope() == state.scope() || action.scope().is_everywhere();
        let label = action.label(state).filter(|_| usable);
        let Some((key, label)) = state.keymap.keys(action).first().zip(label) else { continue };
        let key = if look.glyphs.ascii { key.ascii() } else { key.to_string() };
        let key = say(look, Meaning::Key, key);
        let label = say(look, Meaning::KeyLabel, format!(" {label}   "));
        let width = key.width() + label.width();
        if width > room + 3 {
            break;
        }
        room = room.saturating_sub(width);
        spans.push(key);
        spans.push(label);
    }
    frame.render_widget(Line::from(spans), area);
}

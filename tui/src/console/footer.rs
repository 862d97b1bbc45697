//! The line at the bottom: what can be done now, from the keymap.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::action::Act;
use super::{Overlay, State, action};
use crate::widget::say;
use crate::widget::theme::Meaning;

/// The action that shows all keys.
const HELP: &str = "help";

/// Draws the keys of what can be done now. The way to all keys is always there, whatever else has no room.
pub(crate) fn footer(state: &State, frame: &mut Frame<'_>, area: Rect) {
    // What is typed is typed: no key does anything else now.
    let typed = match state.ctx.overlays.last() {
        None => state.top().takes_text(),
        Some(overlay) => matches!(overlay, Overlay::Actions(_)),
    };
    if typed {
        return;
    }
    let mut spans = vec![Span::raw(" ")];
    let room = usize::from(area.width).saturating_sub(1);
    let usable =
        |action: &&dyn Act| action.scope() == state.scope() || action.scope().is_everywhere();
    let is_help = |action: &&dyn Act| action.name() == HELP;
    let help = action::all().find(is_help).and_then(|action| entry(state, action));
    let mut left =
        room.saturating_sub(help.as_ref().map_or(0, |[key, label]| key.width() + label.width()));
    for action in action::all().filter(usable).filter(|action| !is_help(action)) {
        let Some([key, label]) = entry(state, action) else { continue };
        let width = key.width() + label.width();
        if width > left {
            break;
        }
        left -= width;
        spans.extend([key, label]);
    }
    spans.extend(help.into_iter().flatten());
    frame.render_widget(Line::from(spans), area);
}

/// A key and what it does now.
fn entry(state: &State, action: &dyn Act) -> Option<[Span<'static>; 2]> {
    let look = &state.ctx.look;
    let label = action.label(state)?;
    let key = state.keymap.keys(action).first()?;
    let key = if look.glyphs.ascii { key.ascii() } else { key.to_string() };
    Some([say(look, Meaning::Key, key), say(look, Meaning::KeyLabel, format!(" {label}   "))])
}

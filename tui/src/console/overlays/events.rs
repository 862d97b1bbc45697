//! What happened to the cluster, newest first, to scroll through.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::console::State;
use crate::screens::cluster::view::leadership::{advice, events};
use crate::widget::theme::Meaning;
use crate::widget::{popup, say, wrap};

/// Widest overlay.
const WIDTH_MAX: u16 = 116;

/// Every line of the overlay: advice first.
#[must_use]
pub fn event_lines(state: &State) -> Vec<Line<'static>> {
    let room = usize::from(width(state)).saturating_sub(4);
    let look = &state.look;
    let mut lines = Vec::new();
    for (meaning, words) in advice(state) {
        let words = wrap(&format!("advice  {words}"), room.saturating_sub(2));
        lines.extend(words.into_iter().map(|l| Line::from(say(look, meaning, format!(" {l}")))));
    }
    let events = events(state, room);
    if events.is_empty() {
        lines.push(Line::from(say(look, Meaning::Dim, " nothing has happened yet")));
    }
    lines.extend(events);
    lines
}

fn width(state: &State) -> u16 {
    state.size.0.saturating_sub(4).min(WIDTH_MAX)
}

/// Draws the overlay from line `first` on.
pub(crate) fn draw(state: &State, frame: &mut Frame<'_>, first: u16) {
    let lines = event_lines(state);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let size = (width(state), height.min(state.size.1.saturating_sub(2)));
    let right = say(&state.look, Meaning::Dim, " Esc closes, j k scroll ");
    let inside = popup(frame, &state.look, size, "What happened", Line::from(right));
    let last = lines.len().saturating_sub(usize::from(inside.height));
    let shown = lines.into_iter().skip(usize::from(first).min(last));
    for (line, y) in shown.zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

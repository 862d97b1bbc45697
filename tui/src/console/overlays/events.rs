//! What happened to the cluster, newest first, to scroll through.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::scrolled;
use crate::console::Context;
use crate::screens::cluster::view::leadership::{advice, events};
use crate::widget::theme::Meaning;
use crate::widget::{say, wrap};

/// Widest overlay.
const WIDTH_MAX: u16 = 116;

/// Every line of the overlay: advice first.
#[must_use]
pub fn event_lines(ctx: &Context) -> Vec<Line<'static>> {
    let room = usize::from(width(ctx)).saturating_sub(4);
    let look = &ctx.look;
    let mut lines = Vec::new();
    for (meaning, words) in advice(ctx) {
        let words = wrap(&format!("advice  {words}"), room.saturating_sub(2));
        lines.extend(words.into_iter().map(|l| Line::from(say(look, meaning, format!(" {l}")))));
    }
    let events = events(ctx, room);
    if events.is_empty() {
        lines.push(Line::from(say(look, Meaning::Dim, " nothing has happened yet")));
    }
    lines.extend(events);
    lines
}

fn width(ctx: &Context) -> u16 {
    ctx.size.0.saturating_sub(4).min(WIDTH_MAX)
}

/// Draws the overlay from line `first` on; answers where.
pub(crate) fn draw(ctx: &Context, frame: &mut Frame<'_>, first: u16) -> Rect {
    let hint = " Esc closes, j k scroll ";
    scrolled(ctx, frame, ("What happened", hint), width(ctx), (event_lines(ctx), first))
}

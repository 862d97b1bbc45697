//! A line that is typed, over the footer.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::leases::{Ask, Prompt};
use crate::widget::theme::Meaning;
use crate::widget::{fit, fit_end, say, set_cursor};

/// Draws the line.
pub(super) fn prompt(ctx: &Context, prompt: &Prompt, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let (head, hint) = match prompt.ask {
        Ask::Filter => (" filter: ", "a part of an id; Enter keeps it, Esc takes it away"),
        Ask::Grant => (" grant: ", "seconds, and an id in hex if it should have one: 60, 60 7f3a"),
    };
    frame.render_widget(Clear, area);
    let room = usize::from(area.width).saturating_sub(head.width() + 1);
    let (left, right) = prompt.line.shown();
    let left = fit_end(&left, room);
    let used = head.width() + left.width();
    let right = fit(&right, room.saturating_sub(left.width()), &look.glyphs);
    let rest = usize::from(area.width).saturating_sub(used + right.width() + 3);
    let (meaning, note) = match &prompt.error {
        Some(error) => (Meaning::Bad, error.as_str()),
        None if prompt.line.text().is_empty() => (Meaning::Dim, hint),
        None => (Meaning::Dim, ""),
    };
    let spans = vec![
        say(look, Meaning::Accent, head),
        say(look, Meaning::Input, left),
        say(look, Meaning::Input, right),
        say(look, meaning, format!("  {}", fit(note, rest, &look.glyphs))),
    ];
    frame.render_widget(Line::from(spans), area);
    set_cursor(frame, area, used);
}

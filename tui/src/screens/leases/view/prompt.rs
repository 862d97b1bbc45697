//! A line that is typed, over the footer.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::console::Context;
use crate::screens::leases::{Ask, Prompt};
use crate::widget::line;

/// Draws the line.
pub(super) fn prompt(ctx: &Context, prompt: &Prompt, frame: &mut Frame<'_>, area: Rect) {
    let (name, hint) = match prompt.ask {
        Ask::Filter => ("filter", "a part of an id; Enter keeps it, Esc takes it away"),
        Ask::Grant => ("grant", "seconds, and an id in hex if it should have one: 60, 60 7f3a"),
    };
    line::draw(frame, &ctx.look, area, (name, &prompt.line), (prompt.error.as_deref(), hint));
}

//! What lies over a screen: actions, the keys, what happened, why a connection fails, a question, and short messages.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Context;
use crate::widget::theme::Meaning;
use crate::widget::{around, popup, say};

pub(crate) mod actions;
pub(crate) mod confirm;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod help;
pub(crate) mod toasts;

pub use actions::ActionList;
pub use doctor::{Doctor, Examine, doctor_lines};
pub use events::event_lines;
pub use help::help_lines;

/// Draws lines to scroll through, from line `first` on, below a title and a hint at its right; answers where.
fn scrolled(
    ctx: &Context,
    frame: &mut Frame<'_>,
    (title, hint): (&str, &str),
    width: u16,
    (lines, first): (Vec<Line<'static>>, u16),
) -> Rect {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let size = (width, height.min(ctx.size.1.saturating_sub(2)));
    let right = Line::from(say(&ctx.look, Meaning::Dim, hint));
    let inside = popup(frame, &ctx.look, size, title, right);
    let last = lines.len().saturating_sub(usize::from(inside.height));
    let shown = lines.into_iter().skip(usize::from(first).min(last));
    for (line, y) in shown.zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
    around(inside)
}

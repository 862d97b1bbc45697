//! Short messages, above the footer at the right.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::console::Context;
use crate::console::toast::{Gravity, Toast};
use crate::widget::theme::Meaning;
use crate::widget::{say, style, wrap};

/// Widest message.
const WIDTH_MAX: u16 = 64;

/// Draws the messages, the newest at the bottom.
pub(crate) fn toasts(ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.saturating_sub(4).min(WIDTH_MAX);
    let mut bottom = area.bottom();
    for toast in ctx.toasts.shown().iter().rev() {
        let lines = lines(ctx, toast, usize::from(width).saturating_sub(4));
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let Some(top) = bottom.checked_sub(height).filter(|top| *top >= area.y) else { return };
        let place = Rect { x: area.right().saturating_sub(width + 1), y: top, width, height };
        frame.render_widget(Clear, place);
        frame.buffer_mut().set_style(place, style(&ctx.look, Meaning::Overlay));
        for (line, y) in lines.into_iter().zip(place.y..) {
            frame.render_widget(line, Rect { y, height: 1, ..place });
        }
        bottom = top;
    }
}

fn lines(ctx: &Context, toast: &Toast, width: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let (meaning, edge) = match toast.gravity {
        Gravity::Info => (Meaning::Accent, if look.glyphs.ascii { "|" } else { "▌" }),
        Gravity::Error => (Meaning::Bad, if look.glyphs.ascii { "!" } else { "▌" }),
    };
    let times = if toast.times > 1 { format!(" (x{})", toast.times) } else { String::new() };
    let sign = if toast.gravity == Gravity::Error { "! " } else { "" };
    let mut parts = vec![(Meaning::Strong, format!("{sign}{}{times}", toast.what))];
    parts.push((Meaning::Text, toast.why.clone()));
    let next = if toast.next.is_empty() {
        String::new()
    } else {
        format!("{} {}", look.glyphs.arrow, toast.next)
    };
    parts.push((Meaning::Dim, next));
    let mut lines = Vec::new();
    for (style, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
        for line in wrap(&text, width) {
            lines.push(Line::from(vec![
                say(look, meaning, format!("{edge} ")),
                say(look, style, line),
                Span::raw(" "),
            ]));
        }
    }
    lines
}

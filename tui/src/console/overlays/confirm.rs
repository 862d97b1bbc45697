//! A question before something is done.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::console::{Confirm, Context, Tier};
use crate::widget::theme::Meaning;
use crate::widget::{popup, say, wrap};

/// Widest question.
const WIDTH_MAX: u16 = 72;

/// Draws the question.
pub(crate) fn confirm(ctx: &Context, frame: &mut Frame<'_>, confirm: &Confirm) {
    let look = &ctx.look;
    let width = ctx.size.0.saturating_sub(4).min(WIDTH_MAX);
    let text = usize::from(width).saturating_sub(4);
    let mut lines = vec![Line::default()];
    for (at, part) in wrap(&confirm.title, text.saturating_sub(5)).into_iter().enumerate() {
        let sign = if at == 0 { say(look, Meaning::Danger, " !! ") } else { Span::raw("    ") };
        lines.push(Line::from(vec![
            Span::raw(" "),
            sign,
            Span::raw(" "),
            say(look, Meaning::Bad, part),
        ]));
    }
    lines.push(Line::default());
    let parts = confirm.text.split('\n').flat_map(|line| wrap(line, text));
    lines.extend(parts.map(|part| Line::from(format!(" {part}"))));
    lines.push(Line::default());
    lines.push(match &confirm.tier {
        Tier::Loss => Line::from(vec![
            say(look, Meaning::Key, " y"),
            say(look, Meaning::Text, " yes, do it     "),
            say(look, Meaning::Key, "n"),
            say(look, Meaning::Text, " or "),
            say(look, Meaning::Key, "Esc"),
            say(look, Meaning::Strong, " no"),
        ]),
        Tier::Shape(word) => Line::from(vec![
            say(look, Meaning::Text, format!(" type {word} and Enter: ")),
            say(look, Meaning::Input, confirm.typed.clone()),
            say(look, Meaning::Accent, "_"),
        ]),
    });
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let inside = popup(frame, look, (width, height), "Really?", Line::default());
    for (line, y) in lines.into_iter().zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

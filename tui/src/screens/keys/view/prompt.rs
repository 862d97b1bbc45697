//! The line at the bottom, and the matches of a jump.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::console::Context;
use crate::screens::keys::Keys;
use crate::screens::keys::{Ask, Prompt};
use crate::widget::theme::Meaning;
use crate::widget::{counted, escape_name, fit, line, panel, say, style};

fn words(ask: Ask) -> (&'static str, &'static str) {
    match ask {
        Ask::Filter => ("filter", "a part of a name; Enter keeps it, Esc takes it away"),
        Ask::Find => ("find", "a text in these lines; Enter keeps it, Esc takes it away"),
        Ask::Prefix => ("prefix", r"what keys begin with, bytes as \xNN; empty for all"),
        Ask::Fuzzy => ("jump to", "a few letters of a key; arrows choose, Enter goes there"),
        Ask::Revision => ("revision", "a number; everything is shown as it was then"),
        Ask::Separator => {
            ("separator", r"what stands between names, bytes as \xNN; empty for none")
        }
        Ask::NewKey => ("new key", r"its name, bytes as \xNN; then its value"),
    }
}

/// Draws the line over the footer.
pub(super) fn prompt(ctx: &Context, prompt: &Prompt, frame: &mut Frame<'_>, area: Rect) {
    let (name, hint) = words(prompt.ask);
    line::draw(frame, &ctx.look, area, (name, &prompt.line), (prompt.error.as_deref(), hint));
}

/// Draws the matches of a jump over the screen.
pub(super) fn matches(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let (look, matches) = (&ctx.look, &keys.matches);
    frame.render_widget(Clear, area);
    let looked = counted(matches.looked, "key");
    let words =
        if matches.complete { looked } else { format!("{looked} so far {}", look.glyphs.wait) };
    let right = Line::from(say(look, Meaning::Dim, format!(" {words} ")));
    let inside = panel(frame, look, area, "Jump to a key", right);
    let height = usize::from(inside.height);
    let first = matches.chosen.saturating_sub(height.saturating_sub(1));
    let width = usize::from(inside.width).saturating_sub(2);
    let shown = matches.keys.iter().enumerate().skip(first);
    for ((at, key), y) in shown.zip(inside.y..inside.bottom()) {
        let place = Rect { y, height: 1, ..inside };
        let on = at == matches.chosen;
        if on {
            frame.buffer_mut().set_style(place, style(look, Meaning::Selected));
        }
        let mark = if on { look.glyphs.mark } else { " " };
        let text = fit(&escape_name(key), width, &look.glyphs);
        let line = Line::from(vec![say(look, Meaning::Accent, mark), Span::raw(text)]);
        frame.render_widget(line, place);
    }
    if matches.keys.is_empty() && matches.complete {
        let line = Line::from(say(look, Meaning::Dim, " no key looks like this"));
        frame.render_widget(line, Rect { height: inside.height.min(1), ..inside });
    }
}

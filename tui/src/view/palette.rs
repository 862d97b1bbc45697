//! The line for commands and what they answered.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use super::{say, style};
use crate::app::{Look, State};
use crate::theme::Meaning;
use crate::widget::{fit, panel};

/// Draws the output over the lower part of the screen and the line over the footer.
pub(super) fn palette(state: &State, frame: &mut Frame<'_>, body: Rect, bottom: Rect) {
    output(state, frame, body);
    input(state, frame, bottom);
}

fn input(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let look = &state.look;
    frame.render_widget(Clear, area);
    let room = usize::from(area.width).saturating_sub(3);
    let (left, right) = state.palette.split();
    // The cursor stays in sight: what lies far to its left is cut.
    let mut cut = 0;
    while left.get(cut..).unwrap_or("").width() > room {
        cut += left.get(cut..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
    }
    let left = left.get(cut..).unwrap_or("");
    let mut spans = vec![say(look, Meaning::Accent, " :"), say(look, Meaning::Input, left)];
    let used = left.width();
    spans.push(say(look, Meaning::Input, fit(right, room.saturating_sub(used), &look.glyphs)));
    if state.palette.input().is_empty() {
        let hint = match &state.palette.pending {
            Some((_, line)) => format!("running {line}  (^c gives up)"),
            None => {
                "a command: get, put, del, member list ...   help lists them, Esc closes".to_owned()
            }
        };
        spans.push(say(
            look,
            Meaning::Dim,
            format!("  {}", fit(&hint, room.saturating_sub(3), &look.glyphs)),
        ));
    }
    frame.render_widget(Line::from(spans), area);
    let x = u16::try_from(used).unwrap_or(u16::MAX).saturating_add(area.x + 2);
    frame.set_cursor_position(Position { x: x.min(area.right().saturating_sub(1)), y: area.y });
}

fn output(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let look = &state.look;
    let Some(output) = &state.palette.output else { return };
    let lines = u16::try_from(output.text.len().max(1)).unwrap_or(u16::MAX).saturating_add(2);
    let height = lines.min(body.height);
    let area = Rect { y: body.bottom() - height, height, ..body };
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, style(look, Meaning::Overlay));
    let wide =
        output.text.iter().any(|text| text.width() + 1 > usize::from(area.width.saturating_sub(2)));
    let title = fit(&format!(": {}", output.line), usize::from(area.width / 2), &look.glyphs);
    let inside = panel(frame, look, area, &title, right(look, state, wide));
    let meaning = if output.failed { Meaning::Bad } else { Meaning::Text };
    let last = output.text.len().saturating_sub(usize::from(inside.height));
    let shown = output.text.iter().skip(state.palette.scroll.min(last));
    for (text, y) in shown.zip(inside.y..inside.bottom()) {
        let text: String = text.chars().skip(state.palette.shift).collect();
        let text = fit(&text, usize::from(inside.width).saturating_sub(1), &look.glyphs);
        frame.render_widget(
            Line::from(say(look, meaning, format!(" {text}"))),
            Rect { y, height: 1, ..inside },
        );
    }
    if output.text.is_empty() {
        let words = say(look, Meaning::Dim, " nothing to show");
        frame.render_widget(Line::from(words), Rect { height: 1, ..inside });
    }
}

fn right(look: &Look, state: &State, wide: bool) -> Line<'static> {
    let Some(output) = &state.palette.output else { return Line::default() };
    let lines = match output.text.len() {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    };
    let (meaning, word) =
        if output.failed { (Meaning::Bad, "failed  ") } else { (Meaning::Ok, "ok  ") };
    Line::from(vec![
        Span::raw(" "),
        say(look, meaning, word),
        say(look, Meaning::Dim, if wide { "arrows shift  " } else { "" }),
        say(look, Meaning::Dim, format!("{lines}  {} ", output.note)),
    ])
}

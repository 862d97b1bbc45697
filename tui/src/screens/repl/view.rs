//! The REPL pane: what was typed and answered, and below it the line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Repl, continuation, hint, prompt};
use crate::console::Context;
use crate::console::palette::{choices, typed_line};
use crate::engine::session::{LineKind, OutputLine};
use crate::widget::line::draw_hidden;
use crate::widget::theme::Meaning;
use crate::widget::{Look, age, fit, panel, say};

/// Columns that a scope has in the prompt.
const SCOPE_WIDTH: usize = 30;

/// Draws the pane, and over the footer what can be done in the line.
pub(super) fn draw(repl: &Repl, ctx: &Context, frame: &mut Frame<'_>, body: Rect, bottom: Rect) {
    let look = &ctx.look;
    let inside = panel(frame, look, body, "REPL", title(repl, ctx));
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    let below = below(look, repl, &ctx.prompt.scope);
    let height = usize::from(inside.height);
    let entry_rows = if repl.scrollback.back() > 0 { 0 } else { below.len() };
    let room = height.saturating_sub(entry_rows);
    let mut rows = newest(look, repl, room, usize::from(inside.width));
    let cursor = rows.len();
    if repl.scrollback.back() > 0 {
        let words = format!("{} lines below, G goes there", repl.scrollback.back());
        if let Some(last) = rows.last_mut() {
            *last = Line::from(say(look, Meaning::Accent, words));
        }
    } else {
        rows.extend(below.into_iter().map(|row| row.line));
    }
    let skipped = rows.len().saturating_sub(height);
    for (row, y) in rows.into_iter().skip(skipped).zip(inside.y..inside.bottom()) {
        frame.render_widget(row, Rect { y, height: 1, ..inside });
    }
    if repl.scrollback.back() == 0 {
        let place = cursor + repl.entry.above.len();
        let y = u16::try_from(place.saturating_sub(skipped)).unwrap_or(u16::MAX);
        let y = inside.y.saturating_add(y).min(inside.bottom().saturating_sub(1));
        entry(repl, ctx, frame, Rect { y, height: 1, ..inside });
    }
    if repl.typing && ctx.overlays.is_empty() {
        keys(look, frame, bottom);
    }
}

fn entry(repl: &Repl, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    if draw_asked(repl, ctx, frame, area) {
        return;
    }
    frame.render_widget(Clear, area);
    if !repl.typing {
        let words = format!(
            "{}{}",
            head(look, repl, &ctx.prompt.scope),
            repl.entry.line.shown().0 + &repl.entry.line.shown().1
        );
        frame.render_widget(Line::from(say(look, Meaning::Dim, words)), area);
        return;
    }
    let hint = match &repl.running {
        Some(running) if repl.entry.is_empty() => {
            let since = age(ctx.now.since(running.since));
            (format!("  running for {since}, ^c gives it up"), None)
        }
        _ => hint(&repl.entry, &ctx.prompt),
    };
    typed_line(
        look,
        &repl.entry,
        frame,
        area,
        (&head(look, repl, &ctx.prompt.scope), &hint.0, hint.1),
    );
}

/// Draws the line that takes a password, when a run asks for one; answers whether it does.
pub(crate) fn draw_asked(repl: &Repl, ctx: &Context, frame: &mut Frame<'_>, area: Rect) -> bool {
    let Some(asks) = repl.running.as_ref().and_then(|running| running.asks.as_ref()) else {
        return false;
    };
    let hint = "typed hidden; Enter takes it, Esc gives it up";
    draw_hidden(frame, &ctx.look, area, &asks.prompt, (None, hint));
    true
}

/// The prompt of the line with the cursor.
fn head(look: &Look, repl: &Repl, scope: &str) -> String {
    let prompt = prompt(&fit(scope, SCOPE_WIDTH, &look.glyphs));
    if repl.entry.above.is_empty() { prompt } else { continuation(&prompt) }
}

/// A row below the scrollback.
struct Row {
    line: Line<'static>,
}

/// The lines of what is typed, with room for the one with the cursor; then choices, or why it cannot be run.
fn below(look: &Look, repl: &Repl, scope: &str) -> Vec<Row> {
    let prompt = prompt(&fit(scope, SCOPE_WIDTH, &look.glyphs));
    let mut rows = Vec::new();
    for (at, text) in repl.entry.above.iter().enumerate() {
        let head = if at == 0 { prompt.clone() } else { continuation(&prompt) };
        let spans = vec![say(look, Meaning::Accent, head), say(look, Meaning::Input, text.clone())];
        rows.push(Row { line: Line::from(spans) });
    }
    rows.push(Row { line: Line::default() });
    rows.extend(choices(look, &repl.entry).into_iter().map(|line| Row { line }));
    let error = |text: &String| Row { line: Line::from(say(look, Meaning::Bad, text.clone())) };
    rows.extend(repl.entry.error.iter().map(error));
    rows
}

/// The newest rows of the scrollback that have room, oldest first.
fn newest(look: &Look, repl: &Repl, room: usize, width: usize) -> Vec<Line<'static>> {
    let mut rows: Vec<Line<'static>> = Vec::new();
    for line in repl.scrollback.lines().rev().skip(repl.scrollback.back()) {
        if rows.len() >= room {
            break;
        }
        rows.extend(wrapped(look, line, width, room - rows.len()).into_iter().rev());
    }
    rows.truncate(room);
    rows.reverse();
    rows
}

/// A line in as many rows as it needs, the last `room` of them; its note stands at the right of the first.
fn wrapped(look: &Look, line: &OutputLine, width: usize, room: usize) -> Vec<Line<'static>> {
    let meaning = match line.kind {
        LineKind::Input => Meaning::Input,
        LineKind::Out => Meaning::Text,
        LineKind::Err => Meaning::Warn,
        LineKind::Notice => Meaning::Dim,
        LineKind::Watch => Meaning::Ok,
        LineKind::Failed => Meaning::Bad,
    };
    let parts = cut(&line.text, width);
    let skipped = parts.len().saturating_sub(room);
    let mut rows: Vec<Line<'static>> = Vec::new();
    for (at, part) in parts.into_iter().enumerate().skip(skipped) {
        let used = part.width();
        let mut spans = vec![say(look, meaning, part)];
        let note = line.note.as_ref().filter(|note| at == 0 && used + note.width() + 2 <= width);
        if let Some(note) = note {
            spans.push(Span::raw(" ".repeat(width - used - note.width())));
            spans.push(say(look, Meaning::Dim, note.clone()));
        }
        rows.push(Line::from(spans));
    }
    rows
}

/// Text in pieces of at most this width.
fn cut(text: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, character) in text.char_indices() {
        let wide = character.width().unwrap_or(0);
        if used + wide > width && at > start {
            pieces.push(text.get(start..at).unwrap_or(""));
            (start, used) = (at, 0);
        }
        used += wide;
    }
    pieces.push(text.get(start..).unwrap_or(""));
    pieces
}

fn title(repl: &Repl, ctx: &Context) -> Line<'static> {
    let (look, repl) = (&ctx.look, repl);
    let mut spans = vec![Span::raw(" ")];
    if let Some(running) = &repl.running {
        let since = age(ctx.now.since(running.since));
        spans.push(say(look, Meaning::Warn, format!("running {since}  ")));
    }
    if let Some(file) = &ctx.prompt.recording {
        spans.push(say(look, Meaning::Badge, format!("recording {}", fit(file, 24, &look.glyphs))));
        spans.push(Span::raw("  "));
    }
    if !ctx.prompt.watches.is_empty() {
        let watches = fit(&ctx.prompt.watches.join(" "), 20, &look.glyphs);
        spans.push(say(look, Meaning::Ok, format!("watching {watches}  ")));
    }
    let timing = if ctx.prompt.timing { "  timing on" } else { "" };
    spans.push(say(look, Meaning::Dim, format!("{}{timing} ", ctx.prompt.format)));
    Line::from(spans)
}

/// What can be done in the line. These keys are not the keymap's: the line takes every key.
fn keys(look: &Look, frame: &mut Frame<'_>, area: Rect) {
    frame.render_widget(Clear, area);
    let mut spans = vec![Span::raw(" ")];
    for (key, label) in [
        ("Enter", "run"),
        ("Tab", "complete"),
        ("^r", "search"),
        ("^o", "editor"),
        ("^c", "give up"),
        ("Esc", "leave"),
    ] {
        spans.push(say(look, Meaning::Key, key));
        spans.push(say(look, Meaning::KeyLabel, format!(" {label}   ")));
    }
    frame.render_widget(Line::from(spans), area);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_at_the_width_and_wide_characters_count_double() {
        assert_eq!(cut("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(cut("日本語", 4), ["日本", "語"]);
        assert_eq!(cut("", 4), [""]);
        assert_eq!(cut("日", 1), ["日"]);
    }
}

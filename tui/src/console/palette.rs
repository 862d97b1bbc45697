//! The line for commands and what they answered.

use mini_etcd_shared::complete::Candidate;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::repl;
use crate::screens::repl::Repl;
use crate::screens::repl::entry::Entry;
use crate::widget::theme::Meaning;
use crate::widget::{Look, fit, fit_end, panel, say, set_cursor, style};

/// Draws the output over the lower part of the screen and the line over the footer; answers where.
pub(crate) fn palette(
    repl: &Repl,
    ctx: &Context,
    frame: &mut Frame<'_>,
    body: Rect,
    bottom: Rect,
) -> Rect {
    let output = output(repl, ctx, frame, body);
    input(repl, ctx, frame, bottom);
    output.map_or(bottom, |output| output.union(bottom))
}

fn input(repl: &Repl, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    if repl::draw_asked(repl, ctx, frame, area) {
        return;
    }
    let entry = &repl.palette.entry;
    // Lines that are finished, and what one can choose from, stand above the line with the cursor.
    let mut rows: Vec<Line<'static>> = entry
        .above
        .iter()
        .map(|line| Line::from(say(look, Meaning::Input, format!("  {line}"))))
        .collect();
    rows.extend(choices(look, entry));
    let above = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(area.y.saturating_sub(2));
    let first = rows.len().saturating_sub(usize::from(above));
    for (row, y) in rows.into_iter().skip(first).zip(area.y - above..) {
        let place = Rect { y, ..area };
        frame.render_widget(Clear, place);
        frame.render_widget(row, place);
    }
    frame.render_widget(Clear, area);
    let head = if entry.above.is_empty() { " :" } else { " .." };
    let hint = hint(repl, ctx);
    typed_line(look, entry, frame, area, (head, &hint.0, hint.1));
}

/// What stands behind an empty line, or what may follow the words in it.
fn hint(repl: &Repl, ctx: &Context) -> (String, Option<&'static str>) {
    let entry = &repl.palette.entry;
    let words = match &repl.running {
        Some(running) if entry.is_empty() => {
            format!("  running {}  (^c gives up)", running.text.replace('\n', " ; "))
        }
        _ if entry.is_empty() => {
            "  a command: get, put, del, member list ...   help lists them, Esc closes".to_owned()
        }
        _ => return repl::hint(entry, &ctx.prompt),
    };
    (words, None)
}

/// Draws the line with the cursor, behind its head and before its hint.
pub(crate) fn typed_line(
    look: &Look,
    entry: &Entry,
    frame: &mut Frame<'_>,
    area: Rect,
    (head, hint, danger): (&str, &str, Option<&str>),
) {
    let searching = entry.search.as_ref().map(|search| {
        let words = if search.failed { "no older line with" } else { "search" };
        format!("({words} {}) ", search.part.text())
    });
    let head = searching.map_or_else(|| head.to_owned(), |search| format!("{head}{search}"));
    let room = usize::from(area.width).saturating_sub(head.width() + 1);
    let (left, right) = entry.line.shown();
    let left = fit_end(&left, room);
    let used = head.width() + left.width();
    let right = fit(&right, room.saturating_sub(left.width()), &look.glyphs);
    let rest = room.saturating_sub(left.width() + right.width() + 2);
    let mut spans = vec![
        say(look, Meaning::Accent, head),
        say(look, Meaning::Input, left),
        say(look, Meaning::Input, right),
    ];
    let hint = fit(hint, rest, &look.glyphs);
    let rest = rest.saturating_sub(hint.width() + 2);
    spans.push(say(look, Meaning::Dim, hint));
    if let Some(danger) = danger {
        let words = fit(&format!("! {danger}"), rest, &look.glyphs);
        spans.push(say(look, Meaning::Warn, format!("  {words}")));
    }
    frame.render_widget(Line::from(spans), area);
    set_cursor(frame, area, used);
}

/// Candidates shown at once.
const CHOICES_MAX: usize = 8;

/// The candidates, the chosen one marked.
pub(crate) fn choices(look: &Look, entry: &Entry) -> Vec<Line<'static>> {
    let Some(popup) = &entry.popup else { return Vec::new() };
    let first = popup.chosen.saturating_sub(CHOICES_MAX - 1);
    let shown = popup.completion.candidates.iter().enumerate().skip(first).take(CHOICES_MAX);
    let row = |(at, candidate): (usize, &Candidate)| {
        let chosen = at == popup.chosen;
        let (mark, meaning) = if chosen { (">", Meaning::Selected) } else { (" ", Meaning::Text) };
        Line::from(vec![
            say(look, Meaning::Accent, format!("   {mark} ")),
            say(look, meaning, format!("{:<18}", candidate.shown)),
            say(look, Meaning::Dim, format!("  {}", candidate.note)),
        ])
    };
    let mut rows: Vec<Line<'static>> = shown.map(row).collect();
    let all = popup.completion.candidates.len();
    let more = if popup.completion.more { " or more" } else { "" };
    let words = format!("     {all}{more}   Tab next, Enter takes it, Esc closes");
    rows.push(Line::from(say(look, Meaning::Dim, words)));
    rows
}

fn output(repl: &Repl, ctx: &Context, frame: &mut Frame<'_>, body: Rect) -> Option<Rect> {
    let look = &ctx.look;
    let output = repl.palette.output.as_ref()?;
    let lines = u16::try_from(output.text.len().max(1)).unwrap_or(u16::MAX).saturating_add(2);
    let height = lines.min(body.height);
    let area = Rect { y: body.bottom() - height, height, ..body };
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, style(look, Meaning::Overlay));
    let wide =
        output.text.iter().any(|text| text.width() + 1 > usize::from(area.width.saturating_sub(2)));
    let title = fit(&format!(": {}", output.line), usize::from(area.width / 2), &look.glyphs);
    let inside = panel(frame, look, area, &title, right(look, repl, ctx, wide));
    let meaning = if output.failed { Meaning::Bad } else { Meaning::Text };
    let last = output.text.len().saturating_sub(usize::from(inside.height));
    let shown = output.text.iter().skip(repl.palette.scroll.min(last));
    for (text, y) in shown.zip(inside.y..inside.bottom()) {
        let text: String = text.chars().skip(repl.palette.shift).collect();
        let text = fit(&text, usize::from(inside.width).saturating_sub(1), &look.glyphs);
        frame.render_widget(
            Line::from(say(look, meaning, format!(" {text}"))),
            Rect { y, height: 1, ..inside },
        );
    }
    if output.text.is_empty() {
        let words =
            if repl.running.is_some() { " runs, ^c gives it up" } else { " nothing to show" };
        let words = say(look, Meaning::Dim, words);
        frame.render_widget(Line::from(words), Rect { height: 1, ..inside });
    }
    Some(area)
}

fn right(look: &Look, repl: &Repl, _: &Context, wide: bool) -> Line<'static> {
    let Some(output) = &repl.palette.output else { return Line::default() };
    let lines = match output.text.len() {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    };
    let (meaning, word) = match (output.failed, &repl.running) {
        (true, _) => (Meaning::Bad, "failed  "),
        (false, Some(_)) => (Meaning::Warn, "running  "),
        (false, None) => (Meaning::Ok, "ok  "),
    };
    Line::from(vec![
        Span::raw(" "),
        say(look, meaning, word),
        say(look, Meaning::Dim, if wide { "arrows shift  " } else { "" }),
        say(look, Meaning::Dim, format!("{lines}  {} ", output.note)),
    ])
}

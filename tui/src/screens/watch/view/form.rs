//! The form of a new tail.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::watch::{FIELDS, Field, Form, Reach};
use crate::widget::theme::Meaning;
use crate::widget::{Look, around, fit, fit_end, popup, say, wrap};

/// Widest form.
const WIDTH_MAX: u16 = 76;
/// Width of the fields' names.
const NAMES: usize = 12;

/// Draws the form; answers where.
pub(super) fn form(ctx: &Context, frame: &mut Frame<'_>, form: &Form) -> Rect {
    let look = &ctx.look;
    let width = ctx.size.0.saturating_sub(4).min(WIDTH_MAX);
    let room = usize::from(width).saturating_sub(4);
    let error = form.error.as_ref().map_or_else(Vec::new, |(_, why)| wrap(why, room));
    let fields: Vec<_> = FIELDS.into_iter().filter(|field| form.counts(*field)).collect();
    let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let height = count(fields.len() + error.len() + 6);
    let inside = popup(frame, look, (width, height), "New tail", Line::default());
    let mut y = inside.y + 1;
    let mut put = |frame: &mut Frame<'_>, line: Line<'static>| {
        if y < inside.bottom() {
            frame.render_widget(line, Rect { y, height: 1, ..inside });
        }
        y += 1;
        y - 1
    };
    for field in fields {
        let (line, cursor) = row(look, form, field, room);
        let at = put(frame, line);
        if let Some(x) = cursor.filter(|_| at < inside.bottom()) {
            let x = inside.x.saturating_add(count(x)).min(inside.right().saturating_sub(1));
            frame.set_cursor_position(Position { x, y: at });
        }
    }
    put(frame, Line::default());
    for line in error {
        put(frame, say(look, Meaning::Bad, format!("  {line}")).into());
    }
    let keys = "Tab next field   Space changes   Enter begins   Esc closes";
    put(frame, say(look, Meaning::Dim, format!("  {}", fit(keys, room, &look.glyphs))).into());
    around(inside)
}

/// The row of a field, and the column of the cursor when it is typed into.
fn row(look: &Look, form: &Form, field: Field, room: usize) -> (Line<'static>, Option<usize>) {
    let chosen = form.field() == field;
    let mark = if chosen { look.glyphs.mark } else { " " };
    let room = room.saturating_sub(NAMES + 2);
    let mut spans = vec![
        say(look, Meaning::Accent, format!(" {mark}")),
        say(look, Meaning::Dim, format!("{:<NAMES$}", name(field))),
    ];
    let Some(line) = form.line(field) else {
        spans.push(say(look, Meaning::Strong, format!("{:<7}", value(form, field))));
        let hint = fit(hint(form, field), room.saturating_sub(9), &look.glyphs);
        spans.push(say(look, Meaning::Dim, format!("  {hint}")));
        return (Line::from(spans), None);
    };
    let (left, right) = line.shown();
    let left = fit_end(&left, room.saturating_sub(1));
    let right = fit(&right, room.saturating_sub(left.width()), &look.glyphs);
    let free = room.saturating_sub(left.width() + right.width() + 2);
    let cursor = chosen.then(|| 2 + NAMES + left.width());
    spans.push(say(look, Meaning::Input, format!("{left}{right}")));
    if line.text().is_empty() || chosen {
        let hint = fit(hint(form, field), free, &look.glyphs);
        spans.push(say(look, Meaning::Dim, format!("  {hint}")));
    }
    (Line::from(spans), cursor)
}

fn name(field: Field) -> &'static str {
    match field {
        Field::Key => "key",
        Field::Reach => "what",
        Field::End => "up to",
        Field::From => "from",
        Field::Filter => "filter",
        Field::Previous => "previous",
        Field::Leader => "leader",
    }
}

fn value(form: &Form, field: Field) -> &'static str {
    match field {
        Field::Reach => form.reach.word(),
        Field::Previous if form.previous => "yes",
        Field::Leader if form.leader => "yes",
        _ => "no",
    }
}

fn hint(form: &Form, field: Field) -> &'static str {
    match (field, form.reach) {
        (Field::Key, Reach::Prefix) => "empty is every key; \\xNN for other bytes",
        (Field::Key, _) => "\\xNN for bytes that are no text",
        (Field::Reach, Reach::Prefix) => "all keys that begin so",
        (Field::Reach, Reach::Key) => "this key alone",
        (Field::Reach, Reach::Range) => "from this key up to another",
        (Field::Reach, Reach::From) => "this key and all behind it",
        (Field::End, _) => "the first key that is not in it",
        (Field::From, _) => "a revision; empty is now",
        (Field::Filter, _) => "as in put & ~timeout; empty shows all",
        (Field::Previous, _) => "ask for previous values, to say what changed",
        (Field::Leader, _) => "leave a member that has no leader",
    }
}

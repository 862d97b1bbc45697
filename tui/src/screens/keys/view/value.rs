//! The value of the chosen key, its versions, a conflict, or the editor.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use super::columns;
use super::rows::draw_rows;
use crate::console::Context;
use crate::screens::keys::Keys;
use crate::screens::keys::lines::{Lines, Place, Room};
use crate::screens::keys::model::Meta;
use crate::screens::keys::viewers::{VIEWERS, hex};
use crate::screens::keys::{Conflict, Editor, History, Pane, Right};
use crate::widget::theme::Meaning;
use crate::widget::{bytes, escape_name, fit, grouped, panel, say, style};

/// Versions shown above what the chosen one changed.
const VERSIONS_SHOWN: usize = 6;

/// Draws the pane; answers where its lines stand.
pub(super) fn value(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) -> Rect {
    frame.render_widget(Clear, area);
    match &keys.right {
        Right::Value => draw_value(keys, ctx, frame, area),
        Right::History(history) => draw_history(keys, ctx, history, frame, area),
        Right::Conflict(over) => draw_conflict(keys, ctx, &over.top, frame, area),
        Right::Editor(over) => {
            draw_editor(ctx, &over.top, frame, area);
            Rect::default()
        }
    }
}

fn name(ctx: &Context, key: &[u8], area: Rect, rest: usize) -> String {
    let room = usize::from(area.width).saturating_sub(rest + 6);
    fit(&escape_name(key), room, &ctx.look.glyphs)
}

/// Puts lines below each other, as many as there is room for.
pub(super) fn put(
    frame: &mut Frame<'_>,
    area: Rect,
    lines: impl IntoIterator<Item = Line<'static>>,
) -> Rect {
    let mut y = area.y;
    for line in lines {
        if y >= area.bottom() {
            break;
        }
        frame.render_widget(line, Rect { y, height: 1, ..area });
        y += 1;
    }
    Rect { y, height: area.bottom() - y, ..area }
}

/// Revisions, version and lease of a key on one line.
fn metadata(meta: &Meta, size: usize) -> String {
    let lease = if meta.lease == 0 { "none".to_owned() } else { format!("{:x}", meta.lease) };
    format!(
        "create {}  mod {}  version {}  lease {lease}  {}",
        grouped(meta.create.unsigned_abs()),
        grouped(meta.modified.unsigned_abs()),
        meta.version,
        bytes(u64::try_from(size).unwrap_or(u64::MAX)),
    )
}

fn about(keys: &Keys) -> (Meaning, String) {
    let value = &keys.value;
    match (&value.key, &value.entry) {
        (None, _) => (Meaning::Dim, "no key is chosen".to_owned()),
        (Some(_), Some(entry)) => (Meaning::Dim, metadata(&entry.meta, entry.value.len())),
        (Some(_), None) if value.here && value.lines.is_empty() => {
            (Meaning::Warn, "the key is not there at this revision".to_owned())
        }
        (Some(_), None) if value.here => (Meaning::Bad, "it could not be read".to_owned()),
        (Some(_), None) => (Meaning::Dim, "its value is being read".to_owned()),
    }
}

fn draw_value(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let (look, value) = (&ctx.look, &keys.value);
    let title = value.key.as_ref().map_or_else(|| "Value".to_owned(), |k| name(ctx, k, area, 0));
    let inside = panel(frame, look, area, &title, Line::default());
    let width = usize::from(inside.width).saturating_sub(1);
    let (meaning, words) = about(keys);
    let words = fit(&words, width, &look.glyphs);
    let mut head = vec![Line::from(say(look, meaning, format!(" {words}")))];
    if value.entry.is_some() {
        head.push(tabs(keys, ctx));
    }
    let rest = put(frame, inside, head);
    draw_rows(keys, ctx, frame, rest);
    if value.entry.as_ref().is_some_and(|entry| entry.value.is_empty()) {
        let line = Line::from(say(look, Meaning::Dim, " (the value is empty)"));
        put(frame, rest, [line]);
    }
    draw_place(keys, ctx, frame, area, rest.height);
    rest
}

/// What is found, and which part of the lines is in sight, in the border below.
fn draw_place(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect, height: u16) {
    if keys.pane != Pane::Value || area.height <= 2 {
        return;
    }
    let ((lines, top), shift) = (keys.beside(), keys.shift);
    let top = lines.settled(top);
    let room = Room { width: columns(area.width.saturating_sub(2), lines), wrap: keys.wrap };
    let height = isize::try_from(height).unwrap_or(0);
    let more = lines.step(top, height, room) != lines.step(top, height - 1, room);
    let moved = (more || top != Place::default() || shift > 0).then(|| {
        let column = if shift > 0 { format!(", column {}", shift + 1) } else { String::new() };
        let size = lines.as_bytes().map(|bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match size {
            Some(size) => format!("byte {:x} of {}", top.line * hex::STEP, grouped(size)),
            None => format!("line {} of {}{column}", top.line + 1, lines.len()),
        }
    });
    let words: Vec<String> = keys.found_words().into_iter().chain(moved).collect();
    let Some(words) = (!words.is_empty()).then(|| format!(" {} ", words.join("  "))) else {
        return;
    };
    let width = u16::try_from(words.width()).unwrap_or(u16::MAX).min(area.width);
    let x = area.right().saturating_sub(width + 1).max(area.x);
    let place = Rect { x, y: area.bottom() - 1, width, height: 1 };
    let line = Line::from(say(&ctx.look, Meaning::Dim, words));
    frame.render_widget(line, place.intersection(area));
}

/// The viewers, and which one shows the value.
fn tabs(keys: &Keys, ctx: &Context) -> Line<'static> {
    let (look, viewer) = (&ctx.look, keys.value.viewer);
    let of = keys.value.lines.viewer().unwrap_or(viewer);
    let mut spans = vec![Span::raw(" ")];
    for each in VIEWERS {
        let meaning = if *each == viewer { Meaning::Accent } else { Meaning::Dim };
        let name = if *each == viewer && of != viewer {
            format!("[{} {} {}]", each.name(), look.glyphs.arrow, of.name())
        } else if *each == viewer {
            format!("[{}]", each.name())
        } else {
            each.name().to_owned()
        };
        spans.push(say(look, meaning, format!("{name}  ")));
    }
    Line::from(spans)
}

/// As much of the first two lines as may be in sight.
fn first_lines(lines: &Lines, width: usize) -> Vec<String> {
    if let Some(bytes) = lines.as_bytes() {
        let per_line = hex::per_line(width);
        let chunks = bytes.chunks(per_line).take(2).enumerate();
        return chunks.map(|(at, bytes)| hex::line(bytes, at * per_line, per_line)).collect();
    }
    let text = |line| lines.text(line).chars().take(width * 2 + 1).collect();
    (0..lines.len().min(2)).map(text).collect()
}

/// Three lines about the chosen key, below a tree that has the screen for itself.
pub(super) fn detail(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let (look, value) = (&ctx.look, &keys.value);
    let title = value.key.as_ref().map_or_else(|| "Value".to_owned(), |k| name(ctx, k, area, 0));
    let inside = panel(frame, look, area, &title, Line::default());
    let width = usize::from(inside.width).saturating_sub(1);
    let (meaning, words) = about(keys);
    let mut lines =
        vec![Line::from(say(look, meaning, format!(" {}", fit(&words, width, &look.glyphs))))];
    for line in first_lines(&value.lines, width) {
        let text = fit(&line, width, &look.glyphs);
        lines.push(Line::from(say(look, Meaning::Text, format!(" {text}"))));
    }
    put(frame, inside, lines);
}

fn draw_history(
    keys: &Keys,
    ctx: &Context,
    history: &History,
    frame: &mut Frame<'_>,
    area: Rect,
) -> Rect {
    let look = &ctx.look;
    let title = format!("History of {}", name(ctx, &history.key, area, 30));
    let known = match history.reached {
        None => format!("{} reading ", look.glyphs.wait),
        Some(reached) => match reached.wall {
            Some(wall) => format!("compacted before {} ", grouped(wall.unsigned_abs())),
            None if reached.from <= 1 => "complete ".to_owned(),
            None => "Enter reads on ".to_owned(),
        },
    };
    let right = Line::from(say(look, Meaning::Dim, format!(" {known}")));
    let inside = panel(frame, look, area, &title, right);
    let width = usize::from(inside.width).saturating_sub(2);
    let room = VERSIONS_SHOWN.min(usize::from(inside.height) / 2).max(1);
    let first = history.chosen.saturating_sub(room / 2);
    let first = first.min(history.versions.len().saturating_sub(room));
    let mut lines = Vec::new();
    for (at, version) in history.versions.iter().enumerate().skip(first).take(room) {
        let words = match &version.entry {
            Some(entry) => format!(
                "v{}  @{}  {}",
                entry.meta.version,
                grouped(version.revision.unsigned_abs()),
                bytes(u64::try_from(entry.value.len()).unwrap_or(u64::MAX))
            ),
            None => format!(
                "{} deleted @{}",
                look.glyphs.grave,
                grouped(version.revision.unsigned_abs())
            ),
        };
        let words = fit(&words, width, &look.glyphs);
        let on = at == history.chosen;
        let mark = if on { look.glyphs.mark } else { " " };
        let meaning = if on { Meaning::Selected } else { Meaning::Text };
        lines.push(Line::from(vec![
            say(look, Meaning::Accent, mark),
            say(look, meaning, format!("{words:<width$}")),
        ]));
    }
    if history.versions.is_empty() && history.reached.is_some() {
        lines.push(Line::from(say(look, Meaning::Dim, " nothing is known of this key")));
    }
    let rest = put(frame, inside, lines);
    let what = Line::from(say(look, Meaning::Column, " what this version changed"));
    let rest = put(frame, rest, [what]);
    draw_rows(keys, ctx, frame, rest);
    draw_place(keys, ctx, frame, area, rest.height);
    rest
}

fn draw_conflict(
    keys: &Keys,
    ctx: &Context,
    conflict: &Conflict,
    frame: &mut Frame<'_>,
    area: Rect,
) -> Rect {
    let look = &ctx.look;
    let what = if conflict.met { "Changed meanwhile" } else { "Not saved" };
    let title = format!("{what}: {}", name(ctx, &conflict.write.key, area, 24));
    let inside = panel(frame, look, area, &title, Line::default());
    let width = usize::from(inside.width).saturating_sub(1);
    let (theirs, without, signs, yours) = if conflict.met {
        let signs = "nothing was written. - is theirs, + is yours";
        ("theirs", "deleted", signs, "e edits yours over theirs in $EDITOR, Esc gives yours up")
    } else {
        let signs = "nobody knows that it was written. - is what was seen, + is yours";
        ("seen", "no such key", signs, "e edits yours again in $EDITOR, Esc gives yours up")
    };
    let about = conflict.theirs.as_ref();
    let about = about.map(|entry| metadata(&entry.meta, entry.value.len()));
    let theirs = format!("{theirs}: {}", about.as_deref().unwrap_or(without));
    let line = |meaning, words: &str| {
        Line::from(say(look, meaning, format!(" {}", fit(words, width, &look.glyphs))))
    };
    let head = [
        line(Meaning::Warn, &theirs),
        line(Meaning::Text, signs),
        line(Meaning::Text, yours),
        Line::default(),
    ];
    let rest = put(frame, inside, head);
    draw_rows(keys, ctx, frame, rest);
    draw_place(keys, ctx, frame, area, rest.height);
    rest
}

fn draw_editor(ctx: &Context, editor: &Editor, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let what = if editor.expected == 0 { "New key" } else { "Edit" };
    let title = format!("{what} {}", name(ctx, &editor.key, area, 40));
    let right = if editor.saving {
        Line::from(say(look, Meaning::Warn, " saving, ^c gives that up "))
    } else {
        Line::from(say(look, Meaning::Dim, " ^s saves, Esc leaves "))
    };
    let inside = panel(frame, look, area, &title, right);
    let mut text = editor.area.clone();
    text.set_style(style(look, Meaning::Text));
    text.set_cursor_line_style(style(look, Meaning::Text));
    frame.render_widget(&text, inside);
}

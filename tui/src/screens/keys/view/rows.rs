//! The rows of what stands beside the tree, with what is looked for marked. Lines that can be folded are drawn by
//! `tui-tree-widget` as an [`outline`].

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::columns;
use super::value::put;
use crate::console::Context;
use crate::screens::keys::lines::{Hit, Lines, Place, Room, row_end};
use crate::screens::keys::viewers::hex;
use crate::screens::keys::{Keys, Pane};
use crate::widget::outline::{OutlineRow, outline};
use crate::widget::theme::Meaning;
use crate::widget::{Look, counted, fit, say, style};

/// Draws the rows that are in sight.
pub(super) fn draw_rows(keys: &Keys, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let (lines, top) = keys.beside();
    let room = Room { width: columns(area.width, lines), wrap: keys.wrap };
    let places = places(lines, top, room, usize::from(area.height));
    if !lines.folds().is_empty() {
        draw_outline(keys, ctx, (&places, room), frame, area);
        return;
    }
    let found = keys.found();
    let row = |place: &Place| match lines.as_bytes() {
        Some(bytes) => bytes_row(&ctx.look, bytes, *place, room, found),
        None => text_row(keys, &ctx.look, *place, room, found),
    };
    put(frame, area, places.iter().map(row));
}

/// The rows from one on, at most so many.
fn places(lines: &Lines, top: Place, room: Room, height: usize) -> Vec<Place> {
    // Bytes begin at the beginning of a line, however long it is.
    let mut place = lines.step(top, 0, room);
    let mut places = Vec::new();
    while places.len() < height && place.line < lines.len() {
        places.push(place);
        let next = lines.step(place, 1, room);
        if next == place {
            break;
        }
        place = next;
    }
    places
}

/// Draws rows of lines that can be folded, with the chosen one while the pane has the keyboard.
fn draw_outline(
    keys: &Keys,
    ctx: &Context,
    (places, room): (&[Place], Room),
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let lines = keys.beside().0;
    let folds = lines.folds();
    // A row that goes on stands in the fold that its line begins, and else beside it.
    let goes_on = |place: &Place| place.at > 0;
    let depth = |place: &Place| {
        let inside = goes_on(place) && folds.open(place.line) == Some(true);
        folds.depth(place.line) + usize::from(inside)
    };
    let row = |place: &Place| {
        let (indent, text) = nested_row(keys, &ctx.look, *place, room);
        let open = folds.open(place.line).filter(|_| !goes_on(place));
        OutlineRow { depth: depth(place), indent, text, open }
    };
    let rows = places.iter().map(row).collect();
    let chosen = keys.chosen_line().map(|place| lines.row_of(place.line, place.at, room));
    let chosen = chosen.and_then(|chosen| places.iter().position(|place| *place == chosen));
    // What is found stands out itself.
    let shown = chosen.filter(|_| !keys.is_finding());
    let focused = keys.pane == Pane::Value;
    outline(&ctx.look, rows, shown, focused, (&mut *frame, area));
    for ((row, place), y) in places.iter().enumerate().zip(area.y..area.bottom()) {
        let (sign, meaning) = match (Some(row) == chosen, goes_on(place)) {
            (true, _) => (ctx.look.glyphs.mark, Meaning::Accent),
            (false, true) => (ctx.look.glyphs.more, Meaning::Dim),
            (false, false) => continue,
        };
        if let Some(cell) = frame.buffer_mut().cell_mut((area.x, y)) {
            cell.set_symbol(sign).set_style(style(&ctx.look, meaning));
        }
    }
}

/// A row of a line that can be folded: how far it stands to the right, and what it says.
fn nested_row(keys: &Keys, look: &Look, place: Place, room: Room) -> (isize, Line<'static>) {
    let lines = keys.beside().0;
    let text = lines.text(place.line);
    let blanks = text.len() - text.trim_start_matches(' ').len();
    let hidden = match lines.folds().open(place.line) {
        Some(false) => lines.folds().hides(place.line),
        _ => 0,
    };
    let end = if room.wrap { row_end(text, place.at, room.width) } else { text.len() };
    let shift = if room.wrap { place.at } else { keys.shift };
    let indent = blanks.saturating_sub(shift).min(room.width.saturating_sub(1));
    let width = room.width - indent;
    let says = if hidden > 0 && end == text.len() {
        format!(" {} {}", look.glyphs.more, counted(u64::try_from(hidden).unwrap_or(0), "line"))
    } else {
        String::new()
    };
    // Blanks take a byte each.
    let from = if room.wrap { place.at.max(blanks) } else { byte_of(text, shift.max(blanks)) };
    let shown: String = text.get(from..end).unwrap_or("").chars().take(width * 2 + 1).collect();
    let shown = fit(&shown, width.saturating_sub(Span::raw(&*says).width()), &look.glyphs);
    let mut spans = marked(look, &shown, Meaning::Text, marks(keys.found(), place.line, from));
    spans.push(say(look, Meaning::Dim, says));
    (isize::try_from(indent).unwrap_or(0), Line::from(spans))
}

/// The byte of a character of a text, or its end.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

fn text_row(
    keys: &Keys,
    look: &Look,
    place: Place,
    room: Room,
    found: (&[Hit], Option<Hit>),
) -> Line<'static> {
    let lines = keys.beside().0;
    let text = lines.text(place.line);
    let (from, shown) = if room.wrap {
        let end = row_end(text, place.at, room.width);
        (place.at, text.get(place.at..end).unwrap_or("").to_owned())
    } else {
        // What is in sight of a line, and a little more.
        let from = byte_of(text, keys.shift);
        let part: String =
            text.get(from..).unwrap_or("").chars().take(room.width * 2 + 1).collect();
        (from, fit(&part, room.width, &look.glyphs))
    };
    let goes_on = room.wrap && place.at > 0;
    let (lead, meaning) = match lines.sign(place.line) {
        Some(sign) => {
            let meaning = match sign {
                '+' => Meaning::Ok,
                '-' => Meaning::Bad,
                _ => Meaning::Text,
            };
            (format!(" {sign} "), meaning)
        }
        None => (" ".to_owned(), Meaning::Text),
    };
    // Rows that go on are told apart from lines.
    let lead = if goes_on {
        say(look, Meaning::Dim, format!("{}{}", look.glyphs.more, lead.get(1..).unwrap_or("")))
    } else {
        say(look, meaning, lead)
    };
    let mut spans = vec![lead];
    spans.extend(marked(look, &shown, meaning, marks(found, place.line, from)));
    Line::from(spans)
}

/// What is found in a line, counted from a byte of it.
fn marks(
    (hits, chosen): (&[Hit], Option<Hit>),
    line: usize,
    from: usize,
) -> impl Iterator<Item = (Range<usize>, Meaning)> {
    in_line(hits, line).iter().map(move |hit| {
        let range = hit.from.saturating_sub(from)..hit.to.saturating_sub(from);
        (range, meaning_of(*hit, chosen))
    })
}

fn bytes_row(
    look: &Look,
    bytes: &[u8],
    place: Place,
    room: Room,
    found: (&[Hit], Option<Hit>),
) -> Line<'static> {
    let per_line = hex::per_line(room.width);
    let offset = place.line * hex::STEP;
    let end = bytes.len().min(offset + per_line);
    let text = hex::line(bytes.get(offset..end).unwrap_or_default(), offset, per_line);
    // A place that begins on the line before may end on this one.
    let hits = found.0.iter().filter(|hit| hit.from < end && hit.to > offset);
    let mut marks: Vec<(Range<usize>, Meaning)> = hits
        .flat_map(|hit| {
            let (from, to) = (hit.from.max(offset) - offset, hit.to.min(end) - offset);
            let meaning = meaning_of(*hit, found.1);
            hex::marked(from, to, per_line).map(|range| (range, meaning))
        })
        .collect();
    marks.sort_by_key(|(range, _)| range.start);
    let mut spans = vec![Span::raw(" ")];
    spans.extend(marked(look, &text, Meaning::Text, marks));
    Line::from(spans)
}

fn in_line(hits: &[Hit], line: usize) -> &[Hit] {
    let from = hits.partition_point(|hit| hit.line < line);
    let to = hits.partition_point(|hit| hit.line <= line);
    hits.get(from..to).unwrap_or_default()
}

fn meaning_of(hit: Hit, chosen: Option<Hit>) -> Meaning {
    if Some(hit) == chosen { Meaning::Selected } else { Meaning::Match }
}

/// A text with parts in other styles, which come one behind the other.
fn marked(
    look: &Look,
    text: &str,
    meaning: Meaning,
    marks: impl IntoIterator<Item = (Range<usize>, Meaning)>,
) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let mut done = 0;
    for (range, mark) in marks {
        // What was cut off ends with a sign of several bytes.
        let end = (range.end.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at));
        let (from, end) = (range.start.max(done), end.unwrap_or(text.len()));
        if let (Some(before), Some(part)) = (text.get(done..from), text.get(from..end))
            && !part.is_empty()
        {
            spans.push(say(look, meaning, before));
            spans.push(say(look, mark, part));
            done = end;
        }
    }
    spans.push(say(look, meaning, text.get(done..).unwrap_or("")));
    spans
}

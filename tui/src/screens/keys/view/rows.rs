//! The rows of what stands beside the tree, with what is looked for marked.

use std::ops::Range;

use ratatui::text::{Line, Span};

use super::columns;
use crate::console::Context;
use crate::screens::keys::Keys;
use crate::screens::keys::lines::{Hit, Place, Room, row_end};
use crate::screens::keys::viewers::hex;
use crate::widget::theme::Meaning;
use crate::widget::{Look, fit, say};

/// The rows that are in sight in a room.
pub(super) fn rows(keys: &Keys, ctx: &Context, (width, height): (u16, u16)) -> Vec<Line<'static>> {
    let (lines, top) = keys.beside();
    let found = keys.found();
    let is_diff = lines.sign(0).is_some();
    let room = Room { width: columns(width, is_diff), wrap: keys.wrap };
    // Bytes begin at the beginning of a line, however long it is.
    let mut place = lines.step(top, 0, room);
    let mut rows = Vec::new();
    while rows.len() < usize::from(height) && place.line < lines.len() {
        let row = match lines.as_bytes() {
            Some(bytes) => bytes_row(&ctx.look, bytes, place, room, found),
            None => text_row(keys, &ctx.look, place, room, found),
        };
        rows.push(row);
        let next = lines.step(place, 1, room);
        if next == place {
            break;
        }
        place = next;
    }
    rows
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
        let from = text.char_indices().nth(keys.shift).map_or(text.len(), |(at, _)| at);
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
    let marks = in_line(found.0, place.line).iter().map(|hit| {
        let range = hit.from.saturating_sub(from)..hit.to.saturating_sub(from);
        (range, meaning_of(*hit, found.1))
    });
    let mut spans = vec![lead];
    spans.extend(marked(look, &shown, meaning, marks));
    Line::from(spans)
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

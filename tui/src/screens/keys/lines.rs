//! [`Lines`]: what the pane beside the tree shows, and the rows that it has in the room there is.
//!
//! A row is a line or, of a line that is wrapped, a part of it; a line that is folded away has none.
//!
//! * I1: only what is in sight is laid out: a line may be megabytes long, and is drawn often.
//! * I2: a [`Place`] is one of the content and not of the screen, so that the same text stays on top when the room
//!   changes. A place that is no longer there is the beginning of the line that is.

use std::sync::OnceLock;

use bytes::Bytes;
use unicode_width::UnicodeWidthChar;

use super::DiffLine;
use super::folds::Folds;
use super::viewers::{Viewer, hex};
use crate::widget::needle::Needle;

/// Places where a text is found that are told apart.
pub(super) const HITS_MAX: usize = 10_000;

/// Text line by line, with signs or without, or bytes, whose lines are as long as there is room for.
#[derive(Clone, Debug)]
pub struct Lines {
    content: Content,
    /// The viewer that made them of a value.
    viewer: Option<Viewer>,
    folds: Folds,
    /// Where the text that is looked for is found, once it was looked for.
    hits: OnceLock<Vec<Hit>>,
}

#[derive(Clone, Debug)]
enum Content {
    Text(Vec<String>),
    Diff(Vec<DiffLine>),
    Bytes(Bytes),
}

/// The first row in sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line; of bytes, a step of [`hex::STEP`] of them.
    pub line: usize,
    /// The byte of a wrapped line that the row begins at.
    pub at: usize,
}

/// The room there is for lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Columns.
    pub width: usize,
    /// Lines that are longer go on in the next row.
    pub wrap: bool,
}

/// Where a text is found: in a line, or in bytes, where the line is the step that it begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The line.
    pub line: usize,
    /// The first byte, in the line or of all.
    pub from: usize,
    /// The byte behind the last.
    pub to: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Vec::<String>::new().into()
    }
}

impl From<Vec<String>> for Lines {
    fn from(lines: Vec<String>) -> Self {
        let folds = Folds::of(&lines);
        Self { folds, ..Self::of(Content::Text(lines)) }
    }
}

impl From<Vec<DiffLine>> for Lines {
    fn from(lines: Vec<DiffLine>) -> Self {
        Self::of(Content::Diff(lines))
    }
}

impl From<Bytes> for Lines {
    fn from(bytes: Bytes) -> Self {
        Self::of(Content::Bytes(bytes))
    }
}

impl Lines {
    fn of(content: Content) -> Self {
        Self { content, viewer: None, folds: Folds::default(), hits: OnceLock::new() }
    }

    /// The same, made by a viewer of a value.
    pub(super) fn made_by(self, viewer: Viewer) -> Self {
        Self { viewer: Some(viewer), ..self }
    }

    /// The viewer that made them of a value.
    pub(super) fn viewer(&self) -> Option<Viewer> {
        self.viewer
    }

    /// How many there are; of bytes, steps.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Text(lines) => lines.len(),
            Content::Diff(lines) => lines.len(),
            Content::Bytes(bytes) => bytes.len().div_ceil(hex::STEP),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, when it is bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A line of text; nothing of bytes.
    #[must_use]
    pub fn text(&self, line: usize) -> &str {
        match &self.content {
            Content::Text(lines) => lines.get(line).map_or("", String::as_str),
            Content::Diff(lines) => lines.get(line).map_or("", |line| line.text.as_str()),
            Content::Bytes(_) => "",
        }
    }

    /// The sign of a line of a difference.
    #[must_use]
    pub fn sign(&self, line: usize) -> Option<char> {
        match &self.content {
            Content::Diff(lines) => lines.get(line).map(|line| line.sign),
            _ => None,
        }
    }

    /// Which lines are folded.
    #[must_use]
    pub fn folds(&self) -> &Folds {
        &self.folds
    }

    /// The same, to be changed.
    pub(super) fn folds_mut(&mut self) -> &mut Folds {
        &mut self.folds
    }

    /// Folds what was folded in the lines that these take the place of.
    pub(super) fn keep_folds(&mut self, before: &Self) {
        if let (Content::Text(lines), Content::Text(lines_before)) =
            (&self.content, &before.content)
        {
            self.folds.keep(lines, &before.folds, lines_before);
        }
    }

    /// Columns that are taken beside a line: by a blank, by the sign of a difference and blanks, by the sign of a fold.
    pub(super) fn margin(&self) -> usize {
        match &self.content {
            Content::Diff(_) => 4,
            _ if self.folds.is_empty() => 1,
            _ => 3,
        }
    }

    /// Characters of the longest line.
    pub(super) fn longest(&self) -> usize {
        let lines = if self.as_bytes().is_some() { 0 } else { self.len() };
        (0..lines).map(|line| self.text(line).chars().count()).max().unwrap_or(0)
    }

    /// A place that is there, as near as can be: what is folded away is where it is folded.
    pub(super) fn settled(&self, place: Place) -> Place {
        let line = place.line.min(self.len().saturating_sub(1));
        let line = self.folds.line(self.folds.row(line));
        let text = self.text(line);
        let is_there =
            line == place.line && place.at < text.len() && text.is_char_boundary(place.at);
        Place { line, at: if is_there { place.at } else { 0 } }
    }

    /// The line so many lines further that is not folded away, and not beyond the last.
    fn line_at(&self, line: usize, by: isize) -> usize {
        let last = self.folds.count(self.len()).saturating_sub(1);
        self.folds.line(self.folds.row(line).saturating_add_signed(by).min(last))
    }

    /// The place so many rows further, and not beyond the last row.
    pub(super) fn step(&self, from: Place, by: isize, room: Room) -> Place {
        let from = self.settled(from);
        if by == isize::MIN {
            return Place::default();
        }
        if self.as_bytes().is_some() {
            let last = self.len().saturating_sub(1);
            let steps = hex::per_line(room.width) / hex::STEP;
            let row = (from.line / steps).saturating_add_signed(by).min(last / steps);
            return Place { line: row * steps, at: 0 };
        }
        if !room.wrap {
            return Place { line: self.line_at(from.line, by), at: 0 };
        }
        if by == isize::MAX {
            let last = self.line_at(from.line, by);
            return self.row_of(last, self.text(last).len(), room);
        }
        let rows = by.unsigned_abs();
        if by < 0 { self.back(from, rows, room.width) } else { self.on(from, rows, room.width) }
    }

    fn on(&self, mut place: Place, rows: usize, width: usize) -> Place {
        for _ in 0..rows {
            let text = self.text(place.line);
            let end = row_end(text, place.at, width);
            let next = self.line_at(place.line, 1);
            if end < text.len() {
                place.at = end;
            } else if next > place.line {
                place = Place { line: next, at: 0 };
            } else {
                break;
            }
        }
        place
    }

    fn back(&self, mut place: Place, mut rows: usize, width: usize) -> Place {
        loop {
            let before = row_starts(self.text(place.line), place.at, width);
            if let Some(at) = before.len().checked_sub(rows) {
                return Place { at: before.get(at).copied().unwrap_or(place.at), ..place };
            }
            rows -= before.len();
            let line = self.line_at(place.line, -1);
            if line == place.line {
                return Place::default();
            }
            // Behind its last row; an empty line has one, too.
            place = Place { line, at: self.text(line).len().max(1) };
        }
    }

    /// The row that shows a byte of a line.
    pub(super) fn row_of(&self, line: usize, byte: usize, room: Room) -> Place {
        if !room.wrap || self.as_bytes().is_some() {
            return Place { line, at: 0 };
        }
        let text = self.text(line);
        // A byte behind the end belongs to the last row.
        let behind = (byte + 1).min(text.len());
        Place { line, at: row_starts(text, behind, room.width).last().copied().unwrap_or(0) }
    }

    /// Where the text that is looked for is found, the first [`HITS_MAX`]; looked for once, until [`forget`](Self::forget).
    pub(super) fn hits(&self, needle: &Needle) -> &[Hit] {
        self.hits.get_or_init(|| match &self.content {
            Content::Bytes(bytes) => needle
                .find_in(bytes)
                .map(|found| Hit {
                    line: found.start / hex::STEP,
                    from: found.start,
                    to: found.end,
                })
                .take(HITS_MAX)
                .collect(),
            _ => (0..self.len())
                .flat_map(|line| {
                    let found = needle.find_in(self.text(line).as_bytes());
                    found.map(move |found| Hit { line, from: found.start, to: found.end })
                })
                .take(HITS_MAX)
                .collect(),
        })
    }

    /// Something else is looked for.
    pub(super) fn forget(&mut self) {
        self.hits = OnceLock::new();
    }
}

/// Where the row ends that begins at a byte: at least one character further.
pub(super) fn row_end(text: &str, from: usize, width: usize) -> usize {
    let Some(rest) = text.get(from..) else { return text.len() };
    let width = width.max(1);
    if rest.as_bytes().get(..width).unwrap_or(rest.as_bytes()).is_ascii() {
        return text.len().min(from + width);
    }
    let mut used = 0;
    for (at, character) in rest.char_indices() {
        used += character.width().unwrap_or(0);
        if used > width && at > 0 {
            return from + at;
        }
    }
    text.len()
}

/// Where the rows of a line begin that begin before a byte.
fn row_starts(text: &str, before: usize, width: usize) -> Vec<usize> {
    if text.is_ascii() {
        return (0..before).step_by(width.max(1)).collect();
    }
    let mut starts = Vec::new();
    let mut at = 0;
    while at < before {
        starts.push(at);
        at = row_end(text, at, width);
        if at >= text.len() {
            break;
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Lines {
        text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>().into()
    }

    /// All rows as they are drawn.
    fn rows(lines: &Lines, room: Room) -> Vec<(Place, String)> {
        let mut rows = Vec::new();
        let mut place = Place::default();
        loop {
            let text = lines.text(place.line);
            let end = if room.wrap { row_end(text, place.at, room.width) } else { text.len() };
            rows.push((place, text[place.at..end].to_owned()));
            let next = lines.step(place, 1, room);
            if next == place {
                return rows;
            }
            place = next;
        }
    }

    #[test]
    fn long_lines_go_on_in_rows_of_the_width() {
        for (text, width, wanted) in [
            (&["abcdef", "", "gh"][..], 3, &["abc", "def", "", "gh"][..]),
            (&["abcdefg"], 3, &["abc", "def", "g"]),
            (&["日本語x"], 4, &["日本", "語x"]),
            (&["a日本"], 2, &["a", "日", "本"]),
            (&["日本"], 1, &["日", "本"]),
            (&["abü cd"], 3, &["abü", " cd"]),
            (&[""], 5, &[""]),
        ] {
            let room = Room { width, wrap: true };
            let rows = rows(&lines(text), room);
            let texts: Vec<_> = rows.iter().map(|(_, text)| text.as_str()).collect();
            assert_eq!(texts, wanted, "{width}");
        }
    }

    /// Goal: moves agree with each other. Method: from every row by every number of rows, in all widths, against a list.
    #[test]
    fn a_step_back_undoes_a_step_on_in_every_width() {
        let made = lines(&["abcdefghij", "", "ü日本語 abc日", "x", &"long ".repeat(9), "日"]);
        for width in 1..30 {
            for wrap in [false, true] {
                let room = Room { width, wrap };
                let places: Vec<Place> = rows(&made, room).into_iter().map(|(p, _)| p).collect();
                for (at, from) in places.iter().enumerate() {
                    for by in -60..60_isize {
                        let wanted = at.saturating_add_signed(by).min(places.len() - 1);
                        assert_eq!(
                            made.step(*from, by, room),
                            places[wanted],
                            "{room:?} {from:?} {by}"
                        );
                    }
                    assert_eq!(made.step(*from, isize::MAX, room), *places.last().unwrap());
                    assert_eq!(made.step(*from, isize::MIN, room), places[0]);
                    assert_eq!(made.row_of(from.line, from.at, room), *from);
                }
            }
        }
    }

    #[test]
    fn rows_of_what_is_folded_are_stepped_over() {
        let mut made = lines(&["a: 1", "b:", "  c: long text", "  d: 2", "e: 3"]);
        made.folds_mut().toggle(1);
        for (width, wanted) in
            [(80, &["a: 1", "b:", "e: 3"][..]), (3, &["a: ", "1", "b:", "e: ", "3"])]
        {
            for wrap in [true, width == 3] {
                let rows = rows(&made, Room { width, wrap });
                let texts: Vec<_> = rows.iter().map(|(_, text)| text.as_str()).collect();
                assert_eq!(texts, wanted, "{width} {wrap}");
            }
        }
        let room = Room { width: 3, wrap: true };
        let last = made.step(Place::default(), isize::MAX, room);
        assert_eq!(made.step(last, -2, room), Place { line: 1, at: 0 });
        assert_eq!(made.settled(Place { line: 3, at: 2 }), Place { line: 1, at: 0 });
    }

    #[test]
    fn bytes_move_by_lines_of_the_width() {
        let made = Lines::from(Bytes::from(vec![0; 100]));
        for (width, by, line) in
            [(43, 1, 1), (76, 1, 2), (142, 1, 4), (142, 2, 8), (142, 9, 12), (76, isize::MAX, 12)]
        {
            let room = Room { width, wrap: true };
            assert_eq!(
                made.step(Place::default(), by, room),
                Place { line, at: 0 },
                "{width} {by}"
            );
        }
        // What was on top stays in sight when lines get longer.
        let room = Room { width: 142, wrap: false };
        assert_eq!(made.step(Place { line: 7, at: 0 }, 0, room).line, 4);
    }

    #[test]
    fn a_place_that_is_gone_becomes_one_that_is_there() {
        let made = lines(&["abc", "ü"]);
        for (place, wanted) in
            [((0, 2), (0, 2)), ((0, 3), (0, 0)), ((1, 1), (1, 0)), ((9, 1), (1, 0))]
        {
            let settled = made.settled(Place { line: place.0, at: place.1 });
            assert_eq!((settled.line, settled.at), wanted, "{place:?}");
        }
        assert_eq!(Lines::default().settled(Place { line: 3, at: 1 }), Place::default());
    }

    #[test]
    fn text_is_found_in_lines_and_in_bytes() {
        let needle = Needle::text(b"ab").unwrap();
        let found = |lines: Lines| -> Vec<(usize, usize, usize)> {
            lines.hits(&needle).iter().map(|hit| (hit.line, hit.from, hit.to)).collect()
        };
        assert_eq!(found(lines(&["abAB", "x", "ab"])), [(0, 0, 2), (0, 2, 4), (2, 0, 2)]);
        assert_eq!(
            found(Bytes::from_static(b"0123456ab 01234ab").into()),
            [(0, 7, 9), (1, 15, 17)]
        );
        let mut forgotten = lines(&["ab b"]);
        assert_eq!(forgotten.hits(&needle).len(), 1);
        forgotten.forget();
        assert_eq!(forgotten.hits(&Needle::text(b"b").unwrap()).len(), 2);
    }
}

//! The list of a tail.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::watch::{Entry, Event, Kind, Mark, Revision, Row, Tail, What};
use crate::widget::theme::Meaning;
use crate::widget::{DrawnRows, Look, bytes, escape, escape_name, fit, grouped, say, style};

/// Width from which the time is shown.
const TIME_FROM: usize = 70;
/// Bytes of a key that are looked at for its column.
const KEY_BYTES_MAX: usize = 1024;

/// How wide the columns are.
struct Columns {
    revision: usize,
    time: bool,
    key: usize,
    change: usize,
}

const KIND: usize = 6;
const SIZE: usize = 5;

impl Columns {
    fn of(tail: &Tail, width: usize) -> Self {
        let revision = grouped(tail.server.max(tail.newest).unsigned_abs()).len().max(5);
        let time = width >= TIME_FROM;
        let fixed = 1 + revision + 2 + if time { 10 } else { 0 } + KIND + 1 + 1 + SIZE + 2;
        let rest = width.saturating_sub(fixed);
        let key = (rest * 9 / 20).max(rest.min(8));
        Self { revision, time, key, change: rest.saturating_sub(key) }
    }

    /// A row, its columns at their places.
    fn line(&self, look: &Look, cells: &Cells) -> Line<'static> {
        let revision = format!("{:>width$}  ", cells.revision, width = self.revision);
        let time = if self.time { format!("{:<10}", cells.time) } else { String::new() };
        let change = fit(&cells.change, self.change, &look.glyphs);
        Line::from(vec![
            say(look, Meaning::Accent, cells.mark),
            say(look, Meaning::Text, revision),
            say(look, Meaning::Dim, time),
            say(look, cells.kind.0, format!("{:<KIND$} ", cells.kind.1)),
            say(look, cells.key.0, pad(&tail_of(&cells.key.1, self.key, look), self.key)),
            say(look, Meaning::Text, format!(" {:>SIZE$}  ", cells.size)),
            say(look, Meaning::Text, pad(&change, self.change)),
        ])
    }
}

struct Cells {
    mark: &'static str,
    revision: String,
    time: String,
    kind: (Meaning, String),
    key: (Meaning, String),
    size: String,
    change: String,
}

/// Draws the head of the columns and the rows below it; answers where the rows stand.
pub(super) fn rows(ctx: &Context, tail: &Tail, frame: &mut Frame<'_>, area: Rect) -> DrawnRows {
    let look = &ctx.look;
    let columns = Columns::of(tail, usize::from(area.width));
    let head = Cells {
        mark: " ",
        revision: "REV".to_owned(),
        time: "TIME".to_owned(),
        kind: (Meaning::Column, "KIND".to_owned()),
        key: (Meaning::Column, "KEY".to_owned()),
        size: "SIZE".to_owned(),
        change: "WHAT CHANGED".to_owned(),
    };
    let head = columns.line(look, &head).patch_style(style(look, Meaning::Column));
    frame.render_widget(head, Rect { height: 1.min(area.height), ..area });
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let height = usize::from(list.height);
    let mut count = 0;
    for ((row, entry, chosen), y) in tail.window(height).zip(list.y..) {
        count += 1;
        let place = Rect { y, height: 1, ..list };
        let mut line = match &entry.what {
            What::Mark(mark) => of_mark(look, mark, entry, chosen, usize::from(list.width)),
            What::Revision(revision) => {
                let cells = of_revision(tail, (row, entry, revision));
                let mark = if chosen { look.glyphs.mark } else { cells.mark };
                columns.line(look, &Cells { mark, ..cells })
            }
        };
        if chosen {
            line = line.patch_style(style(look, Meaning::Selected));
        }
        frame.render_widget(line, place);
    }
    if tail.rows() == 0 && list.height > 0 {
        let words = if tail.kept().0 > 0 {
            "  nothing that is kept is shown by this filter"
        } else {
            "  nothing yet"
        };
        frame.render_widget(say(look, Meaning::Dim, words), Rect { height: 1, ..list });
    }
    DrawnRows { area: list, first: tail.top(height), count }
}

fn of_mark(look: &Look, mark: &Mark, entry: &Entry, chosen: bool, width: usize) -> Line<'static> {
    let meaning = match mark {
        _ if mark.is_loss() => Meaning::Bad,
        _ if mark.is_trouble() => Meaning::Warn,
        _ => Meaning::Dim,
    };
    let sign = if chosen { look.glyphs.mark } else { " " };
    let rule = look.glyphs.border.horizontal_top;
    let words = format!(" {}  {} ", time_of_day(entry.wall), mark.words());
    let words = fit(&words, width.saturating_sub(4), &look.glyphs);
    let rest = width.saturating_sub(words.width() + 3);
    Line::from(vec![
        say(look, Meaning::Accent, sign),
        say(look, meaning, format!("{}{words}{}", rule.repeat(2), rule.repeat(rest))),
    ])
}

fn of_revision(tail: &Tail, (row, entry, revision): (Row, &Entry, &Revision)) -> Cells {
    let several = revision.events.len() > 1;
    let event = row.event.and_then(|at| revision.events.get(at));
    let mut cells = match event.or(revision.events.first().filter(|_| !several)) {
        Some(event) => of_event(event),
        None => of_several(tail, revision),
    };
    if row.event.is_some() {
        cells.key.1 = format!("  {}", cells.key.1);
    } else {
        cells.revision = grouped(revision.number.unsigned_abs());
        cells.time = time_of_day(entry.wall);
        if several && tail.is_open(row.entry) {
            cells.change.push_str(", open");
        }
    }
    if tail.is_found(row) {
        cells.mark = "*";
        cells.key.0 = Meaning::Accent;
    }
    cells
}

fn of_event(event: &Event) -> Cells {
    let change = event.change();
    let (meaning, word, size) = match event.kind {
        Kind::Put => (Meaning::Ok, "PUT", bytes_of(event.now.value.len())),
        Kind::Del => (Meaning::Warn, "DEL", "-".to_owned()),
    };
    Cells {
        mark: " ",
        revision: String::new(),
        time: String::new(),
        kind: (meaning, word.to_owned()),
        key: (Meaning::Strong, key(&event.key)),
        size,
        change: format!("{}  {}", change.step, escape(change.words.as_bytes())),
    }
}

/// A revision of several events as one row: what their keys have in common, and how many there are.
fn of_several(tail: &Tail, revision: &Revision) -> Cells {
    let count = revision.events.len() + revision.cut;
    let first = revision.events.first().map_or(&[][..], |event| &event.key);
    let common = revision.events.iter().fold(first.len(), |common, event| {
        event.key.iter().zip(first).take(common).take_while(|(a, b)| a == b).count()
    });
    let common = first.get(..common).unwrap_or_default();
    let size: usize = revision.events.iter().map(|event| event.now.value.len()).sum();
    let dels = revision.events.iter().filter(|event| event.kind == Kind::Del).count();
    let shown = tail.shown(revision).count();
    let part = |count: usize, word: &str| {
        if count > 0 { format!(", {count} {word}") } else { String::new() }
    };
    let hides = shown < revision.events.len();
    let change = [
        format!("{count} keys in one revision"),
        part(dels, "deleted"),
        part(if hides { shown } else { 0 }, "shown"),
        part(revision.cut, "not kept"),
    ];
    Cells {
        mark: " ",
        revision: String::new(),
        time: String::new(),
        kind: (Meaning::Accent, format!("TXN{}", times(count))),
        key: (Meaning::Strong, format!("{}*", key(common))),
        size: bytes_of(size),
        change: change.concat(),
    }
}

/// ` x3`, as far as there is room for it.
fn times(count: usize) -> String {
    if count < 10 {
        format!(" x{count}")
    } else if count < 100 {
        format!("x{count}")
    } else {
        String::new()
    }
}

fn bytes_of(size: usize) -> String {
    bytes(u64::try_from(size).unwrap_or(u64::MAX))
}

fn key(key: &[u8]) -> String {
    escape_name(key.get(..KEY_BYTES_MAX).unwrap_or(key))
}

/// The end of a key that is too long: keys of one range have their beginning in common.
fn tail_of(text: &str, width: usize, look: &Look) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(look.glyphs.more.width());
    let mut at = text.len();
    for (place, _) in text.char_indices().rev() {
        if text.get(place..).unwrap_or("").width() > room {
            break;
        }
        at = place;
    }
    let kept = text.get(at..).unwrap_or("");
    if width == 0 { String::new() } else { format!("{}{kept}", look.glyphs.more) }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn time_of_day(seconds: u64) -> String {
    let seconds = seconds % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds % 3600 / 60, seconds % 60)
}

//! Small parts that views are made of: numbers as people read them, bars, sparklines, panels. Pure functions.

mod bar;
mod glyphs;
pub(crate) mod json;
pub mod line;
pub mod needle;
mod number;
pub(crate) mod outline;
mod panel;
mod rows;
mod spark;
pub mod theme;

pub use bar::bar;
pub use glyphs::Glyphs;
pub use number::{age, bytes, counted, duration_us, grouped, rate, rfc3339, short};
pub use panel::{around, panel, popup};
pub use rows::DrawnRows;
pub use spark::spark;

use std::fmt::Write;

use mini_etcd_shared::text::is_drawn;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use theme::{Meaning, Theme};

/// How the screen looks.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours.
    pub theme: Theme,
    /// Signs.
    pub glyphs: Glyphs,
}

/// Text in a style by meaning.
pub(crate) fn say(look: &Look, meaning: Meaning, text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), style(look, meaning))
}

pub(crate) fn style(look: &Look, meaning: Meaning) -> Style {
    look.theme.style(meaning)
}

/// Cuts text to a width, with a mark where something is missing.
#[must_use]
pub fn fit(text: &str, width: usize, glyphs: &Glyphs) -> String {
    // No character is wider than it has bytes.
    if text.len() <= width || text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        let mut buffer = [0; 4];
        if kept.width() + character.encode_utf8(&mut buffer).width() + glyphs.more.width() > width {
            break;
        }
        kept.push(character);
    }
    if kept.width() + glyphs.more.width() <= width {
        kept.push_str(glyphs.more);
    }
    kept
}

/// As much of the end of a text as fits: the cursor behind it stays in sight.
#[must_use]
pub fn fit_end(text: &str, width: usize) -> &str {
    let mut kept = text;
    while kept.width() > width {
        let mut characters = kept.chars();
        characters.next();
        kept = characters.as_str();
    }
    kept
}

/// Puts the cursor into a line, so many columns from its start, and not beyond its end.
pub fn set_cursor(frame: &mut Frame<'_>, line: Rect, columns: usize) {
    let x = u16::try_from(columns).unwrap_or(u16::MAX).saturating_add(line.x);
    frame.set_cursor_position(Position { x: x.min(line.right().saturating_sub(1)), y: line.y });
}

/// Bytes as text that any terminal can show: what is no text as `\xNN`, what [`is_drawn`] refuses by its escapes.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    escape_with(bytes, "\\t")
}

/// A name as text: as [`escape`] has it, with `\\` for a backslash, so that two names are never drawn alike.
#[must_use]
pub fn escape_name(bytes: &[u8]) -> String {
    if !bytes.contains(&b'\\') {
        return escape(bytes);
    }
    let parts: Vec<String> = bytes.split(|byte| *byte == b'\\').map(escape).collect();
    parts.join("\\\\")
}

/// A line of a value as [`escape`] has it, but for tabs, which are spaces.
#[must_use]
pub fn escape_line(bytes: &[u8]) -> String {
    escape_with(bytes, "    ")
}

fn escape_with(bytes: &[u8], tab: &str) -> String {
    let mut text = String::with_capacity(bytes.len());
    if bytes.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        text.extend(bytes.iter().map(|byte| char::from(*byte)));
        return text;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push_str(tab),
                '\n' | '\r' => text.extend(character.escape_default()),
                character if character.is_ascii_control() => {
                    // Writing to a string cannot fail.
                    let _written = write!(text, "\\x{:02x}", u32::from(character));
                }
                character if !is_drawn(character) => text.extend(character.escape_unicode()),
                character => text.push(character),
            }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}

/// The last look at a frame before it goes out, whoever drew it: what [`is_drawn`] refuses is left out of its cell,
/// which is drawn reversed so that it can be seen that something is there. What stays is never wider than it was.
pub fn settle(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        // Most cells hold one byte.
        if symbol.len() == 1 || symbol.chars().all(is_drawn) {
            continue;
        }
        let width = symbol.width().max(1);
        let mut kept = String::new();
        for character in symbol.chars().filter(|character| is_drawn(*character)) {
            kept.push(character);
            if kept.width() > width {
                kept.pop();
                break;
            }
        }
        if kept.width() == 0 {
            kept.insert(0, ' ');
        }
        cell.set_symbol(&kept).set_style(Style::new().add_modifier(Modifier::REVERSED));
    }
}

/// Breaks text into lines of at most `width`, at spaces where there are any.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let Some(line) = lines.last_mut() else { return lines };
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + word.width() <= width || width == 0 {
                if gap > 0 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if line.is_empty() {
                // A word longer than a line is cut where the line ends.
                let mut at = 0;
                for character in word.chars() {
                    let end = at + character.len_utf8();
                    if word.get(..end).unwrap_or("").width() > width && at > 0 {
                        break;
                    }
                    at = end;
                }
                let (head, rest) = word.split_at_checked(at).unwrap_or((word, ""));
                line.push_str(head);
                word = rest;
                if word.is_empty() {
                    break;
                }
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_are_never_drawn_alike() {
        let names: [&[u8]; 12] = [
            b"tab\there",
            b"tab\\there",
            b"tab\\\there",
            b"\x1b",
            b"\\x1b",
            "\u{202e}".as_bytes(),
            b"\\u{202e}",
            b"\xff",
            b"\\xff",
            b"\n",
            b"\\n",
            b"\\\\",
        ];
        let drawn: std::collections::BTreeSet<String> =
            names.iter().map(|name| escape_name(name)).collect();
        assert_eq!(drawn.len(), names.len(), "{drawn:?}");
        assert_eq!(escape_name(b"tab\\there"), r"tab\\there");
        assert_eq!(escape_name(b"tab\there"), r"tab\there");
        assert!(drawn.iter().all(|name| name.chars().all(is_drawn)));
    }

    #[test]
    fn text_is_cut_with_a_mark_and_wide_characters_count_double() {
        let glyphs = Glyphs::unicode();
        assert_eq!(fit("abcdef", 6, &glyphs), "abcdef");
        assert_eq!(fit("abcdefg", 6, &glyphs), "abcde…");
        assert_eq!(fit("日本語", 4, &glyphs), "日…");
        assert_eq!(fit("abc", 0, &glyphs), "");
    }

    #[test]
    fn what_terminals_draw_in_different_widths_is_shown_by_its_escape() {
        assert_eq!(escape("\u{2764}\u{fe0f}!".as_bytes()), "\u{2764}\\u{fe0f}!");
        assert_eq!(escape("\u{1f1e9}\u{1f1ea}".as_bytes()), "\\u{1f1e9}\\u{1f1ea}");
        assert_eq!(escape("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(escape(b"a\tb\x1b\x80"), "a\\tb\\x1b\\x80");
        assert_eq!(escape_line(b"a\tb"), "a    b");
        assert_eq!(escape("日本 é \u{1f980}".as_bytes()), "日本 é \u{1f980}");
    }

    #[test]
    fn no_cell_holds_what_is_not_drawn_and_none_gets_wider() {
        let text = "a\u{202e}b\u{2764}\u{fe0f}c\u{1f1e9}\u{1f1ea}d\u{1f468}\u{200d}\u{1f469}e日";
        let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 20, 1));
        let line = ratatui::text::Line::from(text);
        ratatui::widgets::Widget::render(line, buffer.area, &mut buffer);
        let widths: Vec<usize> = buffer.content.iter().map(|cell| cell.symbol().width()).collect();
        settle(&mut buffer);
        for (cell, width) in buffer.content.iter().zip(widths) {
            assert!(cell.symbol().chars().all(is_drawn), "{:?}", cell.symbol());
            assert!(cell.symbol().width() <= width.max(1), "{:?}", cell.symbol());
        }
        let shown: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        for letter in ["a", "b", "c", "d", "e", "日", "\u{2764}", "\u{1f468}"] {
            assert!(shown.contains(letter), "{letter}: {shown:?}");
        }
    }

    #[test]
    fn wrapping_keeps_every_word_and_no_line_is_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
        assert_eq!(wrap("", 4), [""]);
    }
}

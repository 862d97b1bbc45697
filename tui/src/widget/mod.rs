//! Small parts that views are made of: numbers as people read them, bars, sparklines, panels. Pure functions.

mod bar;
mod glyphs;
mod number;
mod panel;
mod spark;

pub use bar::bar;
pub use glyphs::Glyphs;
pub use number::{age, bytes, counted, duration_us, grouped, rate, rfc3339, short};
pub use panel::{panel, popup};
pub use spark::spark;

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

/// Cuts text to a width, with a mark where something is missing.
#[must_use]
pub fn fit(text: &str, width: usize, glyphs: &Glyphs) -> String {
    if text.width() <= width {
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

/// Bytes as text that any terminal can show: what is no text as `\xNN`, controls by their escapes, tabs as spaces.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push_str("    "),
                // Marks of direction and width zero could make one key look like another.
                '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}' => {
                    text.extend(character.escape_unicode());
                }
                '\n' | '\r' => text.extend(character.escape_default()),
                character if character.is_ascii_control() => {
                    // Writing to a string cannot fail.
                    let _written = write!(text, "\\x{:02x}", u32::from(character));
                }
                character if character.is_control() => text.extend(character.escape_default()),
                character => text.push(character),
            }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
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
    fn text_is_cut_with_a_mark_and_wide_characters_count_double() {
        let glyphs = Glyphs::unicode();
        assert_eq!(fit("abcdef", 6, &glyphs), "abcdef");
        assert_eq!(fit("abcdefg", 6, &glyphs), "abcde…");
        assert_eq!(fit("日本語", 4, &glyphs), "日…");
        assert_eq!(fit("abc", 0, &glyphs), "");
    }

    #[test]
    fn wrapping_keeps_every_word_and_no_line_is_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
        assert_eq!(wrap("", 4), [""]);
    }
}

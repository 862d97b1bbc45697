//! One line of text being typed.

use std::fmt;

use crossterm::event::KeyEvent;
use mini_etcd_shared::text::MASK;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use super::theme::Meaning;
use super::{Look, escape, fit, fit_end, say, set_cursor};

/// Bytes of one line.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The line and its cursor, which is always at the border of a character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineInput {
    text: String,
    cursor: usize,
}

impl LineInput {
    /// What is typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is typed left of the cursor, and right of it.
    #[must_use]
    pub fn split(&self) -> (&str, &str) {
        self.text.split_at_checked(self.cursor).unwrap_or((&self.text, ""))
    }

    /// The same as it is drawn.
    #[must_use]
    pub fn shown(&self) -> (String, String) {
        let (left, right) = self.split();
        (escape(left.as_bytes()), escape(right.as_bytes()))
    }

    /// Types text; control characters become spaces.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars() {
            if self.text.len() + character.len_utf8() > LINE_BYTES_MAX {
                return;
            }
            let character = if character.is_control() { ' ' } else { character };
            self.text.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    /// Replaces the line.
    pub fn set(&mut self, line: &str) {
        self.text.clear();
        self.cursor = 0;
        self.insert(line);
    }

    /// Deletes the character before the cursor.
    pub fn backspace(&mut self) {
        if let Some(character) = self.split().0.chars().next_back() {
            self.cursor -= character.len_utf8();
            self.text.remove(self.cursor);
        }
    }

    /// Deletes the character under the cursor.
    pub fn delete(&mut self) {
        if !self.split().1.is_empty() {
            self.text.remove(self.cursor);
        }
    }

    /// Deletes the word before the cursor.
    pub fn delete_word(&mut self) {
        let left = self.split().0.trim_end();
        let keep = left
            .char_indices()
            .rev()
            .find(|(_, character)| character.is_whitespace())
            .map_or(0, |(at, character)| at + character.len_utf8());
        self.text.replace_range(keep..self.cursor, "");
        self.cursor = keep;
    }

    /// Deletes everything before the cursor.
    pub fn delete_to_start(&mut self) {
        self.text.replace_range(..self.cursor, "");
        self.cursor = 0;
    }

    /// One character to the left.
    pub fn left(&mut self) {
        self.cursor -= self.split().0.chars().next_back().map_or(0, char::len_utf8);
    }

    /// One character to the right.
    pub fn right(&mut self) {
        self.cursor += self.split().1.chars().next().map_or(0, char::len_utf8);
    }

    /// To the start.
    pub fn home(&mut self) {
        self.cursor = 0;
    }

    /// To the end.
    pub fn end(&mut self) {
        self.cursor = self.text.len();
    }

    /// Takes a key that edits; answers whether it was one.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        use crossterm::event::{KeyCode, KeyModifiers};
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Backspace => self.backspace(),
            KeyCode::Delete => self.delete(),
            KeyCode::Left => self.left(),
            KeyCode::Right => self.right(),
            KeyCode::Home => self.home(),
            KeyCode::End => self.end(),
            KeyCode::Char('a') if ctrl => self.home(),
            KeyCode::Char('e') if ctrl => self.end(),
            KeyCode::Char('u') if ctrl => self.delete_to_start(),
            KeyCode::Char('w') if ctrl => self.delete_word(),
            KeyCode::Char(character) if !ctrl && !alt => {
                self.insert(character.encode_utf8(&mut [0; 4]));
            }
            _ => return false,
        }
        true
    }
}

/// A line that is typed and not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HiddenInput(LineInput);

impl HiddenInput {
    /// Takes a key; answers whether it had a meaning here.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        self.0.key(key)
    }

    /// Takes what is pasted, up to the end of its first line.
    pub fn insert(&mut self, text: &str) {
        self.0.insert(text.lines().next().unwrap_or_default());
    }

    /// What was typed; nothing of it stays here.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.0).text
    }
}

impl fmt::Debug for HiddenInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Draws the place of a line that is typed and not shown, behind the words that ask for it.
pub(crate) fn draw_hidden(
    frame: &mut Frame<'_>,
    look: &Look,
    area: Rect,
    name: &str,
    (error, hint): (Option<&str>, &str),
) {
    draw(frame, look, area, (name, &LineInput::default()), (error, hint));
}

/// Draws a line that is typed behind a name, in one row over what stands there; behind it why it cannot be taken, or
/// while nothing is typed what it takes.
pub(crate) fn draw(
    frame: &mut Frame<'_>,
    look: &Look,
    area: Rect,
    (name, line): (&str, &LineInput),
    (error, hint): (Option<&str>, &str),
) {
    frame.render_widget(Clear, area);
    let head = format!(" {name}: ");
    let room = usize::from(area.width).saturating_sub(head.width() + 1);
    let (left, right) = line.shown();
    let left = fit_end(&left, room);
    let used = head.width() + left.width();
    let right = fit(&right, room.saturating_sub(left.width()), &look.glyphs);
    let rest = usize::from(area.width).saturating_sub(used + right.width() + 3);
    let (meaning, note) = match error {
        Some(error) => (Meaning::Bad, error),
        None if line.text().is_empty() => (Meaning::Dim, hint),
        None => (Meaning::Dim, ""),
    };
    let spans = vec![
        say(look, Meaning::Accent, head),
        say(look, Meaning::Input, left),
        say(look, Meaning::Input, right),
        say(look, meaning, format!("  {}", fit(note, rest, &look.glyphs))),
    ];
    frame.render_widget(Line::from(spans), area);
    set_cursor(frame, area, used);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_keeps_to_characters() {
        let mut line = LineInput::default();
        line.insert("put é日 x");
        line.left();
        line.left();
        line.backspace();
        assert_eq!(line.text(), "put é x");
        line.backspace();
        line.insert("ü");
        line.home();
        line.delete();
        assert_eq!(line.text(), "ut ü x");
        line.end();
        line.delete_word();
        assert_eq!(line.text(), "ut ü ");
        line.delete_to_start();
        line.backspace();
        line.delete();
        assert_eq!(line.text(), "");
        line.insert("日\u{3000}x");
        line.delete_word();
        assert_eq!(line.text(), "日\u{3000}");
    }

    #[test]
    fn a_paste_with_line_ends_stays_one_line() {
        let mut line = LineInput::default();
        line.insert("put a\n'b\tc'");
        assert_eq!(line.text(), "put a 'b c'");
    }
}

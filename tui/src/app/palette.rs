//! The `:` palette: one line of input, its history, and the output of what was run.

/// Lines remembered.
const HISTORY_MAX: usize = 200;
/// Bytes of one line.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Lines of output that are kept.
pub const OUTPUT_LINES_MAX: usize = 10_000;

/// What a command answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The line that was run.
    pub line: String,
    /// What it printed.
    pub text: Vec<String>,
    /// Whether it failed.
    pub failed: bool,
    /// A line about it: how long, how much.
    pub note: String,
}

/// The line being typed and the output below it.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    input: String,
    /// Byte offset of the cursor; always at the border of a character.
    cursor: usize,
    history: Vec<String>,
    /// Which line of history is shown; none while typing a new one.
    recalled: Option<usize>,
    /// The output shown, when there is some.
    pub output: Option<Output>,
    /// First line of output shown.
    pub scroll: usize,
    /// First column of output shown.
    pub shift: usize,
    /// The run that is waited for, and its line.
    pub pending: Option<(u64, String)>,
}

impl Palette {
    /// What is typed.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input
    }

    /// What is typed left of the cursor, and right of it.
    #[must_use]
    pub fn split(&self) -> (&str, &str) {
        self.input.split_at_checked(self.cursor).unwrap_or((&self.input, ""))
    }

    /// Types text; control characters become spaces.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars() {
            if self.input.len() + character.len_utf8() > LINE_BYTES_MAX {
                return;
            }
            let character = if character.is_control() { ' ' } else { character };
            self.input.insert(self.cursor, character);
            self.cursor += character.len_utf8();
        }
    }

    /// Replaces the line.
    pub fn set(&mut self, line: &str) {
        self.input.clear();
        self.cursor = 0;
        self.insert(line);
    }

    /// Deletes the character before the cursor.
    pub fn backspace(&mut self) {
        if let Some(character) = self.split().0.chars().next_back() {
            self.cursor -= character.len_utf8();
            self.input.remove(self.cursor);
        }
    }

    /// Deletes the character under the cursor.
    pub fn delete(&mut self) {
        if !self.split().1.is_empty() {
            self.input.remove(self.cursor);
        }
    }

    /// Deletes the word before the cursor.
    pub fn delete_word(&mut self) {
        let left = self.split().0.trim_end();
        let keep = left.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        self.input.replace_range(keep..self.cursor, "");
        self.cursor = keep;
    }

    /// Deletes everything before the cursor.
    pub fn delete_to_start(&mut self) {
        self.input.replace_range(..self.cursor, "");
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
        self.cursor = self.input.len();
    }

    /// An older line of history.
    pub fn older(&mut self) {
        let place = self.recalled.unwrap_or(self.history.len()).checked_sub(1);
        if let Some((place, line)) = place.and_then(|p| self.history.get(p).map(|l| (p, l.clone())))
        {
            self.set(&line);
            self.recalled = Some(place);
        }
    }

    /// A newer line of history; an empty one after the newest.
    pub fn newer(&mut self) {
        let Some(place) = self.recalled.map(|place| place + 1) else { return };
        let line = self.history.get(place).cloned();
        self.recalled = line.is_some().then_some(place);
        self.set(&line.unwrap_or_default());
    }

    /// Takes the line to run it; `None` when there is nothing but space.
    pub fn take(&mut self) -> Option<String> {
        let line = self.input.trim().to_owned();
        self.set("");
        self.recalled = None;
        if line.is_empty() {
            return None;
        }
        if self.history.last() != Some(&line) {
            self.history.push(line.clone());
        }
        if self.history.len() > HISTORY_MAX {
            self.history.remove(0);
        }
        Some(line)
    }

    /// Shifts the output sideways.
    pub fn shift_by(&mut self, by: isize) {
        let lines = self.output.iter().flat_map(|output| &output.text);
        let widest = lines.map(|line| line.chars().count()).max().unwrap_or(0);
        self.shift = self.shift.saturating_add_signed(by).min(widest.saturating_sub(1));
    }

    /// Shows an answer from its start.
    pub fn show(&mut self, output: Output) {
        (self.scroll, self.shift) = (0, 0);
        self.output = Some(output);
    }

    /// Scrolls the output.
    pub fn scroll_by(&mut self, by: isize) {
        let last = self.output.as_ref().map_or(0, |output| output.text.len().saturating_sub(1));
        self.scroll = self.scroll.saturating_add_signed(by).min(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_keeps_to_characters() {
        let mut palette = Palette::default();
        palette.insert("put é日 x");
        palette.left();
        palette.left();
        palette.backspace();
        assert_eq!(palette.input(), "put é x");
        palette.backspace();
        palette.insert("ü");
        palette.home();
        palette.delete();
        assert_eq!(palette.input(), "ut ü x");
        palette.end();
        palette.delete_word();
        assert_eq!(palette.input(), "ut ü ");
        palette.delete_to_start();
        palette.backspace();
        palette.delete();
        assert_eq!(palette.input(), "");
    }

    #[test]
    fn history_goes_back_and_forth() {
        let mut palette = Palette::default();
        for line in ["get a", "get b", "get b", "  "] {
            palette.set(line);
            palette.take();
        }
        palette.older();
        assert_eq!(palette.input(), "get b");
        palette.older();
        palette.older();
        assert_eq!(palette.input(), "get a");
        palette.newer();
        palette.newer();
        assert_eq!(palette.input(), "");
    }

    #[test]
    fn a_paste_with_line_ends_stays_one_line() {
        let mut palette = Palette::default();
        palette.insert("put a\n'b\tc'");
        assert_eq!(palette.input(), "put a 'b c'");
    }
}

//! What was typed and what came of it: the newest lines.

use std::collections::VecDeque;

use crate::engine::session::{LINES_MAX, LineKind, OutputLine};

/// The newest lines, and where one looks.
#[derive(Clone, Debug, Default)]
pub struct Scrollback {
    lines: VecDeque<OutputLine>,
    /// Lines that are gone.
    gone: u64,
    /// Lines below what is shown; 0 follows what comes.
    back: usize,
}

impl Scrollback {
    /// Adds a line; answers its number.
    pub fn push(&mut self, line: OutputLine) -> u64 {
        self.lines.push_back(line);
        if self.back > 0 {
            self.back += 1;
        }
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
            self.gone += 1;
        }
        self.back = self.back.min(self.lines.len().saturating_sub(1));
        self.end() - 1
    }

    /// Says that lines were lost on the way.
    pub fn lost(&mut self, lines: u64) {
        if lines > 0 {
            let text = format!("({lines} lines came faster than they can be shown)");
            self.push(OutputLine::new(LineKind::Notice, text));
        }
    }

    /// Notes something about a line, if it is still there.
    pub fn note(&mut self, line: u64, note: String) {
        let place = line.checked_sub(self.gone).and_then(|at| usize::try_from(at).ok());
        if let Some(line) = place.and_then(|at| self.lines.get_mut(at)) {
            line.note = Some(note);
        }
    }

    fn end(&self) -> u64 {
        self.gone + u64::try_from(self.lines.len()).unwrap_or(0)
    }

    /// The lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &OutputLine> + ExactSizeIterator {
        self.lines.iter()
    }

    /// How many lines have gone.
    #[must_use]
    pub fn gone(&self) -> u64 {
        self.gone
    }

    /// Lines below what is shown.
    #[must_use]
    pub fn back(&self) -> usize {
        self.back
    }

    /// Looks further back, or further on.
    pub fn look_back(&mut self, back: usize) {
        self.back = back.min(self.lines.len().saturating_sub(1));
    }

    /// Takes all lines away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_and_a_note_finds_its_line() {
        let mut scrollback = Scrollback::default();
        let first = scrollback.push(OutputLine::new(LineKind::Input, "first"));
        let second = scrollback.push(OutputLine::new(LineKind::Input, "second"));
        for n in 2..=LINES_MAX {
            scrollback.push(OutputLine::new(LineKind::Out, n.to_string()));
        }
        assert_eq!((scrollback.lines().len(), scrollback.gone()), (LINES_MAX, 1));
        scrollback.note(first, "gone".into());
        scrollback.note(second, "1ms".into());
        let shown = scrollback.lines().next().unwrap();
        assert_eq!((shown.text.as_str(), shown.note.as_deref()), ("second", Some("1ms")));
    }

    #[test]
    fn who_looks_back_is_not_moved_by_what_comes() {
        let mut scrollback = Scrollback::default();
        for n in 0..10 {
            scrollback.push(OutputLine::new(LineKind::Out, n.to_string()));
        }
        scrollback.look_back(3);
        scrollback.push(OutputLine::new(LineKind::Out, "new"));
        assert_eq!(scrollback.back(), 4);
        scrollback.look_back(99);
        assert_eq!(scrollback.back(), 10);
    }
}

//! The `:` palette: one line of input, its history, and the output of what was run.

use super::line::LineInput;

/// Lines remembered.
const HISTORY_MAX: usize = 200;
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
    /// What is being typed.
    pub line: LineInput,
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
        self.line.text()
    }

    /// What is typed left of the cursor, and right of it.
    #[must_use]
    pub fn split(&self) -> (&str, &str) {
        self.line.split()
    }

    /// Replaces the line.
    pub fn set(&mut self, line: &str) {
        self.line.set(line);
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
        let line = self.input().trim().to_owned();
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
}

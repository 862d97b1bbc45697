//! The `:` palette: a line for the session that the REPL pane has too, and what its last run printed.

use super::entry::Entry;

/// Lines of output that are kept.
pub const OUTPUT_LINES_MAX: usize = 10_000;

/// What a run has printed so far.
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

/// The line being typed and the output above it.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What is being typed.
    pub entry: Entry,
    /// The output shown, when there is some.
    pub output: Option<Output>,
    /// First line of output shown.
    pub scroll: usize,
    /// First column of output shown.
    pub shift: usize,
}

impl Palette {
    /// What is typed.
    #[must_use]
    pub fn input(&self) -> String {
        self.entry.text()
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

    /// Adds a line to what is shown; beyond the bound, lines are in the pane's scrollback only.
    pub fn say(&mut self, line: String) {
        if let Some(output) = self.output.as_mut().filter(|o| o.text.len() < OUTPUT_LINES_MAX) {
            output.text.push(line);
        }
    }

    /// The run is over.
    pub fn ended(&mut self, failed: bool, note: String) {
        if let Some(output) = &mut self.output {
            (output.failed, output.note) = (failed, note);
        }
    }

    /// Scrolls the output.
    pub fn scroll_by(&mut self, by: isize) {
        let last = self.output.as_ref().map_or(0, |output| output.text.len().saturating_sub(1));
        self.scroll = self.scroll.saturating_add_signed(by).min(last);
    }
}

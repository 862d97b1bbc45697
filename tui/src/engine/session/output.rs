//! [`OutputLine`]: what a session says, line by line.

/// Lines that are kept; beyond it the oldest go.
pub const LINES_MAX: usize = 10_000;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// It was typed.
    Input,
    /// Output of a command.
    Out,
    /// What a command says beside its output.
    Err,
    /// Something about the session.
    Notice,
    /// News of a background watch.
    Watch,
    /// Why a command failed.
    Failed,
}

/// A line that any terminal can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLine {
    /// What it is.
    pub kind: LineKind,
    /// Its text.
    pub text: String,
    /// Something about it, at its right.
    pub note: Option<String>,
}

impl OutputLine {
    /// A line without a note.
    #[must_use]
    pub fn new(kind: LineKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), note: None }
    }
}

/// A line that the engine says, of a run or of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLine {
    /// The run; `None` for what goes on beside runs.
    pub run: Option<u64>,
    /// The line.
    pub line: OutputLine,
}

//! Refusals of a command line.

use super::parse::Target;

/// Exit codes of etcdctl, and those that scripts have beside them.
pub mod exit {
    /// Something failed.
    pub const ERROR: u8 = 1;
    /// No connection to any server (scripts and the line editor; etcdctl says 1).
    pub const NO_CONNECTION: u8 = 2;
    /// Standard input does not follow the grammar.
    pub const INVALID_INPUT: u8 = 3;
    /// An option's value, or the output format for this command, is not supported.
    pub const BAD_FEATURE: u8 = 4;
    /// A watch was ended by the server.
    pub const INTERRUPTED: u8 = 5;
    /// A file cannot be read or written.
    pub const IO: u8 = 6;
    /// Time is up (scripts).
    pub const TIMEOUT: u8 = 124;
    /// Arguments that do not fit.
    pub const BAD_ARGS: u8 = 128;
}

/// A command line, or a line of a transaction, that is not accepted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// Exit code.
    pub exit: u8,
    /// What is wrong, in etcdctl's words where it has some.
    pub text: String,
    /// What else helps, for people.
    pub hint: Option<String>,
    /// Whose help is shown with it.
    pub help: Option<Target>,
}

impl Refusal {
    /// A refusal without help.
    #[must_use]
    pub fn new(exit: u8, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), hint: None, help: None }
    }

    /// Arguments that do not fit.
    #[must_use]
    pub fn bad_args(text: impl Into<String>) -> Self {
        Self::new(exit::BAD_ARGS, text)
    }
}

//! [`Refusal`]: a command line that is not accepted.

use super::target::Target;
use crate::failure::{Failure, exit};

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

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            hint: refusal.hint.map(String::into_boxed_str),
            ..Self::new(refusal.exit, refusal.text)
        }
    }
}

//! [`CommandOutcome`]: what became of a command, for variables, conditions and reports.

#![expect(missing_docs, reason = "names that say all have no comment")]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ClientError;
use crate::failure::{Failure, exit, words_of};
use crate::format::{Answer, Facts, Format};
use crate::language::{ExpandError, Span};

/// What became of a command.
#[derive(Clone, Debug, Default)]
pub struct CommandOutcome {
    pub answer: Option<Arc<dyn Answer>>,
    pub failure: Option<Failure>,
    /// What it printed, behind its pipes.
    pub out: Vec<u8>,
    /// What it said beside that.
    pub err: Vec<u8>,
    pub elapsed: Duration,
    /// Events that a watch has seen, for `await`.
    pub events: Option<u64>,
    /// How the answer was written.
    pub format: Format,
}

impl CommandOutcome {
    pub(super) fn printed(text: String) -> Self {
        Self { out: text.into_bytes(), ..Self::default() }
    }

    pub(super) fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    #[must_use]
    pub fn status(&self) -> u8 {
        self.failure.as_ref().map_or(0, status_of)
    }

    /// What is told of the answer; nothing of none.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        self.answer.as_ref().map(|answer| answer.facts()).unwrap_or_default()
    }

    /// What `->` stores: the revision of a put, the value of a get (its key with `--keys-only`, the count with
    /// `--count-only`), how many keys were deleted, whether a transaction succeeded; of all else what it printed.
    ///
    /// # Errors
    /// When there is none.
    pub fn primary(&self, piped: bool) -> Result<Vec<u8>, Failure> {
        let printed = || self.out.strip_suffix(b"\n").unwrap_or(&self.out).to_vec();
        if piped {
            return Ok(printed());
        }
        let answer = self.answer.as_ref().map(|answer| answer.primary()).transpose()?;
        Ok(answer.flatten().map_or_else(printed, Vec::from))
    }
}

/// Exit code of a failure: no connection has one of its own.
#[must_use]
pub(super) fn status_of(failure: &Failure) -> u8 {
    let nobody = failure.error.as_ref().is_some_and(ClientError::is_of_connection);
    if nobody { exit::NO_CONNECTION } else { failure.exit }
}

impl From<ExpandError> for Failure {
    fn from(error: ExpandError) -> Self {
        let exit = match error {
            ExpandError::File { .. } => exit::IO,
            ExpandError::Unset(_) | ExpandError::Encoding { .. } => exit::ERROR,
        };
        Self::new(exit, error.to_string())
    }
}

/// What was expected and did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub expected: String,
    pub got: String,
    pub line: usize,
}

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    Command(Box<Failure>),
    /// What was expected of it did not come.
    Mismatch(Mismatch),
}

/// A statement that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Where it stands in its text.
    pub span: Span,
    pub line: usize,
    pub reason: Reason,
}

impl Failed {
    #[must_use]
    pub fn exit(&self) -> u8 {
        match &self.reason {
            Reason::Command(failure) => status_of(failure),
            Reason::Mismatch(_) => exit::ERROR,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Command(failure) => {
                match &failure.error {
                    // Plainly, not in the words of a remote call.
                    Some(error)
                        if failure.text.is_empty()
                            || (error.is_of_connection() && failure.text == words_of(error)) =>
                    {
                        write!(f, "{error}")?;
                    }
                    Some(error) if !failure.text.contains(&error.to_string()) => {
                        write!(f, "{}\n{error}", failure.text)?;
                    }
                    _ => f.write_str(&failure.text)?,
                }
                if failure.unknown {
                    f.write_str(
                        "\nIt may have been done all the same: look before doing it again.",
                    )?;
                }
                Ok(())
            }
            Reason::Mismatch(Mismatch { expected, got, .. }) => {
                write!(f, "expected {expected}\ngot      {got}")
            }
        }
    }
}

impl std::error::Error for Failed {}

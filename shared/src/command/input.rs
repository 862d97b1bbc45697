//! [`Input`]: where commands read from.

use futures::future::BoxFuture;

use super::Refusal;
use crate::failure::{Failure, exit};

/// A part of a transaction, before which people are prompted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Comparisons.
    Compares,
    /// What to do when they hold.
    Success,
    /// What to do otherwise.
    Failure,
}

impl Prompt {
    /// The words of the prompt.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Compares => "compares:",
            Self::Success => "success requests (get, put, del):",
            Self::Failure => "failure requests (get, put, del):",
        }
    }
}

/// What stands for standard input: the process's own, a heredoc, or a pane of the console.
pub trait Input: Send {
    /// The next line with its line feed; `None` when the input ends before one.
    fn line(&mut self) -> Option<Vec<u8>>;
    /// All that is left.
    fn rest(&mut self) -> Vec<u8>;
    /// Shows a prompt.
    fn prompt(&mut self, prompt: Prompt);
    /// A password that nobody types: the next line, with or without a line feed; empty at the end of the input.
    ///
    /// # Errors
    /// When there is no such input.
    fn given_password(&mut self) -> Result<Vec<u8>, Failure>;
    /// Asks a person for a password, which is not shown while it is typed.
    fn ask_password<'a>(&'a mut self, prompt: &'a str) -> BoxFuture<'a, Result<String, Failure>>;
}

/// What the lines up to the next empty one stand for; each is read as soon as it is there.
pub(super) fn section<T>(
    input: &mut dyn Input,
    prompt: Option<Prompt>,
    read: impl Fn(&[u8]) -> Result<T, Refusal>,
) -> Result<Vec<T>, Failure> {
    if let Some(prompt) = prompt {
        input.prompt(prompt);
    }
    let mut lines = Vec::new();
    loop {
        let Some(line) = input.line() else {
            return Err(Failure::new(exit::INVALID_INPUT, "EOF"));
        };
        let line = trimmed(&line);
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(read(line)?);
    }
}

/// Without blanks of any alphabet around it, as Go's `strings.TrimSpace` leaves it.
fn trimmed(line: &[u8]) -> &[u8] {
    match str::from_utf8(line) {
        Ok(text) => text.trim().as_bytes(),
        Err(_) => line.trim_ascii(),
    }
}

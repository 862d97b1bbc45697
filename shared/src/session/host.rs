//! [`Host`] and [`Sink`]: the program around a session.

#![expect(missing_docs, reason = "names that say all have no comment")]

use futures::future::BoxFuture;

use super::{CommandOutcome, WatchNews};
use crate::failure::{Failure, exit};
use crate::language::{SessionCommand, Span};

/// Something to show.
#[derive(Clone, Copy, Debug)]
pub enum Emitted<'a> {
    Out(&'a [u8]),
    /// What a command says beside its output.
    Err(&'a [u8]),
    /// A line about the session, without its end.
    Notice(&'a str),
    /// News of a background watch.
    Watch {
        id: &'a str,
        news: &'a WatchNews,
        /// The same in the format of the session.
        text: &'a [u8],
    },
}

/// A command that has run.
#[derive(Clone, Copy, Debug)]
pub struct Ran<'a> {
    /// Where it stands in its text.
    pub span: Span,
    pub line: usize,
    pub outcome: &'a CommandOutcome,
}

/// Takes what there is to show. Watches emit from tasks of their own, while other things run.
pub trait Sink: Send + Sync {
    fn emit(&self, piece: Emitted<'_>);
    /// A command has run; its output was emitted before.
    fn ran(&self, _ran: Ran<'_>) {}
}

/// Carries out the commands that a session cannot.
pub trait Host: Send + Sync {
    /// Carries one out; answers what it prints.
    fn meta<'a>(
        &'a mut self,
        command: &'static SessionCommand,
        args: Vec<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Vec<u8>, Failure>>;
    /// Asks a person for a password, which is not shown while it is typed.
    fn ask_password<'a>(&'a mut self, _prompt: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        let text = "no password is asked for here: give --interactive=false and the password in a heredoc (<<END)";
        Box::pin(async move { Err(Failure::new(exit::BAD_ARGS, text)) })
    }
    /// A shell begins, that may want the terminal, or has ended. One that is cancelled does not end.
    fn lend(&mut self, _begins: bool) {}
}

/// A host that has nothing to offer.
#[derive(Clone, Copy, Debug)]
pub struct NoHost;

impl Host for NoHost {
    fn meta<'a>(
        &'a mut self,
        command: &'static SessionCommand,
        _args: Vec<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        let text = format!("{} is not offered here", command.name);
        Box::pin(async { Err(Failure::new(exit::ERROR, text)) })
    }
}

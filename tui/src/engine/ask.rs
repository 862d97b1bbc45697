//! What screens ask: one task per question, which answers through its [`Reply`].
//!
//! * I1: a question ends in an answer that closes it, or is given up by the screen; a failure is an answer too.
//! * I2: parts of a long answer wait for the screen to take them: a stream never outruns it, and nothing is dropped.

use std::sync::Arc;

use mini_etcd_shared::client::Client;
use mini_etcd_shared::complete::{ClientSource, complete};
use mini_etcd_shared::error::ClientError;

use super::{Inbox, fault, keyspace, tails};
use crate::app::request::{Answer, Question, Ticket};

/// Where the answers to one question go.
#[derive(Clone)]
pub(super) struct Reply {
    inbox: Arc<Inbox>,
    ticket: Ticket,
}

impl Reply {
    pub(super) fn new(inbox: Arc<Inbox>, ticket: Ticket) -> Self {
        Self { inbox, ticket }
    }

    /// A part of the answer; waits while too many are on their way. I2
    pub(super) async fn part(&self, answer: Answer) {
        self.inbox.part(self.ticket, answer).await;
    }

    /// The answer, or its last part.
    pub(super) fn done(&self, answer: Answer) {
        self.inbox.answer(self.ticket, answer);
    }
}

/// Finds the answer.
pub(super) async fn run(
    client: Result<(Client, Arc<ClientSource>), ClientError>,
    found: keyspace::Found,
    question: Question,
    reply: Reply,
) {
    let (client, names) = match client {
        Ok(pair) => pair,
        Err(error) => return reply.done(Answer::Failed(fault::of_client(&error, false))),
    };
    match question {
        Question::Keys(question) => keyspace::run(client, found, question, reply).await,
        Question::Repl(question) => {
            let context = question.prompt.context();
            let text = question.text.as_bytes();
            let found = complete(text, question.at, &context, names.as_ref()).await;
            reply.done(Answer::Repl(found));
        }
        Question::Watch(ask) => tails::run(client, ask, reply).await,
    }
}

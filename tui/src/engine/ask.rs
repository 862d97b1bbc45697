//! What screens ask: one task per question, which answers through its [`Reply`].
//!
//! * I1: a question ends in an answer that closes it, or is given up by the screen; a failure is an answer too.
//! * I2: parts of a long answer wait for the screen to take them: a stream never outruns it, and nothing is dropped.

use std::sync::Arc;

use mini_etcd_shared::client::Client;
use mini_etcd_shared::complete::{ClientSource, complete};
use mini_etcd_shared::error::ClientError;

use super::request::{Answer, Question, Ticket};
use super::{Inbox, fault};
use crate::screens::{keys, watch};

/// Where the answers to one question go.
#[derive(Clone)]
pub(crate) struct Reply {
    inbox: Arc<Inbox>,
    ticket: Ticket,
}

impl Reply {
    pub(crate) fn new(inbox: Arc<Inbox>, ticket: Ticket) -> Self {
        Self { inbox, ticket }
    }

    /// A part of the answer; waits while too many are on their way. I2
    pub(crate) async fn part(&self, answer: Answer) {
        self.inbox.part(self.ticket, answer).await;
    }

    /// The answer, or its last part.
    pub(crate) fn done(&self, answer: Answer) {
        self.inbox.answer(self.ticket, answer);
    }
}

/// Finds the answer.
pub(crate) async fn run(
    client: Result<(Client, Arc<ClientSource>), ClientError>,
    found: keys::requests::Found,
    question: Question,
    reply: Reply,
) {
    let (client, names) = match client {
        Ok(pair) => pair,
        Err(error) => return reply.done(Answer::Failed(fault::of_client(&error, false))),
    };
    match question {
        Question::Keys(question) => keys::requests::run(client, found, question, reply).await,
        Question::Repl(question) => {
            let context = question.prompt.context();
            let text = question.text.as_bytes();
            let found = complete(text, question.at, &context, names.as_ref()).await;
            reply.done(Answer::Repl(found));
        }
        Question::Watch(ask) => watch::requests::run(client, ask, reply).await,
    }
}

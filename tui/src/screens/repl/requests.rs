//! The requests of the REPL pane beside its runs.

use mini_etcd_shared::complete::{Completion, complete};

use super::Place;
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::engine::session::Prompt;

/// Looks for what could stand at a cursor, as far as only the cluster or the disk knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// The line that is typed into.
    pub place: Place,
    /// What is typed.
    pub text: String,
    /// The byte that the cursor is at.
    pub at: usize,
    /// How the session is.
    pub prompt: Prompt,
}

impl Request for Complete {
    type Answer = Completion;

    async fn run(self, clients: Clients, _: Parts<Completion>) -> Result<Completion, Trouble> {
        let context = self.prompt.context();
        Ok(complete(self.text.as_bytes(), self.at, &context, clients.names.as_ref()).await)
    }
}

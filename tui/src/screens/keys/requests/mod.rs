//! What the Keys screen asks, answered over the etcd API.
//!
//! ```text
//! Question ─▶ scan (directories) · read (values, previews) · preview · write · bulk · past (history, changes, graves) · find ─▶ Answer
//! ```
//!
//! What mini-etcd tells of the past by itself (`offered`) is asked first; a server without that is asked the long way.
//!
//! * I1: what is read at a pinned revision is the same whichever member answers; so such reads are serializable, and
//!   asked again of a quorum when the member has not come so far yet.
//! * I2: every loop over pages or windows has a named bound, and ends when its task is aborted.
//! * I3: a change of a key, or of many, is a transaction that compares first, on a member whose history has what was
//!   seen (`history`): one whose data was replaced by an older state is of the same cluster by its number.
//!
//! Tested in `tests/console/keyspace.rs` against a real member, and by the fake server.

mod bulk;
mod find;
mod history;
mod offered;
mod past;
mod preview;
mod read;
mod scan;
mod write;

use mini_etcd_shared::client::{Client, Outcome};
use mini_etcd_shared::error::ClientError;

pub(crate) use find::Found;

use super::ask::{Answer, Question};
use crate::engine::ask::Reply;
use crate::engine::request::Trouble;
use crate::engine::{fault, request};

/// Answers one question.
pub(crate) async fn run(client: Client, found: Found, question: Question, reply: Reply) {
    let answer = match question {
        Question::Children(place) => scan::children(&client, place).await.map(Answer::Children),
        Question::Value(key, at) => read::value(&client, key, at).await.map(Answer::Value),
        Question::Write(write, seen) => {
            write::write(&client, write, seen).await.map(Answer::Written)
        }
        Question::Preview(bulk) => preview::preview(&client, &bulk).await.map(Answer::Preview),
        Question::Bulk(bulk, seen) => Ok(Answer::Changed(bulk::change(&client, bulk, seen).await)),
        Question::History(key, at) => match offered::history(&client, &key, at).await {
            Ok(None) => past::history(&client, key, at, &reply).await,
            Ok(Some(answer)) => Ok(answer),
            Err(trouble) => Err(trouble),
        },
        Question::Histogram(to) => offered::histogram(&client, to).await,
        Question::Changes(to) => past::changes(&client, to).await,
        Question::Graves(prefix, to) => match offered::graves(&client, &prefix, to).await {
            Ok(None) => past::graves(&client, prefix, to).await,
            Ok(Some(answer)) => Ok(answer),
            Err(trouble) => Err(trouble),
        },
        Question::Find { prefix, at, pattern } => {
            find::run(&client, found, (prefix, at), pattern, &reply).await
        }
    };
    reply.done(match answer {
        Ok(answer) => request::Answer::Keys(answer),
        Err(trouble) => request::Answer::Failed(trouble),
    });
}

/// The result of a call, or why there is none.
fn outcome<T>(outcome: Outcome<T>) -> Result<T, Trouble> {
    match outcome {
        Outcome::Ok(answer) => Ok(answer),
        Outcome::Failed(error) => Err(fault::of_client(&error, false)),
        Outcome::Unknown(error) => Err(fault::of_client(&error, true)),
    }
}

fn failed(error: &ClientError) -> Trouble {
    fault::of_client(error, false)
}

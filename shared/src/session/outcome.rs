//! What became of a command.

use std::fmt;
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::ResponseHeader;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::mvccpb::KeyValue;

use crate::command::exit;
use crate::error::ClientError;
use crate::exec::{Answer, Failure, words_of};
use crate::format::Format;
use crate::language::{ExpandError, Span};

/// What became of a command.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What the servers answered.
    pub answer: Option<Answer>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What it printed, behind its pipes.
    pub out: Vec<u8>,
    /// What it said beside that.
    pub err: Vec<u8>,
    /// How long it took.
    pub elapsed: Duration,
    /// Events that a watch has seen, for `await`.
    pub events: Option<u64>,
    /// Whether keys were asked for without their values.
    pub keys_only: bool,
    /// How the answer was written.
    pub format: Format,
}

impl Outcome {
    pub(super) fn failed(failure: Failure) -> Self {
        Self { failure: Some(failure), ..Self::default() }
    }

    /// Its exit code.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.failure.as_ref().map_or(0, status_of)
    }

    /// Revision of the answer.
    #[must_use]
    pub fn rev(&self) -> Option<i64> {
        let of = |header: &Option<ResponseHeader>| header.as_ref().map(|header| header.revision);
        match self.answer.as_ref()? {
            Answer::Put(response) => of(&response.header),
            Answer::Get { response, .. } => of(&response.header),
            Answer::Del(response) => of(&response.header),
            Answer::Txn(response) => of(&response.header),
            Answer::Watch(response) => of(&response.header),
            Answer::MemberList(response) => of(&response.header),
            Answer::AlarmList(response) => of(&response.header),
            Answer::EndpointStatus(list) => list.first().and_then(|one| of(&one.response.header)),
            Answer::EndpointHashKv(list) => list.first().and_then(|one| of(&one.response.header)),
            Answer::Compaction(revision) => Some(*revision),
            Answer::EndpointHealth(_) | Answer::Version | Answer::Help(_) => None,
        }
    }

    /// How many keys, members or endpoints it is about.
    #[must_use]
    pub fn count(&self) -> Option<i64> {
        let len = |length: usize| i64::try_from(length).ok();
        match self.answer.as_ref()? {
            Answer::Get { response, .. } => Some(response.count),
            Answer::Del(response) => Some(response.deleted),
            Answer::Txn(response) => response.responses.iter().find_map(|op| match &op.response {
                Some(Response::ResponseRange(range)) => Some(range.count),
                _ => None,
            }),
            Answer::Watch(response) => len(response.events.len()),
            Answer::MemberList(response) => len(response.members.len()),
            Answer::EndpointStatus(list) => len(list.len()),
            Answer::EndpointHealth(list) => len(list.len()),
            Answer::EndpointHashKv(list) => len(list.len()),
            Answer::AlarmList(response) => len(response.alarms.len()),
            Answer::Put(_) | Answer::Compaction(_) | Answer::Version | Answer::Help(_) => None,
        }
    }

    /// How many keys were deleted, in a transaction by all its operations.
    #[must_use]
    pub fn deleted(&self) -> Option<i64> {
        match self.answer.as_ref()? {
            Answer::Del(response) => Some(response.deleted),
            Answer::Txn(response) => {
                let deleted = response.responses.iter().filter_map(|op| match &op.response {
                    Some(Response::ResponseDeleteRange(del)) => Some(del.deleted),
                    _ => None,
                });
                Some(deleted.sum())
            }
            _ => None,
        }
    }

    /// Whether a transaction's comparisons held.
    #[must_use]
    pub fn succeeded(&self) -> Option<bool> {
        match self.answer.as_ref()? {
            Answer::Txn(response) => Some(response.succeeded),
            _ => None,
        }
    }

    /// The first key that it shows; of a watch the last event's.
    #[must_use]
    pub fn first(&self) -> Option<&KeyValue> {
        match self.answer.as_ref()? {
            Answer::Get { response, .. } => response.kvs.first(),
            Answer::Put(response) => response.prev_kv.as_ref(),
            Answer::Del(response) => response.prev_kvs.first(),
            Answer::Txn(response) => response.responses.iter().find_map(|op| match &op.response {
                Some(Response::ResponseRange(range)) => range.kvs.first(),
                _ => None,
            }),
            Answer::Watch(response) => response.events.last().and_then(|event| event.kv.as_ref()),
            _ => None,
        }
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
        Ok(match self.answer.as_ref() {
            Some(Answer::Put(_)) => self.rev().unwrap_or(0).to_string().into(),
            Some(Answer::Get { count_only: true, response, .. }) => {
                response.count.to_string().into()
            }
            Some(Answer::Get { .. }) => match self.first() {
                Some(kv) if self.keys_only => kv.key.to_vec(),
                Some(kv) => kv.value.to_vec(),
                None => {
                    return Err(Failure::new(exit::ERROR, "no key, so there is nothing to store"));
                }
            },
            Some(Answer::Del(response)) => response.deleted.to_string().into(),
            Some(Answer::Txn(response)) => response.succeeded.to_string().into(),
            Some(Answer::Compaction(revision)) => revision.to_string().into(),
            _ => printed(),
        })
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
    /// What should have been.
    pub expected: String,
    /// What is.
    pub got: String,
    /// Line of the expectation.
    pub line: usize,
}

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The command did.
    Command(Box<Failure>),
    /// What was expected of it did not come.
    Mismatch(Mismatch),
}

/// A statement that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Where it stands in its text.
    pub span: Span,
    /// Its line.
    pub line: usize,
    /// Why.
    pub reason: Reason,
}

impl Failed {
    /// Exit code.
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

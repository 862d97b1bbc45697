//! [`Failure`]: why a command failed, in etcdctl's words and with its exit code.

use std::io;
use std::path::Path;

use tonic::Code;

use crate::client::Outcome;
use crate::error::{ClientError, code_name};
use crate::text::words_of_system;

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

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// Exit code.
    pub exit: u8,
    /// In words; empty when the notes have said it.
    pub text: String,
    /// What else helps, for people; etcdctl says nothing here.
    pub hint: Option<Box<str>>,
    /// Whether a change may have been made all the same.
    pub unknown: bool,
    /// The error behind it, when it is a client's.
    pub error: Option<ClientError>,
}

impl Failure {
    /// A failure of the command itself.
    #[must_use]
    pub fn new(exit: u8, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), hint: None, unknown: false, error: None }
    }

    /// What the operating system did not let be done with a file.
    #[must_use]
    pub fn of_file(path: &Path, error: &io::Error) -> Self {
        Self::new(exit::IO, format!("{}: {}", path.display(), words_of_system(error)))
    }

    /// What a client could not do; `unknown` when it may have been done all the same.
    #[must_use]
    pub fn of(error: ClientError, unknown: bool) -> Self {
        let text = words_of(&error);
        Self { exit: exit::ERROR, text, hint: None, unknown, error: Some(error) }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::of(error, false)
    }
}

/// What a call answered.
///
/// # Errors
/// Why it has no answer.
pub fn done<T>(outcome: Outcome<T>) -> Result<T, Failure> {
    match outcome {
        Outcome::Ok(value) => Ok(value),
        Outcome::Failed(error) => Err(Failure::of(error, false)),
        Outcome::Unknown(error) => Err(Failure::of(error, true)),
    }
}

/// An error in etcdctl's words: bare when etcd's clients know the message, with its code otherwise.
#[must_use]
pub fn words_of(error: &ClientError) -> String {
    match error {
        ClientError::Refused { message, .. } if is_known(message) => message.clone(),
        ClientError::Refused { code, message } => {
            too_long(message).unwrap_or_else(|| words_of_rpc(*code, message))
        }
        ClientError::TimedOut { .. } => "context deadline exceeded".to_owned(),
        ClientError::NotConnected { .. } | ClientError::Broken { .. } => {
            format!("rpc error: code = Unavailable desc = {error}")
        }
        ClientError::BadEndpoint { .. } | ClientError::ReadOnly => error.to_string(),
    }
}

/// A refusal as Go's gRPC writes it.
#[must_use]
pub fn words_of_rpc(code: Code, message: &str) -> String {
    format!("rpc error: code = {} desc = {message}", code_name(code))
}

/// What Go's gRPC says of an answer that is longer than its bound, where ours says it.
fn too_long(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Error, decoded message length too large: found ")?;
    let (length, rest) = rest.split_once(" bytes, the limit is: ")?;
    let bound = rest.strip_suffix(" bytes")?;
    let words = format!("grpc: received message larger than max ({length} vs. {bound})");
    Some(format!("rpc error: code = ResourceExhausted desc = {words}"))
}

/// Whether the message is one that etcd's own clients map to an error of their own.
fn is_known(message: &str) -> bool {
    message.strip_prefix("etcdserver: ").is_some_and(|rest| KNOWN.contains(&rest))
}

/// Messages that etcd's clients know, without the prefix that all have.
const KNOWN: &[&str] = &[
    "key is not provided",
    "key not found",
    "value is provided",
    "lease is provided",
    "too many operations in txn request",
    "duplicate key given in txn request",
    "invalid sort option",
    "mvcc: required revision has been compacted",
    "mvcc: required revision is a future revision",
    "mvcc: database space exceeded",
    "requested lease not found",
    "lease already exists",
    "too large lease TTL",
    "member ID already exist",
    "Peer URLs already exists",
    "re-configuration failed due to not enough started members",
    "given member URLs are invalid",
    "member not found",
    "can only promote a learner member",
    "can only promote a learner member which is in sync with leader",
    "too many learner members in cluster",
    "cluster ID mismatch",
    "request is too large",
    "too many requests",
    "root user does not exist",
    "root user does not have root role",
    "user name already exists",
    "user name is empty",
    "user name not found",
    "role name already exists",
    "role name not found",
    "role name is empty",
    "authentication failed, invalid user ID or password",
    "permission denied",
    "role is not granted to the user",
    "permission is not granted to the role",
    "authentication is not enabled",
    "invalid auth token",
    "invalid auth management",
    "revision of auth store is old",
    "no leader",
    "not leader",
    "leader changed",
    "not capable",
    "server stopped",
    "request timed out",
    "request timed out, possibly due to previous leader failure",
    "request timed out, possibly due to connection lost",
    "unhealthy cluster",
    "corrupt cluster",
    "rpc not supported for learner",
    "bad leader transferee",
    "wrong downgrade target version format",
    "invalid downgrade target version",
    "cluster version not found during downgrade",
    "cluster has a downgrade job in progress",
    "no inflight downgrade job",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_bare_only_when_etcds_clients_know_it() {
        let words = |code, message: &str| {
            words_of(&ClientError::Refused { code, message: message.to_owned() })
        };
        assert_eq!(
            words(Code::InvalidArgument, "etcdserver: key is not provided"),
            "etcdserver: key is not provided"
        );
        assert_eq!(
            words(Code::Unknown, "context deadline exceeded"),
            "rpc error: code = Unknown desc = context deadline exceeded"
        );
        assert_eq!(
            words(
                Code::Unavailable,
                "etcdserver: request timed out, waiting for the applied index took too long"
            ),
            "rpc error: code = Unavailable desc = etcdserver: request timed out, waiting for the applied index took too long"
        );
    }
}

//! [`ClientError`]: what can go wrong between a program and a server.

use std::time::Duration;

use tonic::{Code, Status};

use crate::client::SendError;

/// Codes of gRPC by the names that Go prints, which etcd's clients, metrics and scripts know them by.
pub const CODES: &[(&str, Code)] = &[
    ("OK", Code::Ok),
    ("Canceled", Code::Cancelled),
    ("Unknown", Code::Unknown),
    ("InvalidArgument", Code::InvalidArgument),
    ("DeadlineExceeded", Code::DeadlineExceeded),
    ("NotFound", Code::NotFound),
    ("AlreadyExists", Code::AlreadyExists),
    ("PermissionDenied", Code::PermissionDenied),
    ("ResourceExhausted", Code::ResourceExhausted),
    ("FailedPrecondition", Code::FailedPrecondition),
    ("Aborted", Code::Aborted),
    ("OutOfRange", Code::OutOfRange),
    ("Unimplemented", Code::Unimplemented),
    ("Internal", Code::Internal),
    ("Unavailable", Code::Unavailable),
    ("DataLoss", Code::DataLoss),
    ("Unauthenticated", Code::Unauthenticated),
];

/// The name of a code in [`CODES`].
#[must_use]
pub fn code_name(code: Code) -> &'static str {
    CODES.iter().find(|(_, known)| *known == code).map_or("Unknown", |(name, _)| *name)
}

/// Why a call to a server has no result.
///
/// Who can act on it: the caller on [`Refused`](Self::Refused) and [`BadEndpoint`](Self::BadEndpoint), the
/// operator on the rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// An endpoint that is not `host:port`, `http://host:port`, `https://host:port`, `unix:path` or `unixs:path`.
    #[error(
        "endpoint {text:?}: {reason}; accepted are host:port, http://host:port, https://host:port and unix:path"
    )]
    BadEndpoint {
        /// The endpoint as it was typed.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection came about: nothing was sent.
    #[error("no connection to {endpoint}: {reason}")]
    NotConnected {
        /// The endpoint that was tried last.
        endpoint: String,
        /// What the operating system said.
        reason: String,
    },
    /// The connection broke while the call was under way.
    #[error("connection to {endpoint} lost: {reason}")]
    Broken {
        /// The endpoint that was asked.
        endpoint: String,
        /// What the transport said.
        reason: String,
    },
    /// No answer came in time.
    #[error("no answer from {endpoint} within {after:?}")]
    TimedOut {
        /// The endpoint that was asked last.
        endpoint: String,
        /// How long the call was given.
        after: Duration,
        /// Whether the last attempt failed before anything was sent.
        unsent: bool,
        /// Why the last attempt that failed found no connection, or lost it.
        reason: Option<String>,
    },
    /// The client was made to change nothing: nothing was sent.
    #[error("read-only: nothing is changed from here")]
    ReadOnly,
    /// The server answered with an error.
    #[error("{message}")]
    Refused {
        /// Its code.
        code: Code,
        /// Its words, as the server sent them.
        message: String,
    },
}

impl ClientError {
    /// The error that `status`, the result of a call to `endpoint`, stands for.
    #[must_use]
    pub fn of(endpoint: &str, status: &Status) -> Self {
        let endpoint = endpoint.to_owned();
        match fate(status) {
            Fate::Unsent(reason) => Self::NotConnected { endpoint, reason },
            Fate::Lost(reason) => Self::Broken { endpoint, reason },
            Fate::Answered => {
                Self::Refused { code: status.code(), message: status.message().to_owned() }
            }
        }
    }

    /// The code in gRPC's terms.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::BadEndpoint { .. } => Code::InvalidArgument,
            Self::ReadOnly => Code::FailedPrecondition,
            Self::NotConnected { .. } | Self::Broken { .. } => Code::Unavailable,
            Self::TimedOut { .. } => Code::DeadlineExceeded,
            Self::Refused { code, .. } => *code,
        }
    }

    /// Whether the request provably changed nothing.
    ///
    /// Only what cannot be otherwise counts: no connection, or an answer that servers give before they propose
    /// or as the result of applying. Every other failure leaves the outcome open.
    #[must_use]
    pub fn did_not_run(&self) -> bool {
        match self {
            Self::BadEndpoint { .. } | Self::NotConnected { .. } | Self::ReadOnly => true,
            Self::TimedOut { unsent, .. } => *unsent,
            Self::Broken { .. } => false,
            Self::Refused { code, message } => refused_before_it_ran(*code, message),
        }
    }

    /// Why no connection came about, when that is what happened.
    #[must_use]
    pub fn unsent_reason(&self) -> Option<String> {
        match self {
            Self::NotConnected { reason, .. } => Some(reason.clone()),
            Self::TimedOut { reason, .. } => reason.clone(),
            _ => None,
        }
    }

    /// Whether there was no connection, or it broke: nobody is there, rather than somebody who refuses.
    #[must_use]
    pub fn is_of_connection(&self) -> bool {
        match self {
            Self::NotConnected { .. } | Self::Broken { .. } => true,
            Self::TimedOut { reason, .. } => reason.is_some(),
            Self::BadEndpoint { .. } | Self::Refused { .. } | Self::ReadOnly => false,
        }
    }

    /// Whether another member, or the same one a little later, may do better.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NotConnected { .. } | Self::Broken { .. } => true,
            Self::Refused { code, .. } => *code == Code::Unavailable,
            Self::BadEndpoint { .. } | Self::TimedOut { .. } | Self::ReadOnly => false,
        }
    }
}

fn refused_before_it_ran(code: Code, message: &str) -> bool {
    match code {
        Code::Unavailable => message == "etcdserver: no leader",
        Code::Unknown => message == "etcdserver: too many requests",
        Code::DeadlineExceeded | Code::Cancelled | Code::Internal | Code::Aborted => false,
        _ => true,
    }
}

/// How far a failed call came.
enum Fate {
    Unsent(String),
    Lost(String),
    Answered,
}

/// A status that carries a source was made on our side of the wire; one without was sent by the server.
fn fate(status: &Status) -> Fate {
    let mut source = std::error::Error::source(status);
    let mut deepest = None;
    let mut unsent = false;
    while let Some(error) = source {
        unsent |= matches!(error.downcast_ref(), Some(SendError::Unsent(_)));
        deepest = Some(error.to_string());
        source = error.source();
    }
    match deepest {
        Some(reason) if unsent => Fate::Unsent(reason),
        Some(reason) => Fate::Lost(reason),
        None => Fate::Answered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: Code, message: &str) -> ClientError {
        ClientError::of("e", &Status::new(code, message))
    }

    #[test]
    fn an_answer_of_the_server_keeps_its_code_and_words() {
        let error = refused(Code::InvalidArgument, "etcdserver: key is not provided");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert_eq!(error.to_string(), "etcdserver: key is not provided");
    }

    #[test]
    fn only_a_proof_counts_as_not_run() {
        assert!(refused(Code::InvalidArgument, "x").did_not_run());
        assert!(refused(Code::Unavailable, "etcdserver: no leader").did_not_run());
        assert!(!refused(Code::Unavailable, "etcdserver: request timed out").did_not_run());
        assert!(!refused(Code::Unavailable, "etcdserver: leader changed").did_not_run());
        assert!(!refused(Code::Unknown, "context deadline exceeded").did_not_run());
        assert!(!refused(Code::Internal, "stream reset").did_not_run());
        let broken = ClientError::Broken { endpoint: "e".into(), reason: "reset".into() };
        assert!(!broken.did_not_run());
        let unsent = ClientError::NotConnected { endpoint: "e".into(), reason: "refused".into() };
        assert!(unsent.did_not_run());
    }
}

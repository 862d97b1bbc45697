//! [`Step`]: one thing that is asked of both servers.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use prost_reflect::DynamicMessage;

use super::call::messages;
use super::text::{text, write_bytes};

/// One thing that is asked of both servers, with symbols where their numbers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A call of a method, of all its messages at once.
    Call {
        /// Of the method.
        path: &'static str,
        /// Encoded; those that cannot be decoded are sent as they stand.
        messages: Vec<Bytes>,
        /// Who asks; empty for nobody.
        user: &'static str,
    },
    /// A request on a stream of watches, which is opened when it is not there.
    Watch {
        /// Number of the stream.
        stream: u8,
        /// Encoded.
        message: Bytes,
        /// Who opens the stream.
        user: &'static str,
    },
    /// The end of a stream of watches, after a comparison.
    Close {
        /// Number of the stream.
        stream: u8,
    },
    /// Comparison of what all watches have got.
    Compare,
}

impl Step {
    /// A call with one message.
    pub fn call(path: &'static str, message: &impl Message) -> Self {
        Self::Call { path, messages: vec![message.encode_to_vec().into()], user: "" }
    }

    /// Who asks; empty for nobody.
    #[must_use]
    pub fn user(&self) -> &'static str {
        match self {
            Self::Call { user, .. } | Self::Watch { user, .. } => user,
            _ => "",
        }
    }

    /// The same by somebody.
    #[must_use]
    pub fn by(mut self, name: &'static str) -> Self {
        if let Self::Call { user, .. } | Self::Watch { user, .. } = &mut self {
            *user = name;
        }
        self
    }
}

/// A message of a request as a reader sees it.
#[must_use]
pub fn request_text(path: &str, message: &Bytes) -> String {
    let decoded =
        messages(path).and_then(|(input, _)| DynamicMessage::decode(input, message.clone()).ok());
    decoded.map_or_else(
        || {
            let mut out = "bytes ".to_owned();
            write_bytes(&mut out, message);
            out
        },
        |message| text(&message),
    )
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |user: &str| if user.is_empty() { String::new() } else { format!("{user}: ") };
        match self {
            Self::Call { path, messages, user } => {
                write!(out, "{}{path}", by(user))?;
                for message in messages {
                    write!(out, " {}", request_text(path, message))?;
                }
                Ok(())
            }
            Self::Watch { stream, message, user } => {
                let request = request_text("/etcdserverpb.Watch/Watch", message);
                write!(out, "{}watch stream {stream}: {request}", by(user))
            }
            Self::Close { stream } => write!(out, "watch stream {stream} closed"),
            Self::Compare => write!(out, "watches compared"),
        }
    }
}

//! [`ClientConfig`]: what a client is told when it is made.

use std::fmt;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};

use super::{Endpoint, MessageBounds, OneCluster, Tls};

/// A user and the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the user.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A token that a login gave out elsewhere, or that another program signed; none of its text is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(MetadataValue<Ascii>);

impl Token {
    /// The token of this text; none when no header may have it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut value: MetadataValue<Ascii> = text.parse().ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(super) fn value(&self) -> MetadataValue<Ascii> {
        self.0.clone()
    }
}

/// What a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    ReadWrite,
    /// What changes nothing; the rest fails with [`ReadOnly`](crate::error::ClientError::ReadOnly) before it is sent.
    ReadOnly,
}

impl Access {
    /// By a flag `--read-only`.
    #[must_use]
    pub fn read_only(only: bool) -> Self {
        if only { Self::ReadOnly } else { Self::ReadWrite }
    }
}

/// Settings of a [`Client`](super::Client).
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Members to ask; never empty.
    pub endpoints: Vec<Endpoint>,
    /// How long a connection may take to come about.
    pub dial_timeout: Duration,
    /// How long a call may take, with all its retries; `None` for as long as it takes.
    pub command_timeout: Option<Duration>,
    /// Whether a call waits for a member to come up, until the command timeout; otherwise it fails as soon as no
    /// member takes a connection.
    pub wait_for_connection: bool,
    /// Time without traffic after which a connection is probed.
    pub keepalive_time: Duration,
    /// How long a probe may stay without answer.
    pub keepalive_timeout: Duration,
    /// Whether a connection is probed also while nothing is asked on it.
    pub keepalive_while_idle: bool,
    /// Whether members of the cluster that were not given are found, to be asked when no given one is ready.
    pub learn_members: bool,
    /// How TLS is spoken, where it is.
    pub tls: Tls,
    /// As whom to log in before the first request, and again when the server has forgotten the login.
    pub login: Option<Credentials>,
    /// What to show with every request instead of logging in; asked of a client when it is made.
    pub token: Option<Token>,
    /// How long requests and answers may be.
    pub bounds: MessageBounds,
    /// What may be asked.
    pub access: Access,
    /// The cluster to talk to; by default the first one that answers. Copies of these settings share it: who changes the
    /// endpoints gives a new one.
    pub cluster: OneCluster,
}

impl ClientConfig {
    /// The settings that etcdctl has by default, for `endpoints`.
    #[must_use]
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            dial_timeout: Duration::from_secs(2),
            command_timeout: Some(Duration::from_secs(5)),
            wait_for_connection: true,
            keepalive_time: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(6),
            keepalive_while_idle: false,
            learn_members: false,
            tls: Tls::default(),
            login: None,
            token: None,
            bounds: MessageBounds::default(),
            access: Access::ReadWrite,
            cluster: OneCluster::default(),
        }
    }
}

//! [`Port`]: a listener, what is spoken there, and who may speak.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

use crate::config::{Listener, PortUse};
use crate::tls::Tls;

/// What is answered on a connection, beside pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admits {
    /// Calls of clients.
    pub clients: bool,
    /// Calls of members.
    pub peers: bool,
}

impl Admits {
    pub const ALL: Self = Self { clients: true, peers: true };
}

/// A listener.
pub struct Port {
    pub listener: TcpListener,
    pub speaks: Speaks,
}

/// What is spoken at a port.
#[derive(Clone)]
pub enum Speaks {
    Plain(Admits),
    /// TLS: with who offers the members' protocol by their certificates, with everybody else by those of clients.
    Tls(Tls),
}

impl Speaks {
    /// What is spoken at `listener`.
    ///
    /// Where one side has TLS, nothing of it can be had in plain text: a call that is answered only within TLS at one port
    /// is answered at no other without, unless somebody says so by the scheme of its URL.
    #[must_use]
    pub fn at(listener: &Listener, tls: &Tls) -> Self {
        let (clients, peers) = (tls.for_clients().is_some(), tls.for_peers().is_some());
        match listener.of {
            PortUse::Clients if listener.is_secure == Some(false) => {
                Self::Plain(Admits { clients: true, peers: !peers })
            }
            PortUse::Metrics if listener.is_secure == Some(true) => Self::Tls(tls.clone()),
            PortUse::Clients if clients => Self::Tls(tls.clone()),
            PortUse::Peers if peers => Self::Tls(tls.clone()),
            PortUse::Metrics if clients || peers => {
                Self::Plain(Admits { clients: false, peers: false })
            }
            PortUse::Clients | PortUse::Peers | PortUse::Metrics => {
                Self::Plain(Admits { clients: !clients, peers: !peers })
            }
        }
    }
}

/// The certificates for who offers `is_peer`, and what they may then say.
pub(super) fn choose(tls: &Tls, is_peer: bool) -> Option<(Arc<ServerConfig>, Admits)> {
    let peers = tls.for_peers().filter(|_| is_peer);
    if let Some(peers) = peers {
        return Some((peers, Admits { clients: false, peers: true }));
    }
    // Who offers the members' protocol to one that has none is told so by the alert of these.
    tls.for_clients().map(|clients| (clients, Admits { clients: true, peers: false }))
}

//! An address to listen on, as it is typed.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// `HOST:PORT`, or `:PORT` for every interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Empty for every interface.
    host: String,
    port: u16,
}

impl Listen {
    /// What is accepted, for error messages.
    pub const ACCEPTED: &str = "HOST:PORT, or :PORT for every interface; port 0 picks a free one";

    /// The loopback address with `port`.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self { host: Ipv4Addr::LOCALHOST.to_string(), port }
    }

    /// Every interface with `port`.
    pub(super) fn everywhere(port: u16) -> Self {
        Self { host: String::new(), port }
    }

    /// The address that `text` names; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string(),
            None if host.contains(':') => return None,
            None => host.to_owned(),
        };
        let fits = host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
        fits.then_some(Self { host, port })
    }

    /// Host as typed; empty for every interface.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port as typed; 0 stands for any.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Addresses to try, in order, until one can be bound.
    ///
    /// # Errors
    /// The host is a name that cannot be resolved.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if self.host.is_empty() {
            let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
            return Ok(any.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect());
        }
        let mut found: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        Ok(found)
    }
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortUse {
    /// Clients, and members unless these have a port of their own.
    Clients,
    Peers,
    Metrics,
}

/// What is listened at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAt {
    Address(Listen),
    /// A socket of the file system.
    Socket(PathBuf),
}

impl ListenAt {
    /// The address, where it is one.
    #[must_use]
    pub fn address(&self) -> Option<&Listen> {
        match self {
            Self::Address(address) => Some(address),
            Self::Socket(_) => None,
        }
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// A place to listen at, what it is for, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub at: ListenAt,
    pub of: PortUse,
    /// Whether TLS is spoken; none where the member's certificates say it.
    pub is_secure: Option<bool>,
}

impl Listener {
    /// One that speaks as the member's certificates say.
    #[must_use]
    pub fn new(at: Listen, of: PortUse) -> Self {
        Self { at: ListenAt::Address(at), of, is_secure: None }
    }

    /// One whose URL says what it speaks.
    pub(super) fn by_scheme(at: Listen, of: PortUse, is_secure: bool) -> Self {
        Self { at: ListenAt::Address(at), of, is_secure: Some(is_secure) }
    }

    /// A socket of the file system, where plain text is spoken with clients.
    pub(super) fn socket(path: PathBuf) -> Self {
        Self { at: ListenAt::Socket(path), of: PortUse::Clients, is_secure: Some(false) }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["127.0.0.1:2379", ":2380", "localhost:0", "[::1]:2379", "n1.example-a:80"] {
            assert_eq!(Listen::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "2379",
            "localhost",
            "localhost:",
            ":65536",
            "::1:2379",
            "[x]:1",
            "a b:1",
            "http://a:1",
        ] {
            assert_eq!(Listen::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn no_host_means_every_interface() {
        let found = Listen::parse(":7").unwrap().resolve().unwrap();
        assert_eq!(found, ["[::]:7".parse().unwrap(), "0.0.0.0:7".parse().unwrap()]);
    }
}

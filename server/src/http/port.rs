//! [`Port`]: a listener, what is spoken there, and who may speak.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
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

/// What accepts connections.
pub enum Listening {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// A socket of the file system. Its file goes when it is dropped.
pub struct UnixSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Whoever took the file away did the same.
        let _ = fs::remove_file(&self.path);
    }
}

/// Listens at the file `path`. One that a member left behind that was killed is replaced.
///
/// # Errors
/// Somebody listens there, it is another kind of file, or the directory does not allow it.
pub fn bind_socket(path: &Path) -> io::Result<UnixSocket> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket {
        match StdUnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
            }
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    Ok(UnixSocket { listener: UnixListener::bind(path)?, path: path.to_owned() })
}

impl Listening {
    /// Its port, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(|at| at.port()),
            Self::Unix(_) => None,
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Arrived> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Arrived::Tcp(stream)),
            Self::Unix(socket) => {
                socket.listener.accept().await.map(|(stream, _)| Arrived::Unix(stream))
            }
        }
    }
}

/// A connection that was just accepted.
pub(super) enum Arrived {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A listener.
pub struct Port {
    pub listener: Listening,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let first = bind_socket(&path).unwrap();
        assert_eq!(bind_socket(&path).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        // As by a process that was killed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(bind_socket(&path).unwrap());
        fs::write(&path, "a file").unwrap();
        assert_eq!(bind_socket(&path).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }
}

//! Ports of the loopback address for servers that are about to start.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port that the system picked and that nobody else is given, while nobody listens on it yet.
///
/// The socket is bound and never listens. So a connection is refused; a server that sets `SO_REUSEADDR`, as ours and Go's do,
/// can listen there and go away as often as it likes; and the system picks the port for nobody else, neither for a
/// listener nor for the near end of a connection. A port that was merely seen free a moment ago has none of this.
/// That is how Linux reads `SO_REUSEADDR`; elsewhere a second socket could not be bound, so that the port is not kept.
#[derive(Debug)]
pub struct HeldPort {
    socket: TcpSocket,
    address: SocketAddr,
}

impl HeldPort {
    /// Picks one.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn new() -> io::Result<Self> {
        let mut socket = Self::socket()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = socket.local_addr()?;
        if cfg!(not(target_os = "linux")) {
            socket = Self::socket()?;
        }
        Ok(Self { socket, address })
    }

    fn socket() -> io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        Ok(socket)
    }

    /// The loopback address with this port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, held until the process ends: for a test, whose servers come and go.
    #[must_use]
    pub fn for_good(self) -> SocketAddr {
        std::mem::forget(self.socket);
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_server_may_come_and_go_on_a_held_port_and_nobody_else() {
        let held = HeldPort::new().unwrap();
        let refused = || TcpStream::connect(held.address()).unwrap_err().kind();
        for _ in 0..2 {
            assert_eq!(refused(), ErrorKind::ConnectionRefused);
            let server = TcpListener::bind(held.address()).unwrap();
            TcpStream::connect(held.address()).unwrap();
            drop(server);
        }
        assert_eq!(refused(), ErrorKind::ConnectionRefused);
        // Whoever does not ask for it by name does not get it.
        let others: Vec<_> = (0..500).map(|_| HeldPort::new().unwrap()).collect();
        assert!(others.iter().all(|other| other.address() != held.address()));
    }
}

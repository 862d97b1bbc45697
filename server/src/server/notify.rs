//! [`ready`]: tells the program that started this one, where it waits to hear of it, that the member answers.
//!
//! systemd does for a unit with `Type=notify`, which etcd's are: it names a socket in `NOTIFY_SOCKET`, and ends what says
//! nothing there.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Says so at the socket that `NOTIFY_SOCKET` named at the start, if it did.
pub(super) fn ready(socket: Option<OsString>) {
    let Some(socket) = socket.filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = say(socket.as_bytes(), b"READY=1") {
        tracing::warn!(%error, socket = %socket.display(), "who started the member cannot be told that it answers");
    }
}

fn say(socket: &[u8], words: &[u8]) -> io::Result<()> {
    let to = match socket.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(socket))?,
    };
    let from = UnixDatagram::unbound()?;
    // Nobody reads: a member does not wait for it.
    from.set_nonblocking(true)?;
    from.send_to_addr(words, &to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_told_by_its_path_or_its_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("mini-etcd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&address).unwrap()),
        ];
        for (socket, reads) in sockets {
            ready(Some(socket));
            let mut bytes = [0; 64];
            let read = reads.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..read], b"READY=1");
        }
        ready(None);
        assert!(say(b"/nonexistent", b"").is_err());
    }
}

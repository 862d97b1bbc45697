//! The bytes of a connection, in plain text or within TLS, and a socket that may change its runtime.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixStream, unix};
use tokio_rustls::server::TlsStream;

/// A socket below TLS. The handshake is made on one thread and the rest of the connection served on another, each with a
/// runtime of its own, so it leaves the one before it joins the other.
pub(super) enum Socket {
    Live(TcpStream),
    Parked(std::net::TcpStream),
    Lost,
}

impl Socket {
    /// Leaves the runtime.
    pub fn park(&mut self) -> io::Result<()> {
        if let Self::Live(stream) = std::mem::replace(self, Self::Lost) {
            *self = Self::Parked(stream.into_std()?);
        }
        Ok(())
    }

    /// Joins the runtime of this thread.
    fn join(&mut self) -> io::Result<()> {
        if let Self::Parked(stream) = std::mem::replace(self, Self::Lost) {
            *self = Self::Live(TcpStream::from_std(stream)?);
        }
        Ok(())
    }

    fn live(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        match self {
            Self::Live(stream) => Ok(Pin::new(stream)),
            Self::Parked(_) | Self::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.live()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.live()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.live()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.live()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.live()?.poll_shutdown(context)
    }
}

/// A connection on its way to the thread that will serve it.
pub(super) enum Wire {
    Plain(std::net::TcpStream),
    /// A socket of the file system.
    Unix(std::os::unix::net::UnixStream),
    Tls(Box<TlsStream<Socket>>),
}

impl Wire {
    /// The other end, where it has an address.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.peer_addr().ok(),
            Self::Unix(_) => None,
            Self::Tls(stream) => match stream.get_ref().0 {
                Socket::Live(stream) => stream.peer_addr().ok(),
                Socket::Parked(stream) => stream.peer_addr().ok(),
                Socket::Lost => None,
            },
        }
    }

    /// Joins the runtime of this thread.
    pub fn halves(self) -> io::Result<(WireReader, WireWriter)> {
        match self {
            Self::Plain(stream) => {
                let (reader, writer) = TcpStream::from_std(stream)?.into_split();
                Ok((WireReader::Plain(reader), WireWriter::Plain(writer)))
            }
            Self::Unix(stream) => {
                let (reader, writer) = UnixStream::from_std(stream)?.into_split();
                Ok((WireReader::Unix(reader), WireWriter::Unix(writer)))
            }
            Self::Tls(mut stream) => {
                stream.get_mut().0.join()?;
                let (reader, writer) = split(stream);
                Ok((WireReader::Tls(reader), WireWriter::Tls(writer)))
            }
        }
    }
}

pub(super) enum WireReader {
    Plain(OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Tls(ReadHalf<Box<TlsStream<Socket>>>),
}

pub(super) enum WireWriter {
    Plain(OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Tls(WriteHalf<Box<TlsStream<Socket>>>),
}

impl AsyncRead for WireReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(half) => Pin::new(half).poll_read(context, buffer),
            Self::Unix(half) => Pin::new(half).poll_read(context, buffer),
            Self::Tls(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for WireWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(half) => Pin::new(half).poll_write(context, bytes),
            Self::Unix(half) => Pin::new(half).poll_write(context, bytes),
            Self::Tls(half) => Pin::new(half).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(half) => Pin::new(half).poll_flush(context),
            Self::Unix(half) => Pin::new(half).poll_flush(context),
            Self::Tls(half) => Pin::new(half).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(half) => Pin::new(half).poll_shutdown(context),
            Self::Unix(half) => Pin::new(half).poll_shutdown(context),
            Self::Tls(half) => Pin::new(half).poll_shutdown(context),
        }
    }
}

//! TLS handshakes, on a thread of their own: what they cost, and who makes none of it, costs the connections that are served
//! nothing.
//!
//! There are at most [`limits::TLS_HANDSHAKES_MAX`] at one time. The oldest gives way to the next, so that whoever opens
//! connections and says nothing never keeps others out: a handshake that goes on is long done by then.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

use super::accept::{Accepted, Spread};
use super::port::{Admits, choose};
use super::slots::{Order, SlotGuard};
use super::wire::{Socket, Wire};
use crate::api::{CertificateName, stopped};
use crate::limits;
use crate::metrics::Metrics;
use crate::repeats::{Say, TimedRepeats};
use crate::tls::{PEER_PROTOCOL, Tls, common_name};

/// First byte of a TLS connection: a record of a handshake.
pub(super) const TLS_FIRST_BYTE: u8 = 0x16;

/// What Go's servers say to HTTP/1 at such a port.
const TO_HTTP1: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// The end of the connection for want of security (GOAWAY), with these words. No settings before it: clients in Go would
/// take the connection for a good one and come again at once, thousands of times a second.
const TO_HTTP2: &[u8] = b"\0\0\x3e\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cthis port speaks TLS: connect to it by https, not http";

/// Bytes of a refused connection that are read and thrown away.
const LINGER_BYTES_MAX: usize = 64 << 10;

/// A connection that begins with a handshake.
pub(super) type Unshaken = (std::net::TcpStream, SlotGuard, Tls);

/// Where they come in.
#[derive(Clone)]
pub struct Handshakes(mpsc::Sender<Unshaken>);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum NoHandshake {
    #[error("it speaks plain text to a port that speaks TLS")]
    PlainText,
    #[error("it has nothing to offer that is spoken here")]
    NotSpoken,
    #[error("{0}")]
    Failed(#[from] io::Error),
    #[error("it took too long")]
    Slow,
    #[error("it gave way to another one")]
    GaveWay,
}

/// What the thread works with.
struct Shaking {
    spread: Spread,
    metrics: Metrics,
    failures: TimedRepeats<String>,
}

/// Where handshakes come in, and what makes them and hands the connections on to `spread`, until `stop` turns true.
pub fn handshakes(
    spread: Spread,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
) -> (Handshakes, impl Future<Output = ()> + Send) {
    let (incoming, waiting) = mpsc::channel(limits::TLS_HANDSHAKES_MAX);
    let shaking = Shaking { spread, metrics, failures: TimedRepeats::default() };
    (Handshakes(incoming), run(Arc::new(shaking), waiting, stop))
}

impl Handshakes {
    /// Begins one; the connection is closed when the thread cannot take it.
    pub(super) fn begin(&self, unshaken: Unshaken) -> bool {
        self.0.try_send(unshaken).is_ok()
    }
}

async fn run(
    shaking: Arc<Shaking>,
    mut waiting: mpsc::Receiver<Unshaken>,
    mut stop: watch::Receiver<bool>,
) {
    let mut under_way = JoinSet::new();
    let mut oldest = BTreeMap::<u64, AbortHandle>::new();
    let mut next = 0;
    loop {
        tokio::select! {
            Some(unshaken) = waiting.recv() => {
                if oldest.len() >= limits::TLS_HANDSHAKES_MAX
                    && let Some((_, first)) = oldest.pop_first()
                {
                    first.abort();
                }
                let (number, shaking) = (next, Arc::clone(&shaking));
                let task = under_way.spawn(async move {
                    shaking.shake(unshaken).await;
                    number
                });
                oldest.insert(number, task);
                next += 1;
            }
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                // One that gave way is out already.
                ended.ok().and_then(|number| oldest.remove(&number));
            }
            () = stopped(&mut stop) => break,
        }
    }
}

/// Counts a handshake while it lasts, and as failed unless it is done.
struct Counting {
    metrics: Metrics,
    done: bool,
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.metrics.tls_handshakes_pending.dec();
        let counter = if self.done {
            &self.metrics.tls_handshakes
        } else {
            &self.metrics.tls_handshakes_failed
        };
        counter.inc();
    }
}

impl Shaking {
    async fn shake(&self, (stream, place, tls): Unshaken) {
        self.metrics.tls_handshakes_pending.inc();
        let mut counting = Counting { metrics: self.metrics.clone(), done: false };
        let address = stream.peer_addr().ok();
        let slot = Arc::clone(place.slot());
        let made = tokio::select! {
            made = timeout(limits::TLS_HANDSHAKE_TIMEOUT, handshake(stream, &tls)) => {
                made.unwrap_or(Err(NoHandshake::Slow))
            }
            () = slot.told(Order::Leave) => Err(NoHandshake::GaveWay),
        };
        match made {
            Ok((stream, admits, name)) => {
                counting.done = true;
                let wire = Wire::Tls(Box::new(stream));
                self.spread.hand_on(Accepted { wire, place, admits, name });
            }
            Err(problem) => self.say(address, &problem),
        }
    }

    fn say(&self, from: Option<SocketAddr>, problem: &NoHandshake) {
        let problem = problem.to_string();
        if let Some(Say { more }) = self.failures.say(problem.clone()) {
            let from = from.map(|address| address.ip().to_string()).unwrap_or_default();
            tracing::warn!(%from, more, "a connection was refused at its TLS handshake: {problem}");
        }
    }
}

type Shaken = (TlsStream<Socket>, Admits, Option<CertificateName>);

async fn handshake(stream: std::net::TcpStream, tls: &Tls) -> Result<Shaken, NoHandshake> {
    let mut stream = TcpStream::from_std(stream)?;
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    if first != [TLS_FIRST_BYTE] {
        // However that goes.
        let _ = refuse_plain_text(&mut stream).await;
        return Err(NoHandshake::PlainText);
    }
    let hello = LazyConfigAcceptor::new(Acceptor::default(), Socket::Live(stream)).await?;
    let is_peer = {
        let offered = hello.client_hello().alpn();
        offered.is_some_and(|mut offered| offered.any(|one| one == PEER_PROTOCOL))
    };
    let (config, admits) = choose(tls, is_peer).ok_or(NoHandshake::NotSpoken)?;
    let mut stream = match hello.into_stream(config).into_fallible().await {
        Ok(stream) => stream,
        Err((error, mut socket)) => {
            // The alert is on its way.
            let _ = timeout(limits::CONNECTION_LEAVE_TIMEOUT, linger(&mut socket)).await;
            return Err(error.into());
        }
    };
    let (socket, session) = stream.get_mut();
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    let name = shown.filter(|_| admits.clients && tls.names_are_users()).and_then(common_name);
    let name = name.map(|name| CertificateName(name.into()));
    socket.park()?;
    Ok((stream, admits, name))
}

/// Says in the client's own protocol that this is the wrong one.
async fn refuse_plain_text(stream: &mut TcpStream) -> io::Result<()> {
    let mut opening = Vec::new();
    while opening.len() < 3 && stream.read_buf(&mut opening).await? > 0 {}
    let answer = match opening.as_slice() {
        [b'P', b'R', b'I', ..] => TO_HTTP2,
        [first, ..] if first.is_ascii_uppercase() => TO_HTTP1,
        _ => return Ok(()),
    };
    stream.write_all(answer).await?;
    linger(stream).await
}

/// Ends the own direction and reads what still comes: a socket that is closed with bytes unread takes what was said last
/// away from the other end.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut left = LINGER_BYTES_MAX;
    let mut bytes = [0; 1024];
    while left > 0 {
        match stream.read(&mut bytes).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

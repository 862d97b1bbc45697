//! The accept loop: one port, HTTP/2 by prior knowledge and HTTP/1.1. It hands connections to the rpc threads in turn,
//! and each stays on its thread: what belongs to a connection never crosses from one to another.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic::body::Body;

use super::io::Metered;
use super::site::Site;
use crate::api::stopped;
use crate::limits;
use crate::metrics::Metrics;

/// Wait after an accept that failed, for want of file descriptors above all.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Connections on their way to one thread; more are closed at once.
const INTAKE_MAX: usize = 1024;

/// Opens a listening socket. A port that was just left can be taken again at once.
///
/// # Errors
/// When the address is taken, not ours, or not allowed.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // "Every interface" means both families.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::ACCEPT_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// How long a connection may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) first_bytes: Duration,
    pub(super) ping_interval: Duration,
    pub(super) ping_timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_bytes: limits::FIRST_BYTE_TIMEOUT,
            ping_interval: limits::CONNECTION_PING_INTERVAL,
            ping_timeout: limits::CONNECTION_PING_TIMEOUT,
        }
    }
}

/// A connection on its way to the thread that will serve it.
type Accepted = (std::net::TcpStream, Open);

/// Where an rpc thread takes connections in. It may be used from any thread.
#[derive(Clone)]
pub struct Intake(mpsc::Sender<Accepted>);

/// Accepts until `stop` turns true and hands each connection to the next of `intakes`, where it stays.
pub async fn accept(
    listeners: Vec<TcpListener>,
    intakes: Vec<Intake>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
) {
    let turn = Arc::new(AtomicUsize::new(0));
    let mut loops = JoinSet::new();
    for listener in listeners {
        let (intakes, turn) = (intakes.clone(), Arc::clone(&turn));
        let acceptor = Acceptor { intakes, turn, metrics: metrics.clone(), stop: stop.clone() };
        loops.spawn(acceptor.run(listener));
    }
    while loops.join_next().await.is_some() {}
}

struct Acceptor {
    intakes: Vec<Intake>,
    turn: Arc<AtomicUsize>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut self.stop) => return,
            };
            match accepted {
                Ok((stream, _)) => self.admit(stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream) {
        let most = u64::try_from(limits::CONNECTIONS_MAX).unwrap_or(u64::MAX);
        if self.metrics.connections.get() >= most {
            // Closing tells the client more than letting it wait would.
            self.metrics.connections_refused.inc();
            return;
        }
        let stream = match tune(&stream).and_then(|()| stream.into_std()) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was gone before it began");
                return;
            }
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let intake = self.intakes.get(turn % self.intakes.len().max(1));
        let accepted = (stream, Open::new(self.metrics.clone()));
        if intake.is_none_or(|intake| intake.0.try_send(accepted).is_err()) {
            self.metrics.connections_refused.inc();
        }
    }
}

/// An intake, and what serves the connections that come in there: until `stop` turns true, then it says GOAWAY on
/// every connection and waits for what is in progress, up to [`limits::SHUTDOWN_TIMEOUT`].
pub fn connections(
    site: Arc<Site>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
) -> (Intake, impl Future<Output = ()> + Send) {
    connections_with(site, metrics, stop, Patience::default())
}

/// [`connections`] with a patience of the caller's.
pub(super) fn connections_with(
    site: Arc<Site>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
    patience: Patience,
) -> (Intake, impl Future<Output = ()> + Send) {
    let (intake, accepted) = mpsc::channel(INTAKE_MAX);
    let connections =
        Connections { builder: Arc::new(protocol(patience)), site, metrics, stop, patience };
    (Intake(intake), connections.run(accepted))
}

/// What every connection of a thread needs.
struct Connections {
    builder: Arc<Builder<TokioExecutor>>,
    site: Arc<Site>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
    patience: Patience,
}

impl Connections {
    async fn run(self, mut accepted: mpsc::Receiver<Accepted>) {
        let mut stop = self.stop.clone();
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some((stream, connection)) = accepted.recv() => {
                    self.begin(stream, connection, &mut open);
                }
                Some(_) = open.join_next(), if !open.is_empty() => {}
                () = stopped(&mut stop) => break,
            }
        }
        drop(accepted);
        let drained = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::SHUTDOWN_TIMEOUT, drained).await.is_err() {
            tracing::warn!(connections = open.len(), "connections are cut off");
        }
    }

    fn begin(&self, stream: std::net::TcpStream, connection: Open, open: &mut JoinSet<()>) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be served");
                return;
            }
        };
        let io =
            TokioIo::new(Metered::new(stream, self.metrics.clone(), self.patience.first_bytes));
        let builder = Arc::clone(&self.builder);
        let site = Arc::clone(&self.site);
        let stop = self.stop.clone();
        open.spawn(async move {
            drive(&builder, io, site, stop).await;
            drop(connection);
        });
    }
}

/// Runs one connection to its end, in whatever way it ends.
async fn drive(
    builder: &Builder<TokioExecutor>,
    io: TokioIo<Metered<TcpStream>>,
    site: Arc<Site>,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        // Boxed: the future of a call is large, and hyper moves it several times before it runs.
        Box::pin(async move { Ok::<Response<Body>, Infallible>(site.call(request).await) })
    });
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended in an error");
    }
}

/// Counts a connection while it is open.
struct Open(Metrics);

impl Open {
    fn new(metrics: Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Answers leave at once, and a machine that vanished is noticed.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(limits::CONNECTION_PING_INTERVAL)
        .with_interval(limits::CONNECTION_PING_TIMEOUT);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Both protocols with our limits. Windows keep their defaults, which measured best; any ping of a client is fine.
fn protocol(patience: Patience) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.first_bytes)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::CALLS_PER_CONNECTION_MAX)
        .keep_alive_interval(patience.ping_interval)
        .keep_alive_timeout(patience.ping_timeout);
    builder
}

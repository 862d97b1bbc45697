//! Accepts connections, in plain text or within TLS: one port, HTTP/2 by prior knowledge and HTTP/1.1. It hands connections to the rpc threads in turn,
//! and each stays on its thread: what belongs to a connection never crosses from one to another.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use mini_etcd_proto::peerpb::peer_server;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tonic::Status;

use super::gateway::is_gateway;
use super::handshake::Handshakes;
use super::io::{Complaint, Metered};
use super::pace::Pace;
use super::port::{Admits, Arrived, Listening, Port, Speaks};
use super::site::Site;
use super::slots::{Answer, Order, Slot, SlotGuard, Slots};
use super::turn_writer::{Lane, TurnWriter};
use super::wire::{Wire, WireReader, WireWriter};
use crate::api::{CertificateName, Unread, is_grpc, stopped};
use crate::config::Serving;
use crate::fatal;
use crate::limits;
use crate::metrics::Metrics;
use crate::node::transport::Proven;
use crate::repeats::{Say, TimedRepeats};

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

/// How long a connection may be silent, and how many calls it may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) first_bytes: Duration,
    /// None where it is never asked whether it lives.
    pub(super) ping_interval: Option<Duration>,
    pub(super) ping_timeout: Duration,
    pub(super) calls_max: u32,
}

impl From<&Serving> for Patience {
    fn from(serving: &Serving) -> Self {
        let Serving { ping_interval, ping_timeout, calls_max, .. } = *serving;
        Self { first_bytes: limits::FIRST_BYTE_TIMEOUT, ping_interval, ping_timeout, calls_max }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::from(&Serving::default())
    }
}

/// A connection on its way to the thread that will serve it.
pub(super) struct Accepted {
    pub wire: Wire,
    pub place: SlotGuard,
    pub admits: Admits,
    pub name: Option<CertificateName>,
}

/// Where an rpc thread takes connections in. It may be used from any thread.
#[derive(Clone)]
pub struct Intake(mpsc::Sender<Accepted>);

/// Hands connections to the rpc threads in turn.
#[derive(Clone)]
pub struct Spread {
    intakes: Vec<Intake>,
    turn: Arc<AtomicUsize>,
}

impl Spread {
    /// Over the threads of `intakes`.
    #[must_use]
    pub fn over(intakes: Vec<Intake>) -> Self {
        Self { intakes, turn: Arc::default() }
    }

    pub(super) fn hand_on(&self, accepted: Accepted) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let intake = self.intakes.get(turn % self.intakes.len().max(1));
        if intake.is_none_or(|intake| intake.0.try_send(accepted).is_err()) {
            tracing::debug!("a connection came while its thread was too busy or stopped");
        }
    }
}

/// Accepts until `stop` turns true and hands each connection to the next thread of `spread`, where it stays; those that
/// begin with a handshake by way of `handshakes`.
pub async fn accept(
    ports: Vec<Port>,
    (spread, handshakes): (Spread, Option<Handshakes>),
    slots: Arc<Slots>,
    stop: watch::Receiver<bool>,
) {
    let mut loops = JoinSet::new();
    for Port { listener, speaks } in ports {
        let (spread, handshakes) = (spread.clone(), handshakes.clone());
        let (slots, stop, failures) = (Arc::clone(&slots), stop.clone(), TimedRepeats::default());
        let acceptor = Acceptor { speaks, spread, handshakes, slots, stop, failures };
        loops.spawn(fatal::task("accept", acceptor.run(listener)));
    }
    while loops.join_next().await.is_some() {}
}

struct Acceptor {
    speaks: Speaks,
    spread: Spread,
    handshakes: Option<Handshakes>,
    slots: Arc<Slots>,
    stop: watch::Receiver<bool>,
    failures: TimedRepeats<()>,
}

impl Acceptor {
    async fn run(self, listener: Listening) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.accept(listener) => {}
            () = stopped(&mut stop) => {}
        }
    }

    async fn accept(&self, listener: Listening) {
        loop {
            match listener.accept().await {
                Ok(arrived) => self.hand_on(arrived, self.slots.admit().await),
                Err(error) => {
                    if let Some(Say { more }) = self.failures.say(()) {
                        tracing::warn!(%error, more, "a connection could not be accepted, will keep trying");
                    }
                    // Descriptors are missing, most likely. Who gives way gives one back.
                    self.slots.make_room();
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn hand_on(&self, arrived: Arrived, place: SlotGuard) {
        let wire = match arrived {
            Arrived::Tcp(stream) => tune(&stream).and_then(|()| stream.into_std()).map(Wire::Plain),
            Arrived::Unix(stream) => stream.into_std().map(Wire::Unix),
        };
        let wire = match wire {
            Ok(wire) => wire,
            Err(error) => {
                tracing::debug!(%error, "a connection was gone before it began");
                return;
            }
        };
        match (&self.speaks, wire, &self.handshakes) {
            (Speaks::Plain(admits), wire, _) => {
                let admits = *admits;
                self.spread.hand_on(Accepted { wire, place, admits, name: None });
            }
            (Speaks::Tls(tls), Wire::Plain(stream), Some(handshakes)) => {
                if !handshakes.begin((stream, place, tls.clone())) {
                    tracing::debug!("a connection came while too many handshakes wait");
                }
            }
            (Speaks::Tls(_), ..) => {
                tracing::error!("a connection cannot be served: nobody makes TLS handshakes");
            }
        }
    }
}

/// An intake, and what serves the connections that come in there: until `stop` turns true, then it says GOAWAY on
/// every connection and waits for what is in progress, up to [`limits::SHUTDOWN_TIMEOUT`].
pub fn connections(
    site: Arc<Site>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
    serving: &Serving,
) -> (Intake, impl Future<Output = ()> + Send + use<>) {
    connections_with(site, metrics, stop, Patience::from(serving))
}

/// [`connections`] with a patience of the caller's.
pub(super) fn connections_with(
    site: Arc<Site>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
    patience: Patience,
) -> (Intake, impl Future<Output = ()> + Send + use<>) {
    let (intake, accepted) = mpsc::channel(INTAKE_MAX);
    let connections = Connections {
        builder: Arc::new(protocol(patience)),
        site,
        metrics,
        stop,
        patience,
        lane: Lane::default(),
        failures: TimedRepeats::default(),
        complaints: Arc::default(),
    };
    (Intake(intake), connections.run(accepted))
}

/// What every connection of a thread needs.
struct Connections {
    builder: Arc<Builder<TokioExecutor>>,
    site: Arc<Site>,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
    patience: Patience,
    lane: Lane,
    failures: TimedRepeats<()>,
    complaints: Arc<TimedRepeats<Complaint>>,
}

impl Connections {
    async fn run(self, mut accepted: mpsc::Receiver<Accepted>) {
        let mut stop = self.stop.clone();
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some(accepted) = accepted.recv() => self.begin(accepted, &mut open),
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

    fn begin(&self, accepted: Accepted, open: &mut JoinSet<()>) {
        let Accepted { wire, place, admits, name } = accepted;
        let unread = Arc::new(Unread::from_peer(wire.peer()));
        let (incoming, writer) = match wire.halves() {
            Ok(halves) => halves,
            Err(error) => {
                if let Some(Say { more }) = self.failures.say(()) {
                    tracing::warn!(%error, more, "a connection cannot be served");
                }
                return;
            }
        };
        let slot = Arc::clone(place.slot());
        let opening = (self.patience.first_bytes, Arc::clone(&self.complaints));
        let writer = TurnWriter::new(writer, self.lane.clone(), self.metrics.clone());
        let halves = (incoming, writer.clone());
        let pace = Arc::<Pace>::default();
        let counted = (Arc::clone(&slot), Arc::clone(&pace));
        let io = Metered::new(halves, self.metrics.clone(), opening, counted);
        let builder = Arc::clone(&self.builder);
        let from = Origin { slot, admits, name, unread, pace };
        let site = Arc::clone(&self.site);
        let stop = self.stop.clone();
        open.spawn(async move {
            drive(&builder, (TokioIo::new(io), writer), (site, from), stop).await;
            // The socket is closed by now.
            drop(place);
        });
    }
}

/// What a request has from its connection.
#[derive(Clone)]
struct Origin {
    slot: Arc<Slot>,
    admits: Admits,
    name: Option<CertificateName>,
    unread: Arc<Unread>,
    pace: Arc<Pace>,
}

/// Runs one connection to its end, in whatever way it ends.
async fn drive(
    builder: &Builder<TokioExecutor>,
    (io, writer): (TokioIo<Metered<WireReader, WireWriter>>, TurnWriter<WireWriter>),
    (site, from): (Arc<Site>, Origin),
    mut stop: watch::Receiver<bool>,
) {
    let (slot, pace) = (Arc::clone(&from.slot), Arc::clone(&from.pace));
    let service = service_fn(move |request: Request<Incoming>| {
        // Boxed: the future of a call is large, and hyper moves it several times before it runs.
        Box::pin(answer(Arc::clone(&site), from.clone(), request))
    });
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = turns(connection.as_mut(), &writer, &pace) => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            turns(connection, &writer, &pace).await
        }
        () = slot.told(Order::Leave) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = turns(connection, &writer, &pace) => ended,
                () = slot.told(Order::Cut) => return,
                () = tokio::time::sleep(limits::CONNECTION_LEAVE_TIMEOUT) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended in an error");
    }
}

/// Polls a connection to its end; what it has to say in a turn leaves together.
async fn turns<C: Future>(
    mut connection: Pin<&mut C>,
    writer: &TurnWriter<WireWriter>,
    pace: &Pace,
) -> C::Output {
    poll_fn(|context| {
        pace.begin_turn();
        writer.poll_turn(connection.as_mut(), context)
    })
    .await
}

/// Answers a request. A client's call without a place for its connection is refused in the way that tells a client
/// that it was surely not processed and may go elsewhere.
async fn answer(
    site: Arc<Site>,
    Origin { slot, admits, name, unread, pace }: Origin,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, h2::Error> {
    let underway = pace.begin();
    let service = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
    let is_peer = service.is_some_and(|(service, _)| service == peer_server::SERVICE_NAME);
    let is_call = is_grpc(request.headers());
    let is_open = is_peer || !is_call && !is_gateway(request.uri().path());
    let Some(call) = slot.begin(is_open) else {
        return Err(h2::Reason::REFUSED_STREAM.into());
    };
    if let Some(refused) = refusal(admits, is_peer, is_call) {
        return Ok(refused.into_http().map(|body| Answer::new(body, call, underway)));
    }
    request.extensions_mut().insert(unread);
    if let Some(name) = name {
        request.extensions_mut().insert(name);
    }
    if is_peer {
        request.extensions_mut().insert(Proven::new(move || slot.is_peer()));
    }
    let answer = site.call(request, &underway, admits.clients).await;
    Ok(answer.map(|body| Answer::new(body, call, underway)))
}

/// Why a call is not answered on this connection.
fn refusal(admits: Admits, is_peer: bool, is_call: bool) -> Option<Status> {
    if is_peer && !admits.peers {
        return Some(Status::permission_denied(
            "members are answered by TLS alone, and show a certificate of their authority",
        ));
    }
    if is_call && !is_peer && !admits.clients {
        return Some(Status::permission_denied("clients are not answered at this port"));
    }
    None
}

/// Answers leave at once, and a machine that vanished is noticed.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(limits::CONNECTION_PING_INTERVAL)
        .with_interval(limits::CONNECTION_PING_TIMEOUT);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Both protocols with our limits. The windows of streams keep their defaults, which measured best; any ping of a client is fine.
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
        .max_concurrent_streams(patience.calls_max)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_pending_accept_reset_streams(limits::CALLS_CANCELLED_PER_TURN_MAX)
        .max_local_error_reset_streams(limits::STREAM_ERRORS_PER_CONNECTION_MAX)
        .keep_alive_interval(patience.ping_interval)
        .keep_alive_timeout(patience.ping_timeout);
    builder
}

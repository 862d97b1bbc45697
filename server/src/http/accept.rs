//! Accepts connections: one port, HTTP/2 by prior knowledge and HTTP/1.1. It hands connections to the rpc threads in turn,
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
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::io::Metered;
use super::site::Site;
use super::slots::{Answer, Order, Slot, SlotGuard, Slots};
use super::turn_writer::{Lane, TurnWriter};
use crate::api::{Unread, is_grpc, stopped};
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
type Accepted = (std::net::TcpStream, SlotGuard);

/// Where an rpc thread takes connections in. It may be used from any thread.
#[derive(Clone)]
pub struct Intake(mpsc::Sender<Accepted>);

/// Accepts until `stop` turns true and hands each connection to the next of `intakes`, where it stays.
pub async fn accept(
    listeners: Vec<TcpListener>,
    intakes: Vec<Intake>,
    slots: Arc<Slots>,
    stop: watch::Receiver<bool>,
) {
    let turn = Arc::new(AtomicUsize::new(0));
    let mut loops = JoinSet::new();
    for listener in listeners {
        let (intakes, turn) = (intakes.clone(), Arc::clone(&turn));
        let (slots, stop, failures) = (Arc::clone(&slots), stop.clone(), TimedRepeats::default());
        let acceptor = Acceptor { intakes, turn, slots, stop, failures };
        loops.spawn(fatal::task("accept", acceptor.run(listener)));
    }
    while loops.join_next().await.is_some() {}
}

struct Acceptor {
    intakes: Vec<Intake>,
    turn: Arc<AtomicUsize>,
    slots: Arc<Slots>,
    stop: watch::Receiver<bool>,
    failures: TimedRepeats<()>,
}

impl Acceptor {
    async fn run(self, listener: TcpListener) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.accept(listener) => {}
            () = stopped(&mut stop) => {}
        }
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.hand_on(stream, self.slots.admit().await),
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

    fn hand_on(&self, stream: TcpStream, place: SlotGuard) {
        let stream = match tune(&stream).and_then(|()| stream.into_std()) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was gone before it began");
                return;
            }
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let intake = self.intakes.get(turn % self.intakes.len().max(1));
        let accepted = (stream, place);
        if intake.is_none_or(|intake| intake.0.try_send(accepted).is_err()) {
            tracing::debug!("a connection came while its thread was too busy or stopped");
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
    let connections = Connections {
        builder: Arc::new(protocol(patience)),
        site,
        metrics,
        stop,
        patience,
        lane: Lane::default(),
        failures: TimedRepeats::default(),
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
}

impl Connections {
    async fn run(self, mut accepted: mpsc::Receiver<Accepted>) {
        let mut stop = self.stop.clone();
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some((stream, place)) = accepted.recv() => {
                    self.begin(stream, place, &mut open);
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

    fn begin(&self, stream: std::net::TcpStream, place: SlotGuard, open: &mut JoinSet<()>) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                if let Some(Say { more }) = self.failures.say(()) {
                    tracing::warn!(%error, more, "a connection cannot be served");
                }
                return;
            }
        };
        let slot = Arc::clone(place.slot());
        let patience = self.patience.first_bytes;
        let (incoming, writer) = stream.into_split();
        let writer = TurnWriter::new(writer, self.lane.clone(), self.metrics.clone());
        let halves = (incoming, writer.clone());
        let io = Metered::new(halves, self.metrics.clone(), patience, Arc::clone(&slot));
        let builder = Arc::clone(&self.builder);
        let site = Arc::clone(&self.site);
        let stop = self.stop.clone();
        open.spawn(async move {
            drive(&builder, (TokioIo::new(io), writer), site, (slot, stop)).await;
            // The socket is closed by now.
            drop(place);
        });
    }
}

/// Runs one connection to its end, in whatever way it ends.
async fn drive(
    builder: &Builder<TokioExecutor>,
    (io, writer): (TokioIo<Metered<OwnedReadHalf, OwnedWriteHalf>>, TurnWriter<OwnedWriteHalf>),
    site: Arc<Site>,
    (slot, mut stop): (Arc<Slot>, watch::Receiver<bool>),
) {
    let caller = Arc::clone(&slot);
    let unread = Arc::<Unread>::default();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&unread));
        // Boxed: the future of a call is large, and hyper moves it several times before it runs.
        Box::pin(answer(Arc::clone(&site), Arc::clone(&caller), request))
    });
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = turns(connection.as_mut(), &writer) => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            turns(connection, &writer).await
        }
        () = slot.told(Order::Leave) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = turns(connection, &writer) => ended,
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
    writer: &TurnWriter<OwnedWriteHalf>,
) -> C::Output {
    poll_fn(|context| writer.poll_turn(connection.as_mut(), context)).await
}

/// Answers a request. A client's call without a place for its connection is refused in the way that tells a client
/// that it was surely not processed and may go elsewhere.
async fn answer(
    site: Arc<Site>,
    slot: Arc<Slot>,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, h2::Error> {
    let service = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
    let is_peer = service.is_some_and(|(service, _)| service == peer_server::SERVICE_NAME);
    let open_to_all = is_peer || !is_grpc(request.headers());
    let Some(call) = slot.begin(open_to_all) else {
        return Err(h2::Reason::REFUSED_STREAM.into());
    };
    if is_peer {
        request.extensions_mut().insert(Proven::new(move || slot.is_peer()));
    }
    Ok(site.call(request).await.map(|body| Answer { body, _call: call }))
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
        .max_pending_accept_reset_streams(limits::CALLS_CANCELLED_PER_TURN_MAX)
        .max_local_error_reset_streams(limits::STREAM_ERRORS_PER_CONNECTION_MAX)
        .keep_alive_interval(patience.ping_interval)
        .keep_alive_timeout(patience.ping_timeout);
    builder
}

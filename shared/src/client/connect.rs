//! [`Connection`]: one connection, dialled, known to be ready, and asked.
//!
//! A connection is ready when the server's HTTP/2 SETTINGS were seen. Nothing is sent before, so that a server that is
//! silent, closes, or speaks something else never had a request.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::Error as TlsError;
use tonic::body::Body;

use super::cluster::{Answer, OneCluster, Origin, stranger, tells};
use super::endpoint::Target;
use super::heard::{FirstWord, Heard, Pulse, is_plain, is_tls};
use super::tls::{Own, Socket, TlsTrouble, Within, encrypted, trouble_of};
use super::{ClientConfig, Endpoint};

/// Head start of one address of a name before the next is tried beside it (RFC 8305 recommends this).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// How requests introduce themselves.
const USER_AGENT: &str = concat!("mini-etcd/", env!("CARGO_PKG_VERSION"));

/// Why a connection did not come about, or is not one to a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Its name has no address.
    #[error("its name does not resolve: {0}")]
    Resolve(String),
    /// The system refuses, or the network does.
    #[error("{1}")]
    System(io::ErrorKind, String),
    /// Nothing answers the attempt to connect.
    #[error("no answer within {0:?} to the attempt to connect")]
    Unreachable(Duration),
    /// It takes the connection and then says nothing.
    #[error("no answer within {0:?}: it takes connections and says nothing")]
    Silent(Duration),
    /// It takes the connection and ends it without a word.
    #[error("it closed the connection before it said anything")]
    Closed,
    /// Client and server do not come to speak TLS, or only one of them speaks it.
    #[error("{0}")]
    Tls(#[from] TlsTrouble),
    /// It speaks HTTP/1 alone.
    #[error("it speaks HTTP/1 and not gRPC")]
    Http1,
    /// It speaks something else.
    #[error("it does not speak HTTP/2: is it an etcd member?")]
    Foreign,
    /// It is not the member that was said to be there.
    #[error("another member answers there")]
    Stranger,
    /// It is of another cluster: `found`, and not `ours`.
    #[error("{}", stranger(*.found, *.ours))]
    OtherCluster {
        /// The cluster that it names.
        found: u64,
        /// The one that the client talks to.
        ours: u64,
    },
    /// It answers, and refuses this user or the login.
    #[error("{0}")]
    Denied(String),
    /// It does not say which cluster it is of, and the client talks to one.
    #[error("it does not say which cluster it is of")]
    Nameless,
    /// It was connected, and the connection ended.
    #[error("the connection ended")]
    Ended,
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::System(error.kind(), error.to_string())
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It was provably not processed.
    #[error("{0}")]
    Unsent(String),
    /// It may have been processed.
    #[error("{0}")]
    Lost(String),
    /// It was processed by another cluster: `found`, and not `ours`.
    #[error("{}", stranger(*.found, *.ours))]
    OtherCluster {
        /// The cluster that answered.
        found: u64,
        /// The one that the client talks to.
        ours: u64,
    },
}

/// A ready connection to one server. Cheap to clone; it ends with its last clone.
#[derive(Clone, Debug)]
pub struct Connection {
    requests: SendRequest<Body>,
    scheme: Scheme,
    authority: Authority,
    life: Arc<Life>,
}

#[derive(Debug)]
struct Life {
    pulse: Arc<Pulse>,
    origin: Arc<Origin>,
    /// True once no request should be sent on it any more.
    over: watch::Sender<bool>,
    driver: AbortHandle,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Dials `endpoint`, and waits until the server has said that it is ready.
    ///
    /// # Errors
    /// When that does not come about within the dial timeout.
    pub async fn open(endpoint: &Endpoint, config: &ClientConfig) -> Result<Self, DialError> {
        let deadline = Instant::now() + config.dial_timeout;
        let dial = Dial { endpoint, config, deadline };
        match endpoint.target() {
            Target::Unix(path) => dial.established(Place::Unix(path.clone())).await,
            Target::Tcp { host, port } => {
                let found = timeout_at(deadline, lookup_host((host.as_str(), *port))).await;
                let found =
                    found.map_err(|_| DialError::Resolve("no answer in time".to_owned()))?;
                let found = found.map_err(|error| DialError::Resolve(error.to_string()))?;
                dial.first_of(found.collect()).await
            }
        }
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        // The sender lives as long as the connection.
        let _ = self.life.over.subscribe().wait_for(|over| *over).await;
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.requests.is_closed() || *self.life.over.borrow()
    }

    pub(super) fn pulse(&self) -> &Pulse {
        &self.life.pulse
    }

    /// Whether requests may go there: it is of the client's cluster, or that is not known yet.
    pub(super) fn is_ours(&self) -> bool {
        self.life.origin.is_ours()
    }

    /// Why it is not of the client's cluster, when it is known not to be.
    pub(super) fn foreign(&self) -> Option<DialError> {
        let (found, ours) = self.life.origin.stranger()?;
        Some(DialError::OtherCluster { found, ours })
    }

    /// Waits until the client has a cluster, and this has not said that it is of it.
    pub(super) async fn is_doubted(&self) {
        let ours: OneCluster = self.life.origin.ours().clone();
        ours.settled().await;
        if self.is_ours() {
            std::future::pending::<()>().await;
        }
    }
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        // A connection that ended says so in the answer, where it is told apart from one that broke.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path_and_query().cloned();
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build();
        if let Ok(uri) = uri {
            *request.uri_mut() = uri;
        }
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let telling = tells(request.uri().path());
        let answer = self.requests.try_send_request(request);
        // The request keeps its connection alive until it is answered.
        let life = Arc::clone(&self.life);
        Box::pin(async move {
            let mut failed = match answer.await {
                Ok(response) if telling => {
                    let origin = Arc::clone(&life.origin);
                    let end = move || {
                        life.over.send_replace(true);
                    };
                    return Ok(response.map(|body| Body::new(Answer::new(body, origin, end))));
                }
                Ok(response) => return Ok(response.map(Body::new)),
                Err(failed) => failed,
            };
            let never_left = failed.take_message().is_some();
            let error = failed.into_error();
            let proof = unprocessed(&error);
            if never_left || proof == Some(Proof::GoAway) {
                life.over.send_replace(true);
            }
            let words = innermost(&error);
            Err(if never_left || proof.is_some() {
                SendError::Unsent(words)
            } else {
                SendError::Lost(words)
            })
        })
    }
}

/// Why a request surely was not processed (RFC 9113, 8.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// The stream was refused.
    Refused,
    /// The server goes away, and its last stream is before this one: `h2` ends only such streams with a GOAWAY.
    GoAway,
}

fn unprocessed(error: &hyper::Error) -> Option<Proof> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(h2) = error.downcast_ref::<h2::Error>().filter(|h2| h2.is_remote()) {
            return match h2.reason() {
                Some(h2::Reason::REFUSED_STREAM) if h2.is_reset() => Some(Proof::Refused),
                _ if h2.is_go_away() => Some(Proof::GoAway),
                _ => None,
            };
        }
        source = error.source();
    }
    None
}

/// What is at the bottom of an error.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = error.to_string();
        source = error.source();
    }
    words
}

/// One place that an endpoint stands for.
#[derive(Clone)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(std::path::PathBuf),
}

struct Dial<'a> {
    endpoint: &'a Endpoint,
    config: &'a ClientConfig,
    deadline: Instant,
}

impl Dial<'_> {
    /// The first address that becomes ready; each later one is tried when the one before failed or hesitates.
    async fn first_of(&self, addresses: Vec<SocketAddr>) -> Result<Connection, DialError> {
        let mut rest = addresses.into_iter().map(Place::Tcp);
        let mut under_way = FuturesUnordered::new();
        let mut problem = None;
        under_way.extend(rest.next().map(|place| self.established(place)));
        loop {
            let next = async {
                tokio::time::sleep(NEXT_ADDRESS_AFTER).await;
                rest.next()
            };
            tokio::select! {
                ended = under_way.next() => match ended {
                    Some(Ok(connection)) => return Ok(connection),
                    Some(Err(error)) => {
                        problem.get_or_insert(error);
                        under_way.extend(rest.next().map(|place| self.established(place)));
                    }
                    None => return Err(problem.unwrap_or_else(|| {
                        DialError::Resolve("the name has no address".to_owned())
                    })),
                },
                Some(place) = next => under_way.push(self.established(place)),
            }
        }
    }

    async fn established(&self, place: Place) -> Result<Connection, DialError> {
        let after = self.config.dial_timeout;
        let socket = timeout_at(self.deadline, connected(&place))
            .await
            .map_err(|_| DialError::Unreachable(after))??;
        let secure = self.endpoint.wants_tls(&self.config.tls);
        let handshake = async {
            if secure { self.within_tls(socket).await } else { self.handshake(socket, None).await }
        };
        match timeout_at(self.deadline, handshake).await {
            Err(_) => Err(DialError::Silent(after)),
            Ok(Ok(ready)) => ready,
            // Most servers end what they do not understand without a word.
            Ok(Err(Closed)) => {
                let other = if secure { TlsTrouble::PlainText } else { TlsTrouble::Wanted };
                match timeout_at(self.deadline, answers_otherwise(&place, secure)).await {
                    Ok(Ok(true)) => Err(other.into()),
                    _ => Err(DialError::Closed),
                }
            }
        }
    }

    async fn within_tls(
        &self,
        socket: Box<dyn Socket>,
    ) -> Result<Result<Connection, DialError>, Closed> {
        match encrypted(socket, self.endpoint, &self.config.tls, Within::Http2).await {
            Ok(encrypted) => self.handshake(Box::new(encrypted.stream), Some(encrypted.own)).await,
            Err(failed) => failed.trouble.map_or(Err(Closed), |trouble| Ok(Err(trouble.into()))),
        }
    }

    /// Begins HTTP/2, and waits for the server's first word. `own` is the client's side of the TLS around it.
    async fn handshake(
        &self,
        socket: Box<dyn Socket>,
        own: Option<Arc<Own>>,
    ) -> Result<Result<Connection, DialError>, Closed> {
        let pulse = Arc::new(Pulse::default());
        let (socket, first) = Heard::new(socket, Arc::clone(&pulse));
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(self.config.keepalive_time)
            .keep_alive_timeout(self.config.keepalive_timeout)
            .keep_alive_while_idle(self.config.keepalive_while_idle)
            .handshake(TokioIo::new(socket));
        let closed = |said: Option<TlsError>| match &own {
            None => Err(Closed),
            // It spoke TLS: that was not what it did not understand.
            Some(own) => {
                Ok(Err(trouble_of(said.as_ref(), own).map_or(DialError::Closed, Into::into)))
            }
        };
        let Ok((requests, driver)) = handshake.await else { return closed(None) };
        let (over, _) = watch::channel(false);
        let ends = over.clone();
        let driver = tokio::spawn(async move {
            // What ended it is told to the requests on it.
            let _ = driver.await;
            ends.send_replace(true);
        });
        let origin = Arc::new(Origin::new(self.config.cluster.clone()));
        let life = Arc::new(Life { pulse, origin, over, driver: driver.abort_handle() });
        Ok(match first.await {
            Ok(FirstWord::Settings) => {
                let authority = self.endpoint.authority().parse::<Authority>();
                let authority = authority.map_err(|error| DialError::Resolve(error.to_string()));
                let scheme = if own.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
                authority.map(|authority| Connection { requests, scheme, authority, life })
            }
            Ok(FirstWord::Tls) => Err(TlsTrouble::Wanted.into()),
            Ok(FirstWord::Http1 | FirstWord::Foreign) if own.is_some() => {
                Err(TlsTrouble::Alpn.into())
            }
            Ok(FirstWord::Http1) => Err(DialError::Http1),
            Ok(FirstWord::Foreign) => Err(DialError::Foreign),
            Ok(FirstWord::Closed(said)) => return closed(said),
            Err(_) => return closed(None),
        })
    }
}

/// The server ended the connection without a word.
struct Closed;

pub(super) async fn connected(place: &Place) -> io::Result<Box<dyn Socket>> {
    Ok(match place {
        Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Place::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            // A failed option costs latency only.
            let _ = stream.set_nodelay(true);
            Box::new(stream)
        }
    })
}

/// The shortest hello of TLS 1.2: a server that speaks TLS answers with a handshake or an alert.
const TLS_HELLO: &[u8] = &[
    0x16, 3, 1, 0, 47, // a handshake record of 47 bytes
    1, 0, 0, 43, // a client's hello of 43 bytes
    3, 3, // TLS 1.2
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, // 32 bytes that another would draw at random
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    0, // no session
    0, 4, 0xc0, 0x2f, 0xc0, 0x2b, // two suites
    1, 0, // no compression
];

/// How a client begins HTTP/2: the preface, and SETTINGS that change nothing.
const HTTP2_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Whether a server that ended a connection in TLS answers one in plain text, or one that ended HTTP/2 answers TLS.
async fn answers_otherwise(place: &Place, secure: bool) -> io::Result<bool> {
    let mut socket = connected(place).await?;
    socket.write_all(if secure { HTTP2_HELLO } else { TLS_HELLO }).await?;
    let mut head = [0; 9];
    let enough = if secure { head.len() } else { 2 };
    socket.read_exact(head.get_mut(..enough).unwrap_or_default()).await?;
    Ok(if secure { is_plain(&head) } else { is_tls(&head) })
}

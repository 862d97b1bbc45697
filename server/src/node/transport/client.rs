//! [`Connector`]: HTTP/2 connections to peers, made by hand so that a refused connection is told from a silent one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mini_etcd_proto::peerpb::peer_client::PeerClient;
use mini_etcd_shared::types::MemberId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::body::Body;

use super::names::LocalNames;
use super::refused::{HelloRefused, Verdict};
use crate::config::PeerAddress;
use crate::limits::{PEER_BATCH_BYTES_MAX, PEER_KEEP_ALIVE};
use crate::tls::Tls;

/// Why a peer cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("its name does not resolve: {0}")]
    Resolve(io::Error),
    #[error("{0}")]
    Connect(io::Error),
    #[error("its address begins with https:// and this member has no --peer-cert-file")]
    NoTls,
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("it does not speak HTTP/2: {0}")]
    Handshake(#[from] hyper::Error),
    #[error("it refuses: {}", .0.message())]
    Status(#[from] Box<tonic::Status>),
    #[error("{0}")]
    Hello(#[from] HelloRefused),
    #[error("it does not answer")]
    Silent,
    #[error("the connection ended")]
    Ended,
}

impl DialError {
    /// What the peer says of member `me` beside that it refuses it.
    pub fn verdict(&self, me: MemberId) -> Option<Verdict> {
        let Self::Status(status) = self else { return None };
        let told = |verdict: &Verdict| {
            let whom = status.metadata().get(verdict.key()).and_then(|id| id.to_str().ok());
            whom == Some(me.to_string().as_str())
        };
        Verdict::ALL.into_iter().find(told)
    }

    /// Whether nobody listens at the peer's address: its process is gone.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// A client on a connection of its own.
pub(super) type Client = PeerClient<Connection>;

/// A connection as tonic's client wants it.
#[derive(Clone)]
pub(super) struct Connection {
    requests: SendRequest<Body>,
}

impl tower::Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.requests.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.requests.send_request(request))
    }
}

/// A task that ends when this is dropped.
pub(super) struct AbortOnDrop(pub JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What peers are reached with.
#[derive(Clone, Default)]
pub(crate) struct Connector {
    pub names: LocalNames,
    pub tls: Tls,
}

/// A stream of bytes, within TLS or not.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Connector {
    /// Connects to a peer; the task drives the connection. Names are resolved anew each time: they may have moved.
    pub(super) async fn connect(
        &self,
        address: &PeerAddress,
    ) -> Result<(Client, AbortOnDrop), DialError> {
        let addresses = match self.names.literal(address) {
            Some(address) => vec![address],
            None => resolve(address).await.map_err(DialError::Resolve)?,
        };
        let stream = connect_tcp(&addresses).await.map_err(DialError::Connect)?;
        // A failed option costs latency only.
        let _ = stream.set_nodelay(true);
        let wire = self.secure(address, stream).await?;
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PEER_KEEP_ALIVE)
            .keep_alive_timeout(PEER_KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(wire))
            .await?;
        let driving = tokio::spawn(async move {
            // Its end shows in the stream it carries.
            let _ = connection.await;
        });
        let origin = Uri::from_static("http://peer");
        let client = PeerClient::with_origin(Connection { requests }, origin)
            .max_encoding_message_size(PEER_BATCH_BYTES_MAX);
        Ok((client, AbortOnDrop(driving)))
    }

    /// The peer within TLS, verified by the host of its address, where that says so.
    async fn secure(
        &self,
        address: &PeerAddress,
        stream: TcpStream,
    ) -> Result<Box<dyn Wire>, DialError> {
        if !address.is_tls {
            return Ok(Box::new(stream));
        }
        let config = self.tls.dialing().ok_or(DialError::NoTls)?;
        let name = ServerName::try_from(address.host.clone());
        let name = name.map_err(|error| DialError::Tls(io::Error::other(error)))?;
        let secured = TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::new(secured.map_err(DialError::Tls)?))
    }
}

async fn resolve(PeerAddress { host, port, .. }: &PeerAddress) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host.as_str(), *port)).await?.collect())
}

/// The first address that answers.
async fn connect_tcp(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

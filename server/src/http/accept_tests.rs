//! The accept loop against raw sockets: garbage, silence, slowness, oversized messages, stop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse};
use mini_etcd_proto::healthpb::health_client::HealthClient;
use mini_etcd_proto::healthpb::{HealthCheckRequest, HealthCheckResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::accept::{Patience, accept, connections_with};
use super::site::{PLAIN, Route, TextPage, route};
use super::{Admits, Capacity, HttpHandler, Listening, Port, Site, Slots, Speaks, Spread, bind};
use crate::api::{CallGate, Caller, InFlight, Router, Rule};
use crate::config::{Origins, Serving};
use crate::error::RequestError;
use crate::limits;
use crate::metrics::Metrics;

struct OnePage;

impl HttpHandler for OnePage {
    fn call(
        &self,
        request: http::Request<hyper::body::Incoming>,
    ) -> BoxFuture<'static, http::Response<Body>> {
        let page = |(): &(), _| {
            let (status, text) = (StatusCode::OK, "here".to_owned());
            let page = TextPage { status, content_type: PLAIN, text };
            Some(async move { http::Response::from(page) }.boxed())
        };
        route(&[Route { path: "/page", method: http::Method::GET, page }], &(), request)
    }
}

/// A service under a name of our choice, answering with a framed message or with nothing for ever.
#[derive(Clone)]
struct Fake<const KV: bool>;

impl NamedService for Fake<true> {
    const NAME: &'static str = "etcdserverpb.KV";
}

impl NamedService for Fake<false> {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl<const KV: bool> Service<http::Request<Body>> for Fake<KV> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        async move {
            match request.uri().path() {
                "/etcdserverpb.KV/Put" => {
                    let codec = tonic_prost::ProstCodec::<PutResponse, PutRequest>::default();
                    let mut grpc = tonic::server::Grpc::new(codec).apply_max_message_size_config(
                        Some(Serving::default().message_bytes_max()),
                        None,
                    );
                    Ok(grpc.unary(Answer, request).await)
                }
                "/grpc.health.v1.Health/Watch" => {
                    let codec =
                        tonic_prost::ProstCodec::<HealthCheckResponse, HealthCheckRequest>::default(
                        );
                    Ok(tonic::server::Grpc::new(codec).server_streaming(Answer, request).await)
                }
                _ => std::future::pending().await,
            }
        }
        .boxed()
    }
}

struct Answer;

impl tonic::server::UnaryService<PutRequest> for Answer {
    type Response = PutResponse;
    type Future = BoxFuture<'static, Result<tonic::Response<PutResponse>, Status>>;

    fn call(&mut self, _: tonic::Request<PutRequest>) -> Self::Future {
        async { Ok(tonic::Response::new(PutResponse::default())) }.boxed()
    }
}

impl tonic::server::ServerStreamingService<HealthCheckRequest> for Answer {
    type Response = HealthCheckResponse;
    type ResponseStream = futures::stream::Pending<Result<HealthCheckResponse, Status>>;
    type Future = BoxFuture<'static, Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: tonic::Request<HealthCheckRequest>) -> Self::Future {
        async { Ok(tonic::Response::new(futures::stream::pending())) }.boxed()
    }
}

struct Running {
    address: SocketAddr,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    loops: JoinHandle<()>,
}

fn start(has_leader: bool) -> Running {
    start_with(has_leader, Patience::default())
}

/// Lets everybody in.
struct OpenGate;

impl CallGate for OpenGate {
    fn judge(&self, _: &Caller, _: Rule) -> Option<Result<(), RequestError>> {
        Some(Ok(()))
    }

    fn has_users(&self) -> bool {
        false
    }

    fn user(&self, _: &Caller) -> String {
        String::new()
    }

    fn catch_up(&self) -> BoxFuture<'static, Result<(), RequestError>> {
        Box::pin(async { Ok(()) })
    }
}

fn start_with(has_leader: bool, patience: Patience) -> Running {
    start_for(has_leader, patience, Capacity { clients: 100, guests: 4, peers: 0 })
}

fn start_for(has_leader: bool, patience: Patience, capacity: Capacity) -> Running {
    let metrics = Metrics::new();
    let (stop, stopped) = watch::channel(false);
    let router = Router::new(
        metrics.clone(),
        Arc::new(move || has_leader),
        Arc::new(OpenGate),
        stopped.clone(),
        &InFlight::default(),
    )
    .with(Fake::<true>)
    .with(Fake::<false>);
    let site = Arc::new(Site::new(router, Arc::new(OnePage), Arc::new(Origins::Any)));
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (intake, serving) = connections_with(site, metrics.clone(), stopped.clone(), patience);
    let port = Port { listener: Listening::Tcp(listener), speaks: Speaks::Plain(Admits::ALL) };
    let spread = (Spread::over(vec![intake]), None);
    let accepting = accept(vec![port], spread, Slots::new(capacity, metrics.clone()), stopped);
    let loops = tokio::spawn(async move {
        tokio::join!(accepting, serving);
    });
    Running { address, metrics, stop, loops }
}

impl Running {
    async fn kv(&self) -> KvClient<tonic::transport::Channel> {
        KvClient::new(self.channel().await)
    }

    async fn channel(&self) -> tonic::transport::Channel {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.address));
        endpoint.unwrap().connect().await.unwrap()
    }

    /// Sends bytes and reads until the server closes.
    async fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good an end as any.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    async fn works(&self) {
        self.kv().await.put(PutRequest::default()).await.unwrap();
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        self.loops.await.unwrap();
        assert_eq!(self.metrics.connections.get(), 0);
    }
}

#[tokio::test]
async fn one_port_serves_grpc_and_pages() {
    let server = start(true);
    server.works().await;
    let answer =
        server.send(b"GET /page?a=b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
    assert!(answer.ends_with(b"\r\n\r\nhere"), "{}", answer.escape_ascii());
    let answer = server
        .send(b"POST /page HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with(b"HTTP/1.1 405 "), "{}", answer.escape_ascii());
    let answer =
        server.send(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", answer.escape_ascii());
    server.end().await;
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let server = start(true);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let with = |rest: &[u8]| [preface.as_slice(), rest].concat();
    let random: Vec<u8> =
        (0..4096_u32).map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[1]).collect();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        random.clone(),
        // A frame of 16 MiB is announced.
        with(&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
        // DATA on a stream that was never opened, and HEADERS that are no HPACK.
        with(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]),
        with(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 1, 5, 0, 0, 0, 1, 0xff, 0xff]),
        with(&random),
    ] {
        server.send(&bytes).await;
        server.works().await;
    }
    server.end().await;
}

#[tokio::test]
async fn an_oversized_message_is_refused_in_etcds_words() {
    let server = start(true);
    let value = Bytes::from(vec![0; 3 << 20]);
    let request = PutRequest { key: Bytes::from_static(b"k"), value, ..PutRequest::default() };
    let size = prost::Message::encoded_len(&request);
    let status = server.kv().await.put(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let want = format!("grpc: received message larger than max ({size} vs. 2097152)");
    assert_eq!(status.message(), want);
    server.end().await;
}

/// Goal: bytes that are no message get etcd's words. Method: a raw frame through the channel.
#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let server = start(true);
    let mut frame = BytesMut::from(&[0_u8, 0, 0, 0, 2, 0xff, 0xff][..]);
    let body = Body::new(http_body_util::Full::from(frame.split().freeze()));
    let request = http::Request::post("http://x/etcdserverpb.KV/Put")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    let mut channel = server.channel().await;
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = channel.call(request).await.unwrap();
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().starts_with("grpc: error unmarshalling request: "), "{status:?}");
    server.end().await;
}

#[tokio::test]
async fn unknown_names_answer_unimplemented_in_etcds_words() {
    use mini_etcd_proto::etcdserverpb::AuthStatusRequest;
    use mini_etcd_proto::etcdserverpb::auth_client::AuthClient;
    use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;

    let server = start(true);
    let channel = server.channel().await;
    let status = AuthClient::new(channel.clone())
        .auth_status(AuthStatusRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.message(), "unknown method AuthStatus for service etcdserverpb.Auth");
    // Known by name, but nobody plugged it in.
    let status = WatchClient::new(channel).watch(futures::stream::empty()).await.unwrap_err();
    assert_eq!(status.message(), "unknown method Watch for service etcdserverpb.Watch");
    server.end().await;
}

#[tokio::test]
async fn metadata_is_heeded() {
    let server = start(false);
    let mut kv = server.kv().await;
    let mut request = tonic::Request::new(PutRequest::default());
    request.metadata_mut().insert("hasleader", "true".parse().unwrap());
    let status = kv.put(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "etcdserver: no leader"));

    let mut request = tonic::Request::new(PutRequest::default());
    let value = tonic::metadata::MetadataValue::try_from(&b"3.\xff"[..]).unwrap();
    request.metadata_mut().insert("client-api-version", value);
    let status = kv.put(request).await.unwrap_err();
    assert_eq!(status.message(), "etcdserver: invalid client api version");

    server.end().await;
}

/// Goal: a call ends when its client's time is over. Method: at the router, because the client's own library also
/// watches the time.
#[tokio::test]
async fn the_clients_time_is_heeded() {
    let (_stop, stopped) = watch::channel(false);
    let (gate, in_flight) = (Arc::new(OpenGate), InFlight::default());
    let router = Router::new(Metrics::new(), Arc::new(|| true), gate, stopped, &in_flight)
        .with(Fake::<true>);
    for (timeout, words) in
        [("1m", "context deadline exceeded"), ("x", "malformed grpc-timeout: x")]
    {
        let never_answers = http::Request::post("/etcdserverpb.KV/Range")
            .header("grpc-timeout", timeout)
            .body(Body::empty())
            .unwrap();
        let response = router.call(never_answers).await;
        assert_eq!(Status::from_header_map(response.headers()).unwrap().message(), words);
    }
}

/// Goal: who says nothing, or speaks too slowly, is let go. Method: a server of little patience, and clients that
/// open and then wait; each would wait for ever if it were not let go.
#[tokio::test]
async fn silence_and_slowness_end_a_connection_in_time() {
    let short = Duration::from_millis(60);
    let patience = Patience {
        first_bytes: short,
        ping_interval: Some(short),
        ping_timeout: short,
        ..Patience::default()
    };
    let server = start_with(true, patience);
    for opening in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n",
        b"GET /page HTT",
        b"GET /page HTTP/1.1\r\na: b\r\n",
        // Opens HTTP/2, and then answers no ping.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let ended = tokio::time::timeout(short * 50, server.send(opening)).await;
        assert!(ended.is_ok(), "{:?} may wait for ever", opening.escape_ascii());
    }
    server.end().await;
}

#[tokio::test]
async fn stopping_ends_streams_with_a_status_and_idle_connections_at_once() {
    let server = start(true);
    let mut health = HealthClient::new(server.channel().await);
    let idle = server.channel().await;
    let mut stream = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let text = |server: &Running| server.metrics.expose(&crate::metrics::Facts::default());
    server.stop.send(true).unwrap();
    let status = stream.message().await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "etcdserver: server stopped")
    );
    let ended = text(&server);
    let line = r#"grpc_method="Watch",grpc_type="server_stream",grpc_code="Unavailable"} 1"#;
    assert!(ended.contains(line), "{ended}");
    server.end_already_stopping().await;
    drop(idle);
}

impl Running {
    async fn end_already_stopping(self) {
        let ended = tokio::time::timeout(limits::SHUTDOWN_TIMEOUT / 2, self.loops).await;
        ended.expect("no connection is cut off").unwrap();
    }
}

/// Goal: when all places are busy, pages are still answered, and a call is refused as surely not processed. Method: two
/// streams take the two places there are.
#[tokio::test]
async fn with_all_places_busy_pages_are_answered_and_calls_are_refused_as_unprocessed() {
    let capacity = Capacity { clients: 2, guests: 2, peers: 0 };
    let server = start_for(true, Patience::default(), capacity);
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut health = HealthClient::new(server.channel().await);
        streams.push(health.watch(HealthCheckRequest::default()).await.unwrap());
    }
    for _ in 0..10 {
        let answer = server.send(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", answer.escape_ascii());
    }
    let refused = server.kv().await.put(PutRequest::default()).await.unwrap_err();
    assert!(format!("{refused:?}").contains("REFUSED_STREAM"), "{refused:?}");
    assert_eq!(server.metrics.connections_refused.get(), 1);
    drop(streams);
    server.end().await;
}

/// Goal: any number of idle connections, silent or not, keeps nobody out. Method: hundreds for two places.
#[tokio::test]
async fn idle_connections_give_way_to_those_who_call() {
    let capacity = Capacity { clients: 2, guests: 2, peers: 0 };
    let server = start_for(true, Patience::default(), capacity);
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.works().await;
    assert!(server.metrics.connections_shed.get() > 290);
    drop(idle);
    server.end().await;
}

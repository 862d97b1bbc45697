//! A console without a terminal on real servers: state, engine, and keys that are pressed; and a member to look at.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossterm::event::KeyCode;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::client::{Client, ClientConfig, Credentials, Endpoint};
use mini_etcd_shared::port::HeldPort;
use mini_etcd_tui::connect::Reach;
use mini_etcd_tui::console::{Effect, Msg, State, update};
use mini_etcd_tui::engine::{Handle, Inbox};
use mini_etcd_tui::widget::theme::Depth;
use tokio::time::timeout;
use tonic::body::Body;

use crate::engine::engine_of;
use crate::support::{key, state, type_text};

/// Time that anything may take here.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// One member as a process of its own; ends with the test.
pub struct Member {
    child: Child,
    pub endpoint: String,
    _dir: tempfile::TempDir,
}

impl Member {
    pub async fn start() -> Self {
        let port = HeldPort::new().unwrap().for_good().port();
        let dir = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"))
            .args(["serve", &format!("--listen=127.0.0.1:{port}")])
            .arg(format!("--data={}", dir.path().join("data").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let member = Self { child, endpoint: format!("127.0.0.1:{port}"), _dir: dir };
        // The client waits until it answers.
        let read = RangeRequest { key: Bytes::from_static(b"x"), ..RangeRequest::default() };
        member.client().range(read).await.into_result().unwrap();
        member
    }

    pub fn client(&self) -> Client {
        client(&self.endpoint)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

pub fn client(endpoint: &str) -> Client {
    let mut config = ClientConfig::new(vec![Endpoint::parse(endpoint).unwrap()]);
    config.command_timeout = Some(DEADLINE);
    Client::new(config).unwrap()
}

pub async fn put(client: &Client, key: &[u8], value: &[u8]) -> i64 {
    let request = PutRequest {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(value),
        ..PutRequest::default()
    };
    client.put(request).await.into_result().unwrap().header.unwrap().revision
}

/// Every key at a revision (0: the newest), with its value.
pub async fn everything(client: &Client, revision: i64) -> Vec<KeyValue> {
    let request = RangeRequest {
        key: Bytes::from_static(&[0]),
        range_end: Bytes::from_static(&[0]),
        revision,
        ..RangeRequest::default()
    };
    client.range(request).await.into_result().unwrap().kvs
}

/// A console whose keys are pressed by a test.
pub struct Driver {
    pub state: State,
    handle: Handle,
    inbox: Arc<Inbox>,
    /// What the console wanted from its terminal.
    pub wanted: Vec<Effect>,
}

impl Driver {
    pub fn start(endpoint: &str) -> Self {
        Self::start_as(endpoint, None)
    }

    /// The same as a user: `name:password`.
    pub fn start_as(endpoint: &str, user: Option<&str>) -> Self {
        let login = user.and_then(|user| user.split_once(':')).map(|(name, password)| {
            Credentials { name: name.to_owned(), password: password.to_owned() }
        });
        let endpoints = vec![Endpoint::parse(endpoint).unwrap()];
        Self::start_to(Reach { endpoints, login, ..Reach::default() })
    }

    /// The same with all that is said of whom to ask, and how.
    pub fn start_to(reach: Reach) -> Self {
        let (handle, inbox) = engine_of(reach);
        let state = state((120, 36), Depth::Sixteen, false);
        Self { state, handle, inbox, wanted: Vec::new() }
    }

    /// A console on its Keys screen.
    pub async fn keys(endpoint: &str) -> Self {
        let mut driver = Self::start(endpoint);
        driver.press(KeyCode::Char('2'));
        driver.settle().await;
        driver
    }

    pub fn send(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Copy(_) | Effect::Edit { .. } => self.wanted.push(effect),
                Effect::Engine(order) => self.handle.send(order),
                _ => {}
            }
        }
    }

    pub fn press(&mut self, code: KeyCode) {
        let effects = key(&mut self.state, code);
        self.send(effects);
    }

    pub fn type_text(&mut self, text: &str) {
        let effects = type_text(&mut self.state, text);
        self.send(effects);
    }

    pub fn update(&mut self, msg: Msg) {
        let effects = update(&mut self.state, msg);
        self.send(effects);
    }

    /// Takes reports in until the state is as wanted.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&State) -> bool) {
        let done = timeout(DEADLINE, async {
            while !wanted(&self.state) {
                self.inbox.ready().await;
                for report in self.inbox.take() {
                    let effects = update(&mut self.state, Msg::Report(0, report));
                    self.send(effects);
                }
            }
        });
        assert!(done.await.is_ok(), "never: {what}; {}", crate::screens::text(&self.state));
    }

    pub async fn settle(&mut self) {
        self.until("everything has come", |state| state.keys.is_settled()).await;
    }
}

/// A member seen through a proxy that offers only what etcd does: nothing of the admin service.
pub struct Stock {
    pub endpoint: String,
    _task: tokio::task::JoinSet<()>,
}

impl Stock {
    pub async fn before(member: &Member) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(accept(listener, member.endpoint.clone()));
        Self { endpoint, _task: task }
    }
}

async fn accept(listener: tokio::net::TcpListener, behind: String) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let onward = tokio::net::TcpStream::connect(&behind).await.unwrap();
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake(TokioIo::new(onward)).await.unwrap();
        connections.spawn(async move {
            let _ended = connection.await;
        });
        connections.spawn(async move {
            let service = tower::service_fn(move |request| forward(request, sender.clone()));
            let builder = auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(service);
            let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    request: http::Request<hyper::body::Incoming>,
    mut sender: hyper::client::conn::http2::SendRequest<hyper::body::Incoming>,
) -> Result<http::Response<Body>, hyper::Error> {
    if request.uri().path().starts_with("/minietcd.admin") {
        return Ok(tonic::Status::unimplemented("unknown service").into_http());
    }
    Ok(sender.send_request(request).await?.map(Body::new))
}

/// A place whose connections lead to one server, and from some moment on to another.
pub struct Place {
    pub endpoint: String,
    behind: tokio::sync::watch::Sender<String>,
    _task: tokio::task::JoinSet<()>,
}

impl Place {
    pub async fn before(member: &Member) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let behind = tokio::sync::watch::Sender::new(member.endpoint.clone());
        let mut task = tokio::task::JoinSet::new();
        let mut current = behind.subscribe();
        task.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let to = current.borrow_and_update().clone();
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _changed = current.changed() => {
                        connections.shutdown().await;
                        continue;
                    }
                };
                connections.spawn(async move {
                    let mut stream = stream;
                    let mut member = tokio::net::TcpStream::connect(to).await.unwrap();
                    let _ended = tokio::io::copy_bidirectional(&mut stream, &mut member).await;
                });
            }
        });
        Self { endpoint, behind, _task: task }
    }

    /// Breaks all connections; the next ones lead to this member.
    pub fn leads_to(&self, member: &Member) {
        self.behind.send_replace(member.endpoint.clone());
    }
}

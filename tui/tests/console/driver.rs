//! A console without a terminal on real servers: state, engine, and keys that are pressed; and a member to look at.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossterm::event::KeyCode;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_server::clock::SystemClock;
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_tui::app::{Effect, Msg, State, update};
use mini_etcd_tui::engine::{Engine, Handle, Inbox, Setup};
use mini_etcd_tui::theme::Depth;
use tokio::time::timeout;

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
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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
        let endpoints = vec![Endpoint::parse(endpoint).unwrap()];
        let (engine, handle, inbox) =
            Engine::new(Setup { endpoints, fleet: None, clock: SystemClock::new() });
        tokio::spawn(engine.run());
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
            if matches!(effect, Effect::Copy(_) | Effect::Edit { .. }) {
                self.wanted.push(effect);
            } else {
                self.handle.send(effect);
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
        assert!(done.await.is_ok(), "never: {what}; {:?}", self.state.toasts.shown());
    }

    pub async fn settle(&mut self) {
        self.until("everything has come", |state| state.keyspace.is_settled()).await;
    }
}

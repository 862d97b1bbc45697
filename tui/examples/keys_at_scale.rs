//! What the Keys screen costs with many keys: time to open, the longest frame while a directory of 100,000 children is
//! paged through, memory of the console; and with one of the largest values, which is folded and looked through.
//!
//! `cargo run --release -p mini-etcd-tui --example keys_at_scale -- [KEYS]` starts a member of its own on temporary
//! data (built by `cargo build --release`), fills it with a million keys, and prints figures beside their limits. It
//! fails when one is missed, but only with all the keys: with fewer it just prints.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a program that measures says what it found, and fails loudly"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_shared::clock::{Clock, SystemClock};
use mini_etcd_shared::port::HeldPort;
use mini_etcd_tui::connect::Reach;
use mini_etcd_tui::console::keymap::Keymap;
use mini_etcd_tui::console::view::view;
use mini_etcd_tui::console::{Effect, Msg, Origin, Setup, State, update};
use mini_etcd_tui::engine;
use mini_etcd_tui::engine::Engine;
use mini_etcd_tui::screens::keys::tree::RowKind;
use mini_etcd_tui::widget::theme::{Depth, Theme};
use mini_etcd_tui::widget::{Glyphs, Look};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// Keys, children of one directory among them, and what may be seen of that.
const KEYS: usize = 1_000_000;
const CHILDREN: usize = 100_000;
const OPEN_MAX: Duration = Duration::from_millis(300);
const FRAME_MAX: Duration = Duration::from_millis(33);
const RESIDENT_MAX: u64 = 120 << 20;
/// A key, and bytes of its value: about as much as a request may have.
const LARGE: &str = "/registry/large";
const LARGE_BYTES: usize = 1_500_000;
/// Operations of one transaction, and transactions at once.
const OPS: usize = 100;
const AT_ONCE: usize = 32;

struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn start(data: &std::path::Path) -> (Member, Endpoint) {
    let port = HeldPort::new().unwrap().for_good().port();
    let program = std::env::current_exe().unwrap();
    let program =
        program.ancestors().nth(2).expect("a directory of the build").join("mini-etcd-tui");
    let child = Command::new(program)
        .args(["serve", &format!("--listen=127.0.0.1:{port}")])
        .arg(format!("--data={}", data.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mini-etcd-tui, built before");
    (Member(child), Endpoint::parse(&format!("127.0.0.1:{port}")).unwrap())
}

fn name(n: usize, keys: usize) -> String {
    if n < CHILDREN.min(keys / 2) {
        format!("/registry/pods/pod-{n:06}")
    } else {
        format!("/registry/kind-{:03}/ns-{:02}/object-{n:07}", n % 120, n / 7 % 20)
    }
}

async fn fill(client: &Client, keys: usize) {
    let batches: Vec<usize> = (0..keys).step_by(OPS).collect();
    for turn in batches.chunks(AT_ONCE) {
        let write = |from: &usize| {
            let put = |n| PutRequest {
                key: name(n, keys).into(),
                value: Bytes::from_static(b"{\"spec\":{\"replicas\":3}}"),
                ..PutRequest::default()
            };
            let ops = (*from..(from + OPS).min(keys))
                .map(|n| RequestOp { request: Some(Request::RequestPut(put(n))) });
            client.txn(TxnRequest { success: ops.collect(), ..TxnRequest::default() })
        };
        for outcome in futures::future::join_all(turn.iter().map(write)).await {
            outcome.into_result().expect("the keys are written");
        }
    }
    let item =
        "{\"name\":\"web\",\"ports\":[80,443],\"labels\":{\"app\":\"web\",\"tier\":\"front\"}},";
    let value = format!("[{}null]", item.repeat(LARGE_BYTES / item.len()));
    let put = PutRequest { key: LARGE.into(), value: value.into(), ..PutRequest::default() };
    let success = vec![RequestOp { request: Some(Request::RequestPut(put)) }];
    let written = client.txn(TxnRequest { success, ..TxnRequest::default() }).await;
    written.into_result().expect("the large value is written");
}

/// The console, with the longest frame that it drew.
struct Console {
    state: State,
    handle: engine::Handle,
    inbox: std::sync::Arc<engine::Inbox>,
    terminal: Terminal<TestBackend>,
    clock: SystemClock,
    longest: Duration,
}

impl Console {
    fn new(endpoint: Endpoint) -> Self {
        let clock = SystemClock::new();
        let endpoints = vec![endpoint];
        let (engine, handle, inbox) = Engine::new(engine::Setup {
            reach: Reach { endpoints, ..Reach::default() },
            read_only: false,
            fleet: None,
            instead_of: Vec::new(),
            clock: clock.clone(),
        });
        tokio::spawn(engine.run());
        let theme = Theme::load("dark", Depth::True, None).unwrap();
        let state = State::new(Setup {
            look: Look { theme, glyphs: Glyphs::unicode() },
            keymap: Keymap::load(None).unwrap(),
            origin: Origin::Endpoints(Vec::new()),
            read_only: false,
            user: None,
            profile: None,
            flags: Vec::new(),
            profiles: Vec::new(),
            size: (120, 36),
        });
        let terminal = Terminal::new(TestBackend::new(120, 36)).unwrap();
        Self { state, handle, inbox, terminal, clock, longest: Duration::ZERO }
    }

    /// Takes a message in and draws, as the loop does.
    fn frame(&mut self, msg: Msg) {
        let began = self.clock.now();
        for effect in update(&mut self.state, msg) {
            if let Effect::Engine(order) = effect {
                self.handle.send(order);
            }
        }
        self.terminal.draw(|frame| view(&mut self.state, frame)).unwrap();
        self.longest = self.longest.max(self.clock.now().since(began));
    }

    async fn press(&mut self, code: KeyCode) {
        self.frame(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        while !self.state.keys.is_settled() {
            self.inbox.ready().await;
            for report in self.inbox.take() {
                self.frame(Msg::Report(0, report));
            }
        }
    }

    async fn open(&mut self, key: &[u8]) {
        let row = self.state.keys.tree.row_of_key(key);
        self.state.keys.chosen = row.expect("the directory is there");
        self.press(KeyCode::Enter).await;
    }
}

/// Memory of this process, without the member's.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Goes to the large value, folds and unfolds it, moves and finds in it; answers the longest frame until it was there, and
/// after that.
async fn large(console: &mut Console) -> (Duration, Duration) {
    console.press(KeyCode::Esc).await;
    let row = console.state.keys.tree.row_of_key(LARGE.as_bytes());
    console.state.keys.chosen = row.expect("the large key is there") + 1;
    console.press(KeyCode::Char('k')).await;
    let shown = std::mem::take(&mut console.longest);
    assert!(console.state.keys.value.lines.len() > 10_000, "the large value is shown");
    console.press(KeyCode::Enter).await;
    for character in "ZG\ng\nGZZ/443\nnNwGZg\nZGw".chars() {
        let code = if character == '\n' { KeyCode::Enter } else { KeyCode::Char(character) };
        console.press(code).await;
    }
    (shown, std::mem::take(&mut console.longest))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let keys = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(KEYS);
    let dir = tempfile::tempdir().unwrap();
    let (_member, endpoint) = start(dir.path());
    let mut config = ClientConfig::new(vec![endpoint.clone()]);
    config.command_timeout = Some(Duration::from_secs(60));
    fill(&Client::new(config).unwrap(), keys).await;
    let mut console = Console::new(endpoint);
    let began = console.clock.now();
    // The tree is on screen before the strip of changes has come, which is not waited for.
    console.frame(Msg::Key(KeyEvent::new(KeyCode::Char('2'), KeyModifiers::NONE)));
    while console.state.keys.tree.revision == 0 {
        console.inbox.ready().await;
        for report in console.inbox.take() {
            console.frame(Msg::Report(0, report));
        }
    }
    let opened = console.clock.now().since(began);
    console.press(KeyCode::Char('g')).await;
    console.open(b"").await;
    console.open(b"/registry").await;
    console.open(b"/registry/pods").await;
    let mut pages = 1;
    loop {
        let rows = console.state.keys.tree.rows();
        let more = rows.iter().position(|row| row.kind == RowKind::More);
        let Some(row) = more.filter(|_| !console.state.keys.tree.full) else { break };
        console.state.keys.chosen = row;
        console.press(KeyCode::Enter).await;
        pages += 1;
    }
    let (frame, rows) = (console.longest, console.state.keys.tree.rows().len());
    // A jump looks at every key.
    let began = console.clock.now();
    console.frame(Msg::Key(KeyEvent::new(KeyCode::Char('f'), KeyModifiers::NONE)));
    for character in "pod99999".chars() {
        console.frame(Msg::Key(KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE)));
    }
    console.press(KeyCode::Null).await;
    let jumped = console.clock.now().since(began);
    let resident = resident();
    let longest = std::mem::take(&mut console.longest);
    let (shown, folded) = large(&mut console).await;
    println!("{keys} keys");
    println!("open                {opened:>10.1?}   limit {OPEN_MAX:?}");
    println!(
        "longest frame       {frame:>10.1?}   limit {FRAME_MAX:?}   ({pages} pages, {rows} rows)"
    );
    println!("longest frame, jump {longest:>10.1?}   limit {FRAME_MAX:?}");
    println!("jump over all keys  {jumped:>10.1?}");
    println!("value of 1.5 MB     {shown:>10.1?}   taken apart and drawn");
    println!("longest frame in it {folded:>10.1?}   limit {FRAME_MAX:?}");
    println!("memory              {:>7} MiB   limit {} MiB", resident >> 20, RESIDENT_MAX >> 20);
    let frames = [longest, folded].iter().any(|frame| *frame > FRAME_MAX);
    let missed = opened > OPEN_MAX || frames || resident > RESIDENT_MAX;
    if keys >= KEYS && missed {
        println!("missed");
        std::process::exit(1);
    }
}

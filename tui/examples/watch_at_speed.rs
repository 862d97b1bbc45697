//! What a key costs on the Watch screen while events pour in: time from the key to the frame that shows it.
//!
//! `cargo run --release -p mini-etcd-tui --example watch_at_speed -- [EVENTS PER SECOND]` starts a member and the console
//! (built by `cargo build --release`) in a pseudo terminal of 120x36, writes 5,000 events a second to keys that a tail
//! follows, presses keys and waits for what they do. It prints figures beside their limits, and fails when one is missed.
//! Measured from outside: from the write of the key to the terminal until the frame was read from it and understood, so
//! that everything between "event read" and "end of flush" is in it, and the terminal too.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program that measures says what it found, and fails loudly"
)]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_shared::clock::{Clock, SystemClock};
use mini_etcd_shared::port::HeldPort;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Events a second, and what a key may take while they come.
const RATE: u64 = 5000;
const P99_MAX: Duration = Duration::from_millis(16);
/// Keys pressed, and the time between two of them.
const PRESSES: usize = 200;
const BETWEEN: Duration = Duration::from_millis(23);
/// Events of one transaction.
const OPS: u64 = 10;
/// Time that anything may take before the keys are pressed.
const DEADLINE: Duration = Duration::from_secs(30);

struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn program() -> std::path::PathBuf {
    let here = std::env::current_exe().unwrap();
    here.ancestors().nth(2).expect("a directory of the build").join("mini-etcd-tui")
}

fn start(data: &std::path::Path) -> (Member, String) {
    let port = HeldPort::new().unwrap().for_good().port();
    let child = Command::new(program())
        .args(["serve", &format!("--listen=127.0.0.1:{port}")])
        .arg(format!("--data={}", data.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mini-etcd-tui, built before");
    (Member(child), format!("127.0.0.1:{port}"))
}

/// Writes events at a steady rate until it is told to stop, and counts them.
async fn pour(endpoint: String, rate: u64, stop: Arc<AtomicBool>, written: Arc<AtomicU64>) {
    let config = ClientConfig::new(vec![Endpoint::parse(&endpoint).unwrap()]);
    let client = Client::new(config).unwrap();
    let clock = SystemClock::new();
    let began = clock.now();
    let mut turn = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let due = u64::try_from(clock.now().since(began).as_micros()).unwrap() * rate / 1_000_000;
        let mut under_way = Vec::new();
        while turn * OPS < due && under_way.len() < 64 {
            let put = |n| PutRequest {
                key: format!("/load/{:05}", (turn * OPS + n) % 20_000).into(),
                value: format!("{{\"turn\":{turn},\"n\":{n},\"text\":\"some more of it\"}}").into(),
                ..PutRequest::default()
            };
            let ops = (0..OPS).map(|n| RequestOp { request: Some(Request::RequestPut(put(n))) });
            under_way
                .push(client.txn(TxnRequest { success: ops.collect(), ..TxnRequest::default() }));
            turn += 1;
        }
        let count = u64::try_from(under_way.len()).unwrap();
        for outcome in futures::future::join_all(under_way).await {
            outcome.into_result().expect("written");
        }
        written.fetch_add(count * OPS, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
}

/// The console in its terminal.
struct Console {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    bytes: usize,
}

impl Console {
    fn start(endpoint: &str, dir: &std::path::Path) -> Self {
        let (rows, cols) = (36, 120);
        let size = PtySize { rows, cols, ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program());
        command.args(["--endpoints", endpoint]);
        command.cwd(dir);
        command.env("TERM", "xterm-256color");
        command.env("XDG_CONFIG_HOME", dir);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (tell, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 << 10];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if tell.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let screen = vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0);
        Self { child, _master: pair.master, writer, output, screen, bytes: 0 }
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    fn until(&mut self, wanted: impl Fn(&str) -> bool) {
        while !wanted(&self.screen.screen().contents()) {
            let bytes = self.output.recv_timeout(DEADLINE);
            let bytes = bytes.unwrap_or_else(|_| panic!("{}", self.screen.screen().contents()));
            self.bytes += bytes.len();
            self.screen.process(&bytes);
        }
    }

    /// Takes in what the console draws meanwhile.
    fn wait(&mut self, clock: &SystemClock, time: Duration) {
        let began = clock.now();
        while let Some(left) = time.checked_sub(clock.now().since(began)) {
            if let Ok(bytes) = self.output.recv_timeout(left.max(Duration::from_micros(1))) {
                self.bytes += bytes.len();
                self.screen.process(&bytes);
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn at(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn main() {
    let rate = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(RATE);
    let clock = SystemClock::new();
    let dir = tempfile::tempdir().unwrap();
    let (_member, endpoint) = start(&dir.path().join("data"));
    let mut console = Console::start(&endpoint, dir.path());
    console.until(|shown| shown.contains("quorum 1/1"));
    console.press("3w/load/\r");
    console.until(|shown| shown.contains("live"));
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load = {
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(pour(endpoint, rate, stop, written));
        })
    };
    console.wait(&clock, Duration::from_secs(4));
    let (began, before, bytes) = (clock.now(), written.load(Ordering::Relaxed), console.bytes);
    let mut times = Vec::with_capacity(PRESSES);
    for press in 0..PRESSES {
        let opens = press % 2 == 0;
        let pressed = clock.now();
        console.press("?");
        console.until(|shown| shown.contains("Esc closes, j k scroll") == opens);
        times.push(clock.now().since(pressed));
        console.wait(&clock, BETWEEN);
    }
    let took = clock.now().since(began);
    let count = written.load(Ordering::Relaxed) - before;
    stop.store(true, Ordering::Relaxed);
    load.join().unwrap();
    times.sort_unstable();
    let per_second = u128::from(count) * 1000 / took.as_millis();
    let p99 = at(&times, 99);
    println!(
        "{per_second} events/s written while {PRESSES} keys were pressed ({} KiB/s drawn)",
        u128::try_from(console.bytes - bytes).unwrap() * 1000 / 1024 / took.as_millis()
    );
    println!("key to frame   p50 {:>9.1?}   p90 {:>9.1?}", at(&times, 50), at(&times, 90));
    println!("               p99 {p99:>9.1?}   limit {P99_MAX:?}   max {:.1?}", at(&times, 100));
    let line = console.screen.screen().contents();
    let title = line.lines().find(|line| line.contains("ev/s")).unwrap_or_default().to_owned();
    println!("{}", title.trim_matches(['┌', '┐', '─', ' ']));
    if p99 > P99_MAX || per_second < u128::from(rate) * 9 / 10 {
        println!("missed");
        std::process::exit(1);
    }
}

//! The log of requests: who did what, one JSON object a line, on standard error.
//!
//! ```text
//! router ─▶ Note ─┬─ first bytes of the request ─▶ fields   ─┐
//!                 └─ first bytes of the answer  ─▶ revision ─┴─▶ line ─▶ bounded queue ─▶ thread ─▶ standard error
//! ```
//!
//! *What it costs.* Where it is off the router holds none, and looks once a call; each connection asks for its peer's address. Where it
//! is on a line is made when the answer has gone, or is refused; whoever writes it is a thread of its own, and a line that finds no
//! room is dropped and counted.
//!
//! *What it refuses.* Of a message only the fields of the table in `fields` are shown, which has no value, password or token.
//!
//! Tested here, in `fields`, and on a running member in `tests/tests/request_log.rs`.

mod fields;

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt as _;
use mini_etcd_shared::error::code_name;
use serde_json::Value;
use tokio::time::Instant;
use tonic::Code;
use tonic::body::Body;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use crate::config::{LoggedRequests, RequestLogging as Settings};
use crate::limits::REQUEST_LOG_PREFIX_BYTES;
use crate::output::LogLines;
use fields::Field;

/// Bytes of an answer in which its header stands.
const HEADER_BYTES: usize = 64;

/// The log of a member, which all of its rpc threads share.
#[derive(Debug)]
pub struct RequestLog {
    settings: Settings,
    lines: LogLines,
    /// Calls that belong into it.
    count: AtomicU64,
}

/// A method, as the log names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Called {
    pub(super) service: &'static str,
    pub(super) method: &'static str,
    pub(super) is_write: bool,
    pub(super) is_unary: bool,
}

/// The start of a request, as it arrives.
#[derive(Clone, Debug, Default)]
pub(super) struct Start(Arc<Mutex<Vec<u8>>>);

impl Start {
    /// Takes the next bytes of the body.
    pub(super) fn pass(&self, data: &[u8]) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut bytes, data, REQUEST_LOG_PREFIX_BYTES);
    }

    fn message(&self) -> Vec<u8> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fields::message(&bytes).to_vec()
    }
}

/// One call that is to be written down when it has ended.
#[derive(Debug)]
pub(super) struct Note {
    log: Arc<RequestLog>,
    called: Called,
    user: String,
    peer: Option<SocketAddr>,
    start: Start,
}

/// What comes of it.
#[derive(Debug)]
struct Outcome {
    note: Box<Note>,
    /// Bytes of the answer.
    head: Vec<u8>,
    /// None while a stream goes on, and where its client went away.
    code: Option<Code>,
    /// How long it took, or since when it goes on.
    time: Result<Duration, Instant>,
}

impl RequestLog {
    /// The log that `settings` ask for, if any, and the thread that writes it.
    ///
    /// # Errors
    /// The machine refuses another thread.
    pub fn start(settings: Settings) -> io::Result<Option<Arc<Self>>> {
        if settings.which == LoggedRequests::None {
            return Ok(None);
        }
        let lines = LogLines::of_requests()?;
        Ok(Some(Arc::new(Self { settings, lines, count: AtomicU64::new(0) })))
    }

    /// A note of a call, if it is to be written; of one that only its time makes worth it that is not known yet. `who` finds
    /// out its user and the address that it comes from.
    pub(super) fn note(
        self: &Arc<Self>,
        called: Called,
        who: impl FnOnce() -> (String, Option<SocketAddr>),
    ) -> Option<Box<Note>> {
        let is_wanted = match self.settings.which {
            LoggedRequests::None => false,
            LoggedRequests::All => self.is_next(),
            LoggedRequests::Writes => called.is_write && self.is_next(),
            LoggedRequests::Slow => called.is_unary,
        };
        is_wanted.then(|| {
            let (user, peer) = who();
            Box::new(Note { log: Arc::clone(self), called, user, peer, start: Start::default() })
        })
    }

    /// Whether the turn of a call has come.
    fn is_next(&self) -> bool {
        self.count.fetch_add(1, Relaxed).is_multiple_of(self.settings.one_of)
    }

    fn takes(&self, took: Duration) -> bool {
        self.settings.which != LoggedRequests::Slow || took >= self.settings.slow && self.is_next()
    }
}

impl Note {
    /// Where the bytes of the request go.
    pub(super) fn start(&self) -> Start {
        self.start.clone()
    }

    /// The call ended without an answer.
    pub(super) fn refused(self: Box<Self>, code: Code, since: Option<Instant>) {
        let took = since.map(|since| since.elapsed()).unwrap_or_default();
        drop(Outcome::new(self, Some(code), Ok(took)));
    }

    /// The call is answered; the line is written when `response` has gone.
    pub(super) fn answered(
        self: Box<Self>,
        since: Option<Instant>,
        response: Response<Body>,
    ) -> Response<Body> {
        let status = response.headers().get("grpc-status");
        let refused = status.map(|code| Code::from_bytes(code.as_bytes()));
        let is_unary = self.called.is_unary;
        let code = if is_unary { Some(refused.unwrap_or(Code::Ok)) } else { refused };
        let time = if is_unary {
            Ok(since.map(|since| since.elapsed()).unwrap_or_default())
        } else {
            Err(since.unwrap_or_else(Instant::now))
        };
        let mut outcome = Outcome::new(self, code, time);
        response.map(|inner| {
            Body::new(inner.map_frame(move |frame| {
                if let Some(data) = frame.data_ref() {
                    take(&mut outcome.head, data, HEADER_BYTES);
                }
                if let Some(code) = frame.trailers_ref().and_then(|it| it.get("grpc-status")) {
                    outcome.code = Some(Code::from_bytes(code.as_bytes()));
                }
                frame
            }))
        })
    }
}

impl Outcome {
    fn new(note: Box<Note>, code: Option<Code>, time: Result<Duration, Instant>) -> Self {
        Self { note, head: Vec::new(), code, time }
    }

    /// The object, without the end of its line.
    fn line(&self, took: Duration) -> String {
        let Note { called, user, peer, start, .. } = &*self.note;
        let mut time = String::new();
        // Writing to a String does not fail.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        let mut line = format!("{{\"time\":{}", Value::from(time));
        let mut add = |name: &str, value: Value| {
            let _ = write!(line, ",{}:{value}", Value::from(name));
        };
        add("request", format!("{}/{}", called.service, called.method).into());
        if !user.is_empty() {
            add("user", user.as_str().into());
        }
        if let Some(peer) = peer {
            add("peer", peer.to_string().into());
        }
        for Field { name, value } in fields::of_request(*called, &start.message()) {
            add(name, value);
        }
        if let Some(revision) = fields::revision(*called, &self.head) {
            add("revision", revision.into());
        }
        add("took_us", u64::try_from(took.as_micros()).unwrap_or(u64::MAX).into());
        add("code", code_name(self.code.unwrap_or(Code::Cancelled)).into());
        line.push('}');
        line
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        let took = self.time.unwrap_or_else(|since| since.elapsed());
        if self.note.log.takes(took) {
            let mut line = self.line(took);
            line.push('\n');
            self.note.log.lines.push(line.as_bytes());
        }
    }
}

/// Appends to `bytes` what fits into `most` of `data`.
fn take(bytes: &mut Vec<u8>, data: &[u8], most: usize) {
    let fits = data.len().min(most.saturating_sub(bytes.len()));
    bytes.extend_from_slice(data.get(..fits).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: Called =
        Called { service: "etcdserverpb.KV", method: "Put", is_write: true, is_unary: true };
    const RANGE: Called = Called { method: "Range", is_write: false, ..PUT };

    fn log(which: LoggedRequests, one_of: u64) -> Arc<RequestLog> {
        let settings = Settings { which, one_of, ..Settings::default() };
        RequestLog::start(settings).unwrap().unwrap()
    }

    #[test]
    fn nothing_is_there_where_nothing_is_asked_for() {
        assert!(RequestLog::start(Settings::default()).unwrap().is_none());
    }

    #[test]
    fn one_of_so_many_is_written_of_the_kind_that_is_asked_for() {
        let wants =
            |log: &Arc<RequestLog>, called| log.note(called, || (String::new(), None)).is_some();
        let all = log(LoggedRequests::All, 3);
        let found = [RANGE, PUT, RANGE, PUT].map(|called| wants(&all, called));
        assert_eq!(found, [true, false, false, true]);
        let writes = log(LoggedRequests::Writes, 2);
        let found = [RANGE, PUT, RANGE, PUT, PUT].map(|called| wants(&writes, called));
        assert_eq!(found, [false, true, false, false, true]);
        let slow = log(LoggedRequests::Slow, 1);
        assert!(wants(&slow, PUT) && !wants(&slow, Called { is_unary: false, ..PUT }));
        assert!(slow.takes(Duration::from_millis(300)) && !slow.takes(Duration::from_millis(299)));
    }

    #[tokio::test]
    async fn a_line_says_who_did_what_and_what_came_of_it() {
        let peer = Some("127.0.0.1:7".parse().unwrap());
        let note = log(LoggedRequests::All, 1).note(PUT, || ("ann".to_owned(), peer)).unwrap();
        note.start().pass(&[0, 0, 0, 0, 8, 10, 1, b'k', 18, 3, b's', b'e', b'c']);
        let mut outcome = Outcome::new(note, Some(Code::Ok), Ok(Duration::ZERO));
        outcome.head = vec![0, 0, 0, 0, 4, 10, 2, 24, 9];
        let line = outcome.line(Duration::from_micros(12));
        let json: Value = serde_json::from_str(&line).unwrap();
        assert!(json["time"].as_str().unwrap().ends_with('Z'), "{line}");
        let rest = line.split_once(',').unwrap().1;
        let want = r#""request":"etcdserverpb.KV/Put","user":"ann","peer":"127.0.0.1:7","key":"k","revision":9,"took_us":12,"code":"OK"}"#;
        assert_eq!(rest, want);
    }

    #[test]
    fn only_the_start_of_a_request_is_kept() {
        let start = Start::default();
        for _ in 0..10 {
            start.pass(&[0; 1000]);
        }
        assert_eq!(start.0.lock().unwrap().len(), REQUEST_LOG_PREFIX_BYTES);
    }
}

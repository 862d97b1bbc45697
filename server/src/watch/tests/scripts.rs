//! Golden scripts: one command is one input of the core, `read` shows what leaves.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command, Context};
use mini_etcd_proto::etcdserverpb::watch_create_request::FilterType;
use mini_etcd_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_proto::mvccpb::{KeyValue, event::EventType};
use prost::Message as _;

use super::store::{Change, Store};
use crate::error::RequestError;
use crate::watch::{Core, Kind, Pass, Popped, Response};

type Outcome = Result<String, Box<dyn Error>>;

struct Script {
    store: Store,
    core: Core,
    reading: Option<(Pass, Store)>,
}

impl goldenscript::Runner for Script {
    type Command = Command;

    #[expect(clippy::too_many_lines, reason = "one arm for each word of the scripts")]
    fn run(&mut self, command: &Command, _context: &Context) -> Outcome {
        let mut args = command.consume_args();
        let output = match command.name.as_str() {
            // open [leader]
            "open" => {
                let leader = args.next_pos() == Some("leader");
                format!("stream {}\n", self.core.open(leader))
            }
            "close" => self.on_stream(&mut args, Core::close)?,
            // watch STREAM KEY [END] [start=] [id=] [prev] [notify] [fragment] [noput] [nodelete]
            "watch" => self.watch(&mut args)?,
            "cancel" => {
                let (stream, id) = (number(&mut args)?, number(&mut args)?);
                self.core.cancel(stream, id);
                String::new()
            }
            "progress" => self.on_stream(&mut args, Core::progress)?,
            "tick" => self.on_stream(&mut args, Core::tick)?,
            // put KEY=VALUE...: a revision and an apply turn each
            "put" => self.put(&mut args),
            // txn KEY=VALUE... del=KEY...: one revision
            "txn" => self.turn(&[changes(&mut args)]),
            // turn KEY=VALUE... del=KEY...: a revision each, one apply turn
            "turn" => {
                let changes = changes(&mut args).into_iter().map(|change| vec![change]);
                self.turn(&changes.collect::<Vec<_>>())
            }
            // burst KEY COUNT [size=]: that many puts, a turn each
            "burst" => self.burst(&mut args)?,
            // large KEY COUNT [size=]: one transaction that puts KEY0, KEY1 ...
            "large" => {
                let size = args.take_key("size").map_or(Ok(1), str::parse)?;
                let key = args.next_pos().ok_or("which key?")?.to_owned();
                let count: usize = number(&mut args)?;
                let put = |at| Change::Put(format!("{key}{at}"), "x".repeat(size));
                self.turn(&[(0..count).map(put).collect()])
            }
            // lost KEY=VALUE...: applied, but never fanned out
            "lost" => {
                for change in changes(&mut args) {
                    self.store.txn(&[change]);
                }
                self.core.skipped(self.store.revision, self.store.compacted);
                format!("revision {}\n", self.store.revision)
            }
            "compact" => {
                self.store.compacted = number(&mut args)?;
                self.turn(&[])
            }
            "restart" => {
                self.core = Core::new(self.store.revision, self.store.compacted);
                String::new()
            }
            "catch-up" => {
                let store = self.store.clone();
                self.core.catch_up(&mut |id| Ok(store.version(id)));
                String::new()
            }
            // begin: a reading of history starts now; finish: its result arrives
            "begin" => self.begin(),
            "finish" => self.finish(&mut args)?,
            // read STREAM [count=] [brief]
            "read" => self.read(&mut args)?,
            "stop" => {
                self.core.end_all(false, &RequestError::Stopped);
                String::new()
            }
            "leaderless" => {
                self.core.end_all(true, &RequestError::NoLeader);
                String::new()
            }
            "wakes" => format!("{:?}\n", self.core.take_wakes()),
            "counts" => {
                let counts = self.core.counts();
                format!(
                    "streams={} watchers={} slow={} sent={} reads={} pending={}\n",
                    counts.streams,
                    counts.watchers,
                    counts.slow,
                    counts.events_sent,
                    counts.prev_reads,
                    counts.pending_events
                )
            }
            other => return Err(format!("no command {other}").into()),
        };
        args.reject_next()?;
        Ok(output)
    }
}

impl Script {
    fn new() -> Self {
        Self { store: Store::new(), core: Core::new(1, -1), reading: None }
    }

    fn on_stream(&mut self, args: &mut ArgumentConsumer<'_>, act: fn(&mut Core, u64)) -> Outcome {
        act(&mut self.core, number(args)?);
        Ok(String::new())
    }

    fn watch(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let stream = number(args)?;
        let mut request = WatchCreateRequest {
            start_revision: args.take_key("start").map_or(Ok(0), str::parse)?,
            watch_id: args.take_key("id").map_or(Ok(0), str::parse)?,
            key: bytes(args.next_pos().ok_or("which key?")?),
            ..WatchCreateRequest::default()
        };
        while let Some(word) = args.next_pos() {
            match word {
                "prev" => request.prev_kv = true,
                "notify" => request.progress_notify = true,
                "fragment" => request.fragment = true,
                "noput" => request.filters.push(FilterType::Noput.into()),
                "nodelete" => request.filters.push(FilterType::Nodelete.into()),
                end => request.range_end = bytes(end),
            }
        }
        self.core.create(stream, &request, Ok(Asker::default()));
        Ok(String::new())
    }

    fn put(&mut self, args: &mut ArgumentConsumer<'_>) -> String {
        for change in changes(args) {
            self.turn(&[vec![change]]);
        }
        format!("revision {}\n", self.store.revision)
    }

    fn burst(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let size = args.take_key("size").map_or(Ok(1), str::parse)?;
        let key = args.next_pos().ok_or("which key?")?.to_owned();
        let count: usize = number(args)?;
        for _ in 0..count {
            self.turn(&[vec![Change::Put(key.clone(), "x".repeat(size))]]);
        }
        Ok(format!("revision {}\n", self.store.revision))
    }

    /// Applies transactions as one turn.
    fn turn(&mut self, txns: &[Vec<Change>]) -> String {
        let events = txns.iter().flat_map(|txn| self.store.txn(txn)).collect::<Vec<_>>();
        let (store, events) = (&self.store, Arc::from(events));
        let mut versions = |id| Ok(store.version(id));
        self.core.applied(&events, store.revision, store.compacted, &mut versions);
        format!("revision {}\n", self.store.revision)
    }

    fn begin(&mut self) -> String {
        match self.core.next_pass() {
            None => "nothing to read\n".to_owned(),
            Some(pass) => {
                let line = format!("reading from {}\n", pass.from());
                self.reading = Some((pass, self.store.clone()));
                line
            }
        }
    }

    fn finish(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let looks = args.take_key("looks").map_or(Ok(usize::MAX), str::parse)?;
        let fails = args.next_pos() == Some("fails");
        let Some((pass, store)) = self.reading.take() else {
            return Ok("nothing is being read\n".to_owned());
        };
        let history = if fails {
            Err(RequestError::Storage("input/output error".to_owned()))
        } else {
            store.history(pass.from(), 1000, looks, &|key| pass.wants(key))
        };
        let line = match &history {
            Ok(history) => format!("read up to {}\n", history.next.0 - 1),
            Err(error) => format!("{error}\n"),
        };
        let passed = pass.finish(history, store.at(), &mut |id| Ok(store.version(id)));
        self.core.passed(passed);
        Ok(line)
    }

    fn read(&mut self, args: &mut ArgumentConsumer<'_>) -> Outcome {
        let count = args.take_key("count").map_or(Ok(usize::MAX), str::parse)?;
        let stream = number(args)?;
        let brief = args.next_pos() == Some("brief");
        let mut lines = Vec::new();
        for _ in 0..count {
            match self.core.pop(stream, 0) {
                Popped::Response(response) => lines.push(show(&response, brief)),
                Popped::Nothing => break,
                Popped::End(error) => {
                    lines.push(format!("end: {error}"));
                    break;
                }
            }
        }
        if brief && lines.len() > 8 {
            let more = format!("... {} more", lines.len() - 2);
            lines.splice(1..lines.len() - 1, [more]);
        }
        Ok(lines.into_iter().fold(String::new(), |text, line| text + &line + "\n"))
    }
}

fn number<T: std::str::FromStr>(args: &mut ArgumentConsumer<'_>) -> Result<T, Box<dyn Error>> {
    let word = args.next_pos().ok_or("a number is missing")?;
    word.parse().map_err(|_| format!("{word} is not a number here").into())
}

/// `zero` is the key of one zero byte, `none` the empty one.
fn bytes(word: &str) -> Bytes {
    match word {
        "zero" => Bytes::from_static(&[0]),
        "none" => Bytes::new(),
        word => Bytes::from(word.to_owned()),
    }
}

fn changes(args: &mut ArgumentConsumer<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    while let Some((key, value)) = args.next_key() {
        changes.push(match key {
            "del" => Change::Delete(value.to_owned()),
            key => Change::Put(key.to_owned(), value.to_owned()),
        });
    }
    changes
}

fn show(response: &Response, brief: bool) -> String {
    let mut line = format!("{}: revision={}", response.watch_id, response.revision);
    match &response.kind {
        Kind::Created => line.push_str(" created"),
        Kind::Refused(reason) => write!(line, " refused: {reason}").unwrap(),
        Kind::Canceled => line.push_str(" canceled"),
        Kind::Withdrawn(reason) => write!(line, " withdrawn: {reason}").unwrap(),
        Kind::Compacted(revision) => write!(line, " compacted={revision}").unwrap(),
        Kind::Progress => line.push_str(" progress"),
        Kind::Events { fragment: true } => line.push_str(" fragment"),
        Kind::Events { fragment: false } => {}
    }
    let fields: Vec<u8> = response.event_fields().flatten().copied().collect();
    let events = WatchResponse::decode(fields.as_slice()).unwrap().events;
    if brief && let (Some(first), Some(last)) = (events.first(), events.last()) {
        let revision = |kv: &Option<KeyValue>| kv.as_ref().map_or(0, |kv| kv.mod_revision);
        let span = (revision(&first.kv), revision(&last.kv));
        write!(line, " {} events of {}..{}", events.len(), span.0, span.1).unwrap();
        return line;
    }
    for event in events {
        let kind = if event.r#type() == EventType::Put { "put" } else { "del" };
        write!(line, " {kind} {}", kv(&event.kv.unwrap())).unwrap();
        if let Some(prev) = event.prev_kv {
            write!(line, " (was {})", kv(&prev)).unwrap();
        }
    }
    line
}

/// `key=value@mod/create/version`
fn kv(kv: &KeyValue) -> String {
    let text = |bytes: &Bytes| match bytes.len() {
        0..=20 => String::from_utf8_lossy(bytes).into_owned(),
        len => format!("({len} bytes)"),
    };
    let place = format!("{}/{}/{}", kv.mod_revision, kv.create_revision, kv.version);
    format!("{}={}@{place}", text(&kv.key), text(&kv.value))
}

/// Goal: every rule of etcd's watch, one script for each topic. Method: compare with what the script says;
/// `UPDATE_GOLDENFILES=1` rewrites it.
#[test]
fn every_script_holds() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/watch/testscripts");
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "scripts are missing from {directory}");
    for path in paths {
        goldenscript::run(&mut Script::new(), path).unwrap();
    }
}

//! `watch`: prints changes.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use mini_etcd_proto::mvccpb::Event;
use mini_etcd_proto::mvccpb::event::EventType;
use prost::Message as _;

use super::ranges::{PREFIX, PREV_KV, prefix_range};
use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Flag, ValueKind};
use super::{CommandLine, Made, Refusal, Request};
use crate::format::{Answer, Facts, Field, Message, Page, Value, count_of, header, pair};

/// `watch`
pub const WATCH: CommandSpec = CommandSpec {
    args: &[
        Arg::optional("key", ArgKind::Key),
        Arg::optional("range_end", ArgKind::RangeEnd),
        Arg::rest("-- command", ArgKind::Program),
    ],
    flags: &[
        Flag::switch("interactive", "read watch and progress lines from standard input").short('i'),
        PREFIX,
        PREV_KV,
        Flag::switch("progress-notify", "also say from time to time how far the watch is"),
        Flag::new(
            "rev",
            ValueKind::Int,
            "0",
            "first revision to see; 0 for what happens from now on",
        ),
    ],
    long: "A command after '--' runs for each change, with ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY\nand ETCD_WATCH_VALUE in its environment; the last three are quoted.\nETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END may stand for key and range_end.",
    examples: &[
        "watch foo",
        "watch --prefix /jobs/ --rev 17 --prev-kv",
        "watch foo -- sh -c 'echo $ETCD_WATCH_VALUE'",
    ],
    ..CommandSpec::new("watch", "Prints changes of a key, or of the keys in [key, range_end)", made)
};

/// A watch, and what to do on each change. Whoever shows it runs it, for it has no end.
#[derive(Clone, Debug)]
pub struct Watch {
    /// What to watch; `None` when lines of standard input will say.
    pub request: Option<WatchCreateRequest>,
    /// Read lines from standard input.
    pub interactive: bool,
    /// Program and arguments to run on each change; empty for none.
    pub program: Vec<Bytes>,
}

/// The key stands on the line or in a variable, never in both; what follows `--` is a program.
fn made(line: &CommandLine<'_>) -> Made {
    let interactive = line.switch("interactive");
    let dash = line.parsed.dash;
    let (keys, program) = line.args().split_at(dash.unwrap_or(line.args().len()));
    if dash.is_some() && program.is_empty() {
        return Err(Refusal::bad_args(
            "bad number of arguments (found separator --, but no commands)",
        ));
    }
    let watch = |request| Watch { request, interactive, program: program.to_vec() };
    if interactive && keys.is_empty() {
        return Ok(Box::new(watch(None)));
    }
    let (key, range_end) = match (keys, &line.scope.watch_key) {
        ([], None) => return Err(Refusal::bad_args("bad number of arguments")),
        ([], Some(key)) => (key.clone(), line.scope.watch_range_end.clone()),
        (_, Some(_)) => {
            return Err(Refusal::bad_args(
                "bad number of arguments (found conflicting environment key)",
            ));
        }
        ([key, end], None) => (key.clone(), Some(end.clone())),
        ([key, ..], None) => (key.clone(), None),
    };
    let prefix = line.switch("prefix");
    if prefix && range_end.is_some() {
        return Err(Refusal::bad_args("`range_end` and `--prefix` are mutually exclusive"));
    }
    let (key, range_end) =
        if prefix { prefix_range(key) } else { (key, range_end.unwrap_or_default()) };
    Ok(Box::new(watch(Some(WatchCreateRequest {
        key,
        range_end,
        start_revision: line.int("rev"),
        progress_notify: line.switch("progress-notify"),
        prev_kv: line.switch("prev-kv"),
        ..WatchCreateRequest::default()
    }))))
}

impl Request for Watch {
    fn misfit(&self) -> Option<Misfit> {
        let misfit =
            |found: &str, expected| Some(Misfit { found: Some(found.to_owned()), expected });
        if self.interactive {
            misfit("watch -i", "one watch on each line")
        } else if self.program.is_empty() {
            None
        } else {
            let expected = "`& as ID` and `await`; mini-etcdctl runs programs";
            misfit("a program behind a watch", expected)
        }
    }
}

/// An event: `json` nests the key, `jsonl` leaves out what a key that is deleted does not have.
fn event(event: &Event) -> Message {
    let kv = pair(&event.kv.clone().unwrap_or_default());
    let of_put = |field: Field| {
        let gone = event.r#type() == EventType::Delete
            && field.is_one_of(&["value", "create_revision", "version"]);
        if gone { field.jsonl(None) } else { field }
    };
    let nested = kv.iter().cloned().map(of_put).collect();
    let kind = event.r#type().as_str_name();
    let mut message = vec![Field::new("type", "Type", Value::Kind(event.r#type, kind.to_owned()))];
    message.push(Field::in_json("kv", Value::Inline(nested)));
    message.extend(event.prev_kv.as_ref().map(|prev| Field::new("prev_kv", "Prev", pair(prev))));
    message.push(Field::in_fields("", kv));
    message
}

impl Answer for WatchResponse {
    fn shown(&self, _hex: bool) -> Value {
        let events = match self.events.as_slice() {
            [] => Value::ByteStrings(Vec::new()),
            events => Value::Rows(events.iter().map(event).collect()),
        };
        let message = vec![
            header("Header", self.header.as_ref()),
            Field::new("Events", "", events).always(),
            Field::in_json("CompactRevision", self.compact_revision).always().jsonl(None),
            Field::in_json("Canceled", self.canceled).always().jsonl(None),
            Field::in_json("Created", self.created).always().jsonl(None),
            Field::in_json("CancelReason", &self.cancel_reason).always().jsonl(None),
        ];
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        for event in &self.events {
            page.line(event.r#type().as_str_name());
            if let Some(kv) = &event.prev_kv {
                page.pair(kv);
            }
            page.pair(&event.kv.clone().unwrap_or_default());
        }
    }

    /// What etcdctl's own client hands on.
    fn protobuf(&self) -> Option<Vec<u8>> {
        let handed = Self {
            header: self.header,
            compact_revision: self.compact_revision,
            canceled: self.canceled,
            created: self.created,
            events: self.events.clone(),
            ..Self::default()
        };
        Some(handed.encode_to_vec())
    }

    fn rows(&self) -> Vec<Message> {
        self.events.iter().map(event).collect()
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            rev: self.header.as_ref().map(|header| header.revision),
            count: count_of(self.events.len()),
            first: self.events.last().and_then(|event| event.kv.as_ref()),
            ..Facts::default()
        }
    }
}

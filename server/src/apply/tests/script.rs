//! Scripts: requests in, answers, events and disk effects out.
//!
//! | command | meaning |
//! |---|---|
//! | `put KEY VALUE [prev] [ignore_value] [ignore_lease] [lease=N]` | |
//! | `del KEY [END] [prev]` | |
//! | `txn [if=KEY:TARGET:VALUE] [then=OPS] [else=OPS]` | OPS: operations as here, separated by `;`; `in OP` is a txn of its own |
//! | `compact REVISION` | |
//! | `grant LEASE TTL` | |
//! | `revoke LEASE [term=N] [granted=INDEX]` | with a term, as the leader of that term asks for one that expired; entries are of term 1 |
//! | `checkpoint LEASE SECONDS [term=N] [granted=INDEX]` | |
//! | `leases` | with what is left at the last checkpoint, and their keys |
//! | `noop` | the entry that a new leader begins its term with |
//! | `get KEY [END] [rev=N] [limit=N] [order=asc or desc] [by=TARGET] [count] [keys]` | |
//! | `history FROM [KEY]` | what a watch from there catches up with |
//! | `versions KEY [limit=N] [before=N] [sub=N]` | what is known of a key, newest first |
//! | `deleted [KEY END] [rev=N] [limit=N] [from=KEY] [looks=N]` | keys that are gone |
//! | `histogram SLICES [KEY END] [from=N] [to=N] [looks=N]` | changes over revisions, all parts added up |
//! | `hash [REVISION]` | |
//! | `collect [ROWS]` | takes dead rows off the disk, all of them without a number |
//! | `restart`, `crash NUMBER` | |
//! | `state` | where it stands |

use std::error::Error;
use std::fmt::Write as _;

use bytes::Bytes;
use goldenscript::{Command, Context, Runner};
use mini_etcd_proto::etcdserverpb::compare::TargetUnion;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::response_op::Response as OpResponse;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse, RequestOp, TxnRequest,
    TxnResponse,
};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{
    AppliedState, CheckpointLeases, Lease, LeaseRemaining, RevokeLease,
};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::Revision;
use prost::Message;

use super::fixture::{Node, Response, compact, grant, read};
use super::past;
use crate::lease::LeaseTimes;
use crate::mvcc::{Event, EventKind, RowId, View, split_row};
use crate::storage::{Batch, Op as Change, Space};

type Outcome = Result<String, Box<dyn Error>>;

/// Words of a command: those without `=`, and those with.
pub(super) struct Words {
    pub(super) plain: Vec<String>,
    named: Vec<(String, String)>,
}

impl Words {
    fn split(text: &str) -> Self {
        let mut words = Self { plain: Vec::new(), named: Vec::new() };
        for word in text.split_whitespace() {
            words.add(word);
        }
        words
    }

    fn of(command: &Command) -> Self {
        let mut words = Self { plain: Vec::new(), named: Vec::new() };
        for argument in &command.args {
            match argument {
                goldenscript::Argument::Positional(word) => words.plain.push(word.clone()),
                goldenscript::Argument::KeyValue(name, value) => {
                    words.named.push((name.clone(), value.clone()));
                }
                other => panic!("what is {other}"),
            }
        }
        words
    }

    fn add(&mut self, word: &str) {
        match word.split_once('=') {
            Some((name, value)) => self.named.push((name.to_owned(), value.to_owned())),
            None => self.plain.push(word.to_owned()),
        }
    }

    pub(super) fn at(&self, at: usize) -> Bytes {
        Bytes::from(self.plain.get(at).cloned().unwrap_or_default())
    }

    fn flag(&mut self, name: &str) -> bool {
        let before = self.plain.len();
        self.plain.retain(|word| word != name);
        self.plain.len() < before
    }

    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.named.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        self.named(name).map_or(0, |text| text.parse().unwrap())
    }
}

fn put_of(mut words: Words) -> PutRequest {
    let (prev_kv, ignore_value) = (words.flag("prev"), words.flag("ignore_value"));
    let ignore_lease = words.flag("ignore_lease");
    let (key, value, lease) = (words.at(0), words.at(1), words.number("lease"));
    PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease }
}

fn delete_of(mut words: Words) -> DeleteRangeRequest {
    let prev_kv = words.flag("prev");
    DeleteRangeRequest { key: words.at(0), range_end: words.at(1), prev_kv }
}

fn range_of(mut words: Words) -> RangeRequest {
    let (count_only, keys_only) = (words.flag("count"), words.flag("keys"));
    RangeRequest {
        key: words.at(0),
        range_end: words.at(1),
        limit: words.number("limit"),
        revision: words.number("rev"),
        sort_order: match words.named("order") {
            Some("asc") => 1,
            Some("desc") => 2,
            _ => 0,
        },
        sort_target: match words.named("by") {
            Some("version") => 1,
            Some("create") => 2,
            Some("mod") => 3,
            Some("value") => 4,
            _ => 0,
        },
        count_only,
        keys_only,
        ..RangeRequest::default()
    }
}

fn op_of(text: &str) -> RequestOp {
    let (name, rest) = text.trim().split_once(' ').unwrap();
    let request = match name {
        "put" => Op::RequestPut(put_of(Words::split(rest))),
        "del" => Op::RequestDeleteRange(delete_of(Words::split(rest))),
        "get" => Op::RequestRange(range_of(Words::split(rest))),
        "in" => {
            let success = vec![op_of(rest)];
            Op::RequestTxn(TxnRequest { success, ..TxnRequest::default() })
        }
        _ => panic!("no operation {name}"),
    };
    RequestOp { request: Some(request) }
}

fn compare_of(text: &str) -> Compare {
    let parts: Vec<&str> = text.split(':').collect();
    let number = || parts[2].parse().unwrap();
    let (target, union) = match parts[1] {
        "version" => (0, TargetUnion::Version(number())),
        "create" => (1, TargetUnion::CreateRevision(number())),
        "mod" => (2, TargetUnion::ModRevision(number())),
        _ => (3, TargetUnion::Value(Bytes::copy_from_slice(parts[2].as_bytes()))),
    };
    let key = Bytes::copy_from_slice(parts[0].as_bytes());
    Compare { target, key, target_union: Some(union), ..Compare::default() }
}

fn txn_of(words: &Words) -> TxnRequest {
    let ops = |name| words.named(name).map(|ops| ops.split(';').map(op_of).collect());
    TxnRequest {
        compare: words.named("if").map(compare_of).into_iter().collect(),
        success: ops("then").unwrap_or_default(),
        failure: ops("else").unwrap_or_default(),
    }
}

fn show_kv(kv: &KeyValue) -> String {
    let text = |bytes: &Bytes| bytes.escape_ascii().to_string();
    let (key, value) = (text(&kv.key), text(&kv.value));
    let lease = if kv.lease == 0 { String::new() } else { format!(" lease {}", kv.lease) };
    format!(
        "{key}={value} (create {} mod {} version {}{lease})",
        kv.create_revision, kv.mod_revision, kv.version
    )
}

fn show_range(answer: &RangeResponse) -> String {
    let kvs: Vec<String> = answer.kvs.iter().map(show_kv).collect();
    let more = if answer.more { ", more" } else { "" };
    format!("[{}] count {}{more}", kvs.join(", "), answer.count)
}

fn show_txn(answer: &TxnResponse) -> String {
    let results = answer.responses.iter().map(|op| match op.response.as_ref().unwrap() {
        OpResponse::ResponseRange(answer) => show_range(answer),
        OpResponse::ResponsePut(_) => "put".to_owned(),
        OpResponse::ResponseDeleteRange(answer) => format!("deleted {}", answer.deleted),
        OpResponse::ResponseTxn(answer) => format!("({})", show_txn(answer)),
    });
    let results: Vec<String> = results.collect();
    format!("{}: {}", if answer.succeeded { "then" } else { "else" }, results.join("; "))
}

fn show_response(response: &Response) -> String {
    let prev = |kvs: &[KeyValue]| {
        kvs.iter().fold(String::new(), |text, kv| text + ", was " + &show_kv(kv))
    };
    let (header, text) = match response {
        Response::Put(answer) => {
            (&answer.header, format!("put{}", prev(answer.prev_kv.as_slice())))
        }
        Response::DeleteRange(answer) => {
            let prev = prev(&answer.prev_kvs);
            (&answer.header, format!("deleted {}{prev}", answer.deleted))
        }
        Response::Txn(answer) => (&answer.header, show_txn(answer)),
        Response::Compaction(answer) => (&answer.header, "compacted".to_owned()),
        Response::LeaseGranted(answer) => {
            (&answer.header, format!("lease {} granted for {} s", answer.id, answer.ttl))
        }
        Response::LeaseRevoked(answer) => (&answer.header, "lease revoked".to_owned()),
        _ => return format!("{response:?}"),
    };
    format!("revision {}: {text}", header.as_ref().unwrap().revision)
}

fn show_id(id: RowId) -> String {
    format!("{}.{}", id.revision, id.sub)
}

fn show_event(view: &View, event: &Event) -> String {
    let kv = KeyValue::decode(event.kv.clone()).unwrap();
    let what = match event.kind {
        EventKind::Put => format!("put {}", show_kv(&kv)),
        EventKind::Delete => format!("delete {}", event.key.escape_ascii()),
    };
    let prev = event.prev.map_or(String::new(), |id| {
        let kv = view.key_value(id).unwrap().unwrap();
        format!(", before {} {}", show_id(id), kv.value.escape_ascii())
    });
    format!("event {} {what}{prev}\n", show_id(event.id))
}

fn show_change(change: &Change) -> String {
    match change {
        Change::Put(Space::Rows, key, row) => {
            let (kv, tombstone) = split_row(row).unwrap();
            let kv = KeyValue::decode(kv).unwrap();
            let end = if tombstone { " tombstone" } else { "" };
            format!("+rows {} {}{end}", show_id(RowId::parse(key).unwrap()), kv.key.escape_ascii())
        }
        Change::Remove(Space::Rows, key) => {
            format!("-rows {}", show_id(RowId::parse(key).unwrap()))
        }
        Change::Put(Space::Meta, _, value) => {
            let meta = AppliedState::decode(value.as_slice()).unwrap();
            let AppliedState {
                applied_index, revision, compact_revision, compact_finished, ..
            } = meta;
            format!(
                "+meta applied {applied_index} revision {revision} compacted {compact_revision} \
                 finished {compact_finished}"
            )
        }
        Change::Put(Space::System, key, value) if key.first() == Some(&b'l') => {
            let Lease { ttl, remaining, granted } = Lease::decode(value.as_slice()).unwrap();
            let id = i64::from_be_bytes(key[1..].try_into().unwrap());
            format!("+system lease {id} ttl {ttl} remaining {remaining} granted {granted}")
        }
        Change::Remove(Space::System, key) if key.first() == Some(&b'l') => {
            format!("-system lease {}", i64::from_be_bytes(key[1..].try_into().unwrap()))
        }
        other => format!("{other:?}"),
    }
}

fn show_commits(commits: Vec<Batch>) -> String {
    commits.into_iter().fold(String::new(), |mut text, batch| {
        let changes: Vec<String> = batch.ops().iter().map(show_change).collect();
        let _ = writeln!(text, "disk {}", changes.join(", "));
        text
    })
}

struct Script(Node);

impl Script {
    fn entry(&mut self, request: Option<Request>) -> Outcome {
        let asked = request.clone();
        let entry = self.0.append(request);
        self.0.disk.take_commits();
        let applied = self.0.apply(vec![entry])?;
        let mut text = String::new();
        for result in &applied.results {
            match &result.outcome {
                Ok(response) => {
                    let request = asked.as_ref().ok_or("a result of nothing")?;
                    writeln!(text, "{}", show_response(&read(request, response.clone())))?;
                }
                Err(error) => writeln!(text, "error: {error}")?,
            }
        }
        for event in applied.events.iter() {
            text += &show_event(&self.0.view(), event);
        }
        Ok(text + &show_commits(self.0.disk.take_commits()))
    }

    fn history(&self, words: &Words) -> Outcome {
        let from = Revision(words.plain[0].parse()?);
        let key = words.at(1);
        let view = self.0.view();
        let history = view.history(from, 1000, &|name| key.is_empty() || name == key)?;
        let events: String = history.events.iter().map(|event| show_event(&view, event)).collect();
        Ok(format!("{events}next {}\n", history.next))
    }

    fn collect(&mut self, words: &Words) -> Outcome {
        self.0.disk.take_commits();
        match words.plain.first() {
            Some(rows) => {
                self.0.applier.collect(rows.parse()?)?;
            }
            None => self.0.collect_all(),
        }
        Ok(show_commits(self.0.disk.take_commits()))
    }

    fn leases(&self) -> String {
        let leases = self.0.published().leases.clone();
        leases.all().into_iter().fold(String::new(), |mut text, (id, times)| {
            let keys: Vec<String> =
                leases.keys(id).unwrap().iter().map(|key| key.escape_ascii().to_string()).collect();
            let LeaseTimes { ttl, remaining, granted } = times;
            let keys = keys.join(" ");
            let _ = writeln!(
                text,
                "lease {id} ttl {ttl} remaining {remaining} granted {granted} keys [{keys}]"
            );
            text
        })
    }

    fn state(&self) -> String {
        let published = self.0.published();
        let view = &published.view;
        format!(
            "applied {} revision {} compacted {} finished {} keys {} rows {}\n",
            published.applied,
            view.revision(),
            view.compacted(),
            published.compact_finished,
            view.key_count(),
            self.0.table().keys().filter(|(space, _)| *space == Space::Rows).count(),
        )
    }
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Outcome {
        let words = Words::of(command);
        match command.name.as_str() {
            "put" => self.entry(Some(Request::Put(put_of(words)))),
            "del" => self.entry(Some(Request::DeleteRange(delete_of(words)))),
            "txn" => self.entry(Some(Request::Txn(txn_of(&words)))),
            "compact" => self.entry(Some(compact(words.plain[0].parse()?))),
            "grant" => self.entry(Some(grant(words.plain[0].parse()?, words.plain[1].parse()?))),
            "revoke" => {
                let (term, granted) = (words.number("term"), words.number("granted"));
                self.entry(Some(Request::LeaseRevoke(RevokeLease {
                    id: words.plain[0].parse()?,
                    term: term.cast_unsigned(),
                    granted: granted.cast_unsigned(),
                })))
            }
            "checkpoint" => {
                let leases = vec![LeaseRemaining {
                    id: words.plain[0].parse()?,
                    remaining: words.plain[1].parse()?,
                    granted: words.number("granted").cast_unsigned(),
                }];
                let term = words.number("term").cast_unsigned();
                self.entry(Some(Request::LeaseCheckpoint(CheckpointLeases { term, leases })))
            }
            "leases" => Ok(self.leases()),
            "noop" => self.entry(None),
            "get" => match self.0.view().range(&range_of(words)) {
                Ok(answer) => Ok(show_range(&answer) + "\n"),
                Err(error) => Ok(format!("error: {error}\n")),
            },
            "versions" => Ok(past::versions(&self.0.view(), &words)),
            "deleted" => Ok(past::deleted(&self.0.view(), &words)),
            "histogram" => Ok(past::histogram(&self.0.view(), &words)),
            "history" => self.history(&words).or_else(|error| Ok(format!("error: {error}\n"))),
            "hash" => {
                let revision = words.plain.first().map_or(Ok(0), |text| text.parse())?;
                let hash = self.0.view().hash_kv(revision)?;
                Ok(format!("{:08x} at {}\n", hash.hash, hash.hash_revision))
            }
            "collect" => self.collect(&words),
            "restart" => {
                self.0.restart();
                Ok(self.state())
            }
            "crash" => {
                let lost = self.0.crash(words.plain[0].parse()?);
                Ok(format!("{lost} commits lost\n{}", self.state()))
            }
            "state" => Ok(self.state()),
            name => Err(format!("no command {name}").into()),
        }
    }
}

#[test]
fn scripts_come_out_as_recorded() {
    let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = ["mvcc", "lease"].map(|part| src.join(part).join("testscripts"));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut scripts: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 4, "the scripts are there");
    for script in scripts {
        goldenscript::run(&mut Script(Node::new()), &script).unwrap_or_else(|error| {
            panic!("{}: {error}", script.display());
        });
    }
}

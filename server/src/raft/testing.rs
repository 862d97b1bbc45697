//! What the scripts of this module share: words for messages and jobs, and a log in memory.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use goldenscript::{Command, Runner};
use mini_etcd_proto::internalpb::{Command as Request, ConfChange, ConfState, Entry, EntryKind};
use mini_etcd_proto::peerpb::RaftMessage;
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::{LogIndex, Term};
use prost::Message as _;

use super::job::{Job, Outbound, StagedSnapshot};
use crate::log::{LogStore, LogWrite, MemoryGuard};
use crate::storage::SimEngine;

/// A clock that stands still.
#[derive(Clone)]
pub struct NoTime;

impl Clock for NoTime {
    fn now(&self) -> Moment {
        Moment::default()
    }
}

/// A log on a simulated disk.
pub type TestLog = LogStore<SimEngine, MemoryGuard, NoTime>;

/// Where every log of the scripts begins.
pub const BIRTH: (LogIndex, Term) = (LogIndex(1), Term(1));

/// Runs every script of a directory with a new runner each.
pub fn run_all<R: Runner>(directory: &str, runner: impl Fn() -> R) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(directory);
    let files = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path());
    let mut scripts: Vec<_> = files.filter(|path| path.is_file()).collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts in {}", directory.display());
    for script in scripts {
        goldenscript::run(&mut runner(), script).unwrap();
    }
}

/// The value of an argument `key=NUMBER`.
pub fn number(command: &Command, key: &str) -> Result<Option<u64>, Box<dyn Error>> {
    command.consume_args().take_key(key).map(|text| Ok(text.parse()?)).transpose()
}

/// The numbers of an argument `key=1/2/3`.
pub fn numbers(command: &Command, key: &str) -> Result<Vec<u64>, Box<dyn Error>> {
    let text = command.consume_args().take_key(key).unwrap_or_default();
    text.split('/').filter(|part| !part.is_empty()).map(|part| Ok(part.parse()?)).collect()
}

/// The place of an argument `key=INDEX@TERM`.
pub fn place(command: &Command, key: &str) -> Result<Option<(LogIndex, Term)>, Box<dyn Error>> {
    let Some(text) = command.consume_args().take_key(key) else { return Ok(None) };
    let (index, term) = text.split_once('@').ok_or("INDEX@TERM expected")?;
    Ok(Some((LogIndex(index.parse()?), Term(term.parse()?))))
}

/// The words without `=`.
pub fn words(command: &Command) -> Vec<String> {
    let mut arguments = command.consume_args();
    std::iter::from_fn(|| arguments.next_pos().map(str::to_owned)).collect()
}

/// Entries as `INDEX@TERM` or `INDEX@TERM-DATA`, joined by `/`.
pub fn parse_entries(text: &str) -> Result<Vec<Entry>, Box<dyn Error>> {
    let one = |part: &str| {
        let (place, data) = part.split_once('-').unwrap_or((part, ""));
        let (index, term) = place.split_once('@').ok_or("INDEX@TERM expected")?;
        let data = data.to_owned().into();
        Ok(Entry { kind: 0, term: term.parse()?, index: index.parse()?, data })
    };
    text.split('/').filter(|part| !part.is_empty()).map(one).collect()
}

/// Voters and learners.
pub fn conf_state(voters: Vec<u64>, learners: Vec<u64>) -> ConfState {
    ConfState { voters, learners, ..ConfState::default() }
}

pub fn entry(entry: &Entry) -> String {
    let place = format!("{}@{}", entry.index, entry.term);
    if entry.kind == EntryKind::ConfChange as i32 {
        let change = ConfChange::decode(entry.data.clone()).unwrap_or_default();
        let kind = change.kind().as_str_name().to_lowercase();
        return format!("{place}:{kind}({})", change.member_id);
    }
    match Request::decode(entry.data.clone()) {
        Ok(request) if request.sequence != 0 => {
            format!("{place}:n{}#{}", request.origin, request.sequence)
        }
        _ if entry.data.is_empty() => place,
        _ => format!("{place}:{}", String::from_utf8_lossy(&entry.data)),
    }
}

pub fn entries(list: &[Entry]) -> String {
    let words: Vec<String> = list.iter().map(entry).collect();
    format!("[{}]", words.join(" "))
}

pub fn message(message: &RaftMessage) -> String {
    let kind = message.kind().as_str_name().to_lowercase();
    let mut text = format!("n{}→n{} {kind} term={}", message.from, message.to, message.term);
    let numbers = [
        ("index", message.index),
        ("log_term", message.log_term),
        ("commit", message.commit),
        ("hint", message.reject_hint),
        ("held", message.held),
    ];
    for (name, value) in numbers.iter().filter(|(_, value)| *value != 0) {
        write!(text, " {name}={value}").unwrap();
    }
    if message.doubt != 0 {
        write!(text, " in doubt {}", message.doubt).unwrap();
    }
    if let Some(proof) = &message.proof {
        write!(text, " proof={}@{} for {}", proof.index, proof.term, proof.nonce).unwrap();
    }
    if !message.entries.is_empty() {
        write!(text, " {}", entries(&message.entries)).unwrap();
    }
    if message.reject {
        text.push_str(" rejected");
    }
    if !message.context.is_empty() {
        match String::from_utf8(message.context.to_vec()) {
            Ok(words) if words.chars().all(|c| c.is_ascii_graphic()) => {
                write!(text, " context={words}").unwrap();
            }
            _ => {
                let round = message.context.get(12..16).unwrap_or_default();
                write!(text, " round={}", round.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b)))
                    .unwrap();
            }
        }
    }
    text
}

pub fn outbound(from: u64, outbound: &Outbound) -> String {
    let head = format!("n{from}→n{}", outbound.to);
    let round = |round: u64| round & 0xffff_ffff;
    match &outbound.body {
        Body::Raft(raft) => message(raft),
        Body::Forward(forward) => {
            let numbers: Vec<_> =
                forward.commands.iter().map(|command| format!("#{}", command.sequence)).collect();
            format!("{head} forward term={} {}", forward.term, numbers.join(" "))
        }
        Body::ForwardRefused(refused) => {
            let reason = refused.reason().as_str_name().to_lowercase();
            let term = refused.term;
            format!("{head} forward_refused term={term} {reason} {:?}", refused.sequences)
        }
        Body::ReadBarrier(ask) => format!("{head} read_barrier round={}", round(ask.round)),
        Body::ReadIndex(answer) => {
            format!("{head} read_index round={} index={}", round(answer.round), answer.index)
        }
        other => format!("{head} {other:?}"),
    }
}

pub fn write(write: &LogWrite) -> String {
    let mut parts = Vec::new();
    if let Some(state) = &write.hard_state {
        parts.push(format!("term={} vote={}", state.term, state.vote));
    }
    if !write.entries.is_empty() {
        parts.push(entries(&write.entries));
    }
    if let Some(acked) = &write.acked {
        let words: Vec<_> =
            acked.iter().map(|it| format!("n{}={}@{}", it.member, it.index, it.term)).collect();
        parts.push(format!("acked {}", words.join(" ")));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(" ") }
}

/// The lines of a job of member `id`.
pub fn job(id: u64, job: &Job) -> Vec<String> {
    match job {
        Job::Send(messages) => {
            messages.iter().map(|out| format!("send {}", outbound(id, out))).collect()
        }
        Job::Write(task) => {
            let mut lines = vec![format!("n{id} write {} {}", task.number, write(&task.write))];
            let held = task.then_send.iter();
            lines.extend(held.map(|out| format!("  then send {}", outbound(id, out))));
            lines
        }
        Job::Apply(task) => {
            let mut line = format!("n{id} apply {}", entries(&task.entries));
            for (index, state) in &task.conf_states {
                let (voters, learners) = (&state.voters, &state.learners);
                write!(line, " after {index}: voters={voters:?} learners={learners:?}").unwrap();
            }
            vec![line]
        }
        Job::CutLog { upto } => vec![format!("n{id} cut log up to {upto}")],
        Job::SendSnapshot { to } => vec![format!("n{id} send a snapshot to n{to}")],
        Job::Install(StagedSnapshot { index, term, .. }) => {
            vec![format!("n{id} install the snapshot {index}@{term}")]
        }
        Job::ResetLog { index, term } => vec![format!("n{id} reset log behind {index}@{term}")],
        Job::ReadReady { ids, index } => vec![format!("n{id} reads {ids:?} at index {index}")],
        Job::FailWrites { sequences, error } => {
            vec![format!("n{id} writes {sequences:?} fail: {error}")]
        }
        Job::FailReads { ids, error } => vec![format!("n{id} reads {ids:?} fail: {error}")],
        Job::Removed => vec![format!("n{id} is removed")],
        Job::Differs { leader } => vec![format!("n{id} differs from n{leader}")],
    }
}

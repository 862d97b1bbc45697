//! Answers without what must differ: one name for what each server calls its own way, nothing for sizes, times and terms.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};
use tonic::Code;

use super::call::Answer;
use super::names::{Names, change};
use super::text::text;
use super::ties::settled;
use super::{Pair, Side};

/// Seconds that a lease may have been counted down when it is asked for.
const COUNTED_DOWN_MAX: i64 = 3_600;

/// How a request is refused that is larger than a message may be; its size and the bound follow.
const TOO_LARGE: &str = "grpc: received message larger than max (";

/// What is compared of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    /// Its messages.
    pub messages: Vec<DynamicMessage>,
    /// Code of its end.
    pub code: Code,
    /// Words of its end.
    pub words: String,
}

impl Normal {
    /// Whether the call went well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code == Code::Ok
    }

    /// As a reader sees it, and as it is compared.
    #[must_use]
    pub fn text(&self) -> String {
        let mut all: Vec<String> = self.messages.iter().map(text).collect();
        if !self.is_ok() {
            all.push(format!("{:?}: {}", self.code, self.words));
        }
        all.join(" ")
    }
}

/// Learns from the heads of two good answers which revisions are the same.
pub fn learn(names: &mut Names, output: &MessageDescriptor, answers: Pair<&Answer>) {
    let revision = |answer: &Answer| {
        let message =
            DynamicMessage::decode(output.clone(), answer.messages.last()?.clone()).ok()?;
        let header = message.get_field_by_name("header")?.into_owned();
        header.as_message()?.get_field_by_name("revision")?.as_i64()
    };
    if let (Some(etcd), Some(mini)) = (revision(answers.etcd), revision(answers.mini)) {
        names.seen(etcd, mini);
    }
}

/// What is compared of an answer to `request`.
#[must_use]
pub fn normal(
    names: &Names,
    side: Side,
    (path, request): (&str, Option<&Bytes>),
    output: &MessageDescriptor,
    answer: &Answer,
) -> Normal {
    let mut normal = Normal {
        messages: Vec::new(),
        code: answer.status.code(),
        words: without_size(answer.status.message()),
    };
    for bytes in &answer.messages {
        let settled = request.and_then(|request| settled(path, request, bytes));
        let bytes = settled.as_ref().unwrap_or(bytes);
        match DynamicMessage::decode(output.clone(), bytes.clone()) {
            Ok(mut message) => {
                without_what_differs(names, side, &mut message);
                normal.messages.push(message);
            }
            Err(error) => normal.words = format!("an answer that is no message: {error}"),
        }
    }
    if path.ends_with("/RangeStream") {
        merge(&mut normal.messages, output);
    }
    if path.ends_with("/Snapshot") && normal.is_ok() {
        normal.messages.truncate(1);
    }
    normal
}

/// The numbers in a request have as many bytes as the server makes them long.
fn without_size(words: &str) -> String {
    match words.split_once(TOO_LARGE).and_then(|(_, sizes)| sizes.split_once(' ')) {
        Some((_, most)) => format!("{TOO_LARGE}SIZE {most}"),
        None => words.to_owned(),
    }
}

/// Where a stream of a range is cut says nothing.
fn merge(messages: &mut Vec<DynamicMessage>, output: &MessageDescriptor) {
    if messages.len() > 1 {
        let bytes: Vec<u8> = messages.iter().flat_map(DynamicMessage::encode_to_vec).collect();
        if let Ok(whole) = DynamicMessage::decode(output.clone(), &*bytes) {
            *messages = vec![whole];
        }
    }
}

fn without_what_differs(names: &Names, side: Side, message: &mut DynamicMessage) {
    names.inward_all(side, message);
    let name = message.descriptor().name().to_owned();
    match name.as_str() {
        "LeaseTimeToLiveResponse" => time_to_live(message),
        "StatusResponse" => {
            for field in ["version", "raftIndex", "raftTerm", "raftAppliedIndex", "leader"]
                .into_iter()
                .chain(["dbSize", "dbSizeInUse", "storageVersion", "dbSizeQuota", "downgradeInfo"])
            {
                message.clear_field_by_name(field);
            }
        }
        "HashKVResponse" | "HashResponse" => message.clear_field_by_name("hash"),
        "SnapshotResponse" => message.clear(),
        _ => (),
    }
    change(message, &mut |field, value| match (field.full_name(), value) {
        (
            "etcdserverpb.ResponseHeader.cluster_id" | "etcdserverpb.ResponseHeader.raft_term",
            value,
        ) => {
            if let Value::U64(number) = value {
                *number = (*number).min(1);
            }
        }
        ("etcdserverpb.AuthenticateResponse.token", Value::String(token)) if !token.is_empty() => {
            "TOKEN".clone_into(token);
        }
        ("etcdserverpb.Member.clientURLs", Value::String(url)) => "URL".clone_into(url),
        ("etcdserverpb.Member.peerURLs", Value::String(url)) if url == names.peers.of(side) => {
            "URL".clone_into(url);
        }
        ("etcdserverpb.StatusResponse.errors", Value::String(error)) => {
            *error = error.trim_end().to_owned();
        }
        // Etcd walks a map of its alarms.
        ("etcdserverpb.StatusResponse.errors", Value::List(errors)) => {
            errors.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
        ("etcdserverpb.AlarmResponse.alarms", Value::List(alarms)) => {
            let whose = |alarm: &Value| {
                let alarm = alarm.as_message()?;
                let number = |name| alarm.get_field_by_name(name).map(Cow::into_owned);
                Some((number("memberID")?.as_u64()?, number("alarm")?.as_enum_number()?))
            };
            alarms.sort_by_key(whose);
        }
        ("etcdserverpb.LeaseLeasesResponse.leases", Value::List(leases)) => {
            let id = |lease: &Value| lease.as_message()?.get_field_by_name("ID")?.as_i64();
            leases.retain(|lease| !id(lease).is_some_and(Names::is_stray));
            leases.sort_by_key(|lease| id(lease).unwrap_or(0));
        }
        _ => (),
    });
}

/// What is left of a lease is so much or a little less; the order of its keys is open.
fn time_to_live(message: &mut DynamicMessage) {
    let number = |message: &DynamicMessage, name| {
        message.get_field_by_name(name).and_then(|value| value.as_i64()).unwrap_or(0)
    };
    let (left, granted) = (number(message, "TTL"), number(message, "grantedTTL"));
    if left > 0 && left <= granted && left + COUNTED_DOWN_MAX >= granted {
        message.set_field_by_name("TTL", Value::I64(granted));
    }
    if let Some(Value::List(keys)) = message.get_field_by_name_mut("keys") {
        keys.sort_by(|a, b| a.as_bytes().cmp(&b.as_bytes()));
    }
}

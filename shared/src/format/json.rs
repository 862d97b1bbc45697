//! Objects with the names, order and omissions of etcdctl's.

use std::fmt::Write;

use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    AlarmMember, DeleteRangeResponse, HashKvResponse, Member, MemberListResponse, PutResponse,
    RangeResponse, ResponseHeader, ResponseOp, StatusResponse, TxnResponse, WatchResponse,
};
use mini_etcd_proto::mvccpb::{Event, KeyValue};

use super::texts::duration;
use crate::exec::Answer;

pub(super) fn render(answer: &Answer, hex: bool) -> Vec<u8> {
    let mut text = match answer {
        Answer::Put(response) => put(response),
        Answer::Get { response, .. } => range(response),
        Answer::Del(response) => deleted(response),
        Answer::Txn(response) => txn(response),
        Answer::Watch(response) => watch(response),
        Answer::MemberList(response) => members(response, hex),
        Answer::EndpointStatus(list) => array(list, |status| {
            let inner = status_object(&status.response);
            Object::new().text("Endpoint", &status.endpoint).raw("Status", &inner).end()
        }),
        Answer::EndpointHealth(list) => array(list, |health| {
            Object::new()
                .text("endpoint", &health.endpoint)
                .raw("health", if health.trouble.is_none() { "true" } else { "false" })
                .text("took", &duration(health.took))
                .text_unless_empty("error", health.trouble.as_deref().unwrap_or(""))
                .end()
        }),
        Answer::EndpointHashKv(list) => array(list, |hashed| {
            let inner = hash_object(&hashed.response);
            Object::new().text("Endpoint", &hashed.endpoint).raw("HashKV", &inner).end()
        }),
        Answer::AlarmList(response) => Object::new()
            .header("header", response.header.as_ref())
            .list("alarms", &response.alarms, alarm)
            .end(),
        Answer::Compaction(_) | Answer::Version | Answer::Help(_) => String::new(),
    };
    text.push('\n');
    text.into_bytes()
}

/// An object under construction; fields that are zero or empty are left out unless said otherwise.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn raw(mut self, name: &str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing to a string does not fail.
        let _ = write!(self.0, "\"{name}\":{json}");
        self
    }

    fn number(self, name: &str, number: impl Into<i128>) -> Self {
        let number = number.into();
        if number == 0 { self } else { self.raw(name, &number.to_string()) }
    }

    fn flag(self, name: &str, on: bool) -> Self {
        if on { self.raw(name, "true") } else { self }
    }

    fn text(self, name: &str, text: &str) -> Self {
        let quoted = string(text);
        self.raw(name, &quoted)
    }

    fn text_unless_empty(self, name: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.text(name, text) }
    }

    fn texts(self, name: &str, texts: &[String]) -> Self {
        self.list(name, texts, |text| string(text))
    }

    fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        if bytes.is_empty() { self } else { self.raw(name, &format!("\"{}\"", base64(bytes))) }
    }

    fn list<T>(self, name: &str, items: &[T], shown: impl Fn(&T) -> String) -> Self {
        if items.is_empty() { self } else { self.raw(name, &array(items, shown)) }
    }

    fn pair(self, name: &str, kv: Option<&KeyValue>) -> Self {
        match kv {
            Some(kv) => self.raw(name, &key_value(kv)),
            None => self,
        }
    }

    fn header(self, name: &str, header: Option<&ResponseHeader>) -> Self {
        let Some(header) = header else { return self };
        let object = Object::new()
            .number("cluster_id", header.cluster_id)
            .number("member_id", header.member_id)
            .number("revision", header.revision)
            .number("raft_term", header.raft_term);
        self.raw(name, &object.end())
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn array<T>(items: &[T], shown: impl Fn(&T) -> String) -> String {
    let items: Vec<_> = items.iter().map(shown).collect();
    format!("[{}]", items.join(","))
}

/// A string as Go's encoder writes it, which also escapes what would end a script element of HTML.
fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            let shown = DIGITS.get(digit).map_or('=', |digit| char::from(*digit));
            out.push(if at <= chunk.len() { shown } else { '=' });
        }
    }
    out
}

fn key_value(kv: &KeyValue) -> String {
    Object::new()
        .bytes("key", &kv.key)
        .number("create_revision", kv.create_revision)
        .number("mod_revision", kv.mod_revision)
        .number("version", kv.version)
        .bytes("value", &kv.value)
        .number("lease", kv.lease)
        .end()
}

fn put(response: &PutResponse) -> String {
    Object::new()
        .header("header", response.header.as_ref())
        .pair("prev_kv", response.prev_kv.as_ref())
        .end()
}

fn range(response: &RangeResponse) -> String {
    Object::new()
        .header("header", response.header.as_ref())
        .list("kvs", &response.kvs, key_value)
        .flag("more", response.more)
        .number("count", response.count)
        .end()
}

fn deleted(response: &DeleteRangeResponse) -> String {
    Object::new()
        .header("header", response.header.as_ref())
        .number("deleted", response.deleted)
        .list("prev_kvs", &response.prev_kvs, key_value)
        .end()
}

fn txn(response: &TxnResponse) -> String {
    Object::new()
        .header("header", response.header.as_ref())
        .flag("succeeded", response.succeeded)
        .list("responses", &response.responses, operation)
        .end()
}

fn operation(op: &ResponseOp) -> String {
    let inner = match &op.response {
        Some(Response::ResponseRange(inner)) => Object::new().raw("response_range", &range(inner)),
        Some(Response::ResponsePut(inner)) => Object::new().raw("response_put", &put(inner)),
        Some(Response::ResponseDeleteRange(inner)) => {
            Object::new().raw("response_delete_range", &deleted(inner))
        }
        Some(Response::ResponseTxn(inner)) => Object::new().raw("response_txn", &txn(inner)),
        None => return Object::new().raw("Response", "null").end(),
    };
    Object::new().raw("Response", &inner.end()).end()
}

fn watch(response: &WatchResponse) -> String {
    Object::new()
        .header("Header", response.header.as_ref())
        .raw("Events", &array(&response.events, event))
        .raw("CompactRevision", &response.compact_revision.to_string())
        .raw("Canceled", &response.canceled.to_string())
        .raw("Created", &response.created.to_string())
        .end()
}

fn event(event: &Event) -> String {
    Object::new()
        .number("type", event.r#type)
        .pair("kv", event.kv.as_ref())
        .pair("prev_kv", event.prev_kv.as_ref())
        .end()
}

fn members(response: &MemberListResponse, hex: bool) -> String {
    let header = response.header.unwrap_or_default();
    let id = |id: u64| if hex { format!("\"{id:x}\"") } else { id.to_string() };
    // etcdctl 3.5.1 spells this key differently in its two outputs.
    let client_urls = if hex { "clientURLS" } else { "clientURLs" };
    let member = |member: &Member| {
        let object = Object::new().raw("ID", &id(member.id));
        let object = object.text_unless_empty("name", &member.name);
        object
            .texts("peerURLs", &member.peer_ur_ls)
            .texts(client_urls, &member.client_ur_ls)
            .flag("isLearner", member.is_learner)
            .end()
    };
    let head = Object::new()
        .raw("cluster_id", &id(header.cluster_id))
        .raw("member_id", &id(header.member_id))
        .number("revision", header.revision)
        .number("raft_term", header.raft_term);
    Object::new().raw("header", &head.end()).list("members", &response.members, member).end()
}

/// Without what servers after 3.5 add, as etcdctl 3.5.1 does not know it.
fn status_object(status: &StatusResponse) -> String {
    Object::new()
        .header("header", status.header.as_ref())
        .text_unless_empty("version", &status.version)
        .number("dbSize", status.db_size)
        .number("leader", status.leader)
        .number("raftIndex", status.raft_index)
        .number("raftTerm", status.raft_term)
        .number("raftAppliedIndex", status.raft_applied_index)
        .texts("errors", &status.errors)
        .number("dbSizeInUse", status.db_size_in_use)
        .flag("isLearner", status.is_learner)
        .end()
}

fn hash_object(hash: &HashKvResponse) -> String {
    Object::new()
        .header("header", hash.header.as_ref())
        .number("hash", hash.hash)
        .number("compact_revision", hash.compact_revision)
        .end()
}

fn alarm(alarm: &AlarmMember) -> String {
    Object::new().number("memberID", alarm.member_id).number("alarm", alarm.alarm).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(
            string("a\"\\\n\u{1}<&>\u{2028}é"),
            r#""a\"\\\n\u0001\u003c\u0026\u003e\u2028é""#
        );
    }

    #[test]
    fn base64_is_the_standard_one() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"\xff\xfe\xfd", "//79"),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }
}

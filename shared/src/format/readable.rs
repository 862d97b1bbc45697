//! JSON to read: text is text, bytes that are none are `{"b64":".."}`, ids are hex.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    AlarmMember, DeleteRangeResponse, Member, PutResponse, RangeResponse, ResponseHeader,
    ResponseOp, TxnResponse,
};
use mini_etcd_proto::mvccpb::{Event, KeyValue};
use serde_json::{Map, Value, json};

use super::simple::{alarm_name, type_name};
use super::texts::{Escaped, duration};
use crate::command::help;
use crate::exec::{Answer, Hashed, Health, Status};
use crate::version::{API_VERSION, ETCDCTL_VERSION};

/// One line for each result: keys, events, members, or the answer as a whole.
pub(super) fn lines(answer: &Answer, hex: bool) -> Vec<u8> {
    let shown = Shown { hex };
    let list = match answer {
        Answer::Get { count_only: true, response, .. } => vec![json!({"count": response.count})],
        Answer::Get { response, values_only: true, .. } => {
            response.kvs.iter().map(|kv| json!({"value": shown.bytes(&kv.value)})).collect()
        }
        Answer::Get { response, .. } => response.kvs.iter().map(|kv| shown.pair(kv)).collect(),
        Answer::Watch(response) => response.events.iter().map(|event| shown.event(event)).collect(),
        Answer::MemberList(response) => response.members.iter().map(member).collect(),
        Answer::EndpointStatus(list) => list.iter().map(status).collect(),
        Answer::EndpointHealth(list) => list.iter().map(health).collect(),
        Answer::EndpointHashKv(list) => list.iter().map(hashed).collect(),
        Answer::AlarmList(response) => response.alarms.iter().map(alarm).collect(),
        other => vec![shown.document(other)],
    };
    let mut out = Vec::new();
    for value in list {
        out.extend_from_slice(value.to_string().as_bytes());
        out.push(b'\n');
    }
    out
}

/// The whole answer, with the names of etcdctl's JSON.
#[must_use]
pub fn document(answer: &Answer) -> Value {
    Shown { hex: false }.document(answer)
}

/// Bytes as JSON: text where they are text.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Value {
    Shown { hex: false }.bytes(bytes)
}

#[derive(Clone, Copy)]
struct Shown {
    hex: bool,
}

impl Shown {
    fn bytes(self, bytes: &[u8]) -> Value {
        match str::from_utf8(bytes) {
            _ if self.hex => Value::String(Escaped(bytes).to_string()),
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => json!({"b64": STANDARD.encode(bytes)}),
        }
    }

    fn document(self, answer: &Answer) -> Value {
        match answer {
            Answer::Put(response) => self.put(response),
            Answer::Get { response, .. } => self.range(response),
            Answer::Del(response) => self.deleted(response),
            Answer::Txn(response) => self.txn(response),
            Answer::Compaction(revision) => json!({"compacted": revision}),
            Answer::Watch(response) => json!({
                "header": header(response.header.as_ref()),
                "events": list(&response.events, |event| self.event(event)),
            }),
            Answer::MemberList(response) => json!({
                "header": header(response.header.as_ref()),
                "members": list(&response.members, member),
            }),
            Answer::EndpointStatus(all) => list(all, status),
            Answer::EndpointHealth(all) => list(all, health),
            Answer::EndpointHashKv(all) => list(all, hashed),
            Answer::AlarmList(response) => json!({
                "header": header(response.header.as_ref()),
                "alarms": list(&response.alarms, alarm),
            }),
            Answer::Version => json!({"etcdctl": ETCDCTL_VERSION, "api": API_VERSION}),
            Answer::Help(target) => json!({"help": help("", *target)}),
        }
    }

    fn pair(self, kv: &KeyValue) -> Value {
        let mut object = Map::new();
        object.insert("key".into(), self.bytes(&kv.key));
        object.insert("value".into(), self.bytes(&kv.value));
        object.insert("create_revision".into(), kv.create_revision.into());
        object.insert("mod_revision".into(), kv.mod_revision.into());
        object.insert("version".into(), kv.version.into());
        if kv.lease != 0 {
            object.insert("lease".into(), format!("{:x}", kv.lease).into());
        }
        Value::Object(object)
    }

    fn event(self, event: &Event) -> Value {
        let kv = event.kv.clone().unwrap_or_default();
        let mut object = Map::new();
        object.insert("type".into(), type_name(event.r#type()).into());
        object.insert("key".into(), self.bytes(&kv.key));
        if event.r#type() == mini_etcd_proto::mvccpb::event::EventType::Put {
            object.insert("value".into(), self.bytes(&kv.value));
            object.insert("create_revision".into(), kv.create_revision.into());
            object.insert("version".into(), kv.version.into());
        }
        object.insert("mod_revision".into(), kv.mod_revision.into());
        if kv.lease != 0 {
            object.insert("lease".into(), format!("{:x}", kv.lease).into());
        }
        if let Some(prev) = &event.prev_kv {
            object.insert("prev_kv".into(), self.pair(prev));
        }
        Value::Object(object)
    }

    fn put(self, response: &PutResponse) -> Value {
        let mut object = json!({"header": header(response.header.as_ref())});
        if let (Some(kv), Some(object)) = (&response.prev_kv, object.as_object_mut()) {
            object.insert("prev_kv".into(), self.pair(kv));
        }
        object
    }

    fn range(self, response: &RangeResponse) -> Value {
        json!({
            "header": header(response.header.as_ref()),
            "kvs": list(&response.kvs, |kv| self.pair(kv)),
            "count": response.count,
            "more": response.more,
        })
    }

    fn deleted(self, response: &DeleteRangeResponse) -> Value {
        json!({
            "header": header(response.header.as_ref()),
            "deleted": response.deleted,
            "prev_kvs": list(&response.prev_kvs, |kv| self.pair(kv)),
        })
    }

    fn txn(self, response: &TxnResponse) -> Value {
        json!({
            "header": header(response.header.as_ref()),
            "succeeded": response.succeeded,
            "responses": list(&response.responses, |op| self.operation(op)),
        })
    }

    fn operation(self, op: &ResponseOp) -> Value {
        match &op.response {
            Some(Response::ResponseRange(inner)) => json!({"get": self.range(inner)}),
            Some(Response::ResponsePut(inner)) => json!({"put": self.put(inner)}),
            Some(Response::ResponseDeleteRange(inner)) => json!({"del": self.deleted(inner)}),
            Some(Response::ResponseTxn(inner)) => json!({"txn": self.txn(inner)}),
            None => Value::Null,
        }
    }
}

fn list<T>(items: &[T], shown: impl Fn(&T) -> Value) -> Value {
    Value::Array(items.iter().map(shown).collect())
}

fn header(header: Option<&ResponseHeader>) -> Value {
    let header = header.copied().unwrap_or_default();
    json!({
        "cluster_id": format!("{:x}", header.cluster_id),
        "member_id": format!("{:x}", header.member_id),
        "revision": header.revision,
        "raft_term": header.raft_term,
    })
}

fn member(member: &Member) -> Value {
    json!({
        "id": format!("{:x}", member.id),
        "name": member.name,
        "peer_urls": member.peer_ur_ls,
        "client_urls": member.client_ur_ls,
        "learner": member.is_learner,
    })
}

fn status(status: &Status) -> Value {
    let response = &status.response;
    json!({
        "endpoint": status.endpoint,
        "header": header(response.header.as_ref()),
        "version": response.version,
        "db_size": response.db_size,
        "db_size_in_use": response.db_size_in_use,
        "leader": format!("{:x}", response.leader),
        "raft_index": response.raft_index,
        "raft_term": response.raft_term,
        "raft_applied_index": response.raft_applied_index,
        "learner": response.is_learner,
        "errors": response.errors,
    })
}

fn health(health: &Health) -> Value {
    json!({
        "endpoint": health.endpoint,
        "health": health.trouble.is_none(),
        "took": duration(health.took),
        "error": health.trouble,
    })
}

fn hashed(hashed: &Hashed) -> Value {
    json!({
        "endpoint": hashed.endpoint,
        "header": header(hashed.response.header.as_ref()),
        "hash": hashed.response.hash,
        "compact_revision": hashed.response.compact_revision,
    })
}

fn alarm(alarm: &AlarmMember) -> Value {
    json!({"member_id": format!("{:x}", alarm.member_id), "alarm": alarm_name(alarm)})
}

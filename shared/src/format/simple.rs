//! The format for people.

use std::fmt::Write;

use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{AlarmMember, Member, RangeResponse, TxnResponse};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_proto::mvccpb::event::EventType;

use super::texts::{Escaped, duration};
use super::{Rendered, table};
use crate::command::help;
use crate::exec::{Answer, Health};
use crate::version::{API_VERSION, ETCDCTL_VERSION};

pub(super) fn render(answer: &Answer, hex: bool, program: &str) -> Rendered {
    let mut page = Page { out: Vec::new(), hex };
    match answer {
        Answer::Put(response) => page.put(response.prev_kv.as_ref()),
        Answer::Get { response, values_only, .. } => page.range(response, *values_only),
        Answer::Del(response) => page.deleted(response.deleted, &response.prev_kvs),
        Answer::Txn(response) => page.txn(response),
        Answer::Compaction(revision) => page.line(&format!("compacted revision {revision}")),
        Answer::Watch(response) => {
            for event in &response.events {
                page.line(type_name(event.r#type()));
                if let Some(kv) = &event.prev_kv {
                    page.pair(kv, false);
                }
                page.pair(&event.kv.clone().unwrap_or_default(), false);
            }
        }
        Answer::MemberList(response) => {
            page.rows(response.members.iter().map(member_row).collect());
        }
        Answer::EndpointStatus(list) => page.rows(table::status_rows(list)),
        Answer::EndpointHealth(list) => return render_health(list),
        Answer::EndpointHashKv(list) => page.rows(table::hash_rows(list)),
        Answer::AlarmList(response) => {
            for alarm in &response.alarms {
                page.line(&alarm_text(alarm));
            }
        }
        Answer::Version => {
            page.line(&format!("etcdctl version: {ETCDCTL_VERSION}"));
            page.line(&format!("API version: {API_VERSION}"));
        }
        Answer::Help(target) => page.out.extend_from_slice(help(program, *target).as_bytes()),
    }
    Rendered { out: page.out, err: Vec::new() }
}

/// The name of an event's type.
pub(super) fn type_name(kind: EventType) -> &'static str {
    match kind {
        EventType::Put => "PUT",
        EventType::Delete => "DELETE",
    }
}

/// The columns of a member.
pub(super) fn member_row(member: &Member) -> Vec<String> {
    let status = if member.name.is_empty() { "unstarted" } else { "started" };
    vec![
        format!("{:x}", member.id),
        status.to_owned(),
        member.name.clone(),
        member.peer_ur_ls.join(","),
        member.client_ur_ls.join(","),
        member.is_learner.to_string(),
    ]
}

/// An alarm as the text form of its message: every field that is set, and a blank behind each.
fn alarm_text(alarm: &AlarmMember) -> String {
    let mut text = String::new();
    if alarm.member_id != 0 {
        // Writing to a string does not fail.
        let _ = write!(text, "memberID:{} ", alarm.member_id);
    }
    if alarm.alarm != 0 {
        let _ = write!(text, "alarm:{} ", alarm_name(alarm));
    }
    text
}

/// The name of an alarm's type; its number when it has none.
pub(super) fn alarm_name(alarm: &AlarmMember) -> String {
    match mini_etcd_proto::etcdserverpb::AlarmType::try_from(alarm.alarm) {
        Ok(kind) => kind.as_str_name().to_owned(),
        Err(_) => alarm.alarm.to_string(),
    }
}

fn render_health(list: &[Health]) -> Rendered {
    let mut rendered = Rendered::default();
    for Health { endpoint, took, trouble } in list {
        let (text, to) = match trouble {
            None => {
                let took = duration(*took);
                let text = format!(
                    "{endpoint} is healthy: successfully committed proposal: took = {took}\n"
                );
                (text, &mut rendered.out)
            }
            Some(trouble) => {
                let text =
                    format!("{endpoint} is unhealthy: failed to commit proposal: {trouble}\n");
                (text, &mut rendered.err)
            }
        };
        to.extend_from_slice(text.as_bytes());
    }
    rendered
}

struct Page {
    out: Vec<u8>,
    hex: bool,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\n');
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.hex {
            self.line(&Escaped(bytes).to_string());
        } else {
            self.out.extend_from_slice(bytes);
            self.out.push(b'\n');
        }
    }

    fn pair(&mut self, kv: &KeyValue, value_only: bool) {
        if !value_only {
            self.bytes(&kv.key);
        }
        self.bytes(&kv.value);
    }

    fn rows(&mut self, rows: Vec<Vec<String>>) {
        for row in rows {
            self.line(&row.join(", "));
        }
    }

    fn put(&mut self, prev: Option<&KeyValue>) {
        self.line("OK");
        if let Some(kv) = prev {
            self.pair(kv, false);
        }
    }

    fn range(&mut self, response: &RangeResponse, values_only: bool) {
        for kv in &response.kvs {
            self.pair(kv, values_only);
        }
    }

    fn deleted(&mut self, deleted: i64, prev: &[KeyValue]) {
        self.line(&deleted.to_string());
        for kv in prev {
            self.pair(kv, false);
        }
    }

    fn txn(&mut self, response: &TxnResponse) {
        self.line(if response.succeeded { "SUCCESS" } else { "FAILURE" });
        for op in &response.responses {
            self.line("");
            match &op.response {
                Some(Response::ResponseRange(range)) => self.range(range, false),
                Some(Response::ResponsePut(put)) => self.put(put.prev_kv.as_ref()),
                Some(Response::ResponseDeleteRange(del)) => {
                    self.deleted(del.deleted, &del.prev_kvs);
                }
                // The grammar has no way to ask for it.
                Some(Response::ResponseTxn(inner)) => self.txn(inner),
                None => {}
            }
        }
    }
}

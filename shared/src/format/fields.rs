//! A name and a value on each line.

use std::fmt::{Display, Write};

use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader, TxnResponse,
};
use mini_etcd_proto::mvccpb::KeyValue;

use super::simple::{alarm_name, type_name};
use super::texts::duration;
use crate::exec::Answer;
use crate::text::quote;

pub(super) fn render(answer: &Answer) -> Vec<u8> {
    let mut page = Page(String::new());
    match answer {
        Answer::Put(response) => page.put(response),
        Answer::Get { response, .. } => page.range(response),
        Answer::Del(response) => page.deleted(response),
        Answer::Txn(response) => page.txn(response),
        Answer::Watch(response) => {
            page.header(response.header.as_ref());
            for event in &response.events {
                page.field("Type", type_name(event.r#type()));
                if let Some(kv) = &event.prev_kv {
                    page.pair("Prev", kv);
                }
                page.pair("", &event.kv.clone().unwrap_or_default());
            }
        }
        Answer::MemberList(response) => {
            page.header(response.header.as_ref());
            for member in &response.members {
                page.field("ID", member.id);
                page.quoted("Name", member.name.as_bytes());
                member.peer_ur_ls.iter().for_each(|url| page.quoted("PeerURL", url.as_bytes()));
                member.client_ur_ls.iter().for_each(|url| page.quoted("ClientURL", url.as_bytes()));
                page.field("IsLearner", member.is_learner);
                page.blank();
            }
        }
        Answer::EndpointStatus(_) | Answer::EndpointHealth(_) | Answer::EndpointHashKv(_) => {
            page.endpoints(answer);
        }
        Answer::AlarmList(response) => {
            page.header(response.header.as_ref());
            for alarm in &response.alarms {
                page.field("MemberID", alarm.member_id);
                page.field("AlarmType", alarm_name(alarm));
                page.blank();
            }
        }
        Answer::Compaction(_) | Answer::Version | Answer::Help(_) => {}
    }
    page.0.into_bytes()
}

struct Page(String);

impl Page {
    fn field(&mut self, name: &str, value: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "\"{name}\" : {value}");
    }

    fn quoted(&mut self, name: &str, value: &[u8]) {
        self.field(name, quote(value));
    }

    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn header(&mut self, header: Option<&ResponseHeader>) {
        let header = header.copied().unwrap_or_default();
        self.field("ClusterID", header.cluster_id);
        self.field("MemberID", header.member_id);
        self.field("Revision", header.revision);
        self.field("RaftTerm", header.raft_term);
    }

    fn pair(&mut self, prefix: &str, kv: &KeyValue) {
        self.quoted(&format!("{prefix}Key"), &kv.key);
        self.field(&format!("{prefix}CreateRevision"), kv.create_revision);
        self.field(&format!("{prefix}ModRevision"), kv.mod_revision);
        self.field(&format!("{prefix}Version"), kv.version);
        self.quoted(&format!("{prefix}Value"), &kv.value);
        self.field(&format!("{prefix}Lease"), kv.lease);
    }

    fn put(&mut self, response: &PutResponse) {
        self.header(response.header.as_ref());
        if let Some(kv) = &response.prev_kv {
            self.pair("Prev", kv);
        }
    }

    fn range(&mut self, response: &RangeResponse) {
        self.header(response.header.as_ref());
        response.kvs.iter().for_each(|kv| self.pair("", kv));
        self.field("More", response.more);
        self.field("Count", response.count);
    }

    fn deleted(&mut self, response: &DeleteRangeResponse) {
        self.header(response.header.as_ref());
        self.field("Deleted", response.deleted);
        response.prev_kvs.iter().for_each(|kv| self.pair("Prev", kv));
    }

    fn txn(&mut self, response: &TxnResponse) {
        self.header(response.header.as_ref());
        self.field("Succeeded", response.succeeded);
        for op in &response.responses {
            match &op.response {
                Some(Response::ResponseRange(range)) => self.range(range),
                Some(Response::ResponsePut(put)) => self.put(put),
                Some(Response::ResponseDeleteRange(del)) => self.deleted(del),
                Some(Response::ResponseTxn(inner)) => self.txn(inner),
                None => {}
            }
        }
    }

    fn endpoints(&mut self, answer: &Answer) {
        match answer {
            Answer::EndpointStatus(list) => {
                for status in list {
                    let response = &status.response;
                    self.header(response.header.as_ref());
                    self.quoted("Version", response.version.as_bytes());
                    self.field("DBSize", response.db_size);
                    self.field("Leader", response.leader);
                    self.field("IsLearner", response.is_learner);
                    self.field("RaftIndex", response.raft_index);
                    self.field("RaftTerm", response.raft_term);
                    self.field("RaftAppliedIndex", response.raft_applied_index);
                    self.field("Errors", format!("[{}]", response.errors.join(" ")));
                    self.quoted("Endpoint", status.endpoint.as_bytes());
                    self.blank();
                }
            }
            Answer::EndpointHealth(list) => {
                for health in list {
                    self.quoted("Endpoint", health.endpoint.as_bytes());
                    self.field("Health", health.trouble.is_none());
                    self.field("Took", duration(health.took));
                    self.field("Error", health.trouble.as_deref().unwrap_or(""));
                    self.blank();
                }
            }
            Answer::EndpointHashKv(list) => {
                for hashed in list {
                    self.header(hashed.response.header.as_ref());
                    self.quoted("Endpoint", hashed.endpoint.as_bytes());
                    self.field("Hash", hashed.response.hash);
                    self.blank();
                }
            }
            _ => {}
        }
    }
}

//! `endpoint status`: prints the state of each endpoint.

use mini_etcd_proto::etcdserverpb::{StatusRequest, StatusResponse};

use super::endpoint::{each, facts_of};
use super::request::asks;
use super::spec::CommandSpec;
use crate::client::Client;
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Message, Table, Value, header};
use crate::text::{masked_columns, size};

/// `endpoint status`
pub(super) const ENDPOINT_STATUS: CommandSpec = CommandSpec {
    group: "endpoint",
    long: "Columns: endpoint, member id, version, version of the store, size of the store, of that in use, not in use in percent,\nquota, is leader, is learner, Raft term, Raft index, applied Raft index, errors, version of a downgrade, is there one.",
    examples: &["endpoint status -w table", "endpoint status --cluster -w json"],
    ..CommandSpec::new("status", "Prints the state of each endpoint", |line| {
        Ok(asks(line.switch("cluster"), |client, cluster| async move {
            let status = |endpoint, client: Client| async move {
                let response = done(client.status(StatusRequest {}).await)?;
                Ok(Status { endpoint, response })
            };
            let mut report = each(&client, cluster, "status", status).await;
            if report.answer.is_some() {
                // etcdctl leaves it at the notes.
                report.failure = report.failure.map(|last| Failure { text: String::new(), ..last });
            }
            report
        }))
    })
};

/// The state of one endpoint.
#[derive(Clone, Debug)]
struct Status {
    /// The endpoint as it was typed.
    endpoint: String,
    response: StatusResponse,
}

impl Status {
    fn fields(&self) -> Message {
        let response = &self.response;
        let errors = format!("[{}]", response.errors.join(" "));
        let downgrade = response.downgrade_info.clone();
        let status = vec![
            header("header", response.header.as_ref()),
            Field::new("version", "Version", &response.version),
            Field::in_fields("StorageVersion", &response.storage_version),
            Field::new("dbSize", "DBSize", response.db_size),
            Field::in_fields("DBSizeInUse", response.db_size_in_use),
            Field::in_fields("DBSizeQuota", response.db_size_quota),
            Field::in_json("leader", Value::Id(response.leader)),
            // The one id that `--hex` leaves alone.
            Field::in_fields("Leader", response.leader),
            Field::in_fields("IsLearner", response.is_learner),
            Field::new("raftIndex", "RaftIndex", response.raft_index),
            Field::in_json("raftTerm", response.raft_term),
            Field::new("raftAppliedIndex", "RaftAppliedIndex", response.raft_applied_index),
            Field::in_json("errors", &response.errors),
            Field::in_fields("Errors", Value::Plain(errors)),
            Field::in_json("dbSizeInUse", response.db_size_in_use),
            Field::in_json("isLearner", response.is_learner),
            Field::in_json("storageVersion", &response.storage_version),
            Field::in_json("dbSizeQuota", response.db_size_quota),
        ];
        let sent = downgrade.as_ref().map(|downgrade| {
            let fields = vec![
                Field::in_json("enabled", downgrade.enabled),
                Field::in_json("targetVersion", &downgrade.target_version),
            ];
            Field::in_json("downgradeInfo", fields)
        });
        let downgrade = downgrade.unwrap_or_default();
        vec![
            Field::in_json("Endpoint", &self.endpoint),
            Field::new("Status", "", Value::Inline(status.into_iter().chain(sent).collect())),
            Field::in_fields("Endpoint", &self.endpoint),
            Field::in_fields("DowngradeTargetVersion", &downgrade.target_version),
            Field::in_fields("DowngradeEnabled", downgrade.enabled),
            Field::blank(),
        ]
    }

    fn row(&self) -> Vec<String> {
        let response = &self.response;
        let member = response.header.as_ref().map_or(0, |header| header.member_id);
        let downgrade = response.downgrade_info.clone().unwrap_or_default();
        vec![
            self.endpoint.clone(),
            format!("{member:x}"),
            response.version.clone(),
            response.storage_version.clone(),
            size(response.db_size),
            size(response.db_size_in_use),
            format!("{}%", unused(response)),
            size(response.db_size_quota),
            (response.leader == member).to_string(),
            response.is_learner.to_string(),
            response.raft_term.to_string(),
            response.raft_index.to_string(),
            response.raft_applied_index.to_string(),
            response.errors.join(", "),
            downgrade.target_version,
            downgrade.enabled.to_string(),
        ]
    }
}

/// The part of the store that is not in use, in percent, as etcdctl rounds it; 0 of an empty one.
fn unused(response: &StatusResponse) -> i64 {
    let used = response.db_size_in_use.saturating_mul(100).checked_div(response.db_size);
    used.map_or(0, |used| 100 - used)
}

impl Answer for Vec<Status> {
    fn shown(&self, _hex: bool) -> Value {
        Value::List(self.iter().map(Status::fields).collect())
    }

    fn table(&self) -> Option<Table> {
        Some(Table {
            head: &[
                "ENDPOINT",
                "ID",
                "VERSION",
                "STORAGE VERSION",
                "DB SIZE",
                "IN USE",
                "PERCENTAGE NOT IN USE",
                "QUOTA",
                "IS LEADER",
                "IS LEARNER",
                "RAFT TERM",
                "RAFT INDEX",
                "RAFT APPLIED INDEX",
                "ERRORS",
                "DOWNGRADE TARGET VERSION",
                "DOWNGRADE ENABLED",
            ],
            rows: self.iter().map(Status::row).collect(),
        })
    }

    fn facts(&self) -> Facts<'_> {
        facts_of(self.first().and_then(|one| one.response.header.as_ref()), self.len())
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    /// All but whether it is a learner, and its errors.
    fn masked(&self, line: &str) -> String {
        masked_columns(line, &[9, 13])
    }
}

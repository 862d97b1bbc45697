//! Answers without what differs between any two clusters.

use serde_json::Value;

use crate::http::Answer;

/// What is another number, text or list on each cluster.
const OWN: &[&str] = &[
    "cluster_id",
    "member_id",
    "revision",
    "raft_term",
    "raftTerm",
    "raftIndex",
    "raftAppliedIndex",
    "leader_id",
    "create_revision",
    "mod_revision",
    "compact_revision",
    "hash",
    "token",
    "rev",
    "dbSize",
    "dbSizeInUse",
    "members",
    "authRevision",
    "blob",
    "remaining_bytes",
];

/// What servers after 3.5 say in addition; the version is of a member, or of a key, which has another place.
const NEWER: &[&str] = &["storageVersion", "dbSizeQuota", "downgradeInfo"];

/// Status, and its lines of JSON with their own numbers as `#`; of an error that the decoder of JSON words, the code alone.
pub fn normal(answer: &Answer) -> String {
    let lines = answer.body.lines().map(|line| match serde_json::from_str(line) {
        Ok(mut json) => {
            mask(&mut json);
            json.to_string()
        }
        Err(_) => line.to_owned(),
    });
    let content_type = answer.headers.lines().find(|line| line.starts_with("content-type"));
    let (status, lines) = (answer.status, lines.collect::<Vec<_>>().join("\n"));
    format!("{status} {} {lines}", content_type.unwrap_or_default())
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("raftIndex") {
                fields.remove("version");
                fields.remove("leader");
            }
            fields.retain(|name, _| !NEWER.contains(&name.as_str()));
            for (name, field) in fields.iter_mut() {
                if OWN.contains(&name.as_str()) {
                    *field = Value::from("#");
                } else {
                    mask(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

//! Every route beside etcd: `ETCD_BIN` names its server.

use anyhow::{Context as _, ensure};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use serde_json::Value;

use crate::http::{Answer, lines, post};
use crate::normal::normal;

/// Path, body, and the lines to wait for in a stream that does not end; 0 for the whole answer. REV stands for the revision of
/// the last answer, LEADER for the last leader of an election. Of changes of members there is one: 3.5.1 may lose the next.
const CALLS: &[(&str, &str, usize)] = &[
    ("/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#, 0),
    ("/v3/kv/put", r#"{"key":"Zm9v","value":"YmF6","prevKv":true}"#, 0),
    ("/v3/kv/put", r#"{"key":"eA==","ignore_value":true}"#, 0),
    ("/v3/kv/put", r#"{"key":"eA==","lease":"5"}"#, 0),
    ("/v3/kv/put", r#"{"value":"eA=="}"#, 0),
    ("/v3beta/kv/put", r#"{"key":"Zm9w","value":""}"#, 0),
    ("/v3/kv/range", r#"{"key":"Zm9v"}"#, 0),
    (
        "/v3/kv/range",
        r#"{"key":"AA==","range_end":"AA==","sort_order":"DESCEND","sort_target":1,"limit":1}"#,
        0,
    ),
    ("/v3/kv/range", r#"{"key":"AA==","rangeEnd":"AA==","sortOrder":2,"countOnly":true}"#, 0),
    (
        "/v3/kv/range",
        r#"{"key":"AA==","range_end":"AA==","keys_only":true,"serializable":true}"#,
        0,
    ),
    ("/v3/kv/range", r#"{"key":"bm8="}"#, 0),
    ("/v3/kv/range", "", 0),
    ("/v3/kv/range", "  {}", 0),
    ("/v3/kv/range", r#"{"key":"Zm9v","revision":"99999"}"#, 0),
    ("/v3/kv/range", r#"{"key":"Zm9v","unknown":{"a":[1]},"limit":null}"#, 0),
    ("/v3/kv/range", r#"{"key":"Zm9v"} and more"#, 0),
    (
        "/v3/kv/txn",
        r#"{"compare":[{"key":"Zm9v","target":"VERSION","version":"2","result":"EQUAL"}],"success":[{"request_put":{"key":"Zm9v","value":"MQ==","prev_kv":true}},{"requestRange":{"key":"Zm9v"}}]}"#,
        0,
    ),
    (
        "/v3/kv/txn",
        r#"{"compare":[{"key":"Zm9v","target":3,"value":"MQ==","result":3}],"success":[],"failure":[{"request_delete_range":{"key":"Zm9v","prevKv":true}},{"request_txn":{"success":[{"request_range":{"key":"Zm9w"}}]}}]}"#,
        0,
    ),
    ("/v3/kv/txn", r#"{"success":[{}]}"#, 0),
    ("/v3/kv/txn", "{}", 0),
    ("/v3/kv/deleterange", r#"{"key":"Zm9w","prev_kv":true}"#, 0),
    ("/v3/kv/deleterange", r#"{"key":"Zm9w"}"#, 0),
    ("/v3/kv/compaction", r#"{"revision":"99999"}"#, 0),
    ("/v3/kv/compaction", r#"{"revision":"REV","physical":true}"#, 0),
    ("/v3/kv/compaction", r#"{"revision":1}"#, 0),
    ("/v3/watch", r#"{"create_request":{"key":"Zm9v"}}"#, 1),
    ("/v3/watch", r#"{"create_request":{"key":"Zm9v","watch_id":"7","start_revision":1}}"#, 2),
    ("/v3/watch", r#"{"create_request":{"key":"Zm9v"}} {"cancel_request":{}}"#, 2),
    ("/v3/lease/grant", r#"{"ID":"77","TTL":600}"#, 0),
    ("/v3/lease/grant", r#"{"ID":77,"TTL":"600"}"#, 0),
    ("/v3/lease/grant", r#"{"TTL":"9000000001"}"#, 0),
    ("/v3/kv/put", r#"{"key":"bGVhc2Vk","lease":"77"}"#, 0),
    ("/v3/lease/timetolive", r#"{"ID":"77","keys":true}"#, 0),
    ("/v3/kv/lease/timetolive", r#"{"ID":"78"}"#, 0),
    ("/v3/lease/leases", "{}", 0),
    ("/v3/kv/lease/leases", "", 0),
    ("/v3/lease/keepalive", r#"{"ID":"77"}{"ID":"78"}"#, 0),
    ("/v3/lock/lock", r#"{"name":"bA==","lease":"77"}"#, 0),
    ("/v3/lock/unlock", r#"{"key":"bC80ZA=="}"#, 0),
    ("/v3/election/leader", r#"{"name":"ZQ=="}"#, 0),
    ("/v3/election/campaign", r#"{"name":"ZQ==","lease":"77","value":"dg=="}"#, 0),
    ("/v3/election/proclaim", r#"{"leader":LEADER,"value":"dw=="}"#, 0),
    ("/v3/election/leader", r#"{"name":"ZQ=="}"#, 0),
    ("/v3/election/observe", r#"{"name":"ZQ=="}"#, 1),
    ("/v3/election/resign", r#"{"leader":LEADER}"#, 0),
    ("/v3/election/resign", "{}", 0),
    ("/v3/lease/revoke", r#"{"ID":"77"}"#, 0),
    ("/v3/kv/lease/revoke", r#"{"ID":"77"}"#, 0),
    ("/v3/cluster/member/list", "{}", 0),
    ("/v3/cluster/member/promote", r#"{"ID":"1"}"#, 0),
    ("/v3/cluster/member/add", r#"{"peerURLs":["x"]}"#, 0),
    ("/v3/maintenance/status", "{}", 0),
    ("/v3/maintenance/alarm", r#"{"action":"GET"}"#, 0),
    ("/v3/maintenance/alarm", r#"{"action":"DEACTIVATE","alarm":"NOSPACE"}"#, 0),
    ("/v3/maintenance/hash", "{}", 0),
    ("/v3/maintenance/defragment", "", 0),
    ("/v3/maintenance/transfer-leadership", r#"{"targetID":"1"}"#, 0),
    ("/v3/maintenance/snapshot", "{}", 1),
    ("/v3/maintenance/downgrade", r#"{"version":"x"}"#, 0),
    ("/v3/maintenance/downgrade", r#"{"action":"ENABLE","version":"3.8"}"#, 0),
    ("/v3/auth/status", "{}", 0),
    ("/v3/auth/enable", "{}", 0),
    ("/v3/auth/user/add", r#"{"name":"root","password":"r"}"#, 0),
    ("/v3/auth/user/add", r#"{"name":"root","password":"r"}"#, 0),
    ("/v3/auth/user/add", r#"{"name":"u","options":{"no_password":true}}"#, 0),
    ("/v3/auth/role/add", r#"{"name":"root"}"#, 0),
    ("/v3/auth/role/add", r#"{"name":"r"}"#, 0),
    (
        "/v3/auth/role/grant",
        r#"{"name":"r","perm":{"permType":"READWRITE","key":"Zm9v","range_end":"Zm9w"}}"#,
        0,
    ),
    ("/v3/auth/role/get", r#"{"role":"r"}"#, 0),
    ("/v3/auth/role/revoke", r#"{"role":"r","key":"Zm9v","rangeEnd":"Zm9w"}"#, 0),
    ("/v3/auth/role/list", "", 0),
    ("/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#, 0),
    ("/v3/auth/user/grant", r#"{"user":"u","role":"r"}"#, 0),
    ("/v3/auth/user/get", r#"{"name":"u"}"#, 0),
    ("/v3/auth/user/revoke", r#"{"name":"u","role":"r"}"#, 0),
    ("/v3/auth/user/changepw", r#"{"name":"root","password":"s"}"#, 0),
    ("/v3/auth/user/list", "{}", 0),
    ("/v3/auth/user/delete", r#"{"name":"nobody"}"#, 0),
    ("/v3/auth/role/delete", r#"{"role":"r"}"#, 0),
    ("/v3/auth/authenticate", r#"{"name":"root","password":"s"}"#, 0),
    ("/v3/auth/enable", "{}", 0),
    ("/v3/auth/authenticate", r#"{"name":"root","password":"wrong"}"#, 0),
    ("/v3/auth/authenticate", r#"{"name":"root","password":"s"}"#, 0),
    ("/v3/kv/range", r#"{"key":"Zm9v"}"#, 0),
    ("/v3alpha/kv/range", "{}", 0),
];

/// Calls with the token of the last login.
const AS_ROOT: &[(&str, &str)] = &[
    ("/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#),
    ("/v3/auth/user/list", "{}"),
    ("/v3/auth/disable", ""),
];

/// What is no message: the status and the code are etcd's, the words are our decoder's.
const MALFORMED: &[(&str, &str)] = &[
    ("/v3/kv/range", "{"),
    ("/v3/kv/range", "[]"),
    ("/v3/kv/range", "5"),
    ("/v3/kv/range", "x"),
    ("/v3/kv/range", r#"{"key":"!"}"#),
    ("/v3/kv/range", r#"{"key":[]}"#),
    ("/v3/kv/range", r#"{"limit":"x"}"#),
    ("/v3/kv/range", r#"{"limit":1.5}"#),
    ("/v3/kv/range", r#"{"serializable":"true"}"#),
    ("/v3/watch", "{"),
    ("/v3/watch", "x"),
    ("/v3/lease/keepalive", "[]"),
    ("/v3/election/observe", "{"),
];

/// A server, and what its answers hold that further calls need.
struct Side {
    cluster: Cluster,
    revision: String,
    leader: Value,
    token: String,
}

impl Side {
    async fn start(flavor: Flavor) -> anyhow::Result<Self> {
        let cluster = Cluster::start(flavor, 1).await?;
        Ok(Self { cluster, revision: String::new(), leader: Value::Null, token: String::new() })
    }

    async fn call(
        &mut self,
        (path, body, count): (&str, &str, usize),
        as_root: bool,
    ) -> anyhow::Result<Answer> {
        let address = &self.cluster.member(0)?.address;
        let body = body.replace("REV", &self.revision).replace("LEADER", &self.leader.to_string());
        let header = format!("authorization: {}", self.token);
        let headers = if as_root { vec![header.as_str()] } else { Vec::new() };
        let answer = match count {
            0 => post(address, path, &headers, &body).await,
            count => lines(address, path, &headers, &body, count).await,
        };
        let answer = answer.with_context(|| format!("{address} {path} {body}"))?;
        let json = answer.json().unwrap_or_default();
        if let Some(revision) = json.pointer("/header/revision").and_then(Value::as_str) {
            revision.clone_into(&mut self.revision);
        }
        if let Some(leader) = json.get("leader").filter(|leader| leader.is_object()) {
            self.leader = leader.clone();
        }
        if let Some(token) = json.get("token").and_then(Value::as_str) {
            token.clone_into(&mut self.token);
        }
        Ok(answer)
    }
}

/// Goal: a client of etcd's gateway sees the same here. Method: the same calls, one after the other, on a member of each.
#[tokio::test]
async fn every_route_answers_as_etcds_does() -> anyhow::Result<()> {
    let (mut ours, mut theirs) =
        (Side::start(Flavor::Mini).await?, Side::start(Flavor::Etcd).await?);
    let mut different = Vec::new();
    let as_root = AS_ROOT.iter().map(|(path, body)| ((*path, *body, 0), true));
    for (call, as_root) in CALLS.iter().map(|call| (*call, false)).chain(as_root) {
        let our = ours.call(call, as_root).await.context("ours")?;
        let their = theirs.call(call, as_root).await.context("theirs")?;
        let (our, their) = (normal(&our), normal(&their));
        if our != their {
            different.push(format!("{} {}\n  ours   {our}\n  theirs {their}", call.0, call.1));
        }
    }
    for (path, body) in MALFORMED {
        let call = (*path, *body, 0);
        let (our, their) = (ours.call(call, false).await?, theirs.call(call, false).await?);
        let of =
            |answer: &Answer| (answer.status, answer.json().unwrap_or_default()["code"].clone());
        if of(&our) != of(&their) {
            different.push(format!("{path} {body}\n  ours   {our:?}\n  theirs {their:?}"));
        }
    }
    ensure!(different.is_empty(), "{} calls differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

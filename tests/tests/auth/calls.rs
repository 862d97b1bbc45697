//! What each row of the table asks.

use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::adminpb::admin_client::AdminClient;
use mini_etcd_proto::adminpb::{
    DeletedRequest, KeyHistoryRequest, LogRequest, RevisionHistogramRequest, WatchStatusRequest,
};
use mini_etcd_proto::authpb::Permission;
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::etcdserverpb::cluster_client::ClusterClient;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::healthpb::HealthCheckRequest;
use mini_etcd_proto::healthpb::health_client::HealthClient;
use mini_etcd_proto::v3electionpb::election_client::ElectionClient;
use mini_etcd_proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use mini_etcd_proto::v3lockpb::lock_client::LockClient;
use mini_etcd_proto::v3lockpb::{LockRequest, UnlockRequest};
use tonic::{Code, Request, Status};

use super::DEADLINE;
use super::people::Person;

/// Carries the request of a row out; `ok` when it was not refused.
pub async fn ask(case: &str, person: &Person) -> Result<(), Status> {
    let (method, rest) = case.split_once(' ').unwrap_or((case, ""));
    let (service, _) = method.split_once('/').unwrap_or((method, ""));
    let asked = async {
        match service {
            "KV" => kv(method, rest, person).await,
            "Watch" => watch(rest, person).await,
            "Lease" => lease(method, rest, person).await,
            "Maintenance" => maintenance(method, rest, person).await,
            "Cluster" => cluster(method, rest, person).await,
            "Health" => health(method, person).await,
            "Admin" => admin(method, person).await,
            "Auth" => auth(method, rest, person).await,
            _ => recipes(method, rest, person).await,
        }
    };
    let told = tokio::time::timeout(DEADLINE, asked).await;
    told.unwrap_or_else(|_| panic!("{case}, {}: no answer", person.name))
}

fn unknown(row: &str) -> ! {
    panic!("a row without a request: {row}")
}

/// `a`, `[a, c)`, `from a` or `all`, as a request names it.
fn keys(text: &str) -> (Bytes, Bytes) {
    let own = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    if let Some(key) = text.strip_prefix("from ") {
        return (own(key), own("\0"));
    }
    if text == "all" {
        return (own("\0"), own("\0"));
    }
    let pair = text.strip_prefix('[').and_then(|it| it.strip_suffix(')')?.split_once(", "));
    pair.map_or_else(|| (own(text), Bytes::new()), |(key, end)| (own(key), own(end)))
}

fn put(text: &str) -> pb::PutRequest {
    let (rest, lease) = match text.split_once(" lease ") {
        Some((rest, lease)) => (rest, lease.parse().expect("a lease")),
        None => (text, 0),
    };
    let key = rest.trim_end_matches(" prev_kv");
    pb::PutRequest {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: "v".into(),
        lease,
        prev_kv: rest != key,
        ..pb::PutRequest::default()
    }
}

fn delete(text: &str) -> pb::DeleteRangeRequest {
    let range = text.trim_end_matches(" prev_kv");
    let (key, range_end) = keys(range);
    pb::DeleteRangeRequest { key, range_end, prev_kv: text != range }
}

fn range(text: &str) -> pb::RangeRequest {
    let name = text.trim_end_matches(" serializable");
    let (key, range_end) = keys(name);
    pb::RangeRequest { key, range_end, serializable: name != text, ..Default::default() }
}

fn compare(text: &str) -> pb::Compare {
    let (key, range_end) = keys(text);
    pb::Compare {
        result: CompareResult::Greater.into(),
        target: CompareTarget::Create.into(),
        key,
        range_end,
        target_union: Some(TargetUnion::CreateRevision(0)),
    }
}

fn txn(text: &str) -> pb::TxnRequest {
    let (first, compares) = match text.split_once(", compares ") {
        Some((first, compared)) => (first, vec![compare(compared)]),
        None => (text, Vec::new()),
    };
    if let Some(compared) = first.strip_prefix("compares ") {
        return pb::TxnRequest { compare: vec![compare(compared)], ..Default::default() };
    }
    let (first, inner) = match first.strip_prefix("nested ") {
        Some(rest) => (rest, true),
        None => (first, false),
    };
    if inner {
        let nested = Some(Op::RequestTxn(txn(&first.replace("twice ", "nested "))));
        return pb::TxnRequest {
            success: vec![pb::RequestOp { request: nested }],
            ..pb::TxnRequest::default()
        };
    }
    let what = first.trim_end_matches(" otherwise");
    let op = match what.split_once(' ') {
        Some(("reads", keys)) => Op::RequestRange(range(keys)),
        Some(("puts", key)) => Op::RequestPut(put(key)),
        Some(("deletes", keys)) => Op::RequestDeleteRange(delete(keys)),
        _ => unknown(text),
    };
    let ops = vec![pb::RequestOp { request: Some(op) }];
    if what == first {
        pb::TxnRequest { compare: compares, success: ops, failure: Vec::new() }
    } else {
        pb::TxnRequest { compare: compares, success: Vec::new(), failure: ops }
    }
}

async fn kv(method: &str, rest: &str, person: &Person) -> Result<(), Status> {
    let mut kv = person.kv();
    match method {
        "KV/Range" => kv.range(person.request(range(rest))).await.map(drop),
        "KV/RangeStream" => {
            let mut stream = kv.range_stream(person.request(range(rest))).await?.into_inner();
            stream.message().await.map(drop)
        }
        "KV/Put" => kv.put(person.request(put(rest))).await.map(drop),
        "KV/DeleteRange" => kv.delete_range(person.request(delete(rest))).await.map(drop),
        "KV/Txn" => kv.txn(person.request(txn(rest))).await.map(drop),
        "KV/Compact" => {
            let compaction = pb::CompactionRequest { revision: 2, physical: false };
            kv.compact(person.request(compaction)).await.map(drop)
        }
        other => unknown(other),
    }
}

/// Whether a watch is created. Its refusal is a text with the status in it.
async fn watch(rest: &str, person: &Person) -> Result<(), Status> {
    let (key, range_end) = keys(rest);
    let create = pb::WatchCreateRequest { key, range_end, ..Default::default() };
    let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let requests = futures::stream::iter([request]);
    let mut client = WatchClient::new(person.channel.clone());
    let mut answers = client.watch(person.request(requests)).await?.into_inner();
    let answer = answers.message().await?.ok_or_else(|| Status::unknown("no answer"))?;
    refusal(&answer)
}

/// The status in a watch's refusal.
pub fn refusal(answer: &pb::WatchResponse) -> Result<(), Status> {
    if !answer.canceled {
        return Ok(());
    }
    let words = answer.cancel_reason.strip_prefix("rpc error: code = ");
    let (code, words) = words.and_then(|words| words.split_once(" desc = ")).unwrap_or_default();
    let codes = [Code::InvalidArgument, Code::Unauthenticated, Code::PermissionDenied];
    let code = codes.into_iter().find(|it| format!("{it:?}") == code).unwrap_or(Code::Unknown);
    Err(Status::new(code, words))
}

async fn lease(method: &str, rest: &str, person: &Person) -> Result<(), Status> {
    let mut lease = person.lease();
    let id = rest.trim_end_matches(" keys").parse().unwrap_or(0);
    match method {
        "Lease/LeaseGrant" => {
            lease.lease_grant(person.request(pb::LeaseGrantRequest { id: 0, ttl: 600 })).await?;
        }
        "Lease/LeaseRevoke" => {
            lease.lease_revoke(person.request(pb::LeaseRevokeRequest { id })).await?;
        }
        "Lease/LeaseKeepAlive" => {
            let requests = futures::stream::iter([pb::LeaseKeepAliveRequest { id }]);
            let answers = lease.lease_keep_alive(person.request(requests)).await?;
            answers.into_inner().message().await?;
        }
        "Lease/LeaseTimeToLive" => {
            let request = pb::LeaseTimeToLiveRequest { id, keys: rest.ends_with("keys") };
            lease.lease_time_to_live(person.request(request)).await?;
        }
        "Lease/LeaseLeases" => {
            lease.lease_leases(person.request(pb::LeaseLeasesRequest {})).await?;
        }
        other => unknown(other),
    }
    Ok(())
}

/// Of a row whose good answer depends on the cluster: only refusals are told.
fn any(answer: Result<(), Status>) -> Result<(), Status> {
    answer.or_else(|status| {
        let is_told = is_refusal(&status) || status.code() == Code::Unimplemented;
        if is_told { Err(status) } else { Ok(()) }
    })
}

fn is_refusal(status: &Status) -> bool {
    let words = ["user name is empty", "invalid auth token", "permission denied"];
    words.iter().any(|words| status.message().ends_with(words))
}

async fn maintenance(method: &str, rest: &str, person: &Person) -> Result<(), Status> {
    let mut client = MaintenanceClient::new(person.channel.clone());
    match method {
        "Maintenance/Status" => {
            client.status(person.request(pb::StatusRequest {})).await?;
        }
        "Maintenance/Alarm" => {
            let action = if rest == "get" { 0 } else { 2 };
            let request = pb::AlarmRequest { action, member_id: 5, alarm: 2 };
            client.alarm(person.request(request)).await?;
        }
        "Maintenance/Hash" => {
            client.hash(person.request(pb::HashRequest {})).await?;
        }
        "Maintenance/HashKV" => {
            client.hash_kv(person.request(pb::HashKvRequest { revision: 0 })).await?;
        }
        "Maintenance/MoveLeader" => {
            client.move_leader(person.request(pb::MoveLeaderRequest { target_id: 5 })).await?;
        }
        "Maintenance/Defragment" => {
            client.defragment(person.request(pb::DefragmentRequest {})).await?;
        }
        "Maintenance/Snapshot" => {
            let snapshot = client.snapshot(person.request(pb::SnapshotRequest {})).await?;
            snapshot.into_inner().message().await?;
        }
        "Maintenance/Downgrade" => {
            let request = pb::DowngradeRequest { action: 2, ..Default::default() };
            return any(client.downgrade(person.request(request)).await.map(drop));
        }
        other => unknown(other),
    }
    Ok(())
}

async fn cluster(method: &str, rest: &str, person: &Person) -> Result<(), Status> {
    /// etcd never answers a change of members that comes right behind another one: its Raft drops it.
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut client = ClusterClient::new(person.channel.clone());
    let id = 5;
    let peer_ur_ls = vec!["http://127.0.0.1:1".to_owned()];
    let changed = match method {
        "Cluster/MemberList" => {
            let linearizable = rest == "linearizable";
            let request = person.request(pb::MemberListRequest { linearizable });
            return client.member_list(request).await.map(drop);
        }
        "Cluster/MemberAdd" if rest == "without urls" => {
            let add = person.request(pb::MemberAddRequest::default());
            return client.member_add(with_patience(add, PATIENCE)).await.map(drop);
        }
        "Cluster/MemberAdd" => {
            // One that is a member already: nothing changes.
            let list = person.request(pb::MemberListRequest { linearizable: false });
            let members = client.member_list(list).await.map(|list| list.into_inner().members);
            let mut urls = members.into_iter().flatten().flat_map(|member| member.peer_ur_ls);
            let peer_ur_ls = urls.next().map_or(peer_ur_ls, |url| vec![url]);
            let add = pb::MemberAddRequest { peer_ur_ls, is_learner: true };
            client.member_add(with_patience(person.request(add), PATIENCE)).await.map(drop)
        }
        "Cluster/MemberRemove" => {
            let remove = person.request(pb::MemberRemoveRequest { id });
            client.member_remove(with_patience(remove, PATIENCE)).await.map(drop)
        }
        "Cluster/MemberUpdate" => {
            let update = person.request(pb::MemberUpdateRequest { id, peer_ur_ls });
            client.member_update(with_patience(update, PATIENCE)).await.map(drop)
        }
        "Cluster/MemberPromote" => {
            let promote = person.request(pb::MemberPromoteRequest { id });
            client.member_promote(with_patience(promote, PATIENCE)).await.map(drop)
        }
        other => unknown(other),
    };
    any(changed)
}

fn with_patience<T>(mut request: Request<T>, patience: Duration) -> Request<T> {
    request.set_timeout(patience);
    request
}

async fn health(method: &str, person: &Person) -> Result<(), Status> {
    let mut client = HealthClient::new(person.channel.clone());
    let request = person.request(HealthCheckRequest::default());
    if method == "Health/Check" {
        return client.check(request).await.map(drop);
    }
    client.watch(request).await?.into_inner().message().await.map(drop)
}

async fn admin(method: &str, person: &Person) -> Result<(), Status> {
    let mut client = AdminClient::new(person.channel.clone());
    match method {
        "Admin/Watch" => {
            let status = client.watch(person.request(WatchStatusRequest::default())).await?;
            status.into_inner().message().await?;
        }
        "Admin/Log" => {
            client.log(person.request(LogRequest::default())).await?;
        }
        "Admin/KeyHistory" => {
            let request = KeyHistoryRequest { key: "a".into(), ..Default::default() };
            client.key_history(person.request(request)).await?;
        }
        "Admin/RevisionHistogram" => {
            client.revision_histogram(person.request(RevisionHistogramRequest::default())).await?;
        }
        "Admin/Deleted" => {
            client.deleted(person.request(DeletedRequest::default())).await?;
        }
        other => unknown(other),
    }
    Ok(())
}

#[expect(clippy::too_many_lines, reason = "one arm for each method")]
async fn auth(method: &str, rest: &str, person: &Person) -> Result<(), Status> {
    let mut client = person.auth();
    let added = || "added".to_owned();
    let name = match rest {
        "root" => "root".to_owned(),
        "without name" => String::new(),
        "long" => "x".repeat(5000),
        "unknown" => "unknown".to_owned(),
        "own" => person.name.to_owned(),
        "reader" => "reader".to_owned(),
        _ => added(),
    };
    match method {
        "Auth/AuthEnable" => {
            client.auth_enable(person.request(pb::AuthEnableRequest {})).await.map(drop)
        }
        "Auth/AuthDisable" => {
            client.auth_disable(person.request(pb::AuthDisableRequest {})).await.map(drop)
        }
        "Auth/AuthStatus" => {
            client.auth_status(person.request(pb::AuthStatusRequest {})).await.map(drop)
        }
        "Auth/Authenticate" => {
            let (name, password) = match rest {
                "" => ("owner", "owner"),
                "wrong" => ("owner", "x"),
                other => (other, "x"),
            };
            let (name, password) = (name.to_owned(), password.to_owned());
            let request = pb::AuthenticateRequest { name, password };
            client.authenticate(person.request(request)).await.map(drop)
        }
        "Auth/UserAdd" => {
            let request =
                pb::AuthUserAddRequest { name, password: "x".to_owned(), ..Default::default() };
            client.user_add(person.request(request)).await.map(drop)
        }
        "Auth/UserGet" => {
            client.user_get(person.request(pb::AuthUserGetRequest { name })).await.map(drop)
        }
        "Auth/UserList" => {
            client.user_list(person.request(pb::AuthUserListRequest {})).await.map(drop)
        }
        "Auth/UserChangePassword" => {
            let password = "y".to_owned();
            let request =
                pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
            client.user_change_password(person.request(request)).await.map(drop)
        }
        "Auth/UserGrantRole" => {
            let role = if rest == "unknown" { "unknown" } else { "reader" }.to_owned();
            let request = pb::AuthUserGrantRoleRequest { user: added(), role };
            client.user_grant_role(person.request(request)).await.map(drop)
        }
        "Auth/UserRevokeRole" => {
            let role = if rest == "root" { "root" } else { "reader" }.to_owned();
            let request = pb::AuthUserRevokeRoleRequest { name, role };
            client.user_revoke_role(person.request(request)).await.map(drop)
        }
        "Auth/UserDelete" => {
            client.user_delete(person.request(pb::AuthUserDeleteRequest { name })).await.map(drop)
        }
        "Auth/RoleAdd" => {
            client.role_add(person.request(pb::AuthRoleAddRequest { name })).await.map(drop)
        }
        "Auth/RoleGet" => {
            client.role_get(person.request(pb::AuthRoleGetRequest { role: name })).await.map(drop)
        }
        "Auth/RoleList" => {
            client.role_list(person.request(pb::AuthRoleListRequest {})).await.map(drop)
        }
        "Auth/RoleDelete" => {
            let request = pb::AuthRoleDeleteRequest { role: name };
            client.role_delete(person.request(request)).await.map(drop)
        }
        "Auth/RoleGrantPermission" => {
            let (key, range_end) = keys(if rest == "without keys" { "[k, a)" } else { "k" });
            let perm = (rest != "nothing").then_some(Permission { perm_type: 0, key, range_end });
            let request = pb::AuthRoleGrantPermissionRequest { name: added(), perm };
            client.role_grant_permission(person.request(request)).await.map(drop)
        }
        "Auth/RoleRevokePermission" => {
            let (key, range_end) = keys("k");
            let request = pb::AuthRoleRevokePermissionRequest { role: added(), key, range_end };
            client.role_revoke_permission(person.request(request)).await.map(drop)
        }
        other => unknown(other),
    }
}

async fn recipes(method: &str, rest: &str, person: &Person) -> Result<(), Status> {
    let mut lock = LockClient::new(person.channel.clone());
    let mut election = ElectionClient::new(person.channel.clone());
    let (name, key) = (Bytes::copy_from_slice(rest.as_bytes()), rest.to_owned().into());
    let leader = || {
        let name = Bytes::copy_from_slice(rest.as_bytes());
        Some(LeaderKey { name, key: format!("{rest}/none").into(), rev: 1, lease: 901 })
    };
    match method {
        "Lock/Lock" => {
            let request = LockRequest { name, lease: 0 };
            let held = lock.lock(person.request(request)).await?.into_inner();
            let request = UnlockRequest { key: held.key };
            lock.unlock(person.request(request)).await.map(drop)
        }
        "Lock/Unlock" => lock.unlock(person.request(UnlockRequest { key })).await.map(drop),
        "Election/Campaign" => {
            let request = CampaignRequest { name, lease: 0, value: "v".into() };
            let won = election.campaign(person.request(request)).await?.into_inner();
            let request = ResignRequest { leader: won.leader };
            election.resign(person.request(request)).await.map(drop)
        }
        "Election/Proclaim" => {
            let request = ProclaimRequest { leader: leader(), value: "v".into() };
            election.proclaim(person.request(request)).await.map(drop)
        }
        "Election/Leader" => {
            election.leader(person.request(LeaderRequest { name })).await.map(drop)
        }
        "Election/Observe" => {
            let observed = election.observe(person.request(LeaderRequest { name })).await?;
            observed.into_inner().message().await.map(drop)
        }
        "Election/Resign" => {
            election.resign(person.request(ResignRequest { leader: leader() })).await.map(drop)
        }
        other => unknown(other),
    }
}

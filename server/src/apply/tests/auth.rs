//! Users, roles and permissions as a part of the state: what stays, what is refused, and when.

use std::ops::ControlFlow;

use bytes::Bytes;
use mini_etcd_proto::authpb::permission::Type;
use mini_etcd_proto::authpb::{Permission, UserAddOptions};
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::internalpb::auth_change::Change;
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{
    AppliedState, Asker, AuthChange, Command, Entry, EntryKind, Login,
};
use prost::Message as _;

use super::fixture::{IDENTITY, Node, Response, birth, delete, put, read, revoke};
use crate::apply::{Applier, SnapshotSink, SnapshotSource};
use crate::auth::{Auth, TokenChange};
use crate::error::RequestError;
use crate::storage::{Batch, Home as _, SimHome, Space};

impl Node {
    /// Applies a request on behalf of somebody, as a turn of its own.
    fn run_as(&mut self, asker: Asker, request: Request) -> Result<Response, RequestError> {
        let (index, wanted) = (self.next(), request.clone());
        let command = Command {
            origin: 1,
            sequence: index,
            incarnation: 1,
            request: Some(request),
            asker: Some(asker),
        };
        let kind = EntryKind::Normal.into();
        let entry = Entry { kind, term: 1, index, data: command.encode_to_vec().into() };
        self.log.push(entry.clone());
        let mut applied = self.apply(vec![entry]).unwrap();
        applied.results.pop().unwrap().outcome.map(|response| read(&wanted, response))
    }

    fn asker(&self, user: &str) -> Asker {
        let auth_revision = self.published().auth.revision();
        Asker { user: user.to_owned(), auth_revision, is_member: false }
    }

    fn by(&mut self, user: &str, request: Request) -> Result<Response, RequestError> {
        self.run_as(self.asker(user), request)
    }
}

fn change(change: Change) -> Request {
    Request::Auth(AuthChange { change: Some(change) })
}

fn add_user(name: &str) -> Request {
    // "hash" in base64.
    let (name, hashed_password) = (name.to_owned(), "aGFzaA==".to_owned());
    change(Change::UserAdd(pb::AuthUserAddRequest { name, hashed_password, ..Default::default() }))
}

fn delete_user(name: &str) -> Request {
    change(Change::UserDelete(pb::AuthUserDeleteRequest { name: name.to_owned() }))
}

fn add_role(name: &str) -> Request {
    change(Change::RoleAdd(pb::AuthRoleAddRequest { name: name.to_owned() }))
}

fn delete_role(name: &str) -> Request {
    change(Change::RoleDelete(pb::AuthRoleDeleteRequest { role: name.to_owned() }))
}

fn grant_role(user: &str, role: &str) -> Request {
    let (user, role) = (user.to_owned(), role.to_owned());
    change(Change::UserGrantRole(pb::AuthUserGrantRoleRequest { user, role }))
}

fn revoke_role(user: &str, role: &str) -> Request {
    let (name, role) = (user.to_owned(), role.to_owned());
    change(Change::UserRevokeRole(pb::AuthUserRevokeRoleRequest { name, role }))
}

fn permit(role: &str, (key, range_end): (&str, &str), kind: Type) -> Request {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    let perm = Some(Permission { perm_type: kind.into(), key, range_end });
    let grant = pb::AuthRoleGrantPermissionRequest { name: role.to_owned(), perm };
    change(Change::RoleGrantPermission(grant))
}

fn enable() -> Request {
    change(Change::Enable(pb::AuthEnableRequest {}))
}

fn disable() -> Request {
    change(Change::Disable(pb::AuthDisableRequest {}))
}

/// Permissions count; alice may write [a, c), and nothing else.
fn settled() -> Node {
    let mut node = Node::new();
    for request in [
        add_user("root"),
        grant_role("root", "root"),
        add_user("alice"),
        add_role("writer"),
        permit("writer", ("a", "c"), Type::Write),
        grant_role("alice", "writer"),
        put("z", "secret"),
        enable(),
    ] {
        node.run(request).unwrap();
    }
    node
}

/// All that is known of users and roles.
fn shown(auth: &Auth) -> String {
    let users = auth.users().map(|user| (user, auth.roles_of(user), auth.password(user)));
    let roles = auth.roles().map(|role| (role, auth.permissions(role)));
    let (users, roles): (Vec<_>, Vec<_>) = (users.collect(), roles.collect());
    format!("{users:?} {roles:?} {} {}", auth.is_enabled(), auth.revision())
}

#[test]
fn users_come_along_with_restarts_and_snapshots() {
    let mut node = settled();
    let options = Some(UserAddOptions { no_password: true });
    let certified =
        pb::AuthUserAddRequest { name: "bob".to_owned(), options, ..Default::default() };
    node.by("root", change(Change::UserAdd(certified))).unwrap();
    let (known, digest) = (shown(&node.published().auth), node.published().digest);
    let source = SnapshotSource::new(node.published());
    let home = SimHome::default();
    let mut sink = SnapshotSink::new(home.stage().unwrap(), IDENTITY, source.snapshot());
    let mut take = |chunk| {
        sink.take(&chunk).unwrap();
        ControlFlow::Continue(())
    };
    source.read(100, &mut take).unwrap();
    drop(sink);
    let mut other = Applier::create(home.current().open(), IDENTITY, &birth()).unwrap();
    let index = node.published().applied.0;
    let (applied, _) = other.install(home.switch(index).unwrap()).unwrap();
    assert_eq!(shown(&applied.published.auth), known);
    assert_eq!(applied.tokens, [TokenChange::AllEnded], "nobody knows which of them ended");
    node.restart();
    assert_eq!((shown(&node.published().auth), node.published().digest), (known, digest));
    assert_eq!(node.by("alice", put("z", "")), Err(RequestError::PermissionDenied));
    node.by("alice", put("b", "")).unwrap();
}

#[test]
fn members_with_other_users_have_other_digests() {
    let digests = [add_user("alice"), add_user("bob"), add_role("alice")].map(|request| {
        let mut node = Node::new();
        node.run(request).unwrap();
        node.published().digest
    });
    assert!(digests[0] != digests[1] && digests[0] != digests[2]);
    let mut node = Node::new();
    node.run(add_user("alice")).unwrap();
    node.run(add_user("alice")).unwrap_err();
    assert_eq!(node.published().auth.revision(), 2);
}

#[test]
fn a_state_of_an_earlier_version_has_no_users() {
    let mut node = Node::new();
    node.run(put("a", "1")).unwrap();
    let current = node.table()[&(Space::Meta, b"current".to_vec())].clone();
    let meta = AppliedState::decode(current).unwrap();
    let meta = AppliedState { auth_enabled: false, auth_revision: 0, ..meta };
    let mut batch = Batch::new();
    batch.put(Space::Meta, b"current".as_slice(), meta.encode_to_vec());
    node.disk.tamper(batch);
    node.restart();
    assert_eq!(shown(&node.published().auth), "[] [] false 1");
}

// I1 of `auth`: a right that was taken while a request was on its way is taken.
#[test]
fn a_request_is_judged_when_it_is_applied() {
    let mut node = settled();
    let before = node.asker("alice");
    node.by("alice", put("a", "1")).unwrap();
    node.by("root", revoke_role("alice", "writer")).unwrap();
    assert_eq!(node.run_as(before.clone(), put("a", "2")), Err(RequestError::AuthOldRevision));
    assert_eq!(node.by("alice", put("a", "2")), Err(RequestError::PermissionDenied));
    node.by("root", grant_role("alice", "writer")).unwrap();
    assert_eq!(node.run_as(before, put("a", "2")), Err(RequestError::AuthOldRevision));
    node.by("alice", put("a", "2")).unwrap();
    node.by("root", delete_user("alice")).unwrap();
    assert_eq!(node.by("alice", put("a", "3")), Err(RequestError::PermissionDenied));
    assert_eq!(node.run(put("a", "3")), Err(RequestError::UserEmpty));
    let member = Asker { is_member: true, ..Asker::default() };
    node.run_as(member, put("a", "3")).unwrap();
    node.by("root", disable()).unwrap();
    node.run(put("a", "4")).unwrap();
}

// Who revokes a lease takes its keys; who puts a key to it keeps them alive.
#[test]
fn a_lease_is_as_protected_as_its_keys() {
    let mut node = settled();
    let on_lease = |key: &str, lease: i64| {
        let (key, value) = (key.to_owned().into(), Bytes::from_static(b"v"));
        Request::Put(pb::PutRequest { key, value, lease, ..pb::PutRequest::default() })
    };
    node.by("alice", super::fixture::grant(7, 60)).unwrap();
    node.by("alice", on_lease("a", 7)).unwrap();
    node.by("root", on_lease("z", 7)).unwrap();
    assert_eq!(node.by("alice", on_lease("b", 7)), Err(RequestError::PermissionDenied));
    assert_eq!(node.by("alice", revoke(7)), Err(RequestError::PermissionDenied));
    node.by("root", put("z", "")).unwrap();
    node.by("alice", on_lease("b", 7)).unwrap();
    node.by("alice", revoke(7)).unwrap();
    assert_eq!(node.by("alice", revoke(7)), Err(RequestError::LeaseNotFound));
    assert_eq!(node.run(super::fixture::grant(8, 60)), Err(RequestError::UserEmpty));
}

#[test]
fn roles_go_with_what_they_permit_and_root_stays() {
    let mut node = settled();
    let invalid = Err(RequestError::InvalidAuthManagement);
    assert_eq!(node.by("root", delete_user("root")), invalid);
    assert_eq!(node.by("root", revoke_role("root", "root")), invalid);
    assert_eq!(node.by("root", delete_role("root")), invalid);
    assert_eq!(node.by("alice", delete_role("writer")), Err(RequestError::PermissionDenied));
    node.by("root", delete_role("writer")).unwrap();
    assert_eq!(node.published().auth.roles_of("alice").unwrap(), [""; 0]);
    assert_eq!(node.by("alice", put("a", "")), Err(RequestError::PermissionDenied));
    // A role of the same name is another one.
    node.by("root", add_role("writer")).unwrap();
    node.by("root", permit("writer", ("a", "c"), Type::Write)).unwrap();
    assert_eq!(node.by("alice", put("a", "")), Err(RequestError::PermissionDenied));
    node.by("root", disable()).unwrap();
    node.run(delete_user("root")).unwrap();
    assert_eq!(node.run(enable()), Err(RequestError::RootUserNotExist));
    node.run(add_user("root")).unwrap();
    assert_eq!(node.run(enable()), Err(RequestError::RootRoleNotExist));
}

#[test]
fn revisions_count_changes_and_nothing_else() {
    let mut node = settled();
    let revision = node.published().auth.revision();
    node.by("root", enable()).unwrap();
    node.by("root", grant_role("alice", "writer")).unwrap();
    node.by("alice", delete("a", "b")).unwrap();
    assert_eq!(node.published().auth.revision(), revision);
    node.by("root", permit("writer", ("a", "c"), Type::Readwrite)).unwrap();
    let permissions = node.published().auth.permissions("writer").unwrap();
    assert_eq!(permissions.len(), 1, "the same range has one kind");
    node.by("root", disable()).unwrap();
    assert_eq!(node.published().auth.revision(), revision + 2);
    node.run(disable()).unwrap();
    node.run(enable()).unwrap();
    assert_eq!(node.published().auth.revision(), revision + 2);
}

#[test]
fn only_members_give_out_tokens() {
    let mut node = settled();
    let login = |user: &str| {
        let (user, token) = (user.to_owned(), "abc".to_owned());
        change(Change::Login(Login { user, token }))
    };
    assert_eq!(node.by("alice", login("root")), Err(RequestError::PermissionDenied));
    let member = Asker { is_member: true, ..Asker::default() };
    let index = node.next();
    let given = node.run_as(member.clone(), login("alice")).unwrap();
    assert_eq!(given, Response::Auth(format!("abc.{index}")));
    assert_eq!(node.run_as(member.clone(), login("nobody")), Err(RequestError::AuthFailed));
    node.by("root", disable()).unwrap();
    assert_eq!(node.run_as(member, login("alice")), Err(RequestError::AuthNotEnabled));
}

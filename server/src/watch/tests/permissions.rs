//! Watches of users who may not read their keys any more.

use std::sync::Arc;

use mini_etcd_proto::authpb::Permission;
use mini_etcd_proto::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthRoleGrantPermissionRequest, AuthUserAddRequest,
    AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest, WatchCreateRequest,
};
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_proto::internalpb::auth_change::Change;

use super::store::{Change as Write, Store};
use crate::auth::Auth;
use crate::error::RequestError;
use crate::storage::Batch;
use crate::watch::{Core, Kind, Popped};

fn change(auth: &Arc<Auth>, change: &Change) -> Arc<Auth> {
    let mut changed = Auth::clone(auth);
    changed.change(change, &mut Batch::new()).unwrap();
    Arc::new(changed)
}

/// Permissions count; alice reads `a` and `b`.
fn settled() -> Arc<Auth> {
    let mut auth = Arc::<Auth>::default();
    let grant = |user: &str, role: &str| {
        let (user, role) = (user.to_owned(), role.to_owned());
        Change::UserGrantRole(AuthUserGrantRoleRequest { user, role })
    };
    let add = |name: &str| {
        Change::UserAdd(AuthUserAddRequest { name: name.to_owned(), ..Default::default() })
    };
    let permit = |key: &'static str| {
        let perm = Some(Permission { key: key.into(), ..Permission::default() });
        let name = "reader".to_owned();
        Change::RoleGrantPermission(AuthRoleGrantPermissionRequest { name, perm })
    };
    for next in [
        add("root"),
        grant("root", "root"),
        add("alice"),
        Change::RoleAdd(AuthRoleAddRequest { name: "reader".to_owned() }),
        permit("a"),
        permit("b"),
        grant("alice", "reader"),
        Change::Enable(AuthEnableRequest {}),
    ] {
        auth = change(&auth, &next);
    }
    auth
}

fn without_role(auth: &Arc<Auth>) -> Arc<Auth> {
    let (name, role) = ("alice".to_owned(), "reader".to_owned());
    change(auth, &Change::UserRevokeRole(AuthUserRevokeRoleRequest { name, role }))
}

fn asker(auth: &Auth, user: &str) -> Asker {
    let auth_revision = auth.revision();
    Asker { user: user.to_owned(), auth_revision, is_member: false }
}

fn watch(key: &'static str, start_revision: i64) -> WatchCreateRequest {
    WatchCreateRequest { key: key.into(), start_revision, ..WatchCreateRequest::default() }
}

fn kinds(core: &mut Core, stream: u64) -> Vec<Kind> {
    let next = || match core.pop(stream, 0) {
        Popped::Response(response) => Some(response.kind),
        _ => None,
    };
    std::iter::from_fn(next).collect()
}

// I9. Live watches, those that catch up, and their neighbours.
#[test]
fn a_watch_ends_when_its_user_may_not_read_it_any_more() {
    let mut store = Store::new();
    store.txn(&[Write::Put("a".to_owned(), "1".to_owned())]);
    let mut core = Core::new(store.revision, store.compacted);
    let auth = settled();
    core.judge(&auth);
    let (alices, roots) = (core.open(false), core.open(false));
    core.create(alices, &watch("a", 0), Ok(asker(&auth, "alice")));
    core.create(alices, &watch("b", 1), Ok(asker(&auth, "alice")));
    core.create(roots, &watch("a", 0), Ok(asker(&auth, "root")));
    core.check();
    assert_eq!(kinds(&mut core, alices), [Kind::Created, Kind::Created]);
    core.judge(&without_role(&auth));
    core.check();
    let denied = RequestError::PermissionDenied.as_go();
    assert_eq!(denied, "rpc error: code = PermissionDenied desc = etcdserver: permission denied");
    let withdrawn = Kind::Withdrawn(denied);
    assert_eq!(kinds(&mut core, alices), [withdrawn.clone(), withdrawn]);
    assert_eq!(kinds(&mut core, roots), [Kind::Created]);
    assert_eq!(core.counts().watchers, 1);
}

// I9. What a client did not read while it could is not sent any more, and counts nowhere.
#[test]
fn what_is_queued_goes_with_the_right_to_read() {
    let mut store = Store::new();
    let mut core = Core::new(store.revision, store.compacted);
    let auth = settled();
    core.judge(&auth);
    let stream = core.open(false);
    core.create(stream, &watch("a", 0), Ok(asker(&auth, "alice")));
    core.create(stream, &watch("a", 0), Ok(asker(&auth, "root")));
    assert_eq!(kinds(&mut core, stream), [Kind::Created, Kind::Created]);
    for value in ["1", "2"] {
        let events = store.txn(&[Write::Put("a".to_owned(), value.to_owned())]).into();
        let mut versions = |id| Ok(store.version(id));
        core.applied(&events, store.revision, store.compacted, &mut versions);
    }
    assert_eq!(core.counts().pending_events, 4);
    core.judge(&without_role(&auth));
    core.check();
    let withdrawn = Kind::Withdrawn(RequestError::PermissionDenied.as_go());
    let events = Kind::Events { fragment: false };
    let roots = [events.clone(), events];
    let left = kinds(&mut core, stream);
    assert!(left.contains(&withdrawn) && left.len() == 3, "{left:?}");
    assert_eq!(left.into_iter().filter(|kind| *kind != withdrawn).collect::<Vec<_>>(), roots);
    assert_eq!((core.counts().pending_events, core.counts().watchers), (0, 1));
}

#[test]
fn a_watch_is_refused_in_etcds_order() {
    let mut core = Core::new(5, -1);
    let auth = settled();
    core.judge(&auth);
    let stream = core.open(false);
    let nobody = Ok(asker(&auth, ""));
    core.create(stream, &watch("a", -1), nobody.clone());
    core.create(stream, &watch("a", 0), nobody);
    core.create(stream, &watch("a", 0), Err(RequestError::InvalidAuthToken));
    let empty = WatchCreateRequest { range_end: "A".into(), ..watch("c", 0) };
    core.create(stream, &empty, Ok(asker(&auth, "alice")));
    let old = Ok(asker(&without_role(&auth), "alice"));
    core.judge(&without_role(&without_role_twice(&auth)));
    core.create(stream, &watch("a", 0), old);
    let reasons: Vec<String> = kinds(&mut core, stream)
        .into_iter()
        .map(|kind| match kind {
            Kind::Refused(reason) => reason.rsplit_once(": ").unwrap().1.to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted = [
        "required revision has been compacted",
        "user name is empty",
        "invalid auth token",
        "permission denied",
        "revision of auth store is old",
    ];
    assert_eq!(reasons, wanted);
}

/// Two revisions further, with the role still there.
fn without_role_twice(auth: &Arc<Auth>) -> Arc<Auth> {
    let (user, role) = ("alice".to_owned(), "reader".to_owned());
    let grant = Change::UserGrantRole(AuthUserGrantRoleRequest { user, role });
    change(&without_role(auth), &grant)
}

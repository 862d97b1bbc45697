//! [`Route`]: which path stands for which method, and what its messages are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::uri::PathAndQuery;
use mini_etcd_proto::CLIENT_DESCRIPTORS;
use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The methods by what follows `/v3` in their paths.
const ROUTES: &[(&str, &str)] = &[
    ("/kv/range", "etcdserverpb.KV/Range"),
    ("/kv/put", "etcdserverpb.KV/Put"),
    ("/kv/deleterange", "etcdserverpb.KV/DeleteRange"),
    ("/kv/txn", "etcdserverpb.KV/Txn"),
    ("/kv/compaction", "etcdserverpb.KV/Compact"),
    ("/watch", "etcdserverpb.Watch/Watch"),
    ("/lease/grant", "etcdserverpb.Lease/LeaseGrant"),
    ("/lease/revoke", "etcdserverpb.Lease/LeaseRevoke"),
    ("/kv/lease/revoke", "etcdserverpb.Lease/LeaseRevoke"),
    ("/lease/keepalive", "etcdserverpb.Lease/LeaseKeepAlive"),
    ("/lease/timetolive", "etcdserverpb.Lease/LeaseTimeToLive"),
    ("/kv/lease/timetolive", "etcdserverpb.Lease/LeaseTimeToLive"),
    ("/lease/leases", "etcdserverpb.Lease/LeaseLeases"),
    ("/kv/lease/leases", "etcdserverpb.Lease/LeaseLeases"),
    ("/cluster/member/add", "etcdserverpb.Cluster/MemberAdd"),
    ("/cluster/member/remove", "etcdserverpb.Cluster/MemberRemove"),
    ("/cluster/member/update", "etcdserverpb.Cluster/MemberUpdate"),
    ("/cluster/member/list", "etcdserverpb.Cluster/MemberList"),
    ("/cluster/member/promote", "etcdserverpb.Cluster/MemberPromote"),
    ("/maintenance/alarm", "etcdserverpb.Maintenance/Alarm"),
    ("/maintenance/status", "etcdserverpb.Maintenance/Status"),
    ("/maintenance/defragment", "etcdserverpb.Maintenance/Defragment"),
    ("/maintenance/hash", "etcdserverpb.Maintenance/Hash"),
    ("/maintenance/hashkv", "etcdserverpb.Maintenance/HashKV"),
    ("/maintenance/snapshot", "etcdserverpb.Maintenance/Snapshot"),
    ("/maintenance/transfer-leadership", "etcdserverpb.Maintenance/MoveLeader"),
    ("/maintenance/downgrade", "etcdserverpb.Maintenance/Downgrade"),
    ("/auth/enable", "etcdserverpb.Auth/AuthEnable"),
    ("/auth/disable", "etcdserverpb.Auth/AuthDisable"),
    ("/auth/status", "etcdserverpb.Auth/AuthStatus"),
    ("/auth/authenticate", "etcdserverpb.Auth/Authenticate"),
    ("/auth/user/add", "etcdserverpb.Auth/UserAdd"),
    ("/auth/user/get", "etcdserverpb.Auth/UserGet"),
    ("/auth/user/list", "etcdserverpb.Auth/UserList"),
    ("/auth/user/delete", "etcdserverpb.Auth/UserDelete"),
    ("/auth/user/changepw", "etcdserverpb.Auth/UserChangePassword"),
    ("/auth/user/grant", "etcdserverpb.Auth/UserGrantRole"),
    ("/auth/user/revoke", "etcdserverpb.Auth/UserRevokeRole"),
    ("/auth/role/add", "etcdserverpb.Auth/RoleAdd"),
    ("/auth/role/get", "etcdserverpb.Auth/RoleGet"),
    ("/auth/role/list", "etcdserverpb.Auth/RoleList"),
    ("/auth/role/delete", "etcdserverpb.Auth/RoleDelete"),
    ("/auth/role/grant", "etcdserverpb.Auth/RoleGrantPermission"),
    ("/auth/role/revoke", "etcdserverpb.Auth/RoleRevokePermission"),
    ("/lock/lock", "v3lockpb.Lock/Lock"),
    ("/lock/unlock", "v3lockpb.Lock/Unlock"),
    ("/election/campaign", "v3electionpb.Election/Campaign"),
    ("/election/proclaim", "v3electionpb.Election/Proclaim"),
    ("/election/leader", "v3electionpb.Election/Leader"),
    ("/election/observe", "v3electionpb.Election/Observe"),
    ("/election/resign", "v3electionpb.Election/Resign"),
];

/// Starts of the gateway's paths; the second is the name that etcd gave the API before it was done.
const PREFIXES: [&str; 2] = ["/v3", "/v3beta"];

/// A method of the gateway.
#[derive(Debug)]
pub(super) struct Route {
    /// Of the gRPC call.
    pub(super) path: PathAndQuery,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
    /// Several requests may come.
    pub(super) takes_many: bool,
    /// Several answers may come.
    pub(super) gives_many: bool,
}

static TABLE: LazyLock<BTreeMap<&'static str, Route>> = LazyLock::new(|| {
    // A path without its descriptor would be no route; a test asks for all of them.
    let pool = DescriptorPool::decode(CLIENT_DESCRIPTORS).unwrap_or_default();
    ROUTES.iter().filter_map(|(path, method)| Some((*path, describe(&pool, method)?))).collect()
});

fn describe(pool: &DescriptorPool, name: &str) -> Option<Route> {
    let (service, method) = name.split_once('/')?;
    let service = pool.get_service_by_name(service)?;
    let method = service.methods().find(|it| it.name() == method)?;
    Some(Route {
        path: format!("/{name}").parse().ok()?,
        input: method.input(),
        output: method.output(),
        takes_many: method.is_client_streaming(),
        gives_many: method.is_server_streaming(),
    })
}

/// What follows the prefix in a path of the gateway, with its slash.
fn below_prefix(path: &str) -> Option<&str> {
    PREFIXES
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')))
}

/// Whether the gateway answers at `path`, if only that there is nothing.
pub(in crate::http) fn is_gateway(path: &str) -> bool {
    below_prefix(path).is_some()
}

/// The method at `path`.
pub(super) fn find(path: &str) -> Option<&'static Route> {
    TABLE.get(below_prefix(path)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_descriptor_and_its_streams() {
        assert_eq!(TABLE.len(), ROUTES.len());
        let many: Vec<_> = TABLE.iter().filter(|(_, route)| route.gives_many).collect();
        let names: Vec<_> = many.iter().map(|(path, _)| **path).collect();
        assert_eq!(
            names,
            ["/election/observe", "/lease/keepalive", "/maintenance/snapshot", "/watch"]
        );
        assert!(many.iter().all(|(path, route)| {
            route.takes_many == matches!(**path, "/watch" | "/lease/keepalive")
        }));
    }

    #[test]
    fn paths_are_found_below_both_prefixes_and_nowhere_else() {
        assert!(find("/v3/kv/range").is_some() && find("/v3beta/kv/range").is_some());
        for path in ["/v3/kv/range/", "/v3/kv", "/v3/", "/v3/KV/range", "/v3/kv/range:x"] {
            assert!(find(path).is_none() && is_gateway(path), "{path}");
        }
        for path in ["/v3", "/v3alpha/kv/range", "/v3x/kv/range", "/kv/range", "/version"] {
            assert!(!is_gateway(path), "{path}");
        }
    }
}

//! Every method that a client may name, in the order in which they are most often named.

use Kind::{Bidi, ServerStream, Unary};
use Rule::{Open, Peers, Request, Root, User};

/// How messages flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message each way.
    Unary,
    /// One message in, many out.
    ServerStream,
    /// Many each way.
    Bidi,
}

impl Kind {
    /// The name that metrics use.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::Bidi => "bidi_stream",
        }
    }
}

/// Who may call a method while permissions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Anybody.
    Open,
    /// Who has logged in.
    User,
    /// Who has the role `root`.
    Root,
    /// Who may do what the request names: the service looks where it reads, apply where it writes.
    Request,
    /// Members, who know each other by other means.
    Peers,
}

/// A method, and who may call it.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) rule: Rule,
}

const fn method(name: &'static str, kind: Kind, rule: Rule) -> Method {
    Method { name, kind, rule }
}

/// Whether a call may change something; a transaction always counts as if it did.
pub(super) fn is_write(service: &str, method: &str) -> bool {
    let Some(service) = service.strip_prefix("etcdserverpb.") else {
        return matches!(service, "v3lockpb.Lock" | "v3electionpb.Election")
            && !matches!(method, "Leader" | "Observe");
    };
    match service {
        "KV" => !method.starts_with("Range"),
        "Lease" => matches!(method, "LeaseGrant" | "LeaseRevoke"),
        "Cluster" => method != "MemberList",
        "Maintenance" => !matches!(method, "Status" | "Hash" | "HashKV" | "Snapshot"),
        "Auth" => !matches!(method, "AuthStatus" | "UserGet" | "UserList" | "RoleGet" | "RoleList"),
        _ => false,
    }
}

/// The service that members offer each other.
pub(super) const PEERS: &str = "minietcd.peer.v1.Peer";

/// Services by their full names, with their methods.
pub(super) const SERVICES: &[(&str, &[Method])] = &[
    (
        "etcdserverpb.KV",
        &[
            method("Range", Unary, Request),
            method("Put", Unary, Request),
            method("Txn", Unary, Request),
            method("DeleteRange", Unary, Request),
            method("Compact", Unary, Request),
            method("RangeStream", ServerStream, Request),
        ],
    ),
    ("etcdserverpb.Watch", &[method("Watch", Bidi, Request)]),
    (
        PEERS,
        &[
            method("Stream", Bidi, Peers),
            method("Install", Bidi, Peers),
            method("Members", Unary, Peers),
        ],
    ),
    (
        "etcdserverpb.Lease",
        &[
            method("LeaseGrant", Unary, Request),
            method("LeaseRevoke", Unary, Request),
            method("LeaseKeepAlive", Bidi, Request),
            method("LeaseTimeToLive", Unary, User),
            method("LeaseLeases", Unary, Request),
        ],
    ),
    (
        "etcdserverpb.Maintenance",
        &[
            method("Status", Unary, User),
            method("Alarm", Unary, Request),
            method("Hash", Unary, Root),
            method("HashKV", Unary, Root),
            method("MoveLeader", Unary, Root),
            method("Defragment", Unary, Root),
            method("Snapshot", ServerStream, Root),
            method("Downgrade", Unary, Root),
        ],
    ),
    (
        "etcdserverpb.Cluster",
        &[
            method("MemberList", Unary, User),
            method("MemberAdd", Unary, Request),
            method("MemberRemove", Unary, Root),
            method("MemberUpdate", Unary, Root),
            method("MemberPromote", Unary, Root),
        ],
    ),
    ("grpc.health.v1.Health", &[method("Check", Unary, Open), method("Watch", ServerStream, Open)]),
    (
        "minietcd.admin.v1.Admin",
        &[
            method("Watch", ServerStream, User),
            method("Log", Unary, Root),
            method("KeyHistory", Unary, Root),
            method("RevisionHistogram", Unary, Root),
            method("Deleted", Unary, Root),
        ],
    ),
    (
        "etcdserverpb.Auth",
        &[
            method("Authenticate", Unary, Open),
            method("AuthEnable", Unary, Request),
            method("AuthDisable", Unary, Request),
            method("AuthStatus", Unary, Open),
            method("UserAdd", Unary, Request),
            method("UserGet", Unary, Request),
            method("UserList", Unary, Request),
            method("UserDelete", Unary, Request),
            method("UserChangePassword", Unary, Request),
            method("UserGrantRole", Unary, Request),
            method("UserRevokeRole", Unary, Request),
            method("RoleAdd", Unary, Request),
            method("RoleGet", Unary, Request),
            method("RoleList", Unary, Request),
            method("RoleDelete", Unary, Request),
            method("RoleGrantPermission", Unary, Request),
            method("RoleRevokePermission", Unary, Request),
        ],
    ),
    ("v3lockpb.Lock", &[method("Lock", Unary, Request), method("Unlock", Unary, Request)]),
    (
        "v3electionpb.Election",
        &[
            method("Campaign", Unary, Request),
            method("Proclaim", Unary, Request),
            method("Leader", Unary, Request),
            method("Observe", ServerStream, Request),
            method("Resign", Unary, Request),
        ],
    ),
];

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
    /// Whether a call may change something.
    pub(super) writes: bool,
}

const fn method(name: &'static str, kind: Kind, rule: Rule) -> Method {
    Method { name, kind, rule, writes: false }
}

/// A method that may change something; a transaction always counts as if it did.
const fn writing(name: &'static str, kind: Kind, rule: Rule) -> Method {
    Method { writes: true, ..method(name, kind, rule) }
}

/// The service that members offer each other.
pub(super) const PEERS: &str = "minietcd.peer.v1.Peer";

/// Services by their full names, with their methods.
pub(super) const SERVICES: &[(&str, &[Method])] = &[
    (
        "etcdserverpb.KV",
        &[
            method("Range", Unary, Request),
            writing("Put", Unary, Request),
            writing("Txn", Unary, Request),
            writing("DeleteRange", Unary, Request),
            writing("Compact", Unary, Request),
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
            writing("LeaseGrant", Unary, Request),
            writing("LeaseRevoke", Unary, Request),
            method("LeaseKeepAlive", Bidi, Request),
            method("LeaseTimeToLive", Unary, User),
            method("LeaseLeases", Unary, Request),
        ],
    ),
    (
        "etcdserverpb.Maintenance",
        &[
            method("Status", Unary, User),
            writing("Alarm", Unary, Request),
            method("Hash", Unary, Root),
            method("HashKV", Unary, Root),
            writing("MoveLeader", Unary, Root),
            writing("Defragment", Unary, Root),
            method("Snapshot", ServerStream, Root),
            writing("Downgrade", Unary, Root),
        ],
    ),
    (
        "etcdserverpb.Cluster",
        &[
            method("MemberList", Unary, User),
            writing("MemberAdd", Unary, Request),
            writing("MemberRemove", Unary, Root),
            writing("MemberUpdate", Unary, Root),
            writing("MemberPromote", Unary, Root),
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
            writing("Authenticate", Unary, Open),
            writing("AuthEnable", Unary, Request),
            writing("AuthDisable", Unary, Request),
            method("AuthStatus", Unary, Open),
            writing("UserAdd", Unary, Request),
            method("UserGet", Unary, Request),
            method("UserList", Unary, Request),
            writing("UserDelete", Unary, Request),
            writing("UserChangePassword", Unary, Request),
            writing("UserGrantRole", Unary, Request),
            writing("UserRevokeRole", Unary, Request),
            writing("RoleAdd", Unary, Request),
            method("RoleGet", Unary, Request),
            method("RoleList", Unary, Request),
            writing("RoleDelete", Unary, Request),
            writing("RoleGrantPermission", Unary, Request),
            writing("RoleRevokePermission", Unary, Request),
        ],
    ),
    ("v3lockpb.Lock", &[writing("Lock", Unary, Request), writing("Unlock", Unary, Request)]),
    (
        "v3electionpb.Election",
        &[
            writing("Campaign", Unary, Request),
            writing("Proclaim", Unary, Request),
            method("Leader", Unary, Request),
            method("Observe", ServerStream, Request),
            writing("Resign", Unary, Request),
        ],
    ),
];

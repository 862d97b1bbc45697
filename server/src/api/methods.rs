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

/// A method, who may call it, and whether it is built; one that is not answers Unimplemented.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) rule: Rule,
    pub(super) built: bool,
}

const fn built(name: &'static str, kind: Kind, rule: Rule) -> Method {
    Method { name, kind, rule, built: true }
}

const fn planned(name: &'static str, kind: Kind, rule: Rule) -> Method {
    Method { name, kind, rule, built: false }
}

/// The service that members offer each other.
pub(super) const PEERS: &str = "minietcd.peer.v1.Peer";

/// Services by their full names, with their methods.
pub(super) const SERVICES: &[(&str, &[Method])] = &[
    (
        "etcdserverpb.KV",
        &[
            built("Range", Unary, Request),
            built("Put", Unary, Request),
            built("Txn", Unary, Request),
            built("DeleteRange", Unary, Request),
            built("Compact", Unary, Request),
            built("RangeStream", ServerStream, Request),
        ],
    ),
    ("etcdserverpb.Watch", &[built("Watch", Bidi, Request)]),
    (
        PEERS,
        &[
            built("Stream", Bidi, Peers),
            built("Install", Bidi, Peers),
            built("Members", Unary, Peers),
        ],
    ),
    (
        "etcdserverpb.Lease",
        &[
            built("LeaseGrant", Unary, Request),
            built("LeaseRevoke", Unary, Request),
            built("LeaseKeepAlive", Bidi, Request),
            built("LeaseTimeToLive", Unary, User),
            built("LeaseLeases", Unary, Request),
        ],
    ),
    (
        "etcdserverpb.Maintenance",
        &[
            built("Status", Unary, User),
            built("Alarm", Unary, Request),
            built("Hash", Unary, Root),
            built("HashKV", Unary, Root),
            built("MoveLeader", Unary, Root),
            built("Defragment", Unary, Root),
            built("Snapshot", ServerStream, Root),
            planned("Downgrade", Unary, Root),
        ],
    ),
    (
        "etcdserverpb.Cluster",
        &[
            built("MemberList", Unary, User),
            built("MemberAdd", Unary, Root),
            built("MemberRemove", Unary, Root),
            built("MemberUpdate", Unary, Root),
            built("MemberPromote", Unary, Root),
        ],
    ),
    ("grpc.health.v1.Health", &[built("Check", Unary, Open), built("Watch", ServerStream, Open)]),
    (
        "minietcd.admin.v1.Admin",
        &[
            built("Watch", ServerStream, User),
            built("Log", Unary, Root),
            built("KeyHistory", Unary, Root),
            built("RevisionHistogram", Unary, Root),
            built("Deleted", Unary, Root),
        ],
    ),
    (
        "etcdserverpb.Auth",
        &[
            built("Authenticate", Unary, Open),
            built("AuthEnable", Unary, Request),
            built("AuthDisable", Unary, Request),
            built("AuthStatus", Unary, Open),
            built("UserAdd", Unary, Request),
            built("UserGet", Unary, Request),
            built("UserList", Unary, Request),
            built("UserDelete", Unary, Request),
            built("UserChangePassword", Unary, Request),
            built("UserGrantRole", Unary, Request),
            built("UserRevokeRole", Unary, Request),
            built("RoleAdd", Unary, Request),
            built("RoleGet", Unary, Request),
            built("RoleList", Unary, Request),
            built("RoleDelete", Unary, Request),
            built("RoleGrantPermission", Unary, Request),
            built("RoleRevokePermission", Unary, Request),
        ],
    ),
    ("v3lockpb.Lock", &[built("Lock", Unary, Request), built("Unlock", Unary, Request)]),
    (
        "v3electionpb.Election",
        &[
            built("Campaign", Unary, Request),
            built("Proclaim", Unary, Request),
            built("Leader", Unary, Request),
            built("Observe", ServerStream, Request),
            built("Resign", Unary, Request),
        ],
    ),
];

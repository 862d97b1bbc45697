//! Every method that a client may name, in the order in which they are most often named.

use Kind::{Bidi, ServerStream, Unary};

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

/// A method and whether it is built; one that is not answers Unimplemented.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) built: bool,
}

const fn built(name: &'static str, kind: Kind) -> Method {
    Method { name, kind, built: true }
}

const fn planned(name: &'static str, kind: Kind) -> Method {
    Method { name, kind, built: false }
}

/// The service that members offer each other.
pub(super) const PEERS: &str = "minietcd.peer.v1.Peer";

/// Services by their full names, with their methods.
pub(super) const SERVICES: &[(&str, &[Method])] = &[
    (
        "etcdserverpb.KV",
        &[
            built("Range", Unary),
            built("Put", Unary),
            built("Txn", Unary),
            built("DeleteRange", Unary),
            built("Compact", Unary),
            built("RangeStream", ServerStream),
        ],
    ),
    ("etcdserverpb.Watch", &[built("Watch", Bidi)]),
    (PEERS, &[built("Stream", Bidi), built("Install", Bidi), built("Members", Unary)]),
    (
        "etcdserverpb.Lease",
        &[
            built("LeaseGrant", Unary),
            built("LeaseRevoke", Unary),
            built("LeaseKeepAlive", Bidi),
            built("LeaseTimeToLive", Unary),
            built("LeaseLeases", Unary),
        ],
    ),
    (
        "etcdserverpb.Maintenance",
        &[
            built("Status", Unary),
            built("Alarm", Unary),
            built("Hash", Unary),
            built("HashKV", Unary),
            built("MoveLeader", Unary),
            built("Defragment", Unary),
            built("Snapshot", ServerStream),
            planned("Downgrade", Unary),
        ],
    ),
    (
        "etcdserverpb.Cluster",
        &[
            built("MemberList", Unary),
            built("MemberAdd", Unary),
            built("MemberRemove", Unary),
            built("MemberUpdate", Unary),
            built("MemberPromote", Unary),
        ],
    ),
    ("grpc.health.v1.Health", &[built("Check", Unary), built("Watch", ServerStream)]),
    (
        "minietcd.admin.v1.Admin",
        &[
            built("Watch", ServerStream),
            built("Log", Unary),
            built("KeyHistory", Unary),
            built("RevisionHistogram", Unary),
            built("Deleted", Unary),
        ],
    ),
    (
        "etcdserverpb.Auth",
        &[
            planned("Authenticate", Unary),
            planned("AuthEnable", Unary),
            planned("AuthDisable", Unary),
            planned("AuthStatus", Unary),
            planned("UserAdd", Unary),
            planned("UserGet", Unary),
            planned("UserList", Unary),
            planned("UserDelete", Unary),
            planned("UserChangePassword", Unary),
            planned("UserGrantRole", Unary),
            planned("UserRevokeRole", Unary),
            planned("RoleAdd", Unary),
            planned("RoleGet", Unary),
            planned("RoleList", Unary),
            planned("RoleDelete", Unary),
            planned("RoleGrantPermission", Unary),
            planned("RoleRevokePermission", Unary),
        ],
    ),
    ("v3lockpb.Lock", &[built("Lock", Unary), built("Unlock", Unary)]),
    (
        "v3electionpb.Election",
        &[
            built("Campaign", Unary),
            built("Proclaim", Unary),
            built("Leader", Unary),
            built("Observe", ServerStream),
            built("Resign", Unary),
        ],
    ),
];

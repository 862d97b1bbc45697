//! The rows of the table. Each begins with its method.

use super::people::PEOPLE;

const EMPTY: &str = "InvalidArgument: etcdserver: user name is empty";
const TOKEN: &str = "Unauthenticated: etcdserver: invalid auth token";
const DENIED: &str = "PermissionDenied: etcdserver: permission denied";

/// Who gets what. In the order of the callers: nobody, a bad token, a user without role, a reader, a writer, an owner, root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Anybody.
    Open,
    /// Anybody but with a token that is none.
    Known,
    /// Who has logged in.
    User,
    /// Readers of the key, owners, root.
    Read,
    /// Writers of the key, owners, root.
    Write,
    /// Who may do both.
    Both,
    /// Root alone.
    Root,
    /// As `Root`, with words for root that are no refusal.
    RootTold(&'static str),
    /// As another rule, with the code Unknown: etcd's locks are clients of the member.
    InnerBoth(&'static str),
    InnerWrite(&'static str),
    InnerRead(&'static str),
    /// These words for all.
    Same(&'static str),
    /// The reader, by name, and root.
    Reader,
    /// Every user for itself; nobody else is asked for.
    Own,
    /// The first who may takes it away from the others.
    Once(&'static [&'static str; 7]),
}

impl Rule {
    pub fn expected(self) -> Vec<String> {
        let may = |who: [bool; 7], inner: bool, good: &str| {
            let refused = [EMPTY, TOKEN, DENIED, DENIED, DENIED, DENIED, DENIED];
            let answer = |(may, no): (bool, &str)| match no.split_once(": ") {
                _ if may => good.to_owned(),
                Some((_, words)) if inner => format!("Unknown: {words}"),
                _ => no.to_owned(),
            };
            who.into_iter().zip(refused).map(answer).collect()
        };
        let read = [false, false, false, true, false, true, true];
        let write = [false, false, false, false, true, true, true];
        let both = [false, false, false, false, false, true, true];
        let root = [false, false, false, false, false, false, true];
        match self {
            Self::Open => vec!["ok".to_owned(); PEOPLE.len()],
            Self::Known => may([true, false, true, true, true, true, true], false, "ok"),
            Self::Same(words) => vec![words.to_owned(); PEOPLE.len()],
            Self::User | Self::Own => {
                may([false, false, true, true, true, true, true], false, "ok")
            }
            Self::Read => may(read, false, "ok"),
            Self::Write => may(write, false, "ok"),
            Self::Both => may(both, false, "ok"),
            Self::Root => may(root, false, "ok"),
            Self::RootTold(words) => may(root, false, words),
            Self::InnerBoth(words) => may(both, true, words),
            Self::InnerWrite(words) => may(write, true, words),
            Self::InnerRead(words) => may(read, true, words),
            Self::Reader => may([false, false, false, true, false, false, true], false, "ok"),
            Self::Once(row) => row.iter().map(|it| (*it).to_owned()).collect(),
        }
    }
}

const NO_LEASE: &str = "NotFound: etcdserver: requested lease not found";

/// A reader reads [a, c), a writer writes there, an owner both. `z` and `zz` are root's; `zz` hangs on lease 900, `a/kept` hangs on 902,
/// `a/lost` on 903, nothing on 901. Somebody leads in `b`.
pub const CASES: &[(&str, Rule)] = &[
    ("KV/Range a", Rule::Read),
    ("KV/Range a serializable", Rule::Read),
    // The union of two grants.
    ("KV/Range [a, c)", Rule::Read),
    ("KV/Range [a, d)", Rule::Root),
    ("KV/Range from a", Rule::Root),
    ("KV/Range from a serializable", Rule::Root),
    ("KV/Range all", Rule::Root),
    ("KV/RangeStream a", Rule::Read),
    ("KV/RangeStream z", Rule::Root),
    ("KV/Put a", Rule::Write),
    ("KV/Put a prev_kv", Rule::Both),
    ("KV/Put z", Rule::Root),
    // The lease has a key that only root writes.
    ("KV/Put a lease 900", Rule::Root),
    ("KV/Put a/own lease 901", Rule::Write),
    ("KV/DeleteRange a/none", Rule::Write),
    ("KV/DeleteRange [a/x, a/z) prev_kv", Rule::Both),
    ("KV/DeleteRange [b/x, z)", Rule::Root),
    ("KV/DeleteRange from zzz", Rule::Root),
    ("KV/Txn reads a", Rule::Read),
    ("KV/Txn reads z", Rule::Root),
    ("KV/Txn compares z", Rule::Root),
    ("KV/Txn compares from a", Rule::Root),
    ("KV/Txn puts a", Rule::Write),
    ("KV/Txn puts a, compares a", Rule::Both),
    ("KV/Txn puts a, compares z", Rule::Root),
    ("KV/Txn puts z otherwise", Rule::Root),
    ("KV/Txn deletes z otherwise", Rule::Root),
    // CVE-2026-33343: what is nested was not looked at.
    ("KV/Txn nested puts a", Rule::Write),
    ("KV/Txn nested reads z", Rule::Root),
    ("KV/Txn nested puts z", Rule::Root),
    ("KV/Txn nested compares z", Rule::Root),
    ("KV/Txn nested twice puts z otherwise", Rule::Root),
    // CVE-2026-44283: what a put in a transaction shows, and hangs on.
    ("KV/Txn puts a prev_kv", Rule::Both),
    ("KV/Txn puts a lease 900", Rule::Root),
    ("KV/Txn nested puts a prev_kv", Rule::Both),
    ("KV/Txn nested puts a lease 900", Rule::Root),
    ("KV/Txn deletes a/none prev_kv", Rule::Both),
    ("Watch/Watch a", Rule::Read),
    ("Watch/Watch [a, c)", Rule::Read),
    ("Watch/Watch [a, d)", Rule::Root),
    // GHSA-xg4h-6gfc-h4m8: from a key on is not that key.
    ("Watch/Watch from a", Rule::Root),
    ("Watch/Watch all", Rule::Root),
    // CVE-2026-33413: what was open to who has not logged in.
    ("Lease/LeaseGrant", Rule::User),
    ("Lease/LeaseKeepAlive 901", Rule::Write),
    ("Lease/LeaseKeepAlive 900", Rule::Root),
    ("Lease/LeaseKeepAlive 902", Rule::Write),
    ("Lease/LeaseTimeToLive 900", Rule::User),
    ("Lease/LeaseTimeToLive 900 keys", Rule::Root),
    ("Lease/LeaseTimeToLive 902 keys", Rule::Read),
    ("Lease/LeaseLeases", Rule::Root),
    (
        "Lease/LeaseRevoke 903",
        Rule::Once(&[EMPTY, TOKEN, DENIED, DENIED, "ok", NO_LEASE, NO_LEASE]),
    ),
    ("Maintenance/Status", Rule::User),
    ("Maintenance/Alarm get", Rule::User),
    ("Maintenance/Alarm deactivate", Rule::Root),
    ("Maintenance/Hash", Rule::Root),
    ("Maintenance/HashKV", Rule::Root),
    (
        "Maintenance/MoveLeader",
        Rule::RootTold("FailedPrecondition: etcdserver: bad leader transferee"),
    ),
    ("Maintenance/Defragment", Rule::Root),
    ("Maintenance/Snapshot", Rule::Root),
    ("Maintenance/Downgrade", Rule::Root),
    ("Cluster/MemberList", Rule::User),
    ("Cluster/MemberList linearizable", Rule::User),
    ("Cluster/MemberAdd", Rule::Root),
    (
        "Cluster/MemberAdd without urls",
        Rule::Same("InvalidArgument: etcdserver: given member URLs are invalid"),
    ),
    ("Cluster/MemberRemove", Rule::Root),
    ("Cluster/MemberUpdate", Rule::Root),
    ("Cluster/MemberPromote", Rule::Root),
    ("Health/Check", Rule::Open),
    ("Health/Watch", Rule::Open),
    ("Admin/Watch", Rule::User),
    ("Admin/Log", Rule::Root),
    ("Admin/KeyHistory", Rule::Root),
    ("Admin/RevisionHistogram", Rule::Root),
    ("Admin/Deleted", Rule::Root),
    ("Auth/AuthStatus", Rule::Known),
    ("Auth/Authenticate", Rule::Open),
    (
        "Auth/Authenticate wrong",
        Rule::Same(
            "InvalidArgument: etcdserver: authentication failed, invalid user ID or password",
        ),
    ),
    (
        "Auth/Authenticate unknown",
        Rule::Same(
            "InvalidArgument: etcdserver: authentication failed, invalid user ID or password",
        ),
    ),
    (
        "Auth/Authenticate certified",
        Rule::Same("Unknown: auth: authentication failed, password was given for no password user"),
    ),
    ("Auth/AuthEnable", Rule::Root),
    ("Auth/UserAdd", Rule::Root),
    (
        "Auth/UserAdd again",
        Rule::RootTold("FailedPrecondition: etcdserver: user name already exists"),
    ),
    ("Auth/UserAdd without name", Rule::RootTold(EMPTY)),
    (
        "Auth/UserAdd long",
        Rule::Same("InvalidArgument: mini-etcd: name is of 5000 bytes: at most 4096 bytes"),
    ),
    ("Auth/UserGet own", Rule::Own),
    ("Auth/UserGet reader", Rule::Reader),
    ("Auth/UserGet unknown", Rule::RootTold("FailedPrecondition: etcdserver: user name not found")),
    ("Auth/UserList", Rule::Root),
    ("Auth/UserChangePassword", Rule::Root),
    (
        "Auth/UserChangePassword unknown",
        Rule::RootTold("FailedPrecondition: etcdserver: user name not found"),
    ),
    ("Auth/UserGrantRole", Rule::Root),
    (
        "Auth/UserGrantRole unknown",
        Rule::RootTold("FailedPrecondition: etcdserver: role name not found"),
    ),
    ("Auth/UserRevokeRole", Rule::Root),
    (
        "Auth/UserRevokeRole again",
        Rule::RootTold("FailedPrecondition: etcdserver: role is not granted to the user"),
    ),
    (
        "Auth/UserRevokeRole root",
        Rule::RootTold("InvalidArgument: etcdserver: invalid auth management"),
    ),
    ("Auth/UserDelete", Rule::Root),
    (
        "Auth/UserDelete again",
        Rule::RootTold("FailedPrecondition: etcdserver: user name not found"),
    ),
    (
        "Auth/UserDelete root",
        Rule::RootTold("InvalidArgument: etcdserver: invalid auth management"),
    ),
    ("Auth/RoleAdd", Rule::Root),
    (
        "Auth/RoleAdd again",
        Rule::RootTold("FailedPrecondition: etcdserver: role name already exists"),
    ),
    (
        "Auth/RoleAdd without name",
        Rule::RootTold("InvalidArgument: etcdserver: role name is empty"),
    ),
    ("Auth/RoleGet reader", Rule::Reader),
    ("Auth/RoleGet unknown", Rule::RootTold("FailedPrecondition: etcdserver: role name not found")),
    ("Auth/RoleList", Rule::Root),
    ("Auth/RoleGrantPermission", Rule::Root),
    (
        "Auth/RoleGrantPermission nothing",
        Rule::RootTold("InvalidArgument: etcdserver: permission not given"),
    ),
    (
        "Auth/RoleGrantPermission without keys",
        Rule::RootTold("InvalidArgument: etcdserver: invalid auth management"),
    ),
    ("Auth/RoleRevokePermission", Rule::Root),
    (
        "Auth/RoleRevokePermission again",
        Rule::RootTold("FailedPrecondition: etcdserver: permission is not granted to the role"),
    ),
    ("Auth/RoleDelete", Rule::Root),
    (
        "Auth/RoleDelete again",
        Rule::RootTold("FailedPrecondition: etcdserver: role name not found"),
    ),
    (
        "Auth/RoleDelete root",
        Rule::RootTold("InvalidArgument: etcdserver: invalid auth management"),
    ),
    ("Lock/Lock a/locks", Rule::InnerBoth("ok")),
    (
        "Lock/Lock z",
        Rule::Once(&[
            "Unknown: etcdserver: user name is empty",
            "Unknown: etcdserver: invalid auth token",
            "Unknown: etcdserver: permission denied",
            "Unknown: etcdserver: permission denied",
            "Unknown: etcdserver: permission denied",
            "Unknown: etcdserver: permission denied",
            "ok",
        ]),
    ),
    ("Lock/Unlock a/none", Rule::InnerWrite("ok")),
    ("Election/Campaign a/elections", Rule::InnerBoth("ok")),
    ("Election/Proclaim a", Rule::InnerBoth("Unknown: election: not leader")),
    ("Election/Leader b", Rule::InnerRead("ok")),
    ("Election/Observe b", Rule::InnerRead("ok")),
    ("Election/Resign a", Rule::InnerBoth("ok")),
    ("KV/Compact", Rule::Root),
    ("Auth/AuthDisable", Rule::Root),
];

/// Rows that etcd answers otherwise in all versions: its observers end without a word where they are refused, and names have no
/// bound.
#[cfg(feature = "oracle")]
pub const OTHERWISE: &[&str] = &["Election/Observe b", "Auth/UserAdd long"];

/// Rows in which etcd 3.5 lets in whom later ones refuse, or says it otherwise.
#[cfg(feature = "oracle")]
pub const OTHERWISE_3_5: &[&str] = &[
    // Open to who has not logged in, or not looked at.
    "KV/Txn nested puts a",
    "KV/Txn nested reads z",
    "KV/Txn nested puts z",
    "KV/Txn nested compares z",
    "KV/Txn nested twice puts z otherwise",
    "KV/Txn puts a prev_kv",
    "KV/Txn puts a lease 900",
    "KV/Txn nested puts a prev_kv",
    "KV/Txn nested puts a lease 900",
    "Watch/Watch from a",
    "Lease/LeaseGrant",
    "Lease/LeaseKeepAlive 901",
    "Lease/LeaseKeepAlive 900",
    "Lease/LeaseKeepAlive 902",
    "Lease/LeaseTimeToLive 900",
    "Lease/LeaseTimeToLive 900 keys",
    "Lease/LeaseTimeToLive 902 keys",
    "Lease/LeaseLeases",
    "Maintenance/Status",
    "Maintenance/Alarm get",
    "Maintenance/Alarm deactivate",
    "Maintenance/MoveLeader",
    "Cluster/MemberList",
    "Cluster/MemberList linearizable",
    "KV/Compact",
    // Other words, or another code.
    "Watch/Watch a",
    "Watch/Watch [a, c)",
    "Watch/Watch [a, d)",
    "Watch/Watch all",
    "Maintenance/Hash",
    "Maintenance/HashKV",
    "Maintenance/Defragment",
    "Maintenance/Snapshot",
    "Maintenance/Downgrade",
    // For root alone.
    "Auth/AuthStatus",
    // Accepted and stored.
    "Auth/RoleGrantPermission without keys",
];

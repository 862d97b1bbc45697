//! [`TABLE`]: every command, and what all of them share. A new one is a line here and a file beside this one.

use super::spec::{CommandSpec, Flag, Group, ValueKind};

/// Flags that every command takes.
pub const GLOBAL_FLAGS: &[Flag] = &[
    Flag::new(
        "auth-jwt-token",
        ValueKind::Text,
        "",
        "token to show instead of logging in as --user",
    ),
    Flag::new(
        "cacert",
        ValueKind::Text,
        "",
        "file with the authorities that server certificates are checked against",
    ),
    Flag::new("cert", ValueKind::Text, "", "file with the certificate to show to servers"),
    Flag::new(
        "command-timeout",
        ValueKind::Duration,
        "5s",
        "how long a command may take; watches are not bounded",
    ),
    Flag::switch("debug", "print the settings in force to standard error"),
    Flag::new(
        "dial-timeout",
        ValueKind::Duration,
        "2s",
        "how long a connection may take to come about",
    ),
    Flag::new("discovery-srv", ValueKind::Text, "", "domain whose SRV records name the endpoints")
        .short('d'),
    Flag::new("discovery-srv-name", ValueKind::Text, "", "service name of these records"),
    Flag::new(
        "endpoints",
        ValueKind::List,
        "127.0.0.1:2379",
        "members to ask, separated by commas",
    )
    .alias("endpoint"),
    Flag::switch("hex", "print keys and values as \\xNN bytes"),
    Flag::new(
        "insecure-discovery",
        ValueKind::Switch,
        "true",
        "accept SRV records of servers without TLS",
    ),
    Flag::switch("insecure-skip-tls-verify", "do not check server certificates (for tests only)"),
    Flag::new("insecure-transport", ValueKind::Switch, "true", "speak without TLS"),
    Flag::new(
        "keepalive-time",
        ValueKind::Duration,
        "2s",
        "silence after which a connection is probed",
    ),
    Flag::new(
        "keepalive-timeout",
        ValueKind::Duration,
        "6s",
        "how long a probe may stay without answer",
    ),
    Flag::new("key", ValueKind::Text, "", "file with the key of --cert"),
    Flag::new("max-recv-bytes", ValueKind::Int, "0", "longest answer to take; 0 for 2 GiB"),
    Flag::new("max-request-bytes", ValueKind::Int, "0", "longest request to send; 0 for 2 MiB"),
    Flag::new("password", ValueKind::Text, "", "password of --user"),
    Flag::new("profile", ValueKind::Text, "", "profile of config.toml that says what no flag says"),
    Flag::new("user", ValueKind::Text, "", "name[:password] to log in with"),
    Flag::new(
        "write-out",
        ValueKind::Choice(&["fields", "json", "protobuf", "simple", "table"]),
        "simple",
        "output format: fields, json, protobuf, simple or table",
    )
    .short('w'),
];

/// Words that several commands begin with.
pub const GROUPS: &[Group] = &[
    Group { name: "alarm", short: "Alarms of the cluster", flags: &[] },
    Group { name: "auth", short: "Whether the cluster asks for users", flags: &[] },
    Group { name: "check", short: "Whether the cluster is up to a load", flags: &[] },
    Group { name: "downgrade", short: "Going back to an older version", flags: &[] },
    Group { name: "endpoint", short: "State of each endpoint", flags: super::endpoint::FLAGS },
    Group { name: "lease", short: "Leases, with which keys end", flags: &[] },
    Group { name: "member", short: "Members of the cluster", flags: &[] },
    Group { name: "role", short: "Roles, which may read and write ranges of keys", flags: &[] },
    Group { name: "snapshot", short: "Backups", flags: &[] },
    Group { name: "user", short: "Users, who have roles", flags: &[] },
];

/// Every command, by name.
pub const TABLE: &[CommandSpec] = &[
    super::alarm_disarm::ALARM_DISARM,
    super::alarm_list::ALARM_LIST,
    super::auth_disable::AUTH_DISABLE,
    super::auth_enable::AUTH_ENABLE,
    super::auth_status::AUTH_STATUS,
    super::check::CHECK_DATASCALE,
    super::check::CHECK_PERF,
    super::compaction::COMPACTION,
    super::completion::COMPLETION,
    super::defrag::DEFRAG,
    super::del::DEL,
    super::doctor::DOCTOR,
    super::downgrade::DOWNGRADE_CANCEL,
    super::downgrade::DOWNGRADE_ENABLE,
    super::downgrade::DOWNGRADE_VALIDATE,
    super::elect::ELECT,
    super::endpoint_hashkv::ENDPOINT_HASHKV,
    super::endpoint_health::ENDPOINT_HEALTH,
    super::endpoint_status::ENDPOINT_STATUS,
    super::get::GET,
    super::hashkv::HASHKV,
    super::help::HELP,
    super::lease_grant::LEASE_GRANT,
    super::lease_keep_alive::LEASE_KEEP_ALIVE,
    super::lease_list::LEASE_LIST,
    super::lease_revoke::LEASE_REVOKE,
    super::lease_timetolive::LEASE_TIMETOLIVE,
    super::lock::LOCK,
    super::make_mirror::MAKE_MIRROR,
    super::member_add::MEMBER_ADD,
    super::member_list::MEMBER_LIST,
    super::member_promote::MEMBER_PROMOTE,
    super::member_remove::MEMBER_REMOVE,
    super::member_replace::MEMBER_REPLACE,
    super::member_update::MEMBER_UPDATE,
    super::move_leader::MOVE_LEADER,
    super::options::OPTIONS,
    super::put::PUT,
    super::role_add::ROLE_ADD,
    super::role_delete::ROLE_DELETE,
    super::role_get::ROLE_GET,
    super::role_grant_permission::ROLE_GRANT_PERMISSION,
    super::role_list::ROLE_LIST,
    super::role_revoke_permission::ROLE_REVOKE_PERMISSION,
    super::snapshot_restore::SNAPSHOT_RESTORE,
    super::snapshot_save::SNAPSHOT_SAVE,
    super::snapshot_status::SNAPSHOT_STATUS,
    super::txn::TXN,
    super::user_add::USER_ADD,
    super::user_delete::USER_DELETE,
    super::user_get::USER_GET,
    super::user_grant_role::USER_GRANT_ROLE,
    super::user_list::USER_LIST,
    super::user_passwd::USER_PASSWD,
    super::user_revoke_role::USER_REVOKE_ROLE,
    super::version::VERSION,
    super::watch::WATCH,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_of_a_command_is_a_group() {
        for spec in TABLE {
            assert!(spec.group.is_empty() || GROUPS.iter().any(|group| group.name == spec.group));
        }
    }

    #[test]
    fn names_are_sorted_and_do_not_collide() {
        let paths: Vec<_> = TABLE.iter().map(CommandSpec::path).collect();
        assert!(paths.is_sorted(), "{paths:?}");
        for spec in TABLE {
            let group = GROUPS.iter().find(|group| group.name == spec.group);
            let flags = spec.flags.iter().chain(group.map_or(&[][..], |group| group.flags));
            let mut names: Vec<_> = flags.chain(GLOBAL_FLAGS).map(|flag| flag.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", spec.path());
        }
    }
}

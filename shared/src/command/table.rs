//! The table.

use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, Group, ValueKind, Verb};

/// The command that `verb` names.
///
/// # Panics
/// Never: a test looks every verb up.
#[must_use]
#[expect(clippy::expect_used, reason = "a test looks every verb up")]
pub fn command(verb: Verb) -> &'static CommandSpec {
    TABLE.iter().find(|spec| spec.verb == verb).expect("every verb stands in the table")
}

const PREFIX: &str = "take every key that begins with the key";
const FROM_KEY: &str = "take the key and every key above it, in byte order";
const PREV_KV: &str = "also show what was there before";

/// Flags that every command takes.
pub const GLOBAL_FLAGS: &[Flag] = &[
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
    Flag::new("password", ValueKind::Text, "", "password of --user"),
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
    Group {
        name: "endpoint",
        short: "State of each endpoint",
        flags: &[Flag::switch("cluster", "ask every member of the cluster instead of --endpoints")],
    },
    Group { name: "member", short: "Members of the cluster", flags: &[] },
];

/// Commands of etcdctl 3.5 that are not built yet, by group and name. They are refused by name, not taken for help.
pub const UNBUILT: &[(&str, &str)] = &[
    ("", "auth"),
    ("", "check"),
    ("", "completion"),
    ("", "defrag"),
    ("", "elect"),
    ("", "lease"),
    ("", "lock"),
    ("", "make-mirror"),
    ("", "move-leader"),
    ("", "role"),
    ("", "snapshot"),
    ("", "user"),
    ("alarm", "disarm"),
    ("member", "add"),
    ("member", "promote"),
    ("member", "remove"),
    ("member", "update"),
];

/// Every command, by name.
pub const TABLE: &[CommandSpec] = &[
    CommandSpec {
        verb: Verb::AlarmList,
        group: "alarm",
        name: "list",
        aliases: &[],
        effect: Effect::Reads,
        args: &[],
        flags: &[],
        short: "Lists the alarms that are raised",
        long: "",
        examples: &["alarm list"],
    },
    CommandSpec {
        verb: Verb::Compaction,
        group: "",
        name: "compaction",
        aliases: &[],
        effect: Effect::Destroys,
        args: &[Arg::needed("revision", ArgKind::Revision)],
        flags: &[Flag::switch(
            "physical",
            "answer only when the old versions are gone from the disk",
        )],
        short: "Forgets history before a revision",
        long: "Versions that were replaced or deleted before <revision> can no longer be read or watched.",
        examples: &["compaction 1234", "compaction --physical 1234"],
    },
    CommandSpec {
        verb: Verb::Del,
        group: "",
        name: "del",
        aliases: &[],
        effect: Effect::Writes,
        args: &[Arg::needed("key", ArgKind::Key), Arg::optional("range_end", ArgKind::RangeEnd)],
        flags: &[
            Flag::switch("from-key", FROM_KEY),
            Flag::switch("prefix", PREFIX),
            Flag::switch("prev-kv", PREV_KV),
        ],
        short: "Deletes a key, or the keys in [key, range_end)",
        long: "Prints how many keys were deleted.",
        examples: &["del foo", "del --prefix /jobs/ --prev-kv"],
    },
    CommandSpec {
        verb: Verb::EndpointHashKv,
        group: "endpoint",
        name: "hashkv",
        aliases: &[],
        effect: Effect::Reads,
        args: &[],
        flags: &[Flag::new("rev", ValueKind::Int, "0", "hash keys up to this revision; 0 for all")],
        short: "Prints the hash of each endpoint's keys",
        long: "Members that hold the same history up to a revision print the same hash for it.",
        examples: &["endpoint hashkv --cluster", "endpoint hashkv --rev 100 -w table"],
    },
    CommandSpec {
        verb: Verb::EndpointHealth,
        group: "endpoint",
        name: "health",
        aliases: &[],
        effect: Effect::Reads,
        args: &[],
        flags: &[],
        short: "Checks whether each endpoint serves reads of the cluster",
        long: "An endpoint is healthy when a linearizable read succeeds on it and no alarm is raised.",
        examples: &["endpoint health --cluster"],
    },
    CommandSpec {
        verb: Verb::EndpointStatus,
        group: "endpoint",
        name: "status",
        aliases: &[],
        effect: Effect::Reads,
        args: &[],
        flags: &[],
        short: "Prints the state of each endpoint",
        long: "Columns: endpoint, member id, version, size of the store, is leader, is learner, Raft term, Raft index,\napplied Raft index, errors.",
        examples: &["endpoint status -w table", "endpoint status --cluster -w json"],
    },
    CommandSpec {
        verb: Verb::Get,
        group: "",
        name: "get",
        aliases: &[],
        effect: Effect::Reads,
        args: &[Arg::needed("key", ArgKind::Key), Arg::optional("range_end", ArgKind::RangeEnd)],
        flags: &[
            Flag::new(
                "consistency",
                ValueKind::Choice(&["l", "s"]),
                "l",
                "l: linearizable; s: serializable, from the member's own state",
            ),
            Flag::switch("count-only", "only how many keys there are (with -w fields)"),
            Flag::switch("from-key", FROM_KEY),
            Flag::switch("keys-only", "leave the values out"),
            Flag::new("limit", ValueKind::Int, "0", "most keys to print; 0 for all"),
            Flag::new("order", ValueKind::Choice(&["ASCEND", "DESCEND"]), "", "ASCEND or DESCEND"),
            Flag::switch("prefix", PREFIX),
            Flag::switch("print-value-only", "leave the keys out (with -w simple)"),
            Flag::new("rev", ValueKind::Int, "0", "read the keys as they were at this revision"),
            Flag::new(
                "sort-by",
                ValueKind::Choice(&["CREATE", "KEY", "MODIFY", "VALUE", "VERSION"]),
                "",
                "CREATE, KEY, MODIFY, VALUE or VERSION",
            ),
        ],
        short: "Reads a key, or the keys in [key, range_end)",
        long: "",
        examples: &["get foo", "get --prefix /jobs/ --keys-only", "get foo --rev 17 -w json"],
    },
    CommandSpec {
        verb: Verb::Help,
        group: "",
        name: "help",
        aliases: &[],
        effect: Effect::Local,
        args: &[Arg::rest("command", ArgKind::Command)],
        flags: &[],
        short: "Explains a command",
        long: "",
        examples: &["help get", "help endpoint status"],
    },
    CommandSpec {
        verb: Verb::MemberList,
        group: "member",
        name: "list",
        aliases: &[],
        effect: Effect::Reads,
        args: &[],
        flags: &[],
        short: "Lists the members",
        long: "Columns: id, status, name, peer addresses, client addresses, is learner.",
        examples: &["member list -w table"],
    },
    CommandSpec {
        verb: Verb::Put,
        group: "",
        name: "put",
        aliases: &[],
        effect: Effect::Writes,
        args: &[Arg::needed("key", ArgKind::Key), Arg::optional("value", ArgKind::Value)],
        flags: &[
            Flag::switch("ignore-lease", "keep the lease that the key has"),
            Flag::switch("ignore-value", "keep the value that the key has"),
            Flag::new(
                "lease",
                ValueKind::Lease,
                "0",
                "id, in hex, of the lease that the key will go with",
            ),
            Flag::switch("prev-kv", PREV_KV),
        ],
        short: "Writes a key",
        long: "A value that is not given is read from standard input, to its end.\nA key or value that begins with '-' must stand after '--'.",
        examples: &["put foo bar", "put foo -- -1", "put foo --lease 694d5765fc71500b bar"],
    },
    CommandSpec {
        verb: Verb::Txn,
        group: "",
        name: "txn",
        aliases: &[],
        effect: Effect::Writes,
        args: &[],
        flags: &[Flag::switch("interactive", "prompt for each part").short('i')],
        short: "Runs a transaction that is read from standard input",
        long: "Three parts, each ended by an empty line: comparisons, what to do when all hold, what to do otherwise.\nComparison: TARGET(\"KEY\") OP \"VALUE\" with targets create, mod, version, value, lease (c, m, ver, val) and\noperators = != < >. The other parts hold get, put and del lines with these commands' flags.",
        examples: &["txn", "txn -i"],
    },
    CommandSpec {
        verb: Verb::Version,
        group: "",
        name: "version",
        aliases: &[],
        effect: Effect::Local,
        args: &[],
        flags: &[],
        short: "Prints the version of etcdctl that this program equals",
        long: "",
        examples: &["version"],
    },
    CommandSpec {
        verb: Verb::Watch,
        group: "",
        name: "watch",
        aliases: &[],
        effect: Effect::Reads,
        args: &[
            Arg::optional("key", ArgKind::Key),
            Arg::optional("range_end", ArgKind::RangeEnd),
            Arg::rest("-- command", ArgKind::Program),
        ],
        flags: &[
            Flag::switch("interactive", "read watch and progress lines from standard input")
                .short('i'),
            Flag::switch("prefix", PREFIX),
            Flag::switch("prev-kv", PREV_KV),
            Flag::switch("progress-notify", "also say from time to time how far the watch is"),
            Flag::new(
                "rev",
                ValueKind::Int,
                "0",
                "first revision to see; 0 for what happens from now on",
            ),
        ],
        short: "Prints changes of a key, or of the keys in [key, range_end)",
        long: "A command after '--' runs for each change, with ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY\nand ETCD_WATCH_VALUE in its environment; the last three are quoted.\nETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END may stand for key and range_end.",
        examples: &[
            "watch foo",
            "watch --prefix /jobs/ --rev 17 --prev-kv",
            "watch foo -- sh -c 'echo $ETCD_WATCH_VALUE'",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_stands_in_the_table_once() {
        for spec in TABLE {
            assert_eq!(command(spec.verb).path(), spec.path());
            assert!(spec.group.is_empty() || GROUPS.iter().any(|group| group.name == spec.group));
        }
    }

    #[test]
    fn what_is_built_is_not_said_to_be_unbuilt() {
        for (group, name) in UNBUILT {
            let path = [*group, *name].join(" ");
            let built = TABLE.iter().any(|spec| spec.path() == path.trim() || spec.group == *name);
            assert!(!built, "{path}");
            assert!(group.is_empty() || GROUPS.iter().any(|known| known.name == *group), "{path}");
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

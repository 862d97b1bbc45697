//! What a member is and where it answers.

use super::Kind::{Bool, Duration, Number, Text};
use super::{Flag, etcd, new, old, old_3_4, ours};

const ONE_DATABASE: &str = "there is no bbolt: docs/format.md says what is on disk";

pub(super) const FLAGS: &[Flag] = &[
    etcd("name", Text("NAME"), "Name of this member [default: default]"),
    ours("data", Text("DIR"), "Directory of its data [default: data/NAME]"),
    etcd("data-dir", Text("DIR"), "Directory of its data, by etcd's name [default: NAME.etcd]"),
    etcd("wal-dir", Text("DIR"), "Directory of the log alone")
        .ignored(&[""], "the log lies in the directory of the data"),
    ours(
        "listen",
        Text("ADDRESS"),
        "Where clients and peers connect, HOST:PORT or :PORT for every interface [default: 127.0.0.1:2379]",
    ),
    ours("listen-peer", Text("ADDRESS"), "Where peers connect, if not at --listen"),
    ours("listen-metrics", Text("ADDRESS"), "Where metrics and health are served in addition"),
    ours(
        "advertise",
        Text("URL"),
        "Client URL told to others [default: own entry of --peers, else the address of --listen]",
    ),
    etcd(
        "listen-client-urls",
        Text("URLS"),
        "Where clients connect, by commas; https wants a certificate [default: http://localhost:2379]",
    ),
    new(
        "listen-client-http-urls",
        Text("URLS"),
        "Where clients connect by HTTP; gRPC is answered there too",
    ),
    etcd(
        "advertise-client-urls",
        Text("URLS"),
        "Client URLs told to others; needed with --listen-client-urls [default: http://localhost:2379]",
    ),
    etcd(
        "listen-peer-urls",
        Text("URLS"),
        "Where peers connect, by commas [default: http://localhost:2380]",
    ),
    etcd(
        "listen-metrics-urls",
        Text("URLS"),
        "Where metrics and health are served in addition; https shows the certificate of clients",
    ),
    ours("config", Text("FILE"), "Settings in TOML, by the names of these options"),
    etcd(
        "config-file",
        Text("FILE"),
        "Settings in YAML, as etcd's file; all other flags and variables are ignored then",
    ),
    ours("stop-with-stdin", Bool, "End when standard input ends"),
    etcd(
        "snapshot-count",
        Text("ENTRIES"),
        "Entries that can go after which the Raft log is cut, or \"never\"; the newest 5000 stay [default: 10000]",
    ),
    old("experimental-snapshot-catchup-entries", Number, "").alias_of("snapshot-catchup-entries"),
    new("snapshot-catchup-entries", Number, "Entries that stay when the log is cut")
        .ignored(&["5000"], "5000 entries stay, or what takes 16 MiB"),
    etcd(
        "heartbeat-interval",
        Number,
        "Milliseconds between two heartbeats of a leader, in steps of 50 [default: 100]",
    ),
    etcd(
        "election-timeout",
        Number,
        "Milliseconds without a leader before an election, up to half as many more; 5 heartbeats, and 500, at least [default: 1000]",
    ),
    etcd("initial-election-tick-advance", Bool, "Shorten the first election").ignored(
        &["true"],
        "members that are connected and have no leader always elect one at once",
    ),
    etcd("max-snapshots", Number, "Files of snapshots that stay")
        .ignored(&["5"], "there are no files of snapshots"),
    etcd("max-wals", Number, "Files of the log that stay")
        .ignored(&["5"], "the log is cut by --snapshot-count"),
    old("experimental-memory-mlock", Bool, "Lock the database in memory").alias_of("memory-mlock"),
    new("memory-mlock", Bool, "Lock the database in memory")
        .ignored(&["false"], "the index of keys is in memory, and nothing is locked there"),
    etcd(
        "quota-backend-bytes",
        Text("BYTES"),
        "Bytes of keys and values, history included, beyond which writes are refused; negative for any [default: 2 GiB]",
    ),
    old_3_4("experimental-backend-bbolt-freelist-type", Text("TYPE"), "")
        .alias_of("backend-bbolt-freelist-type"),
    etcd("backend-bbolt-freelist-type", Text("TYPE"), "How bbolt keeps its free pages")
        .ignored(&["map", "array"], ONE_DATABASE),
    etcd("backend-batch-interval", Duration, "Time between two commits of the database")
        .ignored(&["0s", "100ms"], ONE_DATABASE),
    etcd("backend-batch-limit", Number, "Changes between two commits of the database")
        .ignored(&["0", "10000"], ONE_DATABASE),
    etcd(
        "max-txn-ops",
        Number,
        "Operations of one branch of a transaction, at the most [default: 128]",
    ),
    etcd(
        "max-request-bytes",
        Number,
        "Bytes of a request, at the most; 10485760 is never exceeded [default: 1572864]",
    ),
    new(
        "max-concurrent-streams",
        Number,
        "Calls in progress on one connection, at the most; 16384 is never exceeded [default: 16384]",
    ),
    etcd("grpc-keepalive-min-time", Duration, "Shortest time between two pings of a client")
        .ignored(&["5s"], "a client may ping as often as it likes"),
    etcd(
        "grpc-keepalive-interval",
        Duration,
        "Time after which an idle connection is asked whether it lives; 0 for never [default: 1m]",
    ),
    etcd("grpc-keepalive-timeout", Duration, "Time for the answer to that question [default: 20s]"),
    etcd("socket-reuse-port", Bool, "Let other processes listen at the same port")
        .ignored(&["false"], "a port has one process"),
    etcd("socket-reuse-address", Bool, "Listen at a port that was just left")
        .ignored(&[], "that is always so"),
    etcd("enable-grpc-gateway", Bool, "Answer JSON")
        .ignored(&["true"], "JSON is always answered, with the permissions of gRPC"),
    etcd("raft-read-timeout", Duration, "Time that a read of a peer's stream may take")
        .ignored(&["5s"], "streams of peers are asked every 2 s whether they live"),
    etcd("raft-write-timeout", Duration, "Time that a write to a peer's stream may take")
        .ignored(&["5s"], "streams of peers are asked every 2 s whether they live"),
    new(
        "feature-gates",
        Text("GATES"),
        "NAME=true or false, by commas; the table of gates says which do what",
    ),
];

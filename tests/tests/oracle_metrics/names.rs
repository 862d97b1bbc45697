//! What may differ, and what only etcd shows; each with its reason. `docs/compat.md` says the same in short.

/// Names under which both show something that need not change alike.
pub const DIFFERENT: &[(&str, &str)] = &[
    ("etcd_debugging_mvcc_current_revision", "revisions are not dense"),
    ("etcd_debugging_mvcc_compact_revision", "revisions are not dense"),
    (
        "etcd_debugging_mvcc_pending_events_total",
        "etcd counts events that a filter takes out for ever",
    ),
    (
        "etcd_disk_backend_commit_duration_seconds",
        "etcd commits and syncs every 100 ms, here each batch is a commit, and the log is what is durable",
    ),
    ("etcd_disk_wal_fsync_duration_seconds", "the log is another, and syncs at other times"),
    ("etcd_disk_wal_write_duration_seconds", "the log is another"),
    ("etcd_disk_wal_write_bytes_total", "the log is another"),
    ("etcd_mvcc_db_total_size_in_bytes", "the database is another"),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", "the database is another"),
    ("etcd_network_client_grpc_sent_bytes_total", "numbers in headers are of other lengths"),
    (
        "etcd_server_request_duration_seconds",
        "calls that are refused at once count too, and transactions that only read are transactions",
    ),
];

/// Names that etcd has since 3.6, and that are not looked for in an older one.
pub const NEWER: &[&str] = &[
    "etcd_debugging_server_alarms",
    "etcd_disk_wal_write_duration_seconds",
    "etcd_server_request_duration_seconds",
];

/// What some actions need not change alike: the action, how the names begin, and the reason.
pub const EXCEPT: &[(&str, &str, &str)] = &[
    (
        "alarms",
        "etcd_server_proposals_",
        "etcd asks for them through the log, and here a read index does",
    ),
    (
        "a health check by HTTP",
        "etcd_mvcc_range_total",
        "etcd reads a key, and here a read index does",
    ),
];

/// Names, or how they begin, that only etcd shows.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("etcd_debugging_disk_backend_", "there is no bbolt file"),
    ("etcd_debugging_lease_ttl_total", "not measured"),
    ("etcd_debugging_mvcc_db_compaction_last", "the time says it"),
    ("etcd_debugging_mvcc_db_compaction_pause_", "not measured"),
    ("etcd_debugging_mvcc_db_compaction_total_", "not measured"),
    ("etcd_debugging_mvcc_index_compaction_", "not measured"),
    ("etcd_debugging_mvcc_range_total", "the old name of etcd_mvcc_range_total, gone in 3.7"),
    ("etcd_debugging_server_watch_send_loop_", "not measured"),
    ("etcd_debugging_snap_", "not built yet"),
    ("etcd_debugging_store_", "of the store of etcd's second version"),
    ("etcd_grpc_proxy_", "there is no proxy"),
    ("etcd_mvcc_db_open_read_transactions", "there is no bbolt file"),
    ("etcd_network_server_stream_failures_total", "not measured"),
    ("etcd_network_snapshot_", "not built yet"),
    (
        "etcd_server_apply_duration_seconds",
        "entries are applied many at once, and to time each would cost as much again",
    ),
    ("etcd_server_feature_enabled", "there are none to enable"),
    ("etcd_server_go_version", "it is not written in Go"),
    ("etcd_server_heartbeat_send_failures_total", "not measured"),
    ("etcd_server_learner_promote_failures", "not measured"),
    ("etcd_server_range_duration_seconds", "etcd_server_request_duration_seconds says it"),
    ("etcd_snap_", "not built yet"),
];

/// Whether a family is one of etcd's own, not of its language or of the process.
pub fn is_of_etcd(family: &str) -> bool {
    family.starts_with("etcd_") || family.starts_with("grpc_server_")
}

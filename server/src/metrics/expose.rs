//! The text that Prometheus reads.

use std::fmt::Write;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Metric, Registry};

use super::handles::Metrics;
use super::process;
use crate::output;

/// Counters of etcd whose names do not end in `_total`.
const WITHOUT_TOTAL: [&str; 3] = [
    "etcd_server_health_success",
    "etcd_server_health_failures",
    "etcd_server_learner_promote_successes",
];

/// What the member knows of itself at the moment of the question.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a gauge of its own")]
pub struct Facts {
    /// The member, in hex.
    pub member_id: String,
    /// Version that the server reports.
    pub server_version: String,
    pub cluster_version: String,
    /// A leader is known.
    pub has_leader: bool,
    /// It is this member.
    pub is_leader: bool,
    /// This member has no vote.
    pub is_learner: bool,
    /// A write of the log does not end.
    pub disk_stalled: bool,
    /// This member may lack what it acknowledged.
    pub in_doubt: bool,
    /// Leaders seen.
    pub leader_changes: u64,
    /// Commit index.
    pub committed: u64,
    /// Applied index.
    pub applied: u64,
    /// Entries that the Raft log holds.
    pub log_entries: u64,
    /// Members that the log waits for, in hex, and how many entries each lacks. Only a leader knows.
    pub log_waits_for: Vec<(String, u64)>,
    /// Bytes that the data may take.
    /// Negative for none.
    pub quota_bytes: i64,
    /// State on disk.
    pub db_bytes: u64,
    /// Of these, the rows by their logical size.
    pub db_used_bytes: u64,
    /// Live keys.
    pub keys: u64,
    /// Current revision.
    pub revision: i64,
    pub compact_revision: i64,
    /// Revision of users and roles.
    pub auth_revision: u64,
    /// Open watch streams.
    pub watch_streams: u64,
    /// Open watches.
    pub watchers: u64,
    /// Of these, the ones that read history.
    pub slow_watchers: u64,
    /// Events sent to watches.
    pub events: u64,
    /// Events that wait to be sent.
    pub pending_events: u64,
    /// Of the events sent, those for which the version before was wanted and could be there.
    pub prev_reads: u64,
    /// Raised alarms: member in hex, and the alarm's name.
    pub alarms: Vec<(String, String)>,
    /// Other members, in hex.
    pub peers: Vec<String>,
    /// Those with whom a stream is open.
    pub active_peers: Vec<String>,
}

impl Metrics {
    /// Everything in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn expose(&self, facts: &Facts) -> String {
        let mut now = Registry::default();
        register_raft(&mut now, facts);
        register_store(&mut now, facts);
        // etcd reads the version before each event that it sends, for each watch; here all of them share one.
        let ranges = ConstCounter::new(self.ranges.get() + facts.prev_reads);
        let help = "Ranges read, those of transactions and of watches included";
        now.register("etcd_mvcc_range", help, ranges);
        register_process(&mut now);
        let mut text = String::with_capacity(64 << 10);
        // Writing to a String does not fail; what a metric's own encoding refuses is left out.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &now);
        to_prometheus(&text)
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(value));
}

/// A gauge that is 1 and says something by its label.
fn label(registry: &mut Registry, name: &str, help: &str, label: (&'static str, &str)) {
    let family = Family::<[(&'static str, String); 1], Gauge>::default();
    family.get_or_create(&[(label.0, label.1.to_string())]).set(1);
    registry.register(name, help, family);
}

fn optional<M: Metric + EncodeMetric + TypedMetric>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    metric: Option<M>,
) {
    if let Some(metric) = metric {
        registry.register(name, help, metric);
    }
}

fn register_raft(registry: &mut Registry, facts: &Facts) {
    let server = registry.sub_registry_with_prefix("etcd_server");
    label(server, "id", "The member", ("server_id", &facts.member_id));
    label(server, "version", "Version reported", ("server_version", &facts.server_version));
    gauge(server, "has_leader", "A leader is known", facts.has_leader.into());
    gauge(server, "is_leader", "This member leads", facts.is_leader.into());
    gauge(server, "is_learner", "This member has no vote", facts.is_learner.into());
    server.register("leader_changes_seen", "Leaders seen", ConstCounter::new(facts.leader_changes));
    gauge(server, "proposals_committed_total", "Commit index", facts.committed);
    gauge(server, "proposals_applied_total", "Applied index", facts.applied);
    let quota = ConstGauge::new(facts.quota_bytes);
    server.register("quota_backend_bytes", "Bytes the data may take; negative for any", quota);
    let help = "Changes of users and roles";
    gauge(registry, "etcd_debugging_auth_revision", help, facts.auth_revision);
    let help = "A write of the log takes longer than the shortest election timeout";
    gauge(registry, "mini_etcd_disk_stalled", help, facts.disk_stalled.into());
    let help = "The log may lack what this member acknowledged: it has no vote";
    gauge(registry, "mini_etcd_in_doubt", help, facts.in_doubt.into());
    gauge(registry, "mini_etcd_log_entries", "Entries that the Raft log holds", facts.log_entries);
    let waits = Family::<[(&'static str, String); 1], Gauge<u64, AtomicU64>>::default();
    for (member, lacks) in &facts.log_waits_for {
        waits.get_or_create(&[("To", member.clone())]).set(*lacks);
    }
    let help = "Entries that a member lacks, and that stay in the log while it is waited for";
    registry.register("mini_etcd_log_waits_for_entries", help, waits);
    let version = ("cluster_version", facts.cluster_version.as_str());
    label(registry, "etcd_cluster_version", "Version of the cluster", version);
    let network = registry.sub_registry_with_prefix("etcd_network");
    for (name, help, peers) in [
        ("active_peers", "Peers with an open stream", &facts.active_peers),
        ("known_peers", "The other members", &facts.peers),
    ] {
        let family = Family::<[(&'static str, String); 2], Gauge<u64, AtomicU64>>::default();
        for peer in peers {
            let labels = [("Local", facts.member_id.clone()), ("Remote", peer.clone())];
            family.get_or_create(&labels).set(1);
        }
        network.register(name, help, family);
    }
    let alarms = Family::<[(&'static str, String); 2], Gauge<u64, AtomicU64>>::default();
    for (member, alarm) in &facts.alarms {
        let labels = [("server_id", member.clone()), ("alarm_type", alarm.clone())];
        alarms.get_or_create(&labels).set(1);
    }
    registry.register("etcd_debugging_server_alarms", "Raised alarms", alarms);
}

fn register_store(registry: &mut Registry, facts: &Facts) {
    let mvcc = registry.sub_registry_with_prefix("etcd_mvcc");
    gauge(mvcc, "db_total_size_in_bytes", "State on disk", facts.db_bytes);
    gauge(mvcc, "db_total_size_in_use_in_bytes", "Rows by their logical size", facts.db_used_bytes);
    let debugging = registry.sub_registry_with_prefix("etcd_debugging_mvcc");
    gauge(debugging, "keys_total", "Live keys", facts.keys);
    gauge(debugging, "watch_stream_total", "Open watch streams", facts.watch_streams);
    gauge(debugging, "watcher_total", "Open watches", facts.watchers);
    gauge(debugging, "slow_watcher_total", "Watches that read history", facts.slow_watchers);
    let events = ConstCounter::new(facts.events);
    debugging.register("events", "Events sent to watches", events);
    let help = "Events that wait to be sent to watches";
    gauge(debugging, "pending_events_total", help, facts.pending_events);
    let help = "Current revision";
    debugging.register("current_revision", help, ConstGauge::new(facts.revision));
    let help = "Compacted revision";
    debugging.register("compact_revision", help, ConstGauge::new(facts.compact_revision));
}

fn register_process(registry: &mut Registry) {
    let dropped = ConstCounter::new(output::lines_dropped());
    let help = "Log lines that standard error did not take";
    registry.register("mini_etcd_log_lines_dropped", help, dropped);
    let dropped = ConstCounter::new(output::request_lines_dropped());
    let help = "Lines of the log of requests that standard error did not take";
    registry.register("mini_etcd_request_log_lines_dropped", help, dropped);
    let memory = process::resident_bytes().map(ConstGauge::new);
    optional(registry, "process_resident_memory_bytes", "Resident memory", memory);
    let memory = process::virtual_bytes().map(ConstGauge::new);
    optional(registry, "process_virtual_memory_bytes", "Virtual memory", memory);
    let (received, sent) = process::network_bytes().unzip();
    for (name, help, bytes) in [
        ("process_network_receive_bytes", "Bytes that the host received by IP", received),
        ("process_network_transmit_bytes", "Bytes that the host sent by IP", sent),
    ] {
        optional(registry, name, help, bytes.map(ConstCounter::new));
    }
    let cpu = process::cpu_seconds().map(ConstCounter::new);
    optional(registry, "process_cpu_seconds", "Processor time used", cpu);
    let start = process::start_seconds().map(ConstGauge::new);
    optional(registry, "process_start_time_seconds", "Start, since the epoch", start);
    let (open, most) = (process::open_files(), process::open_files_max());
    for (name, value) in [("process_open_fds", open), ("os_fd_used", open)] {
        optional(registry, name, "Open files", value.map(ConstGauge::new));
    }
    for (name, value) in [("process_max_fds", most), ("os_fd_limit", most)] {
        optional(registry, name, "Most open files", value.map(ConstGauge::new));
    }
}

/// The library writes OpenMetrics, where a counter's family is named without `_total`; etcd writes Prometheus'
/// older format, where it is named as its samples are.
fn to_prometheus(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4096);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(help) = line.strip_prefix("# HELP ") else {
            out.push_str(&without_total(line));
            out.push('\n');
            continue;
        };
        let (name, help) = help.split_once(' ').unwrap_or((help, ""));
        let kind = lines.next().and_then(|line| line.rsplit(' ').next()).unwrap_or("untyped");
        let is_empty = lines.peek().is_none_or(|line| line.starts_with('#'));
        if is_empty {
            continue;
        }
        let total = kind == "counter" && !WITHOUT_TOTAL.contains(&name);
        let name = if total { format!("{name}_total") } else { name.to_string() };
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }
    out
}

fn without_total(line: &str) -> std::borrow::Cow<'_, str> {
    for name in WITHOUT_TOTAL {
        if let Some(rest) = line.strip_prefix(name) {
            return format!("{name}{}", rest.strip_prefix("_total").unwrap_or(rest)).into();
        }
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_and_types_are_etcds() {
        let metrics = Metrics::new();
        metrics.sync_seconds.observe(Duration::from_micros(1500));
        metrics.health_successes.inc();
        let facts = Facts {
            member_id: "8e9e05c52164694d".to_string(),
            leader_changes: 3,
            ..Facts::default()
        };
        let text = metrics.expose(&facts);
        for line in [
            "# TYPE etcd_server_leader_changes_seen_total counter",
            "etcd_server_leader_changes_seen_total 3",
            "# TYPE etcd_server_health_success counter",
            "etcd_server_health_success 1",
            "# TYPE etcd_disk_wal_fsync_duration_seconds histogram",
            r#"etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 0"#,
            r#"etcd_disk_wal_fsync_duration_seconds_bucket{le="0.002"} 1"#,
            r#"etcd_disk_wal_fsync_duration_seconds_bucket{le="8.192"} 1"#,
            r#"etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 1"#,
            "etcd_disk_wal_fsync_duration_seconds_sum 0.0015",
            r#"etcd_server_id{server_id="8e9e05c52164694d"} 1"#,
            "# HELP etcd_mvcc_put_total Puts applied.",
            "# TYPE etcd_mvcc_put_total counter",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_family_without_samples_is_left_out_and_no_name_comes_twice() {
        let text = Metrics::new().expose(&Facts::default());
        assert!(!text.contains("etcd_network_active_peers"), "{text}");
        assert!(!text.contains("EOF"), "{text}");
        let mut types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let all = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), all);
    }
}

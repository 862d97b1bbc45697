//! What dashboards and alert rules ask for is there: ours in `assets/dashboards`, and those that etcd publishes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{AlarmRequest, AlarmType, PutRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::page;
use mini_etcd_tests::wait::eventually;
use regex::Regex;

/// Time for anything to happen: peers measure their round trip every four seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// What etcd's mixin asks for (`contrib/mixin` of etcd 3.7: `alerts.libsonnet`, `targets.libsonnet`).
const OF_ETCD: &[&str] = &[
    "etcd_disk_backend_commit_duration_seconds_bucket",
    "etcd_disk_wal_fsync_duration_seconds_bucket",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "etcd_network_client_grpc_received_bytes_total",
    "etcd_network_client_grpc_sent_bytes_total",
    "etcd_network_peer_received_bytes_total",
    "etcd_network_peer_round_trip_time_seconds_bucket",
    "etcd_network_peer_sent_bytes_total",
    "etcd_network_peer_sent_failures_total",
    "etcd_server_has_leader",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_proposals_applied_total",
    "etcd_server_proposals_committed_total",
    "etcd_server_proposals_failed_total",
    "etcd_server_proposals_pending",
    "etcd_server_quota_backend_bytes",
    "grpc_server_handled_total",
    "grpc_server_handling_seconds_bucket",
    "grpc_server_started_total",
    "process_resident_memory_bytes",
];

/// Shown by a member with TLS alone; `tls.rs` looks at it.
const WITH_TLS: &str = "mini_etcd_tls_expiry_timestamp_seconds";

#[tokio::test]
async fn everything_that_dashboards_and_alerts_ask_for_is_shown() -> anyhow::Result<()> {
    let mut wanted: BTreeSet<String> = OF_ETCD.iter().map(|&name| name.to_owned()).collect();
    let name = Regex::new(r"\b(?:etcd|grpc_server|process|mini_etcd)_[a-z_]+[a-z]")?;
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/dashboards");
    for file in ["grafana.json", "alerts.yaml"] {
        let text = std::fs::read_to_string(assets.join(file))?;
        let before = wanted.len();
        wanted.extend(name.find_iter(&text).map(|found| found.as_str().to_owned()));
        ensure!(wanted.len() > before, "{file} asks for nothing more");
    }
    wanted.remove(WITH_TLS);

    let cluster = Cluster::start(Flavor::Mini, 3).await?;
    let channel = cluster.channel(0)?;
    let put = PutRequest { key: "a".into(), ..PutRequest::default() };
    KvClient::new(channel.clone()).put(put).await?;
    let (action, alarm) = (AlarmAction::Activate.into(), AlarmType::Nospace.into());
    let raise = AlarmRequest { action, alarm, member_id: 0 };
    MaintenanceClient::new(channel).alarm(raise).await?;
    eventually("all of them", DEADLINE, || async {
        let mut shown = BTreeSet::new();
        for index in 0..cluster.size() {
            let page = page::get(&cluster.member(index)?.address, "/metrics").await?;
            let names = page.lines().filter(|line| !line.starts_with('#'));
            shown.extend(names.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())));
        }
        let missing: Vec<_> = wanted.difference(&shown).collect();
        ensure!(missing.is_empty(), "no member shows {missing:?}");
        Ok(())
    })
    .await
}

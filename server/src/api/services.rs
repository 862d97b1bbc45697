//! The services of a member, assembled.

use std::sync::Arc;

use mini_etcd_proto::adminpb::admin_server::AdminServer;
use mini_etcd_proto::etcdserverpb::auth_server::AuthServer;
use mini_etcd_proto::etcdserverpb::cluster_server::ClusterServer;
use mini_etcd_proto::etcdserverpb::kv_server::KvServer;
use mini_etcd_proto::etcdserverpb::lease_server::LeaseServer;
use mini_etcd_proto::etcdserverpb::maintenance_server::MaintenanceServer;
use mini_etcd_proto::healthpb::health_server::HealthServer;
use mini_etcd_proto::v3electionpb::election_server::ElectionServer;
use mini_etcd_proto::v3lockpb::lock_server::LockServer;
use tokio::sync::watch;

use super::watch::WatchService;
use super::{
    AdminService, AuthService, ClusterService, ElectionService, HealthService, Host, KvService,
    LeaseService, LockService, MaintenanceService, Router,
};

/// A router with the services of `host`, to which the peers' stream is still to be added.
#[must_use]
pub fn services(host: &Host, stop: watch::Receiver<bool>) -> Router {
    let asked = host.clone();
    let has_leader = Arc::new(move || asked.has_leader());
    let limit = host.about().message_bytes_max;
    let kv = KvServer::new(KvService::new(host.clone()));
    let lease = LeaseServer::new(LeaseService::new(host.clone()));
    let lock = LockServer::new(LockService::new(host.clone()));
    let election = ElectionServer::new(ElectionService::new(host.clone()));
    let cluster = ClusterServer::new(ClusterService::new(host.clone()));
    let maintenance = MaintenanceServer::new(MaintenanceService::new(host.clone()));
    let auth = AuthServer::new(AuthService::new(host.clone()));
    let admin = AdminServer::new(AdminService::new(host.clone()));
    let health = HealthServer::new(HealthService);
    let term_of = host.clone();
    let asked_by = host.clone();
    let watch = WatchService::new(
        host.hub().clone(),
        host.proposer().identity(),
        Arc::new(move || term_of.status().term),
        Arc::new(move |caller| asked_by.asker(caller, &asked_by.published().auth)),
        host.about().progress_interval,
    );
    let (asked, gate) = (host.clone(), Arc::new(host.clone()));
    Router::new(host.metrics().clone(), has_leader, gate, stop, host.in_flight())
        .refusing_for_learners(Arc::new(move || asked.is_learner()))
        .with_message_bytes_max(limit)
        .with_request_log(host.about().request_log.clone())
        .with(kv.max_decoding_message_size(limit).max_encoding_message_size(usize::MAX))
        .with(watch)
        .with(lease.max_decoding_message_size(limit).max_encoding_message_size(usize::MAX))
        .with(lock.max_decoding_message_size(limit))
        .with(election.max_decoding_message_size(limit))
        .with(cluster.max_decoding_message_size(limit))
        .with(maintenance.max_decoding_message_size(limit))
        .with(auth.max_decoding_message_size(limit))
        .with(admin.max_decoding_message_size(limit))
        .with(health.max_decoding_message_size(limit))
}

//! Every counter and distribution of the process, resolved once.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use mini_etcd_shared::types::MemberId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::counts::Counts;
use super::durations::Durations;
use super::methods::Methods;

/// A gauge that is never negative.
pub type Level = Gauge<u64, AtomicU64>;

type PeerLabel = [(&'static str, String); 1];
type ByPeer<M> = Family<PeerLabel, M>;

/// The process's measurements; a cheap handle.
#[derive(Clone, Debug)]
pub struct Metrics {
    handles: Arc<Handles>,
    pub(super) registry: Arc<Registry>,
    pub(super) methods: Methods,
    peers: Arc<Peers>,
    certificates: Family<[(&'static str, String); 2], Level>,
}

/// What threads feed. Each field says which thread.
#[derive(Debug, Default)]
pub struct Handles {
    /// Storage: one commit of the state.
    pub commit_seconds: Durations,
    /// Log writer: one sync of the log.
    pub sync_seconds: Durations,
    /// Log writer: one write to the log, with its sync.
    pub log_write_seconds: Durations,
    /// Log writer: bytes of entries written.
    pub log_written_bytes: Level,
    /// Log writer: the log's size on disk.
    pub log_disk_bytes: Level,
    /// Apply: one batch from its first entry to its publication.
    pub apply_seconds: Durations,
    /// Apply: batches that took longer than [`SLOW`].
    pub slow_applies: Counter,
    /// Apply: one while a snapshot takes the place of the state.
    pub installing: Level,
    /// Apply: giving space back, from the request to its end.
    pub defragment_seconds: Durations,
    /// Apply: one while space is given back.
    pub defragmenting: Level,
    /// Apply: the state's size on disk.
    pub state_disk_bytes: Level,
    /// Apply: puts, removals, and accesses with more than one operation, as etcd counts them.
    pub puts: Counter,
    /// See `puts`.
    pub deletes: Counter,
    /// See `puts`; Api: those that only read.
    pub txns: Counter,
    /// Api: range reads. Apply: those of writes.
    pub ranges: Counter,
    /// Apply: dead versions taken off the disk.
    pub collected: Counter,
    /// Apply: bytes of keys and values put.
    pub put_bytes: Level,
    /// Apply: snapshots of peers that took the place of the state.
    pub snapshots_installed: Counter,
    /// Transport: snapshots that are on the disk of a peer.
    pub snapshots_sent: Counter,
    /// Transport: snapshots that did not come that far.
    pub snapshots_failed: Counter,
    /// Apply: leases granted.
    pub leases_granted: Counter,
    /// Apply: leases revoked, those that expired included.
    pub leases_revoked: Counter,
    /// Lease keeper of the leader: renewals.
    pub leases_renewed: Counter,
    /// Lease keeper of the leader: leases that expired.
    pub leases_expired: Counter,
    /// Api: from receipt of a write to its answer.
    pub proposal_seconds: Durations,
    /// Api: writes on their way.
    pub proposals_pending: Level,
    /// Api: writes that ended without a result.
    pub proposals_failed: Counter,
    /// Api: linearizable reads that got no read index.
    pub reads_failed: Counter,
    /// Api: linearizable reads that waited longer than [`SLOW_READ`] for their read index.
    pub slow_reads: Counter,
    /// Api: learners that this leader gave a vote.
    pub promotions: Counter,
    /// Backup: one backup, from its first byte to its last.
    pub backup_seconds: Durations,
    /// Api: the hash of all that is stored.
    pub hash_seconds: Durations,
    /// Api: the hash of the keys at a revision.
    pub hash_revision_seconds: Durations,
    /// Api: bytes of messages sent to clients.
    pub client_sent_bytes: Counter,
    /// Api: bytes of messages received from clients.
    pub client_received_bytes: Counter,
    /// Http: bytes sent on all connections, those of peers and all framing included.
    pub sent_bytes: Counter,
    /// Http: bytes received on them.
    pub received_bytes: Counter,
    /// Http: open connections on the client port, those of peers included.
    pub connections: Level,
    /// Http: connections whose call was turned away because all places are in use.
    pub connections_refused: Counter,
    /// Http: quiet connections that were closed to make room.
    pub connections_shed: Counter,
    /// Http: TLS handshakes that came to their end.
    pub tls_handshakes: Counter,
    /// Http: TLS handshakes that failed, or took too long, or gave way to others.
    pub tls_handshakes_failed: Counter,
    /// Http: TLS handshakes under way.
    pub tls_handshakes_pending: Level,
    /// Tls: changes of files that could not be taken up.
    pub tls_reload_failures: Counter,
    /// Http: health checks passed.
    pub health_successes: Counter,
    /// Http: health checks failed.
    pub health_failures: Counter,
}

/// A batch that takes longer is slow, as in etcd.
pub const SLOW: Duration = Duration::from_millis(100);
/// A wait for a read index that takes longer is slow, as in etcd.
pub const SLOW_READ: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Peers {
    round_trips: Family<PeerLabel, Durations, fn() -> Durations>,
    sent_bytes: ByPeer<Counter>,
    send_failures: ByPeer<Counter>,
    received_bytes: ByPeer<Counter>,
    receive_failures: ByPeer<Counter>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            round_trips: Family::new_with_constructor(Durations::short),
            sent_bytes: Family::default(),
            send_failures: Family::default(),
            received_bytes: Family::default(),
            receive_failures: Family::default(),
        }
    }
}

/// Measurements of the traffic with one peer; resolve once for each peer.
#[derive(Clone, Debug)]
pub struct PeerMetrics {
    /// Asking it something and hearing the answer, on the connection that this member's messages take.
    pub round_trip: Durations,
    pub sent_bytes: Counter,
    /// Messages that did not reach it.
    pub send_failures: Counter,
    pub received_bytes: Counter,
    /// Streams from it that ended in an error.
    pub receive_failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Metrics {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.handles
    }
}

impl Metrics {
    /// Nothing measured yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_commits(Durations::default())
    }

    /// Nothing measured yet but what was committed to the state.
    #[must_use]
    pub fn with_commits(commits: Durations) -> Self {
        let handles = Arc::new(handles(commits));
        let peers = Arc::<Peers>::default();
        let mut registry = Registry::default();
        register_disk(&mut registry, &handles);
        register_server(&mut registry, &handles);
        register_pace(&mut registry, &handles);
        register_own(&mut registry, &handles);
        register_network(&mut registry, &handles, &peers);
        let certificates = Family::default();
        register_tls(&mut registry, &handles, &certificates);
        let methods = Methods::new(&mut registry);
        Self { handles, registry: Arc::new(registry), methods, peers, certificates }
    }

    /// Counts operations on the keys.
    pub fn count(&self, counts: &Counts) {
        self.ranges.inc_by(counts.ranges);
        self.puts.inc_by(counts.puts);
        self.deletes.inc_by(counts.deletes);
        self.txns.inc_by(counts.txns);
        self.collected.inc_by(counts.collected);
        self.put_bytes.inc_by(counts.put_bytes);
    }

    /// Says when a certificate, or an authority, of one side ends, in seconds since 1970.
    pub fn certificate_ends(&self, side: &'static str, what: &'static str, ends: u64) {
        let labels = [("side", side.to_owned()), ("kind", what.to_owned())];
        self.certificates.get_or_create_owned(&labels).set(ends);
    }

    /// Handles for the traffic with `peer`.
    #[must_use]
    pub fn peer(&self, peer: MemberId) -> PeerMetrics {
        let (to, from) = ([("To", peer.to_string())], [("From", peer.to_string())]);
        PeerMetrics {
            round_trip: self.peers.round_trips.get_or_create_owned(&to),
            sent_bytes: self.peers.sent_bytes.get_or_create_owned(&to),
            send_failures: self.peers.send_failures.get_or_create_owned(&to),
            received_bytes: self.peers.received_bytes.get_or_create_owned(&from),
            receive_failures: self.peers.receive_failures.get_or_create_owned(&from),
        }
    }
}

fn handles(commit_seconds: Durations) -> Handles {
    Handles {
        commit_seconds,
        defragment_seconds: Durations::long(),
        backup_seconds: Durations::long(),
        hash_seconds: Durations::long(),
        hash_revision_seconds: Durations::long(),
        ..Handles::default()
    }
}

fn register_disk(registry: &mut Registry, handles: &Handles) {
    let disk = registry.sub_registry_with_prefix("etcd_disk");
    disk.register(
        "backend_commit_duration_seconds",
        "Time of one commit of the state",
        handles.commit_seconds.clone(),
    );
    disk.register(
        "backend_defrag_duration_seconds",
        "Time in which space was given back to the file system",
        handles.defragment_seconds.clone(),
    );
    disk.register("defrag_inflight", "Space is given back now", handles.defragmenting.clone());
    disk.register(
        "backend_snapshot_duration_seconds",
        "Time of one backup, its client's included",
        handles.backup_seconds.clone(),
    );
    disk.register(
        "wal_fsync_duration_seconds",
        "Time of one sync of the Raft log",
        handles.sync_seconds.clone(),
    );
    disk.register(
        "wal_write_duration_seconds",
        "Time of one write to the Raft log, its sync included",
        handles.log_write_seconds.clone(),
    );
    disk.register(
        "wal_write_bytes_total",
        "Bytes of entries written to the Raft log",
        handles.log_written_bytes.clone(),
    );
}

fn register_server(registry: &mut Registry, handles: &Handles) {
    let mvcc = registry.sub_registry_with_prefix("etcd_mvcc");
    mvcc.register("put", "Puts applied", handles.puts.clone());
    mvcc.register("delete", "Removals applied, of ranges too", handles.deletes.clone());
    mvcc.register("txn", "Accesses with more than one operation", handles.txns.clone());
    mvcc.register(
        "hash_duration_seconds",
        "Time to hash all that is stored",
        handles.hash_seconds.clone(),
    );
    mvcc.register(
        "hash_rev_duration_seconds",
        "Time to hash the keys at a revision",
        handles.hash_revision_seconds.clone(),
    );
    let debugging = registry.sub_registry_with_prefix("etcd_debugging_mvcc");
    debugging.register(
        "db_compaction_keys",
        "Dead versions that compactions took off the disk",
        handles.collected.clone(),
    );
    debugging.register(
        "total_put_size_in_bytes",
        "Bytes of keys and values put since the start",
        handles.put_bytes.clone(),
    );
    let debugging = registry.sub_registry_with_prefix("etcd_debugging");
    for (name, help, counter) in [
        ("lease_granted", "Leases granted", &handles.leases_granted),
        ("lease_revoked", "Leases revoked or expired", &handles.leases_revoked),
        ("lease_renewed", "Renewals by this leader", &handles.leases_renewed),
        ("server_lease_expired", "Leases that this leader saw expire", &handles.leases_expired),
    ] {
        debugging.register(name, help, counter.clone());
    }
    let server = registry.sub_registry_with_prefix("etcd_server");
    server.register(
        "proposals_pending",
        "Writes that wait for their result",
        handles.proposals_pending.clone(),
    );
    server.register(
        "proposals_failed",
        "Writes that ended without a result",
        handles.proposals_failed.clone(),
    );
    server.register(
        "read_indexes_failed",
        "Linearizable reads that got no read index",
        handles.reads_failed.clone(),
    );
    server.register(
        "health_success",
        "Health checks that passed",
        handles.health_successes.clone(),
    );
    server.register(
        "health_failures",
        "Health checks that failed",
        handles.health_failures.clone(),
    );
}

fn register_pace(registry: &mut Registry, handles: &Handles) {
    let server = registry.sub_registry_with_prefix("etcd_server");
    server.register(
        "slow_apply",
        "Batches of entries that took longer than 100 ms",
        handles.slow_applies.clone(),
    );
    server.register(
        "slow_read_indexes",
        "Linearizable reads that waited longer than 500 ms for their read index",
        handles.slow_reads.clone(),
    );
    server.register(
        "snapshot_apply_in_progress_total",
        "A snapshot takes the place of the state now",
        handles.installing.clone(),
    );
    let promoted = handles.promotions.clone();
    server.register("learner_promote_successes", "Learners that got a vote", promoted);
}

fn register_own(registry: &mut Registry, handles: &Handles) {
    let own = registry.sub_registry_with_prefix("mini_etcd");
    own.register(
        "apply_batch_duration_seconds",
        "Time from the first entry of a batch to its publication",
        handles.apply_seconds.clone(),
    );
    own.register(
        "write_duration_seconds",
        "Time from the receipt of a write to its answer",
        handles.proposal_seconds.clone(),
    );
    for (name, help, counter) in [
        ("installed", "Snapshots that took the place of the state", &handles.snapshots_installed),
        ("sent", "Snapshots that are on the disk of a peer", &handles.snapshots_sent),
        ("failed", "Snapshots that did not reach a peer's disk", &handles.snapshots_failed),
    ] {
        own.register(format!("snapshots_{name}"), help, counter.clone());
    }
    own.register("log_disk_bytes", "Size of the Raft log on disk", handles.log_disk_bytes.clone());
}

fn register_tls(
    registry: &mut Registry,
    handles: &Handles,
    certificates: &Family<[(&'static str, String); 2], Level>,
) {
    let own = registry.sub_registry_with_prefix("mini_etcd_tls");
    own.register(
        "expiry_timestamp_seconds",
        "When a certificate or an authority ends, in seconds since 1970",
        certificates.clone(),
    );
    for (name, help, counter) in [
        ("handshakes", "TLS handshakes that came to their end", &handles.tls_handshakes),
        ("handshakes_failed", "TLS handshakes that failed", &handles.tls_handshakes_failed),
        ("reload_failures", "Changed files that cannot be used", &handles.tls_reload_failures),
    ] {
        own.register(name, help, counter.clone());
    }
    let pending = handles.tls_handshakes_pending.clone();
    own.register("handshakes_pending", "TLS handshakes under way", pending);
}

fn register_network(registry: &mut Registry, handles: &Handles, peers: &Peers) {
    let network = registry.sub_registry_with_prefix("etcd_network");
    network.register(
        "client_grpc_sent_bytes",
        "Bytes of messages sent to clients",
        handles.client_sent_bytes.clone(),
    );
    network.register(
        "client_grpc_received_bytes",
        "Bytes of messages received from clients",
        handles.client_received_bytes.clone(),
    );
    network.register(
        "peer_round_trip_time_seconds",
        "Time to ask a peer something and to hear its answer",
        peers.round_trips.clone(),
    );
    network.register("peer_sent_bytes", "Bytes sent to a peer", peers.sent_bytes.clone());
    network.register(
        "peer_sent_failures",
        "Messages that did not reach a peer",
        peers.send_failures.clone(),
    );
    network.register(
        "peer_received_bytes",
        "Bytes received from a peer",
        peers.received_bytes.clone(),
    );
    network.register(
        "peer_received_failures",
        "Streams of a peer that ended in an error",
        peers.receive_failures.clone(),
    );
    let own = registry.sub_registry_with_prefix("mini_etcd");
    own.register(
        "connections",
        "Open connections, those of peers included",
        handles.connections.clone(),
    );
    own.register(
        "connection_sent_bytes",
        "Bytes sent on all connections, those of peers and all framing included",
        handles.sent_bytes.clone(),
    );
    own.register(
        "connection_received_bytes",
        "Bytes received on all connections, those of peers and all framing included",
        handles.received_bytes.clone(),
    );
    own.register(
        "connections_refused",
        "Connections turned away because all places are in use",
        handles.connections_refused.clone(),
    );
    own.register(
        "connections_shed",
        "Quiet connections that were closed to make room",
        handles.connections_shed.clone(),
    );
}

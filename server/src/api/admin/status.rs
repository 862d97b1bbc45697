//! The state of a member at one moment.

use mini_etcd_proto::adminpb::progress::State;
use mini_etcd_proto::adminpb::{Latency, MemberStatus, Progress, Role, Sizes};
use mini_etcd_shared::version::VERSION;

use crate::api::Host;
use crate::api::host::alarms;
use crate::metrics::{Durations, Reading, resident_bytes};
use crate::raft::{self, PeerProgress, ProgressState, RaftStatus};

/// What was measured when the last answer was made.
#[derive(Clone)]
pub(super) struct Readings {
    proposal: Reading,
    sync: Reading,
    apply: Reading,
}

impl Readings {
    pub(super) fn take(host: &Host) -> Self {
        let metrics = host.metrics();
        let read = |durations: &Durations| durations.read();
        Self {
            proposal: read(&metrics.proposal_seconds),
            sync: read(&metrics.sync_seconds),
            apply: read(&metrics.apply_seconds),
        }
    }
}

fn latency(now: &Reading, before: &Reading) -> Latency {
    let summary = now.since(before);
    Latency {
        count: summary.count,
        sum_us: summary.sum_us,
        p50_us: summary.p50_us,
        p99_us: summary.p99_us,
        max_us: summary.max_us,
    }
}

fn role(status: &RaftStatus, is_learner: bool) -> Role {
    match status.role {
        _ if is_learner => Role::Learner,
        raft::Role::Follower => Role::Follower,
        raft::Role::PreCandidate => Role::PreCandidate,
        raft::Role::Candidate => Role::Candidate,
        raft::Role::Leader => Role::Leader,
    }
}

fn progress(peer: &PeerProgress) -> Progress {
    let state = match peer.state {
        ProgressState::Probe => State::Probe,
        ProgressState::Replicate => State::Replicate,
        ProgressState::Snapshot => State::Snapshot,
    };
    Progress {
        member_id: peer.id.0,
        match_index: peer.match_index.0,
        next_index: peer.next_index.0,
        state: state.into(),
        in_flight: u32::try_from(peer.in_flight).unwrap_or(u32::MAX),
        recently_active: peer.recently_active,
        is_learner: peer.is_learner,
        // Nobody counts the bytes of a follower's backlog yet.
        behind_bytes: 0,
    }
}

pub(super) fn status(host: &Host, now: &Readings, before: &Readings) -> MemberStatus {
    let (state, raft) = (host.published(), host.status());
    let identity = host.proposer().identity();
    let (counts, metrics, view) = (host.hub().counts(), host.metrics(), &state.view);
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let sizes = Sizes {
        log_disk: metrics.log_disk_bytes.get(),
        state_disk: metrics.state_disk_bytes.get(),
        logical: view.logical_bytes(),
        quota: host.about().quota.bytes().unwrap_or(0),
        index_memory: view.index_bytes(),
        cache_memory: view.cache_bytes(),
        resident: resident_bytes().unwrap_or_default(),
    };
    MemberStatus {
        cluster_id: identity.cluster_id.0,
        member_id: identity.member_id.0,
        name: host.about().name.clone(),
        version: VERSION.to_owned(),
        role: role(&raft, raft.learners.contains(&identity.member_id)).into(),
        leader: raft.leader.0,
        term: raft.term.0,
        commit_index: raft.commit.0,
        applied_index: state.applied.0,
        last_index: raft.last.0,
        first_index: raft.first.0,
        revision: view.revision().0,
        compact_revision: view.compacted(),
        progress: raft.progress.iter().map(progress).collect(),
        proposal: Some(latency(&now.proposal, &before.proposal)),
        sync: Some(latency(&now.sync, &before.sync)),
        apply: Some(latency(&now.apply, &before.apply)),
        sizes: Some(sizes),
        watchers: count(counts.watchers),
        slow_watchers: count(counts.slow),
        connections: metrics.connections.get(),
        keys: view.key_count(),
        uptime_s: host.started().elapsed().as_secs_f64(),
        leader_changes: raft.leader_changes,
        alarms: alarms(&state).map(|(member, name)| format!("{member:x} {name}")).collect(),
        boot_nonce: host.about().boot_nonce,
    }
}

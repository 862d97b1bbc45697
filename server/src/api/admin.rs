//! `minietcd.admin.v1.Admin`: what the console asks beyond the etcd API.

use std::time::Duration;

use futures::stream::{self, BoxStream};
use mini_etcd_proto::adminpb::admin_server::Admin;
use mini_etcd_proto::adminpb::progress::State;
use mini_etcd_proto::adminpb::{
    Latency, LogEntry, LogRequest, LogResponse, MemberStatus, Progress, Role, Sizes,
    WatchStatusRequest,
};
use mini_etcd_proto::internalpb::command::Request as Asked;
use mini_etcd_proto::internalpb::{Command, ConfChange, Entry, EntryKind};
use mini_etcd_shared::types::LogIndex;
use mini_etcd_shared::version::VERSION;
use prost::Message;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::Host;
use super::host::alarms;
use super::results::elsewhere;
use crate::limits;
use crate::metrics::{Durations, Reading, resident_bytes};
use crate::raft::{self, PeerProgress, ProgressState, RaftStatus};

/// Interval of clients that leave it to us.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// Entries of a page for clients that leave it to us.
const PAGE_DEFAULT: usize = 100;

/// Live status and pages of the log.
#[derive(Clone)]
pub struct AdminService {
    host: Host,
}

/// What was measured when the last answer was made.
#[derive(Clone)]
struct Readings {
    proposal: Reading,
    sync: Reading,
    apply: Reading,
}

impl Readings {
    fn take(host: &Host) -> Self {
        let metrics = host.metrics();
        let read = |durations: &Durations| durations.read();
        Self {
            proposal: read(&metrics.proposal_seconds),
            sync: read(&metrics.sync_seconds),
            apply: read(&metrics.apply_seconds),
        }
    }
}

impl AdminService {
    /// The service of a member.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host }
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

fn status(host: &Host, now: &Readings, before: &Readings) -> MemberStatus {
    let (state, raft) = (host.published(), host.status());
    let identity = host.proposer().identity();
    let (counts, metrics, view) = (host.hub().counts(), host.metrics(), &state.view);
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let sizes = Sizes {
        log_disk: metrics.log_disk_bytes.get(),
        state_disk: metrics.state_disk_bytes.get(),
        logical: view.logical_bytes(),
        quota: limits::QUOTA_BYTES,
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

/// An entry as the console shows it.
fn shown(entry: Entry) -> LogEntry {
    let mut shown = LogEntry {
        index: entry.index,
        term: entry.term,
        size: u64::try_from(entry.data.len()).unwrap_or(u64::MAX),
        ..LogEntry::default()
    };
    if entry.kind() == EntryKind::ConfChange {
        shown.conf_change = ConfChange::decode(entry.data).ok();
        "membership".clone_into(&mut shown.kind);
        return shown;
    }
    if entry.data.is_empty() {
        "new term".clone_into(&mut shown.kind);
        return shown;
    }
    shown.command = Command::decode(entry.data).ok();
    let kind = match shown.command.as_ref().and_then(|command| command.request.as_ref()) {
        Some(Asked::Put(_)) => "put",
        Some(Asked::DeleteRange(_)) => "delete",
        Some(Asked::Txn(_)) => "txn",
        Some(Asked::Compaction(_)) => "compaction",
        Some(Asked::Alarm(_)) => "alarm",
        Some(Asked::Publish(_)) => "publish",
        None => "unknown",
    };
    kind.clone_into(&mut shown.kind);
    shown
}

#[tonic::async_trait]
impl Admin for AdminService {
    type WatchStream = BoxStream<'static, Result<MemberStatus, Status>>;

    async fn watch(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let interval = match request.into_inner().interval_ms {
            0 => INTERVAL_DEFAULT,
            ms => Duration::from_millis(ms.into()).max(limits::STATUS_INTERVAL_MIN),
        };
        let host = self.host.clone();
        let begin = (Instant::now(), Readings::take(&host));
        let answers = stream::unfold(begin, move |(due, before)| {
            let host = host.clone();
            async move {
                tokio::time::sleep_until(due).await;
                let now = Readings::take(&host);
                let answer = status(&host, &now, &before);
                // A client that reads late gets no burst of answers.
                Some((Ok(answer), ((due + interval).max(Instant::now()), now)))
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn log(&self, request: Request<LogRequest>) -> Result<Response<LogResponse>, Status> {
        let request = request.into_inner();
        let limit = match usize::try_from(request.limit) {
            Ok(0) => PAGE_DEFAULT,
            Ok(limit) => limit.min(limits::LOG_PAGE_ENTRIES_MAX),
            Err(_) => limits::LOG_PAGE_ENTRIES_MAX,
        };
        let proposer = self.host.proposer().clone();
        let page =
            elsewhere(move || proposer.log_page(LogIndex(request.first_index), limit)).await?;
        Ok(Response::new(LogResponse {
            first_index: page.first.0,
            last_index: page.last.0,
            commit_index: self.host.status().commit.0,
            entries: page.entries.into_iter().map(shown).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::PutRequest;

    use super::*;

    #[test]
    fn an_entry_is_shown_by_what_it_asks() {
        let command = Command {
            origin: 1,
            sequence: 2,
            request: Some(Asked::Put(PutRequest { key: "k".into(), ..PutRequest::default() })),
        };
        let entry = |kind: EntryKind, data: Vec<u8>| Entry {
            kind: kind.into(),
            term: 3,
            index: 4,
            data: data.into(),
        };
        let put = shown(entry(EntryKind::Normal, command.encode_to_vec()));
        assert_eq!((put.index, put.term, put.kind.as_str()), (4, 3, "put"));
        assert_eq!(put.command, Some(command));
        assert_eq!(shown(entry(EntryKind::Normal, Vec::new())).kind, "new term");
        assert_eq!(shown(entry(EntryKind::Normal, vec![0xff])).kind, "unknown");
        assert_eq!(shown(entry(EntryKind::ConfChange, Vec::new())).kind, "membership");
    }
}

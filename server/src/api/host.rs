//! [`Host`]: a member as its services see it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mini_etcd_proto::etcdserverpb::{AlarmType, ResponseHeader};
use mini_etcd_proto::internalpb::{Asker, ConfChange, command};
use mini_etcd_shared::types::{MemberId, Revision};
use mini_etcd_shared::version::{CLUSTER_VERSION, ETCD_VERSION};
use tokio::sync::{SetOnce, watch};
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::apply::{EntryResponse, Published};
use crate::config::{Quota, Timing};
use crate::error::RequestError;
use crate::metrics::{Facts, Metrics, SLOW_READ};
use crate::node::{LeaseKeeper, LeaseLeft, Proposer, Written};
use crate::raft::{Doubt, RaftStatus};
use crate::repeats::TimedRepeats;
use crate::watch::Hub;

use super::backup::Backups;
use super::passwords::Passwords;
use super::results::Results;
use super::{Caller, InFlight, RequestLog};

/// What a member says of itself and does not change.
#[derive(Clone, Debug)]
pub struct About {
    pub name: String,
    /// Drawn anew at its start.
    pub boot_nonce: u64,
    /// Set once the cluster knows where clients reach the member. A member of a new cluster reads and writes for
    /// clients only after that, as etcd does: who gets an answer finds the member that gave it in the list.
    pub listed: Arc<SetOnce<()>>,
    /// How much the data may take.
    pub quota: Quota,
    /// Where peers reach a member that was started alone, and so under a peer URL at which it does not listen.
    pub peer_url: Option<String>,
    /// Bytes of a client's message, at the most.
    pub message_bytes_max: usize,
    /// How soon the member notices that its leader is gone, and what follows from that.
    pub timing: Timing,
    /// Compares, or operations of one branch, in a transaction, at the most.
    pub txn_ops_max: usize,
    /// Time between two progress messages of an idle watch that asked for them.
    pub progress_interval: Duration,
    /// What a password's hash costs.
    pub bcrypt_cost: u32,
    /// Where requests are written down, if anywhere.
    pub request_log: Option<Arc<RequestLog>>,
}

/// A member as the services of one rpc thread see it; a cheap handle.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
    proposer: Proposer,
    hub: Hub,
}

/// What the threads share.
struct Inner {
    about: About,
    metrics: Metrics,
    leases: LeaseKeeper,
    results: Results,
    passwords: Passwords,
    in_flight: InFlight,
    backups: Backups,
    started: Instant,
    alarms_raised: TimedRepeats<bool>,
}

impl Host {
    /// A member that starts now.
    #[must_use]
    pub fn new(
        about: About,
        proposer: Proposer,
        hub: Hub,
        leases: LeaseKeeper,
        metrics: Metrics,
    ) -> Self {
        let (results, in_flight) = (Results::default(), InFlight::default());
        let backups = Backups::default();
        let started = Instant::now();
        let alarms_raised = TimedRepeats::default();
        let passwords = Passwords::new(about.bcrypt_cost);
        let inner = Arc::new(Inner {
            about,
            metrics,
            leases,
            results,
            passwords,
            in_flight,
            backups,
            started,
            alarms_raised,
        });
        Self { inner, proposer, hub }
    }

    /// The same member for another thread, whose requests `proposer` takes, and whose streams are those of `hub`.
    #[must_use]
    pub fn on(&self, proposer: Proposer, hub: Hub) -> Self {
        Self { inner: Arc::clone(&self.inner), proposer, hub }
    }

    pub(super) fn in_flight(&self) -> &InFlight {
        &self.inner.in_flight
    }

    /// Number of the member.
    #[must_use]
    pub fn member_id(&self) -> MemberId {
        self.proposer.identity().member_id
    }

    /// How soon the member notices that its leader is gone.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.inner.about.timing
    }

    pub(super) fn about(&self) -> &About {
        &self.inner.about
    }

    pub(super) fn proposer(&self) -> &Proposer {
        &self.proposer
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The measurements of the process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(super) fn results(&self) -> &Results {
        &self.inner.results
    }

    pub(super) fn backups(&self) -> &Backups {
        &self.inner.backups
    }

    pub(super) fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    /// Attempts to raise the alarm of a full quota, by whether they succeeded; every refused write may be one.
    pub(super) fn alarms_raised(&self) -> &TimedRepeats<bool> {
        &self.inner.alarms_raised
    }

    pub(super) fn started(&self) -> Instant {
        self.inner.started
    }

    /// The state as this member knows it.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        self.proposer.published()
    }

    /// Where this member stands in Raft.
    #[must_use]
    pub fn status(&self) -> Arc<RaftStatus> {
        self.proposer.status()
    }

    /// Whether this member knows a leader.
    #[must_use]
    pub fn has_leader(&self) -> bool {
        self.status().leader.0 != 0
    }

    /// Who leads as this member knows it, and each change of that.
    pub(super) fn leader_changes(&self) -> watch::Receiver<MemberId> {
        self.proposer.leader_changes()
    }

    /// Whether a write of the log does not end.
    #[must_use]
    pub fn is_disk_stalled(&self) -> bool {
        self.status().disk_stalled
    }

    /// Which members are in doubt, and whom they wait for; none where there is nothing to say. See [`crate::raft::Doubt`].
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let (status, published) = (self.status(), self.published());
        let name = |id: &MemberId| {
            let member = published.members.by_id.get(&id.0);
            member.map_or_else(|| id.to_string(), |member| member.name.clone())
        };
        let names = |ids: &[MemberId]| ids.iter().map(name).collect::<Vec<_>>().join(", ");
        let what = match status.doubt {
            Some(Doubt::Copied) => {
                "IN DOUBT: the directory is a copy, or was put back from one".to_owned()
            }
            Some(Doubt::Behind(index)) => {
                format!("IN DOUBT: the log lacks what was acknowledged up to index {index}")
            }
            None if self.has_leader() || status.doubtful.is_empty() => return None,
            None => format!("RAFT NO LEADER: in doubt: {}", names(&status.doubtful)),
        };
        let waits = match status.away.as_slice() {
            _ if self.has_leader() => "no vote before the leader has caught it up".to_owned(),
            [] => "it counts once all members vote for one leader".to_owned(),
            away => format!("no vote before a leader has caught it up: start {}", names(away)),
        };
        Some(format!("{what}: {waits}"))
    }

    /// Whether this member has no vote, for it is a learner or has yet to get the state of its cluster.
    #[must_use]
    pub fn is_learner(&self) -> bool {
        !self.status().voters.contains(&self.proposer.identity().member_id)
    }

    /// The state at or after everything acknowledged before this call.
    ///
    /// # Errors
    /// No read index was to be had in time.
    pub async fn barrier(&self) -> Result<Arc<Published>, RequestError> {
        let (metrics, begun) = (&self.inner.metrics, Instant::now());
        let state = match self.listed().await {
            Ok(()) => self.proposer.barrier().await,
            Err(error) => Err(error),
        };
        if begun.elapsed() > SLOW_READ {
            metrics.slow_reads.inc();
        }
        if state.is_err() {
            metrics.reads_failed.inc();
        }
        state
    }

    /// Replicates a request of a caller and waits for its result.
    pub(super) async fn write(
        &self,
        caller: &Caller,
        request: command::Request,
    ) -> Result<EntryResponse, RequestError> {
        let mut state = self.published();
        let mut asker = self.asker(caller, &state.auth)?;
        if state.auth.is_enabled() && asker.user.is_empty() {
            // Who has not logged in costs no entry. What this member knows may be old.
            state = self.barrier().await?;
            asker = self.asker(caller, &state.auth)?;
            state.auth.check_login(&asker)?;
        }
        self.propose(state.auth.is_enabled().then_some(asker), request).await
    }

    /// Replicates what the member asks for itself.
    pub(super) async fn write_as_member(
        &self,
        request: command::Request,
    ) -> Result<EntryResponse, RequestError> {
        self.propose(Some(Asker { is_member: true, ..Asker::default() }), request).await
    }

    async fn propose(
        &self,
        asker: Option<Asker>,
        request: command::Request,
    ) -> Result<EntryResponse, RequestError> {
        self.proposed(self.proposer.write(asker, request)).await
    }

    /// Changes who is a member and waits until that is so.
    pub(super) async fn change_members(
        &self,
        change: ConfChange,
    ) -> Result<EntryResponse, RequestError> {
        self.proposed(self.proposer.change_members(change)).await
    }

    async fn proposed(
        &self,
        proposal: impl Future<Output = Result<Written, RequestError>>,
    ) -> Result<EntryResponse, RequestError> {
        let metrics = &self.inner.metrics;
        let _pending = Pending::new(metrics);
        let begun = Instant::now();
        let result = match self.listed().await {
            Ok(()) => proposal.await,
            Err(error) => Err(error),
        };
        metrics.proposal_seconds.observe(begun.elapsed());
        if result.as_ref().is_err_and(is_lost) {
            metrics.proposals_failed.inc();
        }
        Ok(result?.response)
    }

    /// How much is left of a lease; none where there is no such lease.
    ///
    /// # Errors
    /// No leader was to be had in time.
    pub(super) async fn ask_lease(&self, lease: i64) -> Result<Option<LeaseLeft>, RequestError> {
        self.listed().await?;
        self.inner.leases.ask(lease, false).await
    }

    /// Renews leases; answers the time to live of each, 0 where there is no such lease.
    ///
    /// # Errors
    /// No leader was to be had in time, or too many wait.
    pub(super) async fn renew_leases(&self, leases: &[i64]) -> Vec<Result<i64, RequestError>> {
        let keeper = &self.inner.leases;
        let at_once = match self.listed().await {
            Ok(()) => keeper.renew_at_once(leases, &self.proposer).await,
            Err(error) => Err(error),
        };
        let renewed = match at_once {
            Ok(renewed) => renewed.unwrap_or_else(|| vec![None; leases.len()]),
            Err(error) => return vec![Err(error); leases.len()],
        };
        if renewed.iter().all(Option::is_some) {
            return renewed.into_iter().flatten().map(Ok).collect();
        }
        let each = leases.iter().zip(renewed).map(async |(lease, ttl)| match ttl {
            Some(ttl) => Ok(ttl),
            None => Ok(keeper.ask(*lease, true).await?.map_or(0, |left| left.ttl)),
        });
        join_all(each).await
    }

    pub(super) fn leases(&self) -> &LeaseKeeper {
        &self.inner.leases
    }

    /// Waits until the cluster lists this member. A cluster in which that takes long has no leader yet.
    async fn listed(&self) -> Result<(), RequestError> {
        let listed = &self.inner.about.listed;
        if listed.initialized() {
            return Ok(());
        }
        let wait = timeout(self.timing().request_timeout(), listed.wait()).await;
        wait.map(drop).map_err(|_| RequestError::NoLeader)
    }

    /// A header of this member's at `revision`.
    pub(super) fn header(&self, revision: Revision) -> ResponseHeader {
        let identity = self.proposer.identity();
        ResponseHeader {
            cluster_id: identity.cluster_id.0,
            member_id: identity.member_id.0,
            revision: revision.0,
            raft_term: self.status().term.0,
        }
    }

    /// Completes the header of a write's answer, which carries its revision.
    pub(super) fn complete(&self, header: Option<&ResponseHeader>) -> ResponseHeader {
        self.header(Revision(header.map_or(0, |header| header.revision)))
    }

    /// State on disk and in use, in bytes. What is in use is never more than what is there: the rows that the disk
    /// compresses or has yet to write count by their logical size.
    pub(super) fn sizes(&self, published: &Published) -> (u64, u64) {
        let used = published.view.logical_bytes();
        (self.inner.metrics.state_disk_bytes.get().max(used).max(1), used)
    }

    /// What `/metrics` shows of this moment.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let (published, status) = (self.published(), self.status());
        let me = self.member_id();
        let counts = self.hub.counts();
        let (db_bytes, db_used_bytes) = self.sizes(&published);
        let active = status.progress.iter().filter(|peer| peer.recently_active);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Facts {
            member_id: me.to_string(),
            server_version: ETCD_VERSION.to_owned(),
            cluster_version: short(CLUSTER_VERSION),
            has_leader: status.leader.0 != 0,
            is_leader: status.leads(),
            is_learner: self.is_learner(),
            disk_stalled: status.disk_stalled,
            in_doubt: status.doubt.is_some(),
            leader_changes: status.leader_changes,
            committed: status.commit.0,
            applied: published.applied.0,
            log_entries: status.last.0 + 1 - status.first.0,
            log_waits_for: status
                .log_waits_for()
                .map(|(id, lacks)| (id.to_string(), lacks))
                .collect(),
            quota_bytes: self.about().quota.told(),
            db_bytes,
            db_used_bytes,
            keys: published.view.key_count(),
            revision: published.view.revision().0,
            compact_revision: published.view.compacted(),
            auth_revision: published.auth.revision(),
            watch_streams: count(counts.streams),
            watchers: count(counts.watchers),
            slow_watchers: count(counts.slow),
            events: counts.events_sent,
            pending_events: count(counts.pending_events),
            prev_reads: counts.prev_reads,
            alarms: alarms(&published).map(|(id, name)| (format!("{id:x}"), name)).collect(),
            peers: published
                .members
                .by_id
                .keys()
                .filter(|id| **id != me.0)
                .map(|id| MemberId(*id).to_string())
                .collect(),
            active_peers: active.map(|peer| peer.id.to_string()).collect(),
        }
    }
}

/// An answer of another kind than the request's: a bug of the program, of which the client is told.
pub(in crate::api) fn mismatch() -> RequestError {
    RequestError::Storage("an entry answered another request".to_owned())
}

/// Whether a write ended without a result, rather than with a refusal.
fn is_lost(error: &RequestError) -> bool {
    matches!(error, RequestError::TooManyRequests | RequestError::DeadlineExceeded)
        || error.code() == Code::Unavailable
}

/// Whether a write had no result in time: it may have been carried out, may be yet, or never.
pub(in crate::api) fn is_late(error: &RequestError) -> bool {
    matches!(
        error,
        RequestError::Timeout
            | RequestError::DeadlineExceeded
            | RequestError::TimeoutDueToLeaderFail
            | RequestError::TimeoutDueToConnectionLost
    )
}

/// Raised alarms: member and name.
pub(super) fn alarms(published: &Published) -> impl Iterator<Item = (u64, String)> {
    published.alarms.raised.iter().map(|(member, alarm)| {
        let name = AlarmType::try_from(*alarm)
            .map_or_else(|_| alarm.to_string(), |alarm| alarm.as_str_name().to_owned());
        (*member, name)
    })
}

/// `3.6.0` as `3.6`, which is how the metric words it, and the answers about a downgrade, as in etcd 3.6 and later.
pub(super) fn short(version: &str) -> String {
    version.rsplit_once('.').map_or(version, |(short, _)| short).to_owned()
}

/// Counts a write while it is on its way.
struct Pending<'a>(&'a Metrics);

impl<'a> Pending<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.proposals_pending.inc();
        Self(metrics)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.proposals_pending.dec();
    }
}

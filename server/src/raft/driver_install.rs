//! Snapshots at the driver: whom the leader sends one, and how one takes the place of state and log.
//!
//! Raft itself never sees one that is received. Its rows are staged beside the state before it comes here; then it waits
//! until nothing of log or state is under way, takes the place of the state, the log begins anew behind it, and Raft begins
//! anew on both, as at a start. Each step is durable before the next begins, and a start finishes what a crash left:
//!
//! ```text
//! staged ─▶ Draining ─▶ Install ─▶ (state) ─▶ ResetLog ─▶ (log) ─▶ a new core
//!                        crash: the old state      crash: log reset at the start
//! ```
//!
//! Messages of Raft are dropped meanwhile, which peers repeat, and nobody is voted for. This member has nothing that the others
//! need: its log lacks what is committed.

use std::collections::BTreeMap;

use mini_etcd_proto::internalpb::ConfState;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use super::applying::Applying;
use super::changes::Changes;
use super::core::{CoreConfig, NodeCore};
use super::driver::Driver;
use super::job::{Job, StagedSnapshot};
use super::membership;
use super::turn::Turn;
use crate::error::RequestError;
use crate::limits::SNAPSHOT_RETRY_TICKS;
use crate::log::Recovered;

/// What a leader knows of the snapshots it sends.
#[derive(Default)]
pub(super) struct Snapshots {
    /// To whom one is on its way.
    sending: Option<MemberId>,
    /// No other is sent before this tick.
    wait_until: u64,
    /// What members have with the last snapshot that was sent to each in this term of office.
    sent: BTreeMap<MemberId, LogIndex>,
    /// Tick at which this member began to lead.
    pub led_since: u64,
}

impl Snapshots {
    /// This member begins to lead, or goes on in another term.
    pub fn leads(&mut self, now: u64) {
        self.led_since = now;
        self.sent.clear();
    }

    /// Where `peer` stands with the snapshot that it got, or is about to get; 0 for none.
    pub fn sent_to(&self, peer: MemberId) -> LogIndex {
        self.sent.get(&peer).copied().unwrap_or_default()
    }
}

/// How far a snapshot is that takes the place of state and log.
pub(super) enum Installing {
    /// It waits until nothing is under way.
    Draining(StagedSnapshot),
    /// It is to become the state.
    State(SnapshotAt),
    /// The log is to begin behind it.
    Log(SnapshotAt),
}

/// Where a snapshot stands.
pub(super) struct SnapshotAt {
    index: LogIndex,
    term: Term,
    conf_state: ConfState,
}

impl Installing {
    pub fn is_draining(&self) -> bool {
        matches!(self, Self::Draining(_))
    }
}

impl Driver {
    /// Lets Raft send a snapshot where one is needed, if none is on its way.
    pub(super) fn offer_snapshot(&mut self) {
        if self.snapshots.sending.is_none() && self.now >= self.snapshots.wait_until {
            self.core.offer_snapshot();
        }
    }

    pub(super) fn send_snapshot(&mut self, to: MemberId, turn: &mut Turn) {
        tracing::info!(member = %self.id, %to, "sends a snapshot");
        self.snapshots.sending = Some(to);
        self.snapshots.sent.insert(to, self.core.applied_index());
        turn.other(Job::SendSnapshot { to });
    }

    pub(super) fn on_snapshot_sent(&mut self, to: MemberId, done: bool) {
        self.snapshots.sending = None;
        if !done {
            self.snapshots.sent.remove(&to);
            self.snapshots.wait_until = self.now + SNAPSHOT_RETRY_TICKS;
        }
        if self.installing.is_none() {
            self.core.snapshot_sent(to, done);
        }
    }

    /// A snapshot was staged here.
    pub(super) fn on_snapshot(&mut self, staged: StagedSnapshot) {
        let StagedSnapshot { index, term, conf_state, .. } = &staged;
        // SAFETY-RAFT: a log that has the snapshot's entry may have acknowledged what is behind it. One that has not has
        // nothing there that can be committed.
        let is_of_use = *index > self.core.commit_index()
            && self.core.log_term(*index) != Some(*term)
            && membership::contains(conf_state, self.id)
            && !self.core.is_leader()
            && self.installing.is_none();
        if is_of_use {
            self.installing = Some(Installing::Draining(staged));
        } else {
            tracing::info!(member = %self.id, %index, %term, "a snapshot is of no use here");
        }
    }

    /// Begins to install what waits for that, once nothing is under way.
    pub(super) fn install(&mut self, turn: &mut Turn) {
        let is_quiet = self.core.is_durable() && self.applying.is_idle();
        match self.installing.take() {
            Some(Installing::Draining(staged)) if is_quiet => {
                let StagedSnapshot { index, term, conf_state, .. } = &staged;
                tracing::info!(member = %self.id, %index, %term, "installs a snapshot");
                let conf_state = conf_state.clone();
                let at = SnapshotAt { index: *index, term: *term, conf_state };
                self.installing = Some(Installing::State(at));
                turn.other(Job::Install(staged));
            }
            other => self.installing = other,
        }
    }

    pub(super) fn on_installed(&mut self, turn: &mut Turn) {
        if let Some(Installing::State(at)) = self.installing.take() {
            let SnapshotAt { index, term, .. } = at;
            turn.other(Job::ResetLog { index, term });
            self.installing = Some(Installing::Log(at));
        }
    }

    /// Raft begins anew behind the snapshot.
    pub(super) fn on_log_reset(&mut self, log: Recovered, turn: &mut Turn) {
        let Some(Installing::Log(at)) = self.installing.take() else { return };
        let SnapshotAt { index, term, conf_state } = at;
        let config = CoreConfig {
            id: self.id,
            log,
            applied: index,
            conf_state: conf_state.clone(),
            timing: self.timing,
        };
        match NodeCore::new(config) {
            Ok(core) => self.core = core,
            // The log was made for this state.
            Err(error) => panic!("log and state do not fit each other: {error}"),
        }
        self.applying = Applying::new(index);
        self.changes = Changes::default();
        self.last_write = 0;
        self.conf_state = conf_state;
        self.cutting.synced(index);
        turn.fail_writes(RequestError::TimeoutDueToConnectionLost, self.proposals.installed(term));
        self.observe();
    }
}

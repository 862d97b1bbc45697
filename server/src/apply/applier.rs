//! [`Applier`]: applies committed entries to the state.
//!
//! It keeps their order, their batch and the digest, makes the checks that stand before every command, and hands each
//! command to the part of the state that it changes.

use std::sync::Arc;

use mini_etcd_proto::etcdserverpb::{
    AlarmResponse, AuthenticateResponse, LeaseGrantRequest, LeaseGrantResponse,
    LeaseRevokeResponse, ResponseHeader,
};
use mini_etcd_proto::internalpb::auth_change::Change;
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{
    AppliedState, Asker, Command, ConfChange, ConfState, Entry, EntryKind, Login,
};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Revision, Term};
use prost::Message;

use super::digest::Digest;
use super::load::{self, CURRENT, State};
use super::{
    Applied, ApplyError, ApplyTask, Birth, EntryResponse, EntryResult, Identity, Published,
};
use crate::auth::TokenChange;
use crate::error::RequestError;
use crate::limits::{TABLES_BYTES_MIN, TABLES_TIMES_MAX};
use crate::metrics::Counts;
use crate::mvcc::{Event, Hashes, Store};
use crate::storage::{Durability, Engine, ReclaimStep, Space};

/// Turns committed entries into state; the only writer of the state database.
pub struct Applier<E: Engine> {
    engine: E,
    state: State,
    published: Arc<Published>,
    /// The state is durable up to here; 0 until a sync, for what was found may be in the page cache alone.
    synced: LogIndex,
}

impl<E: Engine> Applier<E> {
    /// Begins a state where there is none; durable when it returns.
    ///
    /// # Errors
    /// `Exists` where there is one; a failing disk.
    pub fn create(mut engine: E, identity: Identity, birth: &Birth) -> Result<Self, ApplyError> {
        let state = load::create(&mut engine, identity, birth)?;
        Ok(Self::new(engine, state))
    }

    /// Takes up the state that is there.
    ///
    /// # Errors
    /// `Empty` where there is none; one of another cluster, member or format; damage; a failing disk.
    pub fn open(mut engine: E, identity: Identity) -> Result<Self, ApplyError> {
        let state = load::open(&mut engine, identity)?;
        Ok(Self::new(engine, state))
    }

    fn new(engine: E, state: State) -> Self {
        let published = publish(&state);
        Self { engine, state, published, synced: LogIndex(0) }
    }

    /// The state now.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// Applies a task as one batch and publishes the state after it. The batch is not synced: the log has it.
    ///
    /// # Errors
    /// Whatever ends the process; this applier is then of no use any more.
    pub fn apply(&mut self, task: &ApplyTask) -> Result<Applied, ApplyError> {
        let mut results = Vec::with_capacity(task.entries.len());
        for entry in &task.entries {
            results.extend(self.entry(entry, &task.conf_states)?);
        }
        if task.entries.is_empty() {
            return Ok(self.nothing_new());
        }
        let counts = self.state.keys.take_counts();
        let leases = self.state.leases.take_changes();
        let tokens = std::mem::take(&mut self.state.tokens);
        let events = self.commit()?;
        let published = self.published();
        for result in &mut results {
            if let Ok(EntryResponse::Write(answer)) = &mut result.outcome {
                answer.committed(&published.view);
            }
        }
        let events = events.into();
        Ok(Applied { published, results, events, leases, tokens, counts, skipped: false })
    }

    /// Takes up the state in `engine`, a snapshot that was staged, in place of the present one (I7). Answers what there is to
    /// publish, and the engine of the state before, which older views still read from.
    ///
    /// # Errors
    /// As [`Applier::open`]; this applier is then of no use any more.
    pub fn install(&mut self, mut engine: E) -> Result<(Applied, E), ApplyError> {
        let AppliedState { cluster_id, member_id, .. } = self.state.meta;
        let identity =
            Identity { cluster_id: ClusterId(cluster_id), member_id: MemberId(member_id) };
        let mut state = load::open(&mut engine, identity)?;
        state.keys.keep_hashes(self.state.keys.hashes());
        let old = std::mem::replace(&mut self.engine, engine);
        self.state = state;
        self.published = publish(&self.state);
        // All of it was synced before it was switched to.
        self.synced = self.published.applied;
        // Which tokens ended in between is not known.
        let tokens = vec![TokenChange::AllEnded];
        Ok((Applied { tokens, skipped: true, ..self.nothing_new() }, old))
    }

    /// The state as it is.
    fn nothing_new(&self) -> Applied {
        Applied {
            published: self.published(),
            results: Vec::new(),
            events: Arc::from([]),
            leases: Vec::new(),
            tokens: Vec::new(),
            counts: Counts::default(),
            skipped: false,
        }
    }

    /// Takes up to about `max_rows` dead versions off the disk, as one batch. True while more may be there, also
    /// when it had to wait for a reader: call it again when there is nothing to apply.
    ///
    /// # Errors
    /// A failing disk.
    pub fn collect(&mut self, max_rows: usize) -> Result<bool, ApplyError> {
        if self.state.keys.has_garbage() && self.state.keys.collect(max_rows)? {
            self.commit()?;
        }
        Ok(self.state.keys.has_garbage())
    }

    /// Shows the state as it is through a reader that is opened now, so that those from before can go.
    ///
    /// # Errors
    /// A failing disk.
    pub fn renew(&mut self) -> Result<Applied, ApplyError> {
        self.commit()?;
        self.apply(&ApplyTask::default())
    }

    /// Bytes that the file system lacks for giving space back; 0 when there is room.
    #[must_use]
    pub fn reclaim_lacks(&self) -> u64 {
        self.engine.reclaim_lacks()
    }

    /// Begins a step of giving space back to the file system.
    ///
    /// # Errors
    /// A failing disk.
    pub fn begin_reclaim(&mut self, step: ReclaimStep) -> Result<(), ApplyError> {
        Ok(self.engine.begin_reclaim(step)?)
    }

    /// Whether no such step is under way.
    ///
    /// # Errors
    /// A failing disk.
    pub fn is_reclaimed(&mut self) -> Result<bool, ApplyError> {
        Ok(self.engine.is_reclaimed()?)
    }

    /// What was done to the keys since the last task: what collecting took.
    pub fn take_counts(&mut self) -> Counts {
        self.state.keys.take_counts()
    }

    /// The hashes of the states that compactions take, for a thread that computes them. Without one, collecting does.
    pub(crate) fn hash_elsewhere(&self) -> Arc<Hashes> {
        let hashes = self.state.keys.hashes();
        hashes.attend();
        hashes
    }

    /// Waits until all that was applied is durable.
    ///
    /// # Errors
    /// A failing disk.
    pub fn sync(&mut self) -> Result<(), ApplyError> {
        self.engine.sync()?;
        self.synced = self.published.applied;
        Ok(())
    }

    /// Up to which index the state is durable: after a loss of power it stands there or further.
    #[must_use]
    pub fn synced(&self) -> LogIndex {
        self.synced
    }

    /// Bytes that the state takes on disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    /// Whether the tables of the state hold far more than what is in it.
    #[must_use]
    pub fn is_wasteful(&self) -> bool {
        let content = self.published.view.logical_bytes();
        let most = content.saturating_mul(TABLES_TIMES_MAX).saturating_add(TABLES_BYTES_MIN);
        self.engine.table_bytes() > most
    }

    /// I1, I4.
    fn commit(&mut self) -> Result<Vec<Event>, ApplyError> {
        let State { meta, keys, auth, .. } = &mut self.state;
        let standing = keys.standing();
        meta.revision = standing.revision;
        meta.compact_revision = standing.compacted;
        meta.compact_finished = standing.finished;
        meta.logical_bytes = standing.logical_bytes;
        (meta.auth_enabled, meta.auth_revision) = (auth.is_enabled(), auth.revision());
        let mut batch = keys.take_batch();
        batch.put(Space::Meta, CURRENT, meta.encode_to_vec());
        self.engine.commit(batch, Durability::Buffered)?;
        let events = keys.committed(self.engine.reader());
        self.published = publish(&self.state);
        if self.engine.is_synced() {
            self.synced = self.published.applied;
        }
        Ok(events)
    }

    fn entry(
        &mut self,
        entry: &Entry,
        conf_states: &[(LogIndex, ConfState)],
    ) -> Result<Option<EntryResult>, ApplyError> {
        let index = LogIndex(entry.index);
        let broken = |reason: String| ApplyError::Entry { index, reason };
        let meta = &mut self.state.meta;
        if entry.index != meta.applied_index + 1 || entry.term < meta.applied_term {
            let (at, term) = (meta.applied_index, meta.applied_term);
            return Err(broken(format!("term {} after {at} of term {term}", entry.term))); // I2
        }
        meta.applied_index = entry.index;
        meta.applied_term = entry.term;
        if let Some((_, conf_state)) = conf_states.iter().find(|(at, _)| *at == index) {
            meta.conf_state = Some(conf_state.clone());
        }
        let mut digest = Digest(meta.digest);
        digest.word(entry.index);
        let result = match EntryKind::try_from(entry.kind) {
            _ if entry.data.is_empty() => None,
            Ok(EntryKind::Normal) => {
                let command = Command::decode(entry.data.clone());
                let command = command.map_err(|error| broken(error.to_string()))?;
                if command.request.is_none() {
                    return Err(broken("an unknown command".to_owned()));
                }
                self.descend_from(command.incarnation);
                let wanted = command.origin == self.state.meta.member_id;
                let outcome = self.command(entry, &command, wanted, &mut digest)?;
                Some(((command.origin, command.incarnation, command.sequence), outcome))
            }
            Ok(EntryKind::ConfChange) => {
                let change = ConfChange::decode(entry.data.clone());
                let change = change.map_err(|error| broken(error.to_string()))?;
                self.descend_from(change.incarnation);
                let State { keys, members, .. } = &mut self.state;
                let members = Arc::make_mut(members).change(&change, keys.batch());
                digest.bytes(&entry.data);
                let number = (change.origin, change.incarnation, change.sequence);
                Some((number, Ok(members)))
            }
            Err(_) => return Err(broken(format!("unknown kind {}", entry.kind))),
        };
        self.state.meta.digest = digest.0;
        Ok(result.map(|((origin, incarnation, sequence), outcome)| EntryResult {
            index,
            term: Term(entry.term),
            origin: MemberId(origin),
            incarnation,
            sequence,
            outcome,
        }))
    }

    /// The first entry that somebody asked for names the lineage of the state. One of an earlier version has no
    /// incarnation, and leaves the lineage unknown.
    fn descend_from(&mut self, incarnation: u64) {
        let lineage = &mut self.state.meta.lineage;
        if *lineage == Some(0) {
            *lineage = (incarnation != 0).then_some(incarnation);
        }
    }

    /// Carries a command out and folds what came of it into the digest. I3.
    fn command(
        &mut self,
        entry: &Entry,
        command: &Command,
        wanted: bool,
        digest: &mut Digest,
    ) -> Result<Result<EntryResponse, RequestError>, ApplyError> {
        let index = LogIndex(entry.index);
        self.state.keys.begin(Revision::of(index));
        let outcome = self.dispatch((index, Term(entry.term)), command, wanted);
        let State { keys, leases, .. } = &mut self.state;
        let events = keys.end();
        digest.outcome(outcome.as_ref().err());
        for event in events {
            digest.event(event);
        }
        if !leases.is_unused() {
            for event in events {
                leases.follow(&event.key, event.lease());
            }
        }
        if let Err(error) = &outcome {
            assert!(events.is_empty(), "entry {index} failed and left a trace");
            if !error.is_deterministic() {
                return Err(ApplyError::Local { index, error: error.clone() });
            }
        }
        if !command.request.as_ref().is_some_and(is_told_by_events) {
            digest.bytes(&entry.data);
        }
        let standing = keys.standing();
        digest.word(standing.revision.cast_unsigned());
        digest.word(standing.compacted.cast_unsigned());
        Ok(outcome)
    }

    /// Lets the part that a command is for change. The answer has its rows if it is `wanted` here; the outcome does not
    /// depend on that.
    fn dispatch(
        &mut self,
        (index, term): (LogIndex, Term),
        command: &Command,
        wanted: bool,
    ) -> Result<EntryResponse, RequestError> {
        let Command { request: Some(request), asker, .. } = command else {
            return Ok(EntryResponse::Published);
        };
        let State { keys, members, alarms, leases, auth, tokens, .. } = &mut self.state;
        alarms.check(request)?;
        if auth.is_enabled() {
            let nobody = Asker::default();
            auth.check(asker.as_ref().unwrap_or(&nobody), request, &leases.view())?;
        }
        let header = |keys: &Store| {
            let revision = keys.revision();
            Some(ResponseHeader { revision, ..ResponseHeader::default() })
        };
        Ok(match request {
            Request::Put(put) => EntryResponse::Write(Box::new(keys.put(put, leases)?)),
            Request::DeleteRange(delete) => {
                EntryResponse::Write(Box::new(keys.delete_range(delete)?))
            }
            Request::Txn(txn) => EntryResponse::Write(Box::new(keys.txn(txn, wanted, leases)?)),
            Request::Compaction(compaction) => EntryResponse::Compaction(keys.compact(compaction)?),
            Request::Alarm(alarm) => {
                let alarms = Arc::make_mut(alarms).change(alarm, keys.batch());
                EntryResponse::Alarm(AlarmResponse { header: header(keys), alarms })
            }
            Request::Publish(publish) => Arc::make_mut(members).publish(publish, keys.batch()),
            Request::LeaseGrant(grant) => {
                leases.grant(grant, index, keys.batch())?;
                let LeaseGrantRequest { id, ttl } = *grant;
                let header = header(keys);
                EntryResponse::LeaseGranted(LeaseGrantResponse {
                    header,
                    id,
                    ttl,
                    ..LeaseGrantResponse::default()
                })
            }
            Request::LeaseRevoke(revoke) => {
                let doomed = leases.revoke(revoke, term, keys.batch())?;
                keys.remove_all(doomed.iter().map(|key| &**key));
                EntryResponse::LeaseRevoked(LeaseRevokeResponse { header: header(keys) })
            }
            Request::LeaseCheckpoint(checkpoint) => {
                leases.checkpoint(checkpoint, term, keys.batch())?;
                EntryResponse::LeaseCheckpointed
            }
            Request::Auth(change) => {
                let given = match &change.change {
                    Some(Change::Login(Login { user, token })) => {
                        Some(auth.login(user, token, index)?)
                    }
                    Some(change) => Arc::make_mut(auth).change(change, keys.batch())?,
                    None => return Err(RequestError::PermissionDenied),
                };
                let token = match &given {
                    Some(TokenChange::Given { token, .. }) => token.clone(),
                    _ => String::new(),
                };
                tokens.extend(given);
                EntryResponse::Auth(AuthenticateResponse { header: header(keys), token })
            }
        })
    }
}

/// Whether the events of a command tell all that it changes. Others go into the digest themselves.
fn is_told_by_events(request: &Request) -> bool {
    matches!(
        request,
        Request::Put(_) | Request::DeleteRange(_) | Request::Txn(_) | Request::Compaction(_)
    )
}

fn publish(state: &State) -> Arc<Published> {
    let State { meta, keys, members, alarms, leases, auth, .. } = state;
    Arc::new(Published {
        view: keys.view(),
        applied: LogIndex(meta.applied_index),
        applied_term: Term(meta.applied_term),
        digest: meta.digest,
        conf_state: meta.conf_state.clone().unwrap_or_default(),
        members: Arc::clone(members),
        alarms: Arc::clone(alarms),
        leases: leases.view(),
        auth: Arc::clone(auth),
        compact_finished: meta.compact_finished,
        lineage: meta.lineage.unwrap_or(0),
        snapshot: LogIndex(meta.snapshot_index),
    })
}

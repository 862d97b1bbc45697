//! The one who applies.

use std::sync::Arc;

use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{
    AlarmResponse, AlarmType, RequestOp, ResponseHeader, TxnRequest,
};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{AppliedState, Command, ConfChange, ConfState, Entry, EntryKind};
use mini_etcd_shared::types::{LogIndex, MemberId, Revision, Term};
use prost::Message;

use super::digest::Digest;
use super::load::{self, CURRENT, Loaded};
use super::{
    Applied, ApplyError, ApplyTask, Birth, EntryResult, Identity, Published, Response, System,
};
use crate::error::RequestError;
use crate::metrics::Counts;
use crate::mvcc::{Hashes, Store};
use crate::storage::{Durability, Engine, Space};

/// Turns committed entries into state; the only writer of the state database.
pub struct Applier<E: Engine> {
    engine: E,
    store: Store,
    system: Arc<System>,
    meta: AppliedState,
    published: Arc<Published>,
}

impl<E: Engine> Applier<E> {
    /// Begins a state where there is none; durable when it returns.
    ///
    /// # Errors
    /// `Exists` where there is one; a failing disk.
    pub fn create(mut engine: E, identity: Identity, birth: &Birth) -> Result<Self, ApplyError> {
        let loaded = load::create(&mut engine, identity, birth)?;
        Ok(Self::new(engine, loaded))
    }

    /// Takes up the state that is there.
    ///
    /// # Errors
    /// `Empty` where there is none; one of another cluster, member or format; damage; a failing disk.
    pub fn open(mut engine: E, identity: Identity) -> Result<Self, ApplyError> {
        let loaded = load::open(&mut engine, identity)?;
        Ok(Self::new(engine, loaded))
    }

    fn new(engine: E, Loaded { meta, system, store }: Loaded) -> Self {
        let system = Arc::new(system);
        let published = publish(&meta, &system, &store);
        Self { engine, store, system, meta, published }
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
            let (published, events) = (self.published(), Arc::from([]));
            return Ok(Applied { published, results, events, counts: Counts::default() });
        }
        let counts = self.store.take_counts();
        let events = self.commit()?;
        let published = self.published();
        for result in &mut results {
            if let Ok(Response::Write(answer)) = &mut result.outcome {
                answer.committed(&published.view);
            }
        }
        Ok(Applied { published, results, events: events.into(), counts })
    }

    /// Takes up to about `max_rows` dead versions off the disk, as one batch. True while more may be there, also
    /// when it had to wait for a reader: call it again when there is nothing to apply.
    ///
    /// # Errors
    /// A failing disk.
    pub fn collect(&mut self, max_rows: usize) -> Result<bool, ApplyError> {
        if self.store.has_garbage() && self.store.collect(max_rows)? {
            self.commit()?;
        }
        Ok(self.store.has_garbage())
    }

    /// What was done to the keys since the last task: what collecting took.
    pub fn take_counts(&mut self) -> Counts {
        self.store.take_counts()
    }

    /// The hashes of the states that compactions take, for a thread that computes them. Without one, collecting does.
    pub(crate) fn hash_elsewhere(&self) -> Arc<Hashes> {
        let hashes = self.store.hashes();
        hashes.attend();
        hashes
    }

    /// Waits until all that was applied is durable.
    ///
    /// # Errors
    /// A failing disk.
    pub fn sync(&mut self) -> Result<(), ApplyError> {
        Ok(self.engine.sync()?)
    }

    /// Bytes that the state takes on disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    /// I1, I4.
    fn commit(&mut self) -> Result<Vec<crate::mvcc::Event>, ApplyError> {
        let standing = self.store.standing();
        self.meta.revision = standing.revision;
        self.meta.compact_revision = standing.compacted;
        self.meta.compact_finished = standing.finished;
        self.meta.logical_bytes = standing.logical_bytes;
        let mut batch = self.store.take_batch();
        batch.put(Space::Meta, CURRENT, self.meta.encode_to_vec());
        self.engine.commit(batch, Durability::Buffered)?;
        let events = self.store.committed(self.engine.reader());
        self.published = publish(&self.meta, &self.system, &self.store);
        Ok(events)
    }

    fn entry(
        &mut self,
        entry: &Entry,
        conf_states: &[(LogIndex, ConfState)],
    ) -> Result<Option<EntryResult>, ApplyError> {
        let index = LogIndex(entry.index);
        let broken = |reason: String| ApplyError::Entry { index, reason };
        if entry.index != self.meta.applied_index + 1 || entry.term < self.meta.applied_term {
            let (at, term) = (self.meta.applied_index, self.meta.applied_term);
            return Err(broken(format!("term {} after {at} of term {term}", entry.term))); // I2
        }
        self.meta.applied_index = entry.index;
        self.meta.applied_term = entry.term;
        if let Some((_, conf_state)) = conf_states.iter().find(|(at, _)| *at == index) {
            self.meta.conf_state = Some(conf_state.clone());
        }
        let mut digest = Digest(self.meta.digest);
        digest.word(entry.index);
        let result = match EntryKind::try_from(entry.kind) {
            _ if entry.data.is_empty() => None,
            Ok(EntryKind::Normal) => {
                let command = Command::decode(entry.data.clone());
                let command = command.map_err(|error| broken(error.to_string()))?;
                let request = command
                    .request
                    .as_ref()
                    .ok_or_else(|| broken("an unknown command".to_owned()))?;
                self.descend_from(command.incarnation);
                let wanted = command.origin == self.meta.member_id;
                let outcome = self.command(entry, request, wanted, &mut digest)?;
                Some(((command.origin, command.incarnation, command.sequence), outcome))
            }
            Ok(EntryKind::ConfChange) => {
                let change = ConfChange::decode(entry.data.clone());
                let change = change.map_err(|error| broken(error.to_string()))?;
                self.descend_from(change.incarnation);
                Arc::make_mut(&mut self.system).change(&change, self.store.batch());
                digest.bytes(&entry.data);
                let members = self.system.members.values().cloned().collect();
                let number = (change.origin, change.incarnation, change.sequence);
                Some((number, Ok(Response::Members(members))))
            }
            Err(_) => return Err(broken(format!("unknown kind {}", entry.kind))),
        };
        self.meta.digest = digest.0;
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
        if self.meta.lineage == Some(0) {
            self.meta.lineage = (incarnation != 0).then_some(incarnation);
        }
    }

    /// Carries a command out and folds what came of it into the digest. I3.
    fn command(
        &mut self,
        entry: &Entry,
        request: &Request,
        wanted: bool,
        digest: &mut Digest,
    ) -> Result<Result<Response, RequestError>, ApplyError> {
        let index = LogIndex(entry.index);
        self.store.begin(Revision::of(index));
        let outcome = self.request(request, wanted);
        let events = self.store.end();
        digest.outcome(outcome.as_ref().err());
        for event in events {
            digest.event(event);
        }
        if let Err(error) = &outcome {
            assert!(events.is_empty(), "entry {index} failed and left a trace");
            if !error.is_deterministic() {
                return Err(ApplyError::Local { index, error: error.clone() });
            }
        }
        if matches!(request, Request::Alarm(_) | Request::Publish(_)) {
            digest.bytes(&entry.data);
        }
        let standing = self.store.standing();
        digest.word(standing.revision.cast_unsigned());
        digest.word(standing.compacted.cast_unsigned());
        Ok(outcome)
    }

    /// The answer has its rows if it is `wanted` here; the outcome does not depend on that.
    fn request(&mut self, request: &Request, wanted: bool) -> Result<Response, RequestError> {
        self.check_alarms(request)?;
        let store = &mut self.store;
        Ok(match request {
            Request::Put(put) => Response::Write(Box::new(store.put(put, &lease_exists)?)),
            Request::DeleteRange(delete) => Response::Write(Box::new(store.delete_range(delete)?)),
            Request::Txn(txn) => {
                Response::Write(Box::new(store.txn(txn, &lease_exists, wanted)?))
            }
            Request::Compaction(compaction) => Response::Compaction(store.compact(compaction)?),
            Request::Alarm(alarm) => {
                let alarms = Arc::make_mut(&mut self.system).alarm(alarm, store.batch());
                let revision = store.standing().revision;
                let header = Some(ResponseHeader { revision, ..ResponseHeader::default() });
                Response::Alarm(AlarmResponse { header, alarms })
            }
            Request::Publish(publish) => {
                Arc::make_mut(&mut self.system).publish(publish, store.batch());
                Response::Published
            }
        })
    }

    fn check_alarms(&self, request: &Request) -> Result<(), RequestError> {
        if self.system.alarms.is_empty()
            || matches!(request, Request::Alarm(_) | Request::Publish(_))
        {
            return Ok(());
        }
        if self.system.has(AlarmType::Corrupt) {
            return Err(RequestError::Corrupt);
        }
        let grows = match request {
            Request::Put(_) => true,
            Request::Txn(txn) => puts(txn),
            _ => false,
        };
        if grows && self.system.has(AlarmType::Nospace) {
            return Err(RequestError::NoSpace);
        }
        Ok(())
    }
}

/// No lease can be granted yet.
fn lease_exists(_: i64) -> bool {
    false
}

/// Whether either branch, at any depth, has a put: then the transaction costs space.
fn puts(txn: &TxnRequest) -> bool {
    let is_put = |op: &RequestOp| match &op.request {
        Some(Op::RequestPut(_)) => true,
        Some(Op::RequestTxn(nested)) => puts(nested),
        _ => false,
    };
    txn.success.iter().any(is_put) || txn.failure.iter().any(is_put)
}

fn publish(meta: &AppliedState, system: &Arc<System>, store: &Store) -> Arc<Published> {
    Arc::new(Published {
        view: store.view(),
        applied: LogIndex(meta.applied_index),
        applied_term: Term(meta.applied_term),
        digest: meta.digest,
        conf_state: meta.conf_state.clone().unwrap_or_default(),
        system: Arc::clone(system),
        compact_finished: meta.compact_finished,
        lineage: meta.lineage.unwrap_or(0),
    })
}

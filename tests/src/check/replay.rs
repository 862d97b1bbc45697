//! The log, replayed by the simplest model there is.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use mini_etcd_proto::adminpb::LogEntry;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{Compare, DeleteRangeRequest, PutRequest, TxnRequest};
use mini_etcd_proto::internalpb::command::Request as Command;
use mini_etcd_shared::types::KeyRange;

use crate::history::Version;

/// What every key was at every revision, and where every value was written.
#[derive(Debug, Default)]
pub struct Replay {
    keys: BTreeMap<Bytes, Vec<(i64, Option<Version>)>>,
    written: HashMap<Bytes, Vec<i64>>,
    changes: Vec<i64>,
    last: u64,
}

impl Replay {
    /// Replays the committed entries of a log, from its first one on.
    ///
    /// # Errors
    /// When the entries have a gap, or carry what the model does not know.
    pub fn new(entries: &[LogEntry]) -> anyhow::Result<Self> {
        let mut replay = Self::default();
        for entry in entries {
            ensure!(
                replay.last == 0 || entry.index == replay.last + 1,
                "entry {} follows entry {}",
                entry.index,
                replay.last
            );
            replay.last = entry.index;
            let command = entry.command.as_ref().and_then(|command| command.request.as_ref());
            let Some(command) = command else { continue };
            let index = i64::try_from(entry.index).context("index over i64")?;
            let changed = replay.apply(command, index).with_context(|| format!("entry {index}"))?;
            if changed {
                replay.changes.push(index);
            }
        }
        Ok(replay)
    }

    fn apply(&mut self, command: &Command, index: i64) -> anyhow::Result<bool> {
        match command {
            Command::Put(put) => self.put(put, index),
            Command::DeleteRange(delete) => Ok(self.delete(delete, index)),
            Command::Txn(txn) => self.txn(txn, index),
            // No key hangs on a lease: see `put`. Permissions do not count.
            Command::Compaction(_)
            | Command::Alarm(_)
            | Command::Publish(_)
            | Command::LeaseGrant(_)
            | Command::LeaseRevoke(_)
            | Command::LeaseCheckpoint(_)
            | Command::Auth(_) => Ok(false),
        }
    }

    fn put(&mut self, put: &PutRequest, index: i64) -> anyhow::Result<bool> {
        ensure!(
            put.lease == 0 && !put.ignore_value && !put.ignore_lease,
            "the model knows plain puts only"
        );
        self.written.entry(put.value.clone()).or_default().push(index);
        let before = self.now(&put.key).cloned();
        let version = Version {
            value: put.value.clone(),
            create_revision: before.as_ref().map_or(index, |before| before.create_revision),
            mod_revision: index,
            version: before.map_or(1, |before| before.version + 1),
        };
        self.keys.entry(put.key.clone()).or_default().push((index, Some(version)));
        Ok(true)
    }

    fn delete(&mut self, delete: &DeleteRangeRequest, index: i64) -> bool {
        let range = KeyRange::new(delete.key.clone(), delete.range_end.clone());
        let mut changed = false;
        for (_, versions) in self.keys.range_mut::<[u8], _>(range.bounds()) {
            if versions.last().is_some_and(|(_, version)| version.is_some()) {
                versions.push((index, None));
                changed = true;
            }
        }
        changed
    }

    fn txn(&mut self, txn: &TxnRequest, index: i64) -> anyhow::Result<bool> {
        let mut holds = true;
        for compare in &txn.compare {
            holds &= self.compare(compare)?;
        }
        let mut changed = false;
        for op in if holds { &txn.success } else { &txn.failure } {
            match op.request.as_ref().context("an operation without a request")? {
                Op::RequestRange(_) => {}
                Op::RequestPut(put) => changed |= self.put(put, index)?,
                Op::RequestDeleteRange(delete) => changed |= self.delete(delete, index),
                Op::RequestTxn(_) => bail!("the model knows no nested transactions"),
            }
        }
        Ok(changed)
    }

    fn compare(&self, compare: &Compare) -> anyhow::Result<bool> {
        let known = compare.range_end.is_empty() && compare.result() == CompareResult::Equal;
        ensure!(known, "the model knows equality of single keys only");
        let stored = self.now(&compare.key);
        Ok(match (compare.target(), &compare.target_union) {
            (CompareTarget::Mod, Some(TargetUnion::ModRevision(given))) => {
                stored.map_or(0, |version| version.mod_revision) == *given
            }
            (CompareTarget::Create, Some(TargetUnion::CreateRevision(given))) => {
                stored.map_or(0, |version| version.create_revision) == *given
            }
            (CompareTarget::Version, Some(TargetUnion::Version(given))) => {
                stored.map_or(0, |version| version.version) == *given
            }
            (target, given) => bail!("the model knows no compare of {target:?} with {given:?}"),
        })
    }

    fn now(&self, key: &[u8]) -> Option<&Version> {
        self.keys
            .get(key)
            .and_then(|versions| versions.last())
            .and_then(|(_, version)| version.as_ref())
    }

    /// What `key` was at `revision`.
    #[must_use]
    pub fn at(&self, key: &[u8], revision: i64) -> Option<&Version> {
        let versions = self.keys.get(key)?;
        let place = versions.partition_point(|(index, _)| *index <= revision);
        versions.get(place.checked_sub(1)?).and_then(|(_, version)| version.as_ref())
    }

    /// Where `value` was written.
    #[must_use]
    pub fn written(&self, value: &[u8]) -> &[i64] {
        self.written.get(value).map_or(&[], Vec::as_slice)
    }

    /// Whether `revision` is that of a change of keys, or of a cluster in which nothing was written yet.
    #[must_use]
    pub fn is_revision(&self, revision: i64) -> bool {
        revision == 1 || self.changes.binary_search(&revision).is_ok()
    }

    /// Revisions at which keys changed, ascending.
    #[must_use]
    pub fn changes(&self) -> &[i64] {
        &self.changes
    }
}

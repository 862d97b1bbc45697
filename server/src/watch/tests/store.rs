//! Keys and their whole history in memory, as the store would show them.

use std::collections::BTreeMap;

use bytes::Bytes;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::Revision;
use prost::Message as _;

use crate::error::RequestError;
use crate::mvcc::{Event, EventKind, History, RowId};
use crate::watch::At;

/// One change of a transaction.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put(String, String),
    Delete(String),
}

#[derive(Clone)]
pub(super) struct Store {
    pub(super) revision: i64,
    pub(super) compacted: i64,
    pub(super) events: Vec<Event>,
    rows: BTreeMap<RowId, KeyValue>,
    keys: BTreeMap<Bytes, (RowId, KeyValue)>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            revision: 1,
            compacted: -1,
            events: Vec::new(),
            rows: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn at(&self) -> At {
        At { revision: self.revision, compacted: self.compacted }
    }

    /// Carries out one transaction; answers its events.
    pub(super) fn txn(&mut self, changes: &[Change]) -> Vec<Event> {
        let revision = self.revision + 1;
        let before = self.keys.clone();
        let mut events = Vec::new();
        for change in changes {
            let sub = u32::try_from(events.len()).unwrap();
            let id = RowId { revision: Revision(revision), sub };
            events.extend(self.change(change, id, &before));
        }
        if !events.is_empty() {
            self.revision = revision;
        }
        self.events.extend(events.iter().cloned());
        events
    }

    fn change(
        &mut self,
        change: &Change,
        id: RowId,
        before: &BTreeMap<Bytes, (RowId, KeyValue)>,
    ) -> Option<Event> {
        let (kind, kv) = match change {
            Change::Put(key, value) => {
                let key = Bytes::from(key.clone());
                let old = self.keys.get(&key).map(|(_, old)| old);
                let kv = KeyValue {
                    create_revision: old.map_or(id.revision.0, |old| old.create_revision),
                    version: old.map_or(1, |old| old.version + 1),
                    mod_revision: id.revision.0,
                    value: Bytes::from(value.clone()),
                    lease: 0,
                    key,
                };
                self.keys.insert(kv.key.clone(), (id, kv.clone()));
                (EventKind::Put, kv)
            }
            Change::Delete(key) => {
                let (_, old) = self.keys.remove(key.as_bytes())?;
                let mod_revision = id.revision.0;
                (EventKind::Delete, KeyValue { key: old.key, mod_revision, ..KeyValue::default() })
            }
        };
        self.rows.insert(id, kv.clone());
        let creates = kind == EventKind::Put && kv.create_revision == kv.mod_revision;
        let prev = before.get(&kv.key).map(|(id, _)| *id).filter(|_| !creates);
        let encoded = Bytes::from(kv.encode_to_vec());
        Some(Event { id, kind, key: kv.key, kv: encoded, prev })
    }

    pub(super) fn version(&self, id: RowId) -> Option<KeyValue> {
        self.rows.get(&id).cloned()
    }

    /// As `View::history`: up to `revisions` wanted revisions, and a look at no more than `looks` events.
    pub(super) fn history(
        &self,
        from: i64,
        revisions: usize,
        looks: usize,
        wanted: &dyn Fn(&[u8]) -> bool,
    ) -> Result<History, RequestError> {
        if from < self.compacted {
            return Err(RequestError::Compacted);
        }
        let mut events: Vec<Event> = Vec::new();
        let (mut found, mut looked, mut current) = (0, 0, 0);
        for event in self.events.iter().filter(|event| event.id.revision.0 >= from) {
            if event.id.revision.0 != current && (found >= revisions || looked >= looks) {
                return Ok(History { events, next: event.id.revision });
            }
            current = event.id.revision.0;
            looked += 1;
            if wanted(&event.key) {
                if events.last().is_none_or(|last| last.id.revision.0 != current) {
                    found += 1;
                }
                events.push(event.clone());
            }
        }
        Ok(History { events, next: Revision(from.max(self.revision + 1)) })
    }
}

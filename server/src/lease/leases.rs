//! [`Leases`]: which leases there are and which keys hang on them, as a part of the applied state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::LeaseGrantRequest;
use mini_etcd_proto::internalpb::{CheckpointLeases, Lease, RevokeLease};
use mini_etcd_shared::types::{LogIndex, Term};
use prost::Message;

use crate::error::RequestError;
use crate::storage::{Batch, Space, SystemRow};

/// Table of [`Space::System`].
const LEASE: u8 = b'l';

/// The leases, for the one thread that changes them.
#[derive(Default)]
pub struct Leases {
    view: LeaseView,
    /// Of this turn, in order.
    changes: Vec<LeaseChange>,
}

/// The leases as they are now, for readers; cheap to clone.
#[derive(Clone, Default)]
pub struct LeaseView {
    table: Arc<RwLock<Table>>,
}

#[derive(Default)]
struct Table {
    leases: BTreeMap<i64, Held>,
    /// The lease that each key hangs on; the others are not here.
    by_key: BTreeMap<Arc<[u8]>, i64>,
}

struct Held {
    times: LeaseTimes,
    keys: BTreeSet<Arc<[u8]>>,
}

/// A lease as its row has it.
#[derive(Debug)]
pub(crate) struct StoredLease {
    pub(crate) id: i64,
    pub(crate) times: LeaseTimes,
}

impl StoredLease {
    /// None when the row is not one of a lease.
    pub(crate) fn of(row: SystemRow<'_>) -> Option<Self> {
        let SystemRow { table: LEASE, id, rest: [], value } = row else { return None };
        let Lease { ttl, remaining, granted } = Lease::decode(value).ok()?;
        let times = LeaseTimes { ttl, remaining, granted: LogIndex(granted) };
        Some(Self { id: id.cast_signed(), times })
    }

    /// Key and value of its row.
    pub(crate) fn row(&self) -> (Vec<u8>, Vec<u8>) {
        let LeaseTimes { ttl, remaining, granted } = self.times;
        let row = Lease { ttl, remaining, granted: granted.0 };
        (SystemRow::key(LEASE, self.id.cast_unsigned(), &[]), row.encode_to_vec())
    }
}

/// How long a lease lives, as all members know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// Time to live in seconds.
    pub ttl: i64,
    /// Seconds that were left at the last checkpoint; 0 where the lease was renewed since, or there was none.
    pub remaining: i64,
    /// The entry that granted it.
    pub granted: LogIndex,
}

/// What happened to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseChange {
    /// It is there.
    Granted(i64, LeaseTimes),
    /// It is gone.
    Revoked(i64),
    /// It was noted how much is left of it; 0 when that was taken back.
    Checkpointed(i64, LeaseTimes),
}

impl Leases {
    /// Takes up a row; none when it is not of here.
    pub(crate) fn load(&mut self, row: SystemRow<'_>) -> Option<()> {
        let StoredLease { id, times } = StoredLease::of(row)?;
        self.view.write().leases.insert(id, Held { times, keys: BTreeSet::new() });
        Some(())
    }

    /// A key that hangs on a lease that is not there: after the rows of leases and keys are loaded, that is damage (I1).
    pub(crate) fn orphan(&self) -> Option<Bytes> {
        let table = self.view.read();
        let mut keys = table.by_key.iter();
        let orphan = keys.find(|(_, lease)| !table.leases.contains_key(lease));
        orphan.map(|(key, _)| Bytes::copy_from_slice(key))
    }

    #[must_use]
    pub fn view(&self) -> LeaseView {
        self.view.clone()
    }

    /// What happened since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<LeaseChange> {
        std::mem::take(&mut self.changes)
    }

    /// Whether a key may be put with `lease`.
    ///
    /// # Errors
    /// It is not there. 0 is no lease, and allowed.
    pub(crate) fn check(&self, lease: i64) -> Result<(), RequestError> {
        if lease == 0 || self.view.read().leases.contains_key(&lease) {
            return Ok(());
        }
        Err(RequestError::LeaseNotFound)
    }

    /// Grants a lease by the entry at `index`.
    ///
    /// # Errors
    /// There is one of that number.
    pub(crate) fn grant(
        &mut self,
        request: &LeaseGrantRequest,
        index: LogIndex,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        let id = request.id;
        if id == 0 {
            // No client gets here with it. It means none wherever a lease is named.
            return Err(RequestError::LeaseNotFound);
        }
        if self.view.read().leases.contains_key(&id) {
            return Err(RequestError::LeaseExist);
        }
        let times = LeaseTimes { ttl: request.ttl, remaining: 0, granted: index };
        put_row(id, times, batch);
        self.view.write().leases.insert(id, Held { times, keys: BTreeSet::new() });
        self.changes.push(LeaseChange::Granted(id, times));
        Ok(())
    }

    /// Ends a lease by an entry of `term`: the keys that must go with it, in order.
    ///
    /// # Errors
    /// It is not there; it is another one, or in another term, than was seen to expire (I3).
    pub(crate) fn revoke(
        &mut self,
        request: &RevokeLease,
        term: Term,
        batch: &mut Batch,
    ) -> Result<BTreeSet<Arc<[u8]>>, RequestError> {
        let RevokeLease { id, term: seen_in, granted } = *request;
        if seen_in != 0 && Term(seen_in) != term {
            return Err(RequestError::NotLeader);
        }
        let mut table = self.view.write();
        let is_meant = |held: &Held| granted == 0 || held.times.granted == LogIndex(granted);
        if !table.leases.get(&id).is_some_and(is_meant) {
            return Err(RequestError::LeaseNotFound);
        }
        let keys = table.leases.remove(&id).map(|held| held.keys).unwrap_or_default();
        batch.remove(Space::System, SystemRow::key(LEASE, id.cast_unsigned(), &[]));
        self.changes.push(LeaseChange::Revoked(id));
        Ok(keys)
    }

    /// Notes how much is left of leases, by an entry of `term`. Leases that are gone are passed over.
    ///
    /// # Errors
    /// The leader of another term asked (I3).
    pub(crate) fn checkpoint(
        &mut self,
        request: &CheckpointLeases,
        term: Term,
        batch: &mut Batch,
    ) -> Result<(), RequestError> {
        if Term(request.term) != term {
            return Err(RequestError::NotLeader);
        }
        let mut table = self.view.write();
        for lease in &request.leases {
            let held = table.leases.get_mut(&lease.id);
            if let Some(held) = held.filter(|it| it.times.granted.0 == lease.granted) {
                held.times.remaining = lease.remaining;
                put_row(lease.id, held.times, batch);
                self.changes.push(LeaseChange::Checkpointed(lease.id, held.times));
            }
        }
        Ok(())
    }

    /// Whether nothing is here that a change of a key could concern.
    pub(crate) fn is_unused(&self) -> bool {
        let table = self.view.read();
        table.leases.is_empty() && table.by_key.is_empty()
    }

    /// A key hangs on `lease` from now on; 0 when it hangs on none, or is gone (I1).
    pub(crate) fn follow(&mut self, key: &[u8], lease: i64) {
        let mut table = self.view.write();
        let before = table.by_key.get(key).copied().unwrap_or_default();
        if before == lease {
            return;
        }
        if let Some(held) = table.leases.get_mut(&before) {
            held.keys.remove(key);
        }
        if lease == 0 {
            table.by_key.remove(key);
            return;
        }
        let key: Arc<[u8]> = key.into();
        if let Some(held) = table.leases.get_mut(&lease) {
            held.keys.insert(Arc::clone(&key));
        }
        table.by_key.insert(key, lease);
    }
}

impl LeaseView {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The times of a lease; none where there is no such lease.
    #[must_use]
    pub fn times(&self, lease: i64) -> Option<LeaseTimes> {
        self.read().leases.get(&lease).map(|held| held.times)
    }

    /// The keys that hang on a lease, in order; none where there is no such lease.
    #[must_use]
    pub fn keys(&self, lease: i64) -> Option<Vec<Bytes>> {
        let table = self.read();
        let keys = table.leases.get(&lease)?.keys.iter();
        Some(keys.map(|key| Bytes::copy_from_slice(key)).collect())
    }

    /// Shows each key that hangs on a lease, in order, until one is not to the taste of `judge`. Keep it short: it holds a lock.
    ///
    /// # Errors
    /// Those of `judge`.
    pub fn try_each_key<E>(
        &self,
        lease: i64,
        judge: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let table = self.read();
        let keys = table.leases.get(&lease).map(|held| held.keys.iter());
        keys.into_iter().flatten().map(|key| &**key).try_for_each(judge)
    }

    /// Bytes that a message of those keys takes, about.
    #[must_use]
    pub fn key_bytes(&self, lease: i64) -> usize {
        /// Of a message: tag and length.
        const HEAD: usize = 6;
        let table = self.read();
        let keys = table.leases.get(&lease).map(|held| held.keys.iter());
        keys.into_iter().flatten().map(|key| key.len() + HEAD).sum()
    }

    /// How many leases there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.read().leases.len()
    }

    /// All leases with their times, by number.
    #[must_use]
    pub fn all(&self) -> Vec<(i64, LeaseTimes)> {
        self.read().leases.iter().map(|(id, held)| (*id, held.times)).collect()
    }
}

fn put_row(id: i64, times: LeaseTimes, batch: &mut Batch) {
    let (key, row) = StoredLease { id, times }.row();
    batch.put(Space::System, key, row);
}

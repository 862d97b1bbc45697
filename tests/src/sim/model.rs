//! What the keys must be: the committed requests, carried out by the shortest code that can.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{LeaseGrantRequest, PutRequest, TxnRequest, compare};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{
    Asker, AuthChange, Command, ConfChange, Entry as LogEntry, EntryKind, RevokeLease,
};
use prost::Message;

use super::users::Users;

/// A key's value and the revision that wrote it.
pub type Version = (Bytes, i64);

/// The committed log and what follows from it.
#[derive(Debug, Default)]
pub struct Model {
    /// Entries by index.
    entries: BTreeMap<u64, LogEntry>,
    /// Versions of each key by revision; none where it was removed.
    keys: BTreeMap<Bytes, BTreeMap<i64, Option<Bytes>>>,
    /// Index of each request.
    requests: BTreeMap<(u64, u64), u64>,
    /// Leases that are there, with the indexes of their grants.
    leases: BTreeMap<i64, u64>,
    /// The leases that keys hang on.
    hang_on: BTreeMap<Bytes, i64>,
    /// Until when the lease of each grant lives at least, in milliseconds.
    lives_until: BTreeMap<u64, u64>,
    /// Confirmed renewals.
    pub renewals: u64,
    /// Leases that expired.
    pub expired: u64,
    /// Who is a member, and who was.
    pub members: BTreeSet<u64>,
    pub removed: BTreeSet<u64>,
    /// Changes of that since somebody looked.
    pub changes: Vec<ConfChange>,
    users: Users,
    /// Puts that their users may not make.
    pub denied: u64,
    /// Digest of the state at each index.
    digests: BTreeMap<u64, u64>,
}

impl Model {
    /// Of a cluster that begins with so many members.
    #[must_use]
    pub fn of(members: u64) -> Self {
        Self { members: (1..=members).collect(), ..Self::default() }
    }

    /// A member applied `entry` at the time `now`.
    ///
    /// # Errors
    /// When another entry was committed at that index, a request a second time, or the end of a lease before its time.
    pub fn committed(&mut self, entry: &LogEntry, now: u64) -> Result<()> {
        if let Some(known) = self.entries.get(&entry.index) {
            ensure!(known == entry, "two entries committed at index {}", entry.index);
            return Ok(());
        }
        let last = self.entries.last_key_value().map_or(1, |(index, _)| *index);
        ensure!(entry.index == last + 1, "index {} applied after {last}", entry.index);
        self.entries.insert(entry.index, entry.clone());
        if entry.data.is_empty() {
            return Ok(());
        }
        if entry.kind == EntryKind::ConfChange as i32 {
            let change = ConfChange::decode(entry.data.clone())?;
            self.once((change.origin, change.sequence), entry)?;
            return self.change(change);
        }
        let command = Command::decode(entry.data.clone())?;
        self.once((command.origin, command.sequence), entry)?;
        self.carry_out(command, entry, now)
    }

    fn once(&mut self, number: (u64, u64), entry: &LogEntry) -> Result<()> {
        if let Some(first) = self.requests.insert(number, entry.index) {
            bail!("request {number:?} was committed at {first} and again at {}", entry.index);
        }
        Ok(())
    }

    fn change(&mut self, change: ConfChange) -> Result<()> {
        let id = change.member_id;
        match change.kind() {
            Kind::AddLearner => {
                ensure!(!self.removed.contains(&id), "n{id} was removed and is added again");
                ensure!(self.members.insert(id), "n{id} is added twice");
            }
            Kind::Remove => {
                ensure!(self.members.remove(&id), "n{id} is removed and no member");
                self.removed.insert(id);
            }
            Kind::AddVoter => ensure!(self.members.contains(&id), "n{id} votes and is no member"),
            Kind::Update => {}
        }
        self.changes.push(change);
        Ok(())
    }

    fn carry_out(&mut self, command: Command, entry: &LogEntry, now: u64) -> Result<()> {
        let revision = i64::try_from(entry.index)?;
        match command.request {
            Some(Request::Put(put)) => {
                if self.may_put(&command.asker.unwrap_or_default(), &put) {
                    self.put(put, revision);
                } else {
                    self.denied += 1;
                }
            }
            Some(Request::DeleteRange(delete)) => self.remove(delete.key, revision),
            Some(Request::Txn(txn)) => self.transact(txn, revision)?,
            Some(Request::Compaction(_) | Request::LeaseCheckpoint(_)) => {}
            Some(Request::LeaseGrant(grant)) => self.grant(grant, entry.index, now)?,
            Some(Request::LeaseRevoke(revoke)) => self.revoke(revoke, entry, now)?,
            Some(Request::Auth(AuthChange { change: Some(change) })) => self.users.change(&change),
            _ => bail!("the model knows no such request"),
        }
        Ok(())
    }

    /// Whether `asker` may write the key, and all others that hang on its lease.
    fn may_put(&self, asker: &Asker, put: &PutRequest) -> bool {
        let hang = self.hang_on.iter().filter(|(_, lease)| put.lease != 0 && **lease == put.lease);
        let mut keys = hang.map(|(key, _)| key).chain([&put.key]);
        keys.all(|key| self.users.may(asker, key))
    }

    fn grant(&mut self, grant: LeaseGrantRequest, index: u64, now: u64) -> Result<()> {
        if let Entry::Vacant(lease) = self.leases.entry(grant.id) {
            lease.insert(index);
            self.lives_until.insert(index, now + u64::try_from(grant.ttl)? * 1000);
        }
        Ok(())
    }

    /// The leases after the entry at `index`, with the indexes of their grants, if that is the last there was.
    #[must_use]
    pub fn leases_at(&self, index: u64) -> Option<&BTreeMap<i64, u64>> {
        let last = self.entries.last_key_value().map(|(index, _)| *index);
        (last == Some(index)).then_some(&self.leases)
    }

    /// Users and roles after the entry at `index`, if that is the last there was.
    #[must_use]
    pub fn users_at(&self, index: u64) -> Option<&Users> {
        let last = self.entries.last_key_value().map(|(index, _)| *index);
        (last == Some(index)).then_some(&self.users)
    }

    /// It was confirmed to a client that the lease lives until then.
    pub fn renewed(&mut self, granted: u64, until: u64) {
        let lives_until = self.lives_until.entry(granted).or_default();
        *lives_until = until.max(*lives_until);
        self.renewals += 1;
    }

    fn revoke(&mut self, revoke: RevokeLease, entry: &LogEntry, now: u64) -> Result<()> {
        let Some(granted) = self.leases.get(&revoke.id).copied() else { return Ok(()) };
        let is_expiry = revoke.term != 0;
        if is_expiry && (revoke.term != entry.term || revoke.granted != granted) {
            return Ok(());
        }
        if is_expiry {
            let until = self.lives_until.get(&granted).copied().unwrap_or_default();
            ensure!(now >= until, "lease {} ended at {now}, and lives until {until}", revoke.id);
            self.expired += 1;
        }
        self.leases.remove(&revoke.id);
        let keys = self.hang_on.iter().filter(|(_, lease)| **lease == revoke.id);
        for key in keys.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.remove(key, i64::try_from(entry.index)?);
        }
        Ok(())
    }

    fn put(&mut self, put: PutRequest, revision: i64) {
        if put.lease == 0 {
            self.hang_on.remove(&put.key);
        } else if self.leases.contains_key(&put.lease) {
            self.hang_on.insert(put.key.clone(), put.lease);
        } else {
            return;
        }
        self.keys.entry(put.key).or_default().insert(revision, Some(put.value));
    }

    fn remove(&mut self, key: Bytes, revision: i64) {
        self.hang_on.remove(&key);
        if self.at(&key, revision).is_some() {
            self.keys.entry(key).or_default().insert(revision, None);
        }
    }

    fn transact(&mut self, txn: TxnRequest, revision: i64) -> Result<()> {
        let mut holds = true;
        for compare in &txn.compare {
            let present = self.at(&compare.key, revision).map_or(0, |(_, revision)| revision);
            match &compare.target_union {
                Some(compare::TargetUnion::ModRevision(wanted)) => holds &= present == *wanted,
                _ => bail!("the model knows no such compare"),
            }
        }
        for op in if holds { txn.success } else { txn.failure } {
            match op.request {
                Some(Op::RequestPut(put)) => self.put(put, revision),
                Some(Op::RequestRange(_)) => {}
                _ => bail!("the model knows no such operation"),
            }
        }
        Ok(())
    }

    /// The key as of `revision`.
    #[must_use]
    pub fn at(&self, key: &Bytes, revision: i64) -> Option<Version> {
        let (written, value) = self.keys.get(key)?.range(..=revision).next_back()?;
        value.clone().map(|value| (value, *written))
    }

    /// Where a request was committed.
    #[must_use]
    pub fn place_of(&self, origin: u64, sequence: u64) -> Option<u64> {
        self.requests.get(&(origin, sequence)).copied()
    }

    /// A member's digest at an index.
    ///
    /// # Errors
    /// When another member had another.
    pub fn digest(&mut self, index: u64, digest: u64) -> Result<()> {
        let known = *self.digests.entry(index).or_insert(digest);
        ensure!(known == digest, "the states at index {index} differ");
        Ok(())
    }
}

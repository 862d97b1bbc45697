//! [`BackupContent`]: what a backup of an etcd 3.4 to 3.7, or of ours, holds.
//!
//! Who wrote it is not believed: what cannot be is refused by the bucket and key it stands at.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::AlarmMember;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::bbolt::{BboltError, Database, Item};
use mini_etcd_shared::types::LogIndex;
use prost::Message;
use xxhash_rust::xxh3::xxh3_64;

use super::schema::{
    ALARM, AUTH, AUTH_ENABLED, AUTH_REVISION, AUTH_ROLES, AUTH_USERS, CONF_STATE, EtcdLease,
    FINISHED_COMPACTION, KEY, LEASE, META, SCHEDULED_COMPACTION, STORAGE_VERSION,
    parse_version_key,
};
use crate::auth::Auth;
use crate::lease::{LeaseTimes, StoredLease};
use crate::limits::{
    AUTH_NAME_BYTES_MAX, BACKUP_AUTH_BYTES_MAX, BCRYPT_COST_COMPARED_MAX, LEASE_TTL_MAX,
};
use crate::mvcc::RowId;
use crate::storage::StorageError;

const TOO_DEAR: &str = "the password has a cost above 16, so that each login would hold a member up: make the backup after the                         user got another one";

/// Why a backup cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It is no sound database. For whoever made it.
    #[error(transparent)]
    Bbolt(#[from] BboltError),
    /// An entry cannot be what an etcd wrote. For whoever made it.
    #[error("bucket {bucket}, key {}: {what}", shown(key))]
    Entry {
        bucket: String,
        key: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The disk that it is written to refused. For the operator.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A name of a user or role reads as one; what it begins with is enough.
fn shown(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(name) if !name.is_empty() && !name.chars().any(char::is_control) => {
            format!("{:?}", name.chars().take(100).collect::<String>())
        }
        _ => format!("{:02x?}", key.get(..64).unwrap_or(key)),
    }
}

/// What a backup holds beside the versions themselves.
#[derive(Debug)]
pub struct BackupContent {
    /// Oldest version of etcd that writes such buckets.
    pub schema: String,
    pub revision: i64,
    /// Revision below which history was given up; -1 for none.
    pub compacted: i64,
    /// The compaction up to which dead versions are gone; -1 for none.
    pub finished: i64,
    pub versions: u64,
    /// How many of these are ends of lives.
    pub removals: u64,
    /// Keys that exist at `revision`.
    pub keys: u64,
    pub(crate) leases: Vec<StoredLease>,
    /// Leases that keys hang on and that are not there, with the keys on each.
    pub lost_leases: BTreeMap<i64, u64>,
    pub alarms: Vec<(u64, i32)>,
    /// Users and roles, and whether they count.
    pub auth: Auth,
}

impl BackupContent {
    /// Reads a backup, and hands each version to `take`, in order.
    ///
    /// # Errors
    /// A file that is damaged, or no backup; what `take` answers.
    pub fn read(
        database: &Database<'_>,
        take: &mut dyn FnMut(RowId, &KeyValue, bool) -> Result<(), StorageError>,
    ) -> Result<Self, ContentError> {
        let mut reading = Reading::new(take);
        database.walk(&mut |item| match item {
            Item::Bucket(name) => {
                reading.seen.insert(name.to_vec());
                reading.bucket = name.to_vec();
                Ok(())
            }
            Item::Entry(key, value) => reading.entry(key, value).map_err(|fault| match fault {
                Fault::Entry(what) => {
                    let bucket = String::from_utf8_lossy(&reading.bucket).into_owned();
                    ContentError::Entry { bucket, key: key.to_vec(), what }
                }
                Fault::Storage(error) => error.into(),
            }),
        })?;
        reading.finish()
    }

    /// Leases, also those that were lost; granted by the entry at `index`.
    pub(crate) fn leases(&self, index: LogIndex) -> impl Iterator<Item = StoredLease> {
        // Nobody knows how long a lost one lived. Its keys must not go before somebody has looked.
        let lost = self.lost_leases.keys().map(|id| (*id, LEASE_TTL_MAX, 0));
        let known = self.leases.iter().map(|it| (it.id, it.times.ttl, it.times.remaining));
        known.chain(lost).map(move |(id, ttl, remaining)| StoredLease {
            id,
            times: LeaseTimes { ttl, remaining, granted: index },
        })
    }

    /// How many leases it has.
    #[must_use]
    pub fn lease_count(&self) -> usize {
        self.leases.len()
    }
}

/// What is wrong with an entry, or with the disk.
enum Fault {
    Entry(&'static str),
    Storage(StorageError),
}

type Take<'a> = dyn FnMut(RowId, &KeyValue, bool) -> Result<(), StorageError> + 'a;

struct Reading<'a> {
    take: &'a mut Take<'a>,
    bucket: Vec<u8>,
    /// Buckets that were there.
    seen: BTreeSet<Vec<u8>>,
    last: Option<RowId>,
    /// The lease of each key that exists, 0 for none, by a hash of the key: keys are too long to keep.
    living: BTreeMap<u64, i64>,
    has_conf_state: bool,
    /// What users and roles took.
    auth_bytes: usize,
    content: BackupContent,
}

impl<'a> Reading<'a> {
    fn new(take: &'a mut Take<'a>) -> Self {
        let content = BackupContent {
            schema: String::new(),
            revision: 1,
            compacted: -1,
            finished: -1,
            versions: 0,
            removals: 0,
            keys: 0,
            leases: Vec::new(),
            lost_leases: BTreeMap::new(),
            alarms: Vec::new(),
            auth: Auth::default(),
        };
        let (seen, living) = (BTreeSet::new(), BTreeMap::new());
        let (bucket, last, has_conf_state) = (Vec::new(), None, false);
        Self { take, bucket, seen, last, living, has_conf_state, auth_bytes: 0, content }
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let content = &mut self.content;
        match self.bucket.as_slice() {
            KEY => return self.version(key, value),
            LEASE => content.leases.push(lease_of(key, value).map_err(Fault::Entry)?),
            ALARM => {
                let alarm = AlarmMember::decode(key);
                let alarm = alarm.map_err(|_| Fault::Entry("it is no alarm"))?;
                content.alarms.push((alarm.member_id, alarm.alarm));
            }
            META => self.meta(key, value).map_err(Fault::Entry)?,
            AUTH | AUTH_USERS | AUTH_ROLES => self.auth(key, value).map_err(Fault::Entry)?,
            // Members of another cluster, its version, and what a later etcd may have.
            _ => {}
        }
        Ok(())
    }

    fn version(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let (id, tombstone) = parse_version_key(key).ok_or(Fault::Entry("it is no revision"))?;
        if id.revision.0 < 1 || self.last.is_some_and(|last| last >= id) {
            return Err(Fault::Entry("its revision is not above the one before"));
        }
        self.last = Some(id);
        self.content.revision = self.content.revision.max(id.revision.0);
        if value.is_empty() && !tombstone {
            // What a restore that raises the revision leaves.
            return Ok(());
        }
        let kv = KeyValue::decode(Bytes::copy_from_slice(value));
        let mut kv = kv.map_err(|_| Fault::Entry("its value is no version of a key"))?;
        if kv.key.is_empty() {
            return Err(Fault::Entry("it is of no key"));
        }
        if tombstone {
            kv = KeyValue { key: kv.key, mod_revision: id.revision.0, ..KeyValue::default() };
            self.living.remove(&xxh3_64(&kv.key));
        } else {
            let is_whole = kv.mod_revision == id.revision.0
                && (1..=kv.mod_revision).contains(&kv.create_revision)
                && kv.version >= 1;
            if !is_whole {
                return Err(Fault::Entry("its revisions contradict each other"));
            }
            self.living.insert(xxh3_64(&kv.key), kv.lease);
        }
        self.content.versions += 1;
        self.content.removals += u64::from(tombstone);
        (self.take)(id, &kv, tombstone).map_err(Fault::Storage)
    }

    fn auth(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let auth = &mut self.content.auth;
        if self.bucket == AUTH {
            match key {
                AUTH_ENABLED => {
                    let is_enabled = match value {
                        [0] => false,
                        [1] => true,
                        _ => return Err("it is neither 0 nor 1"),
                    };
                    auth.stand(is_enabled, auth.revision());
                }
                AUTH_REVISION => {
                    let revision = value.try_into().map(u64::from_be_bytes);
                    let fits = |revision: &u64| i64::try_from(*revision).is_ok();
                    let revision =
                        revision.ok().filter(fits).ok_or("it is no revision of users")?;
                    auth.stand(auth.is_enabled(), revision);
                }
                _ => {}
            }
            return Ok(());
        }
        if key.len() > AUTH_NAME_BYTES_MAX {
            return Err("the name is longer than 4096 bytes");
        }
        self.auth_bytes = self.auth_bytes.saturating_add(key.len() + value.len());
        if self.auth_bytes > BACKUP_AUTH_BYTES_MAX {
            return Err("users and roles take more than 64 MiB");
        }
        if self.bucket == AUTH_USERS {
            auth.load_user(key, value).ok_or("it is not the user of this name")?;
            let cost = std::str::from_utf8(key).ok().and_then(|user| auth.password_cost(user));
            if cost.is_some_and(|cost| cost > BCRYPT_COST_COMPARED_MAX) {
                return Err(TOO_DEAR);
            }
            Ok(())
        } else {
            auth.load_role(key, value).ok_or("it is not the role of this name")
        }
    }

    fn meta(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let compaction = || {
            let revision = parse_version_key(value).map(|(RowId { revision, .. }, _)| revision.0);
            revision.filter(|revision| *revision >= 0).ok_or("it is no revision")
        };
        let content = &mut self.content;
        match key {
            FINISHED_COMPACTION => content.finished = compaction()?,
            SCHEDULED_COMPACTION => content.compacted = compaction()?,
            STORAGE_VERSION => content.schema = String::from_utf8_lossy(value).into_owned(),
            CONF_STATE => self.has_conf_state = true,
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<BackupContent, ContentError> {
        let wrong = |bucket: &[u8], what| ContentError::Entry {
            bucket: String::from_utf8_lossy(bucket).into_owned(),
            key: Vec::new(),
            what,
        };
        if let Some(missing) = [KEY, META].into_iter().find(|bucket| !self.seen.contains(*bucket)) {
            return Err(wrong(missing, "it is missing: this is no database of an etcd"));
        }
        let mut content = self.content;
        if content.auth.is_enabled() && !content.auth.has_root() {
            return Err(wrong(AUTH, "users count, and no user root has the role root"));
        }
        content.compacted = content.compacted.max(content.finished);
        // A compaction may have taken the last version.
        content.revision = content.revision.max(content.compacted);
        if content.revision == i64::MAX {
            return Err(wrong(KEY, "no revision is left above its last one"));
        }
        if content.schema.is_empty() {
            let schema = if self.has_conf_state { "3.5" } else { "3.4" };
            schema.clone_into(&mut content.schema);
        }
        content.keys = self.living.len() as u64;
        for lease in self.living.into_values().filter(|lease| *lease != 0) {
            if content.leases.binary_search_by_key(&lease.cast_unsigned(), unsigned).is_err() {
                *content.lost_leases.entry(lease).or_default() += 1;
            }
        }
        Ok(content)
    }
}

/// Leases come in the order of their bytes.
fn unsigned(lease: &StoredLease) -> u64 {
    lease.id.cast_unsigned()
}

fn lease_of(key: &[u8], value: &[u8]) -> Result<StoredLease, &'static str> {
    let id = key.try_into().map(i64::from_be_bytes).map_err(|_| "it is no number of a lease")?;
    let EtcdLease { id: inside, ttl, remaining } =
        EtcdLease::decode(value).map_err(|_| "it is no lease")?;
    let fits = id != 0 && inside == id && (1..=LEASE_TTL_MAX).contains(&ttl);
    if !fits || !(0..=ttl).contains(&remaining) {
        return Err("its number or times cannot be");
    }
    // Who restores it says which entry granted it.
    let times = LeaseTimes { ttl, remaining, granted: LogIndex(0) };
    Ok(StoredLease { id, times })
}

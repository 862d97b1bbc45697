//! [`BackupSource`]: a published state as the buckets of an etcd.

use std::ops::{Bound, ControlFlow};

use mini_etcd_proto::etcdserverpb::AlarmMember;
use mini_etcd_proto::internalpb::{ConfState, Member};
use mini_etcd_shared::bbolt::{BulkLoader, Layout};
use mini_etcd_shared::types::Revision;
use prost::Message;
use serde::Serialize;

use super::schema::{
    ALARM, AUTH, AUTH_ENABLED, AUTH_REVISION, AUTH_ROLES, AUTH_USERS, CLUSTER, CLUSTER_VERSION,
    CONF_STATE, CONSISTENT_INDEX, EtcdLease, FINISHED_COMPACTION, KEY, LEASE, MEMBERS,
    MEMBERS_REMOVED, META, SCHEDULED_COMPACTION, TERM, version_key,
};
use crate::apply::Published;
use crate::lease::StoredLease;
use crate::mvcc::{RowId, StoredRow};
use crate::storage::{Space, StorageError, SystemRow};

/// The version of etcd whose buckets these are.
const ETCD_VERSION: &str = "3.5.0";

/// Why a backup ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk refused. For the operator.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A row cannot be what was written. For the operator.
    #[error("row {0:02x?} is damaged")]
    Damaged(Vec<u8>),
    /// Nobody takes it any more.
    #[error("nobody takes the backup any more")]
    Gone,
}

/// One published state, as a backup.
pub struct BackupSource {
    state: Published,
}

type Loader<'a> = BulkLoader<'a, BackupError>;
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), BackupError> + 'a;
type Out<'a> = dyn FnMut(&[u8]) -> Result<(), BackupError> + 'a;

impl BackupSource {
    /// Of this state. Does not hold compaction back.
    #[must_use]
    pub fn new(published: &Published) -> Self {
        Self { state: Published { view: published.view.unpinned(), ..published.clone() } }
    }

    /// Reads everything, to know how large the backup is and what its first pages are.
    ///
    /// # Errors
    /// A failing disk, or damage.
    pub fn layout(&self) -> Result<Layout, BackupError> {
        self.load(&mut |_| Ok(()))
    }

    /// Hands the pages behind those of the layout to `out`, in order.
    ///
    /// # Errors
    /// A failing disk, damage, or what `out` answers.
    pub fn load(&self, out: &mut Out<'_>) -> Result<Layout, BackupError> {
        let mut loader = BulkLoader::new(out);
        // By name, as a bulk load wants it.
        self.alarms(&mut loader)?;
        self.users(&mut loader)?;
        loader.bucket(CLUSTER)?;
        loader.put(CLUSTER_VERSION, ETCD_VERSION.as_bytes())?;
        self.keys(&mut loader)?;
        self.leases(&mut loader)?;
        self.members(&mut loader)?;
        self.meta(&mut loader)?;
        loader.finish()
    }

    fn alarms(&self, loader: &mut Loader<'_>) -> Result<(), BackupError> {
        loader.bucket(ALARM)?;
        let raised = self.state.alarms.raised.iter();
        let key = |&(member_id, alarm): &(u64, i32)| AlarmMember { member_id, alarm };
        let mut keys: Vec<_> = raised.map(|raised| key(raised).encode_to_vec()).collect();
        keys.sort_unstable();
        keys.iter().try_for_each(|key| loader.put(key, &[]))
    }

    fn users(&self, loader: &mut Loader<'_>) -> Result<(), BackupError> {
        let auth = &self.state.auth;
        loader.bucket(AUTH)?;
        loader.put(AUTH_ENABLED, &[u8::from(auth.is_enabled())])?;
        loader.put(AUTH_REVISION, &auth.revision().to_be_bytes())?;
        loader.bucket(AUTH_ROLES)?;
        auth.stored_roles().try_for_each(|(name, role)| loader.put(name.as_bytes(), &role))?;
        loader.bucket(AUTH_USERS)?;
        auth.stored_users().try_for_each(|(name, user)| loader.put(name.as_bytes(), &user))
    }

    fn keys(&self, loader: &mut Loader<'_>) -> Result<(), BackupError> {
        loader.bucket(KEY)?;
        let mut last = None;
        self.scan(Space::Rows, &mut |key, row| {
            let row = StoredRow::of(key, row).ok_or_else(|| BackupError::Damaged(key.to_vec()))?;
            last = Some(row.id.revision);
            loader.put(&version_key(row.id, row.tombstone), row.version)
        })?;
        let (revision, compacted) = (self.state.view.revision(), self.state.view.compacted());
        // etcd takes its revision from the last version, or from the compaction behind it. A revision that was raised by a
        // restore has neither: etcd's own restore puts an empty version there.
        let known = last.unwrap_or(Revision(1)).0.max(compacted);
        if known < revision.0 {
            loader.put(&version_key(RowId { revision, sub: 0 }, false), &[])?;
        }
        Ok(())
    }

    fn leases(&self, loader: &mut Loader<'_>) -> Result<(), BackupError> {
        loader.bucket(LEASE)?;
        self.scan(Space::System, &mut |key, value| {
            let lease = SystemRow::of(key, value).and_then(StoredLease::of);
            lease.map_or(Ok(()), |lease| {
                let row = EtcdLease {
                    id: lease.id,
                    ttl: lease.times.ttl,
                    remaining: lease.times.remaining,
                };
                loader.put(&lease.id.to_be_bytes(), &row.encode_to_vec())
            })
        })
    }

    fn members(&self, loader: &mut Loader<'_>) -> Result<(), BackupError> {
        loader.bucket(MEMBERS)?;
        let members = self.state.members.by_id.values();
        let mut members: Vec<_> = members
            .map(|member| (format!("{:x}", member.id), json(&MemberJson::of(member))))
            .collect();
        members.sort_unstable();
        for (id, member) in members {
            loader.put(id.as_bytes(), &member)?;
        }
        loader.bucket(MEMBERS_REMOVED)?;
        let removed = self.state.members.removed.iter();
        let mut removed: Vec<_> = removed.map(|id| format!("{id:x}")).collect();
        removed.sort_unstable();
        removed.iter().try_for_each(|id| loader.put(id.as_bytes(), b"removed"))
    }

    fn meta(&self, loader: &mut Loader<'_>) -> Result<(), BackupError> {
        let state = &self.state;
        let compaction = |loader: &mut Loader<'_>, key, revision: i64| {
            if revision <= 0 {
                return Ok(());
            }
            let id = RowId { revision: Revision(revision), sub: 0 };
            loader.put(key, &version_key(id, false))
        };
        loader.bucket(META)?;
        loader.put(CONF_STATE, &json(&ConfStateJson::of(&state.conf_state)))?;
        loader.put(CONSISTENT_INDEX, &state.applied.0.to_be_bytes())?;
        compaction(loader, FINISHED_COMPACTION, state.compact_finished)?;
        compaction(loader, SCHEDULED_COMPACTION, state.view.compacted())?;
        loader.put(TERM, &state.applied_term.0.to_be_bytes())
    }

    /// Visits a space until there is no more, or `visit` fails.
    fn scan(&self, space: Space, visit: &mut Visit<'_>) -> Result<(), BackupError> {
        let mut result = Ok(());
        let all = (Bound::Unbounded, Bound::Unbounded);
        self.state.view.reader().scan(space, all, &mut |key, value| {
            result = visit(key, value);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result
    }
}

/// etcd's `membership.Member`.
#[derive(Serialize)]
struct MemberJson<'a> {
    id: u64,
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "clientURLs", skip_serializing_if = "<[_]>::is_empty")]
    client_urls: &'a [String],
}

impl<'a> MemberJson<'a> {
    fn of(member: &'a Member) -> Self {
        let Member { id, name, peer_urls, client_urls, is_learner } = member;
        Self { id: *id, peer_urls, is_learner: *is_learner, name, client_urls }
    }
}

/// etcd's `raftpb.ConfState`.
#[derive(Serialize)]
struct ConfStateJson<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    voters: &'a [u64],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    learners: &'a [u64],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    voters_outgoing: &'a [u64],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    learners_next: &'a [u64],
    auto_leave: bool,
}

impl<'a> ConfStateJson<'a> {
    fn of(state: &'a ConfState) -> Self {
        let ConfState { voters, learners, voters_outgoing, learners_next, auto_leave } = state;
        Self { voters, learners, voters_outgoing, learners_next, auto_leave: *auto_leave }
    }
}

/// Numbers, texts and lists of them always become JSON.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

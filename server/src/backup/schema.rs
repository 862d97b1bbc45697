//! The names and keys of etcd's buckets.

use mini_etcd_shared::types::Revision;
use prost::Message;

use crate::mvcc::RowId;

pub(super) const ALARM: &[u8] = b"alarm";
pub(super) const AUTH: &[u8] = b"auth";
pub(super) const AUTH_ROLES: &[u8] = b"authRoles";
pub(super) const AUTH_USERS: &[u8] = b"authUsers";
pub(super) const CLUSTER: &[u8] = b"cluster";
pub(super) const KEY: &[u8] = b"key";
pub(super) const LEASE: &[u8] = b"lease";
pub(super) const MEMBERS: &[u8] = b"members";
pub(super) const MEMBERS_REMOVED: &[u8] = b"members_removed";
pub(super) const META: &[u8] = b"meta";

/// Keys of `meta`.
pub(super) const CONF_STATE: &[u8] = b"confState";
pub(super) const CONSISTENT_INDEX: &[u8] = b"consistent_index";
pub(super) const FINISHED_COMPACTION: &[u8] = b"finishedCompactRev";
pub(super) const SCHEDULED_COMPACTION: &[u8] = b"scheduledCompactRev";
pub(super) const TERM: &[u8] = b"term";

/// Of etcd 3.6 and later.
pub(super) const STORAGE_VERSION: &[u8] = b"storageVersion";

/// Keys of `auth`.
pub(super) const AUTH_ENABLED: &[u8] = b"authEnabled";
pub(super) const AUTH_REVISION: &[u8] = b"authRevision";
/// Key of `cluster`.
pub(super) const CLUSTER_VERSION: &[u8] = b"clusterVersion";

/// Between revision and sub.
const SEPARATOR: u8 = b'_';
/// Behind them at the end of a life.
const TOMBSTONE: u8 = b't';

/// The key of a version in `key`.
pub(super) fn version_key(id: RowId, tombstone: bool) -> Vec<u8> {
    let mut key = id.revision.0.to_be_bytes().to_vec();
    key.push(SEPARATOR);
    key.extend(u64::from(id.sub).to_be_bytes());
    key.extend(tombstone.then_some(TOMBSTONE));
    key
}

/// What [`version_key`] made.
pub(super) fn parse_version_key(key: &[u8]) -> Option<(RowId, bool)> {
    let (revision, rest) = key.split_first_chunk::<8>()?;
    let (sub, rest) = rest.strip_prefix(&[SEPARATOR])?.split_first_chunk::<8>()?;
    let tombstone = match rest {
        [] => false,
        [TOMBSTONE] => true,
        _ => return None,
    };
    let revision = Revision(i64::from_be_bytes(*revision));
    let sub = u32::try_from(u64::from_be_bytes(*sub)).ok()?;
    Some((RowId { revision, sub }, tombstone))
}

/// etcd's `leasepb.Lease`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EtcdLease {
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// Time to live in seconds.
    #[prost(int64, tag = "2")]
    pub ttl: i64,
    /// Seconds left at the last checkpoint, 0 for none.
    #[prost(int64, tag = "3")]
    pub remaining: i64,
}

//! [`Names`]: what each of the two servers calls a revision, a lease or itself.
//!
//! Etcd's revisions are dense, ours are not, so a revision is known by its place among the changes: requests name it as
//! so many changes before the newest. Answers are compared in etcd's numbers.

use bytes::Bytes;
use mini_etcd_proto::v3electionpb::LeaderKey;
use prost_reflect::{DynamicMessage, FieldDescriptor, Value};

use super::{Pair, Side};

/// `BACK + n` in a request is the revision `n` changes before the newest.
pub const BACK: i64 = 1 << 60;
/// `AHEAD + n` is `n` above the newest revision.
pub const AHEAD: i64 = 1 << 59;
/// The revision at which the newest election that was won began.
pub const CAMPAIGN: i64 = 1 << 58;

/// The key of the newest election that was won, as a request of Proclaim or Resign names it.
#[must_use]
pub fn leader_key(name: &Bytes, lease: i64) -> LeaderKey {
    let key = [&name[..], format!("/{lease:x}").as_bytes()].concat();
    LeaderKey { name: name.clone(), key: key.into(), rev: CAMPAIGN, lease }
}
/// `DRAWN + n` is the lease that the server drew `n` grants ago.
pub const DRAWN: i64 = 1 << 57;
/// The member itself.
pub const MEMBER: u64 = 1 << 56;
/// Most that is added to a symbol.
const SPAN: i64 = 1 << 32;
/// Largest number of a lease that a request names, but for two.
const NAMED_MAX: i64 = 1 << 40;
/// A lease that there never is.
const NO_LEASE: i64 = 424_242;
/// A revision of ours that no change is known for becomes this less itself, which equals none of etcd's.
const UNKNOWN: i64 = -1_000_000;

/// What a field means, whatever message it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A revision of the store.
    Revision,
    /// Number of a lease.
    Lease,
    /// A key, whose end may be the number of a lease.
    Key,
    /// Number of a member.
    Member,
}

/// The role of a field by its full name.
#[must_use]
pub fn role(field: &FieldDescriptor) -> Option<Role> {
    let name = field.full_name();
    let (message, field) = name.rsplit_once('.')?;
    Some(match (message.rsplit('.').next()?, field) {
        (
            _,
            "create_revision"
            | "mod_revision"
            | "compact_revision"
            | "start_revision"
            | "rev"
            | "hash_revision"
            | "min_mod_revision"
            | "max_mod_revision"
            | "min_create_revision"
            | "max_create_revision",
        )
        | ("RangeRequest" | "CompactionRequest" | "HashKVRequest" | "ResponseHeader", "revision") => {
            Role::Revision
        }
        (_, "lease") | ("LeaseStatus", "ID") => Role::Lease,
        (message, "ID") if message.starts_with("Lease") => Role::Lease,
        (_, "memberID" | "targetID" | "member_id") => Role::Member,
        (message, "ID") if message.starts_with("Member") => Role::Member,
        ("KeyValue" | "LockResponse" | "LeaderKey" | "UnlockRequest", "key")
        | ("LeaseTimeToLiveResponse", "keys") => Role::Key,
        _ => return None,
    })
}

/// What was learnt of both servers' numbers.
#[derive(Debug)]
pub struct Names {
    /// Revisions of changes, in order: etcd's, ours.
    revisions: Vec<(i64, i64)>,
    /// Leases drawn by the servers, in order: etcd's, ours.
    leases: Vec<(i64, i64)>,
    /// Etcd's revision of the newest election that was won.
    pub campaign: i64,
    members: Pair<u64>,
    /// Peer URLs of the members.
    pub peers: Pair<String>,
}

impl Names {
    /// Of servers that are at these revisions and have these numbers.
    #[must_use]
    pub fn new(revisions: (i64, i64), members: Pair<u64>, peers: Pair<String>) -> Self {
        Self { revisions: vec![(1, 1), revisions], leases: Vec::new(), campaign: 0, members, peers }
    }

    /// The newest revisions.
    #[must_use]
    pub fn newest(&self) -> (i64, i64) {
        self.revisions.last().copied().unwrap_or((1, 1))
    }

    /// Both servers have answered at these revisions; both above the newest are a change.
    pub fn seen(&mut self, etcd: i64, mini: i64) {
        let (last_etcd, last_mini) = self.newest();
        if etcd > last_etcd && mini > last_mini {
            self.revisions.push((etcd, mini));
        }
    }

    /// Both servers have drawn a lease.
    pub fn drawn(&mut self, etcd: i64, mini: i64) {
        self.leases.push((etcd, mini));
    }

    /// What a symbol of a request is in etcd's numbers.
    #[must_use]
    pub fn revision(&self, value: i64) -> i64 {
        let newest = self.newest().0;
        if let Some(back) = within(value, BACK) {
            let place = self.revisions.len().saturating_sub(back + 1);
            self.revisions.get(place).map_or(1, |pair| pair.0)
        } else if let Some(ahead) = within(value, AHEAD) {
            newest + i64::try_from(ahead).unwrap_or(0)
        } else if value == CAMPAIGN {
            self.campaign
        } else {
            value
        }
    }

    /// Etcd's revision in a server's own numbers.
    fn outward(&self, side: Side, revision: i64) -> i64 {
        let (etcd, mini) = self.newest();
        if side == Side::Etcd || revision <= 0 {
            revision
        } else if revision > etcd {
            mini.saturating_add(revision.saturating_sub(etcd))
        } else {
            let place = self.revisions.partition_point(|pair| pair.0 <= revision);
            place
                .checked_sub(1)
                .and_then(|place| self.revisions.get(place))
                .map_or(1, |pair| pair.1)
        }
    }

    /// A server's own revision in etcd's numbers.
    #[must_use]
    pub fn inward(&self, side: Side, revision: i64) -> i64 {
        if side == Side::Etcd || revision <= 0 {
            return revision;
        }
        let place = self.revisions.binary_search_by_key(&revision, |pair| pair.1).ok();
        place
            .and_then(|place| self.revisions.get(place))
            .map_or(UNKNOWN.saturating_sub(revision), |pair| pair.0)
    }

    fn lease_outward(&self, side: Side, lease: i64) -> i64 {
        let Some(back) = within(lease, DRAWN) else { return lease };
        let place = self.leases.len().checked_sub(back + 1);
        place.and_then(|place| self.leases.get(place)).map_or(NO_LEASE, |pair| match side {
            Side::Etcd => pair.0,
            Side::Mini => pair.1,
        })
    }

    fn lease_inward(&self, side: Side, lease: i64) -> i64 {
        let place = self.leases.iter().rposition(|pair| match side {
            Side::Etcd => pair.0 == lease,
            Side::Mini => pair.1 == lease,
        });
        place.and_then(|place| i64::try_from(place).ok()).map_or(lease, |place| DRAWN + place)
    }

    /// Whether a lease was drawn for a lock or an election that failed, so that nobody learnt its number.
    #[must_use]
    pub fn is_stray(lease: i64) -> bool {
        lease > NAMED_MAX
            && within(lease, DRAWN).is_none()
            && lease != DRAWN - 1
            && lease != i64::MAX
    }

    /// A key that ends with `/` and the number of a drawn lease, with the lease's name instead.
    fn key_inward(&self, side: Side, key: &[u8]) -> Option<Vec<u8>> {
        let slash = key.iter().rposition(|byte| *byte == b'/')?;
        let (head, hex) = key.split_at_checked(slash + 1)?;
        let lease = i64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
        let place = within(self.lease_inward(side, lease), DRAWN)?;
        Some([head, format!("drawn-{place}").as_bytes()].concat())
    }

    /// Replaces the symbols of a request by a server's own numbers.
    pub fn outward_all(&self, side: Side, message: &mut DynamicMessage) {
        change(message, &mut |field, value| match (role(field), value) {
            (Some(Role::Revision), Value::I64(it)) => *it = self.outward(side, self.revision(*it)),
            (Some(Role::Lease), Value::I64(it)) => *it = self.lease_outward(side, *it),
            (Some(Role::Member), Value::U64(it)) if *it == MEMBER => *it = *self.members.of(side),
            (None, Value::String(url)) if url == "own" => url.clone_from(self.peers.of(side)),
            _ => (),
        });
    }

    /// Replaces a server's own numbers in an answer by etcd's, or by names.
    pub fn inward_all(&self, side: Side, message: &mut DynamicMessage) {
        change(message, &mut |field, value| match (role(field), value) {
            (Some(Role::Revision), Value::I64(it)) => *it = self.inward(side, *it),
            (Some(Role::Lease), Value::I64(it)) => *it = self.lease_inward(side, *it),
            (Some(Role::Member), Value::U64(it)) if it == self.members.of(side) => *it = MEMBER,
            (Some(Role::Key), Value::Bytes(key)) => {
                if let Some(named) = self.key_inward(side, key) {
                    *key = named.into();
                }
            }
            (None, Value::String(text)) => {
                let own = self.members.of(side).to_string();
                if text.contains(&own) {
                    *text = text.replace(&own, "OWN");
                }
            }
            _ => (),
        });
    }
}

/// What is added to `symbol`, when it is that symbol.
fn within(value: i64, symbol: i64) -> Option<usize> {
    let added = value.checked_sub(symbol)?;
    if (0..SPAN).contains(&added) { usize::try_from(added).ok() } else { None }
}

/// How a request shows a symbol to a reader.
#[must_use]
pub fn shown(role: Role, value: i64) -> String {
    match role {
        Role::Revision if value == CAMPAIGN => "CAMPAIGN".to_owned(),
        Role::Revision if within(value, BACK).is_some() => format!("NEWEST-{}", value - BACK),
        Role::Revision if within(value, AHEAD).is_some() => format!("NEWEST+{}", value - AHEAD),
        Role::Lease if within(value, DRAWN).is_some() => format!("DRAWN-{}", value - DRAWN),
        _ => value.to_string(),
    }
}

/// Shows each value of a message, also those within lists and messages, to `look`, which may change it.
pub fn change(message: &mut DynamicMessage, look: &mut impl FnMut(&FieldDescriptor, &mut Value)) {
    for (field, value) in message.fields_mut() {
        change_value(&field, value, look);
    }
}

fn change_value(
    field: &FieldDescriptor,
    value: &mut Value,
    look: &mut impl FnMut(&FieldDescriptor, &mut Value),
) {
    look(field, value);
    match value {
        Value::Message(inner) => change(inner, look),
        Value::List(items) => items.iter_mut().for_each(|item| change_value(field, item, look)),
        _ => (),
    }
}

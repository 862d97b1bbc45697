//! [`Members`]: who is in the cluster and who was, as a part of the applied state.

use std::collections::{BTreeMap, BTreeSet};

use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{ConfChange, Member, PublishRequest};
use prost::Message;

use super::EntryResponse;
use crate::storage::{Batch, Space, SystemRow};

/// Tables of [`Space::System`].
const MEMBER: u8 = b'm';
const REMOVED: u8 = b'r';

/// The members, and who cannot be one any more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    pub by_id: BTreeMap<u64, Member>,
    /// Ids that were removed and are never used again.
    pub removed: BTreeSet<u64>,
}

impl Members {
    /// The members that a cluster begins with.
    pub(super) fn create(members: &[Member], batch: &mut Batch) -> Self {
        let mut created = Self::default();
        for member in members {
            created.put(member.clone(), batch);
        }
        created
    }

    /// These members, of whom none was removed.
    #[cfg(test)]
    #[must_use]
    pub fn of(members: Vec<Member>) -> std::sync::Arc<Self> {
        let by_id = members.into_iter().map(|member| (member.id, member)).collect();
        std::sync::Arc::new(Self { by_id, ..Self::default() })
    }

    /// Takes up a row; none when it is not of here.
    pub(super) fn load(&mut self, row: SystemRow<'_>) -> Option<()> {
        match row {
            SystemRow { table: MEMBER, id, rest: [], value } => {
                self.by_id.insert(id, Member::decode(value).ok()?);
            }
            SystemRow { table: REMOVED, id, rest: [], .. } => {
                self.removed.insert(id);
            }
            _ => return None,
        }
        Some(())
    }

    fn put(&mut self, member: Member, batch: &mut Batch) {
        let key = SystemRow::key(MEMBER, member.id, &[]);
        batch.put(Space::System, key, member.encode_to_vec());
        self.by_id.insert(member.id, member);
    }

    /// Carries a change of membership out. That it may be was decided when it was proposed.
    pub(super) fn change(&mut self, change: &ConfChange, batch: &mut Batch) -> EntryResponse {
        let id = change.member_id;
        if change.kind() == Kind::Remove {
            self.by_id.remove(&id);
            self.removed.insert(id);
            batch.remove(Space::System, SystemRow::key(MEMBER, id, &[]));
            batch.put(Space::System, SystemRow::key(REMOVED, id, &[]), Vec::new());
        } else {
            let known = self.by_id.get(&id).cloned();
            let mut member = known.or_else(|| change.member.clone()).unwrap_or_default();
            member.id = id;
            match (change.kind(), &change.member) {
                (Kind::Update, given) => {
                    member.peer_urls = given.clone().unwrap_or_default().peer_urls;
                }
                (kind, _) => member.is_learner = kind == Kind::AddLearner,
            }
            self.put(member, batch);
        }
        EntryResponse::Members(self.by_id.values().cloned().collect())
    }

    /// Updates a member's name and client URLs; ignores an unknown member.
    pub(super) fn publish(&mut self, request: &PublishRequest, batch: &mut Batch) -> EntryResponse {
        if let Some(known) = self.by_id.get(&request.member_id) {
            let mut member = known.clone();
            member.name.clone_from(&request.name);
            member.client_urls.clone_from(&request.client_urls);
            self.put(member, batch);
        }
        EntryResponse::Published
    }
}

//! Changes of membership: asked for at random, and carried out as operators and transport do.

use std::sync::Arc;

use anyhow::{Result, ensure};
use bytes::Bytes;
use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{ConfChange, EntryKind, Member as Listed};
use mini_etcd_server::apply::Published;
use mini_etcd_server::raft::Input;
use mini_etcd_shared::types::MemberId;
use prost::Message as _;

use super::member::{Member, Running};
use super::world::{Event, World};

/// Most members that a cluster grows to.
const MEMBERS_MAX: usize = 5;

/// A member as it is listed. All count as started.
pub fn listed(id: u64) -> Listed {
    let peer_urls = vec![format!("http://n{id}:1")];
    Listed { id, name: format!("n{id}"), peer_urls, ..Listed::default() }
}

/// The members of a state are those that vote and learn in it.
///
/// # Errors
/// When they are not.
pub fn check(published: &Published) -> Result<()> {
    let listed = |learners: bool| {
        let members = published.members.by_id.values();
        members.filter(move |it| it.is_learner == learners).map(|it| it.id).collect::<Vec<_>>()
    };
    let sorted = |ids: &[u64]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let conf_state = &published.conf_state;
    let same =
        (listed(false), listed(true)) == (sorted(&conf_state.voters), sorted(&conf_state.learners));
    ensure!(same, "{:?} are listed, and Raft has {conf_state:?}", published.members.by_id.keys());
    Ok(())
}

impl World {
    /// Somebody asks some member for a change.
    pub(super) fn ask_for_change(&mut self) {
        self.plan_fault(self.plan.change_every, Event::Change);
        let up: Vec<u64> = self.voters_up();
        let Some(&asked) = self.chances.changes.pick(&up) else { return };
        let Some(running) = self.members.get(&asked).and_then(|it| it.running.as_ref()) else {
            return;
        };
        let members = Arc::clone(&running.published().members);
        let learner = members.by_id.values().find(|it| it.is_learner).map(|it| it.id);
        let all: Vec<u64> = members.by_id.keys().copied().collect();
        let some = self.chances.changes.pick(&all).copied().unwrap_or(1);
        let kind = self.chances.changes.below(1000);
        let (kind, id, member) = match (kind, learner) {
            (0..600, Some(learner)) => (Kind::AddVoter, learner, None),
            (0..500, None) if all.len() < MEMBERS_MAX => {
                self.last_id += 1;
                let id = self.last_id;
                (Kind::AddLearner, id, Some(Listed { is_learner: true, ..listed(id) }))
            }
            (600..850, _) => (Kind::Remove, some, None),
            _ => {
                let to = Some(MemberId(some));
                for id in up {
                    self.input(id, Input::TransferLeader { to });
                }
                return;
            }
        };
        let Some(running) = self.members.get_mut(&asked).and_then(|it| it.running.as_mut()) else {
            return;
        };
        let (sequence, incarnation) = (running.number(), running.incarnation.number);
        let (kind, member_id, origin) = (kind.into(), id, asked);
        let change = ConfChange { kind, member_id, member, origin, sequence, incarnation };
        let data = Bytes::from(change.encode_to_vec());
        self.input(asked, Input::Propose { sequence, kind: EntryKind::ConfChange, data });
    }

    /// What follows from changes that are committed.
    ///
    /// # Errors
    /// When a new member does not start.
    pub(super) fn follow_changes(&mut self) -> Result<()> {
        for change in std::mem::take(&mut self.model.changes) {
            self.changes += 1;
            let id = change.member_id;
            match change.kind() {
                Kind::AddLearner => {
                    let members = self.model.members.iter().map(|id| listed(*id)).collect();
                    let member = Member::joining(id, members, &self.plan, self.clock.clone())?;
                    self.members.insert(id, member);
                    self.watchman.joined(id);
                    let wait = self.chances.changes.between(1, 500);
                    self.at(wait, id, Event::Restart);
                    self.begin_member(id, wait);
                }
                // Its peers refuse it from now on, and tell it why when it comes again.
                Kind::Remove => {
                    let wait = self.chances.changes.between(500, 1500);
                    self.at(wait, id, Event::Gone);
                }
                Kind::AddVoter | Kind::Update => {}
            }
        }
        Ok(())
    }

    /// A member that was removed stops for good.
    pub(super) fn retire(&mut self, id: u64) {
        self.lose_clients(id);
        self.members.remove(&id);
    }

    /// Running members that vote, as they know.
    pub(super) fn voters_up(&self) -> Vec<u64> {
        let votes = |member: &&Member| {
            let running = member.running.as_ref();
            running.is_some_and(|it| it.driver.status().voters.contains(&MemberId(member.id)))
        };
        self.members.values().filter(votes).map(|member| member.id).collect()
    }

    /// Whether `id` speaks with `peer` and listens to it, as transport decides: a member as `id` knows, or one that shows the data
    /// of this cluster and came while `id` was away.
    pub(super) fn knows(&self, id: u64, peer: u64) -> bool {
        let state = |id| {
            let running = self.members.get(&id).and_then(|it| it.running.as_ref());
            running.map(Running::published)
        };
        let Some(here) = state(id) else { return true };
        let is_stranger = || {
            let lineage = state(peer).map_or(0, |there| there.lineage);
            let is_of_cluster = lineage != 0 && (here.lineage == 0 || lineage == here.lineage);
            !here.members.removed.contains(&peer) && is_of_cluster
        };
        here.members.by_id.contains_key(&peer) || is_stranger()
    }
}

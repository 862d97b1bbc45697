//! Whether a leader lets the members change, by etcd's rules.
//!
//! Decided on the Raft thread when the change is proposed. No other change is under way then, and the driver was told of the
//! members after the last one, so that what is decided here still holds when the entry is applied: apply asks nothing again.
//! Where etcd asks its transport for members that were connected for five seconds, this asks who was heard within an election
//! timeout.

use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{ConfChange, Member};
use mini_etcd_proto::peerpb::forward_refused::Reason;
use mini_etcd_shared::types::{LogIndex, MemberId};

use super::driver::Driver;
use crate::limits::LEARNERS_MAX;

/// The part of the leader's log that a learner has to have before it gets a vote: so many tenths, as in etcd.
const READY_TENTHS: u128 = 9;

impl Driver {
    /// Why the change is not proposed; none when it may be.
    pub(super) fn refusal(&self, change: &ConfChange) -> Option<Reason> {
        let id = change.member_id;
        let refused = match (change.kind(), &change.member) {
            (Kind::AddVoter, None) => self.refusal_to_promote(id),
            (Kind::AddVoter, Some(_)) => self.too_few_started(1, 0, id).or_else(|| self.unheard()),
            (Kind::AddLearner, _) => self.unheard(),
            (Kind::Remove, _) => self.refusal_to_remove(id),
            (Kind::Update, _) => None,
        };
        refused.or_else(|| self.misfit(change))
    }

    /// What the members that there are and were forbid.
    fn misfit(&self, change: &ConfChange) -> Option<Reason> {
        let id = change.member_id;
        let known = self.members.by_id.get(&id);
        if self.members.removed.contains(&id) {
            return Some(Reason::MemberNotFound);
        }
        let is_new = match (change.kind(), &change.member) {
            (Kind::AddVoter, Some(_)) | (Kind::AddLearner, _) => true,
            _ if known.is_none() => return Some(Reason::MemberNotFound),
            (Kind::AddVoter, None) if known.is_some_and(|member| !member.is_learner) => {
                return Some(Reason::NotLearner);
            }
            _ => false,
        };
        if is_new && known.is_some() {
            return Some(Reason::MemberExists);
        }
        let urls = change.member.iter().flat_map(|member| &member.peer_urls);
        let others = || self.members.by_id.values().filter(|other| other.id != id);
        for url in urls {
            if others().any(|other| other.peer_urls.contains(url)) {
                return Some(Reason::PeerUrlExists);
            }
        }
        let learners = others().filter(|other| other.is_learner).count();
        (change.kind() == Kind::AddLearner && learners >= LEARNERS_MAX)
            .then_some(Reason::TooManyLearners)
    }

    fn refusal_to_promote(&self, id: u64) -> Option<Reason> {
        let last = self.core.last_index();
        let progress = self.core.progress();
        let matched = match progress.iter().find(|peer| peer.id.0 == id) {
            Some(peer) => peer.match_index,
            None if id == self.id.0 => last,
            None => return Some(Reason::MemberNotFound),
        };
        if !is_ready(matched, last) || self.doubts.is_noted(MemberId(id)) {
            return Some(Reason::LearnerNotReady);
        }
        self.too_few_started(1, 1, id)
    }

    fn refusal_to_remove(&self, id: u64) -> Option<Reason> {
        if self.members.by_id.get(&id).is_some_and(|member| member.is_learner) {
            return None;
        }
        if let Some(refused) = self.too_few_started(0, 0, id) {
            return Some(refused);
        }
        // One that is down, or unknown, is no part of the quorum that is there.
        if !self.members.by_id.contains_key(&id) || !self.is_heard(id) {
            return None;
        }
        let voters = self.conf_state.voters.len();
        let active = self.conf_state.voters.iter().filter(|voter| self.is_heard(**voter)).count();
        (active < 2 + voters.saturating_sub(1) / 2).then_some(Reason::Unhealthy)
    }

    /// Whether less than a quorum has started of the voters but `id`, and `more` of which `started` have.
    fn too_few_started(&self, more: usize, started: usize, id: u64) -> Option<Reason> {
        let is_counted = |member: &&Member| !member.is_learner && (more > 0 || member.id != id);
        let voters = || self.members.by_id.values().filter(is_counted);
        let all = more + voters().count();
        let started = started + voters().filter(|member| !member.name.is_empty()).count();
        // A member alone takes a second one: that is how a cluster grows.
        let grows = more > 0 && started == 1 && all == 2;
        (!grows && started < all / 2 + 1).then_some(Reason::NotEnoughStarted)
    }

    fn unheard(&self) -> Option<Reason> {
        let all = self.conf_state.voters.iter().all(|voter| self.is_heard(*voter));
        (!all).then_some(Reason::Unhealthy)
    }

    /// Whether the member said something lately that counts.
    fn is_heard(&self, id: u64) -> bool {
        let id = MemberId(id);
        let lately = self.timing.election_ticks_max() as u64;
        id == self.id || self.silence(id) <= lately && !self.doubts.is_noted(id)
    }
}

/// Whether one whose log agrees up to `matched` has enough of a log that ends at `last`.
fn is_ready(matched: LogIndex, last: LogIndex) -> bool {
    u128::from(matched.0) * 10 >= u128::from(last.0) * READY_TENTHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learner_is_ready_with_nine_tenths_of_the_log() {
        for (matched, last, ready) in [
            (0, 1, false),
            (89, 100, false),
            (90, 100, true),
            (9, 11, false),
            (u64::MAX, u64::MAX, true),
        ] {
            assert_eq!(is_ready(LogIndex(matched), LogIndex(last)), ready, "{matched} of {last}");
        }
    }
}

//! Loses no time where the election timeout would decide: a leader that no quorum answers makes room, and members without a
//! leader stand for election once a quorum of them is connected.

use std::cmp::Reverse;

use mini_etcd_shared::types::MemberId;

use super::driver::Driver;
use super::membership;
use crate::limits::{MEET_TICKS, QUORUM_LOST_TICKS};

impl Driver {
    /// A tick of Raft. A leader that has lost its quorum is a follower after it, and tells the voter that is furthest to stand for
    /// election: where only the way from the others is broken, they would listen to a leader that can commit nothing.
    pub(super) fn tick_core(&mut self) {
        let before = self.core.leadership();
        let heir = before.leads().then(|| self.heir()).flatten();
        self.core.tick();
        if before.leads() && self.core.leadership() == before && self.is_quorum_lost() {
            self.core.step_down();
        }
        let after = self.core.leadership();
        if before.leads() && after.term == before.term && !after.leads() {
            tracing::warn!(member = %self.id, term = %after.term, "leads no more: no quorum answers");
            if let Some(heir) = heir {
                self.core.tell_to_campaign(heir);
            }
        }
    }

    /// The other voter that is known to have most of the log; the lower id where two are equally far.
    fn heir(&self) -> Option<MemberId> {
        let others = self.core.progress().into_iter().filter(|peer| !peer.is_learner);
        others.max_by_key(|peer| (peer.match_index, Reverse(peer.id))).map(|peer| peer.id)
    }

    /// Whether no quorum was heard of for [`QUORUM_LOST_TICKS`]. While a joint configuration stands, Raft's own check decides.
    fn is_quorum_lost(&self) -> bool {
        if !self.conf_state.voters_outgoing.is_empty() {
            return false;
        }
        let heard_at = |voter: &u64| {
            if *voter == self.id.0 { self.now } else { self.suspicion.last_heard(MemberId(*voter)) }
        };
        let mut heard: Vec<u64> = self.conf_state.voters.iter().map(heard_at).collect();
        heard.sort_unstable_by_key(|tick| Reverse(*tick));
        let quorum = heard.get(heard.len() / 2).copied().unwrap_or(self.now);
        self.now - quorum.max(self.quorum_since) >= QUORUM_LOST_TICKS
    }

    /// Messages to `id` arrive from now on. Where nobody leads and a quorum is connected, nobody has to wait for a timeout; a leader
    /// that is there speaks first.
    pub(super) fn meet(&mut self, id: MemberId) {
        self.connected.insert(id);
        let reaches =
            |voter: &&u64| **voter == self.id.0 || self.connected.contains(&MemberId(**voter));
        let voters = &self.conf_state.voters;
        let has_quorum = voters.iter().filter(reaches).count() > voters.len() / 2;
        if self.core.leadership().has_leader() || !has_quorum {
            return;
        }
        let nobody = MemberId(0);
        if let Some(rank) = membership::rank(&self.conf_state, nobody, self.id) {
            self.suspicion.suspect(self.now + MEET_TICKS, nobody, rank);
        }
    }
}

//! Loses no time where the election timeout would decide: a leader that no quorum answers makes room, and members without a
//! leader stand for election once a quorum of them is connected.

use mini_etcd_shared::types::MemberId;

use super::driver::Driver;
use super::membership;

/// In the place of the leader where none is known.
const NOBODY: MemberId = MemberId(0);

impl Driver {
    /// A tick of Raft. A leader that has lost its quorum is a follower after it, and tells the voter that is furthest to stand for
    /// election: where only the way from the others is broken, they would listen to a leader that can commit nothing.
    pub(super) fn tick_core(&mut self) {
        let before = self.core.leadership();
        let heir = before.leads().then(|| self.furthest(|_| true)).flatten();
        if self.core.tick() {
            self.hope_for_votes();
        }
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

    /// This member stands for election. It asks again, in its turn, if it has to: who heard the leader a heartbeat later did not
    /// consent yet, and where two stood at once, both were refused.
    fn hope_for_votes(&mut self) {
        if let Some(rank) = membership::rank(&self.conf_state, NOBODY, self.id) {
            self.suspicion.suspect(self.now, NOBODY, rank);
        }
    }

    /// Whether no quorum was heard of for the longest election timeout, which is below the shortest of Raft's own check. While a
    /// joint configuration stands, Raft's own check decides.
    fn is_quorum_lost(&self) -> bool {
        let lost = self.timing.election_ticks_max() as u64;
        self.conf_state.voters_outgoing.is_empty()
            && self.now - self.quorum_since >= lost
            && !self.is_quorum(|voter| self.silence(voter) < lost && !self.doubts.is_noted(voter))
    }

    /// Ticks since `member` was heard.
    pub(super) fn silence(&self, member: MemberId) -> u64 {
        self.now.saturating_sub(self.suspicion.last_heard(member))
    }

    /// Whether the voters that `counts` takes, and this member, are most of them.
    fn is_quorum(&self, counts: impl Fn(MemberId) -> bool) -> bool {
        let voters = self.conf_state.voters.iter().copied().map(MemberId);
        let counted = voters.filter(|voter| *voter == self.id || counts(*voter)).count();
        counted > self.conf_state.voters.len() / 2
    }

    /// Voters that this member has no connection to.
    pub(super) fn away(&self) -> Vec<MemberId> {
        let voters = self.conf_state.voters.iter().copied().map(MemberId);
        let is_away = |id: &MemberId| *id != self.id && self.connected.get(id) != Some(&true);
        voters.filter(is_away).collect()
    }

    /// Messages to `id` arrive from now on. Where nobody leads and a quorum is connected, nobody has to wait for a timeout; a leader
    /// that is there speaks first.
    pub(super) fn meet(&mut self, id: MemberId) {
        self.connected.insert(id, true);
        let has_quorum = self.is_quorum(|voter| self.connected.get(&voter) == Some(&true));
        if self.core.leadership().has_leader() || !has_quorum {
            return;
        }
        if let Some(rank) = membership::rank(&self.conf_state, NOBODY, self.id) {
            // A heartbeat of one that leads arrives within this time.
            let soon = self.now + self.timing.heartbeat_ticks() as u64;
            self.suspicion.suspect(soon, NOBODY, rank);
        }
    }
}

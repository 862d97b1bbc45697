//! [`Suspicion`]: strong hints that the leader's process died, and who campaigns first after it.

use std::collections::BTreeMap;

use mini_etcd_shared::types::MemberId;

use crate::limits::{HINT_ATTEMPTS_MAX, HINT_DELAY_TICKS, HINT_RETRY_TICKS};

/// What this member believes of the leader's life.
///
/// A refused redial or a new boot nonce says that the process that led is gone. A closed connection alone says
/// nothing. A false hint costs little: the campaign asks first, and members that hear the leader do not vote.
#[derive(Debug, Default)]
pub struct Suspicion {
    nonces: BTreeMap<MemberId, u64>,
    heard: BTreeMap<MemberId, u64>,
    hint: Option<Hint>,
}

#[derive(Clone, Copy, Debug)]
struct Hint {
    leader: MemberId,
    since: u64,
    due: u64,
    attempts: usize,
}

impl Suspicion {
    /// A peer introduced itself. True when it was another process before.
    pub fn hello(&mut self, id: MemberId, nonce: u64) -> bool {
        self.nonces.insert(id, nonce).is_some_and(|old| old != nonce)
    }

    /// Raft heard `from` at tick `now`.
    pub fn heard(&mut self, now: u64, from: MemberId) {
        self.heard.insert(from, now);
    }

    /// Tick at which Raft heard `from` last.
    pub fn last_heard(&self, from: MemberId) -> u64 {
        self.heard.get(&from).copied().unwrap_or(0)
    }

    /// The leader is gone; `rank` is this member's place in the line of heirs. False when that is known already.
    pub fn suspect(&mut self, now: u64, leader: MemberId, rank: usize) -> bool {
        if self.hint.is_some_and(|hint| hint.leader == leader) {
            return false;
        }
        let due = now + HINT_DELAY_TICKS * (1 + 2 * rank as u64);
        self.hint = Some(Hint { leader, since: now, due, attempts: 0 });
        true
    }

    /// Tick `now`: whether to campaign. `leader` is whom Raft follows, 0 for none.
    pub fn due(&mut self, now: u64, leader: MemberId) -> bool {
        let Some(hint) = &mut self.hint else { return false };
        // What was in the inbox beside the hint is older than it; what came a tick later is news.
        let alive = self.heard.get(&hint.leader).is_some_and(|tick| *tick > hint.since);
        let replaced = leader != MemberId(0) && leader != hint.leader;
        if alive || replaced || hint.attempts == HINT_ATTEMPTS_MAX {
            self.hint = None;
            return false;
        }
        if now < hint.due {
            return false;
        }
        hint.attempts += 1;
        hint.due = now + HINT_RETRY_TICKS;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: MemberId = MemberId(1);

    fn campaigns(suspicion: &mut Suspicion, leader: MemberId) -> Vec<u64> {
        (11..60).filter(|tick| suspicion.due(*tick, leader)).collect()
    }

    #[test]
    fn a_new_nonce_is_another_process() {
        let mut suspicion = Suspicion::default();
        assert!(!suspicion.hello(LEADER, 7), "the first hello is no news");
        assert!(!suspicion.hello(LEADER, 7), "a new connection is no new process");
        assert!(suspicion.hello(LEADER, 8));
    }

    #[test]
    fn heirs_take_turns_and_give_up_in_the_end() {
        let mut first = Suspicion::default();
        let mut second = Suspicion::default();
        assert!(first.suspect(10, LEADER, 0));
        assert!(!first.suspect(10, LEADER, 0), "one hint is enough");
        assert!(second.suspect(10, LEADER, 1));
        assert_eq!(campaigns(&mut first, MemberId(0)), [11, 15, 19]);
        assert_eq!(campaigns(&mut second, MemberId(0)), [13, 17, 21]);
    }

    #[test]
    fn a_leader_that_speaks_again_or_is_replaced_clears_the_hint() {
        let mut suspicion = Suspicion::default();
        suspicion.suspect(10, LEADER, 0);
        suspicion.heard(10, LEADER);
        assert!(suspicion.due(11, LEADER), "heard in the tick of the hint");
        suspicion.heard(12, LEADER);
        assert_eq!(campaigns(&mut suspicion, LEADER), Vec::<u64>::new());
        suspicion.suspect(10, LEADER, 1);
        assert_eq!(campaigns(&mut suspicion, MemberId(3)), Vec::<u64>::new());
    }
}

//! [`Stall`]: notices a disk that does not finish a write, from the Raft thread.

use std::collections::VecDeque;

use crate::config::Timing;
use crate::limits::DISK_STALL_TICKS;

/// Writes that were handed out and are not durable yet, by number and by the tick of their start. Ticks are counted by
/// the Raft thread: where the whole process stood still, none passed.
#[derive(Debug)]
pub(super) struct Stall {
    /// Ticks that a write may take.
    most: u64,
    writes: VecDeque<(u64, u64)>,
    is_told: bool,
}

impl Stall {
    pub fn new(timing: Timing) -> Self {
        let most = DISK_STALL_TICKS.max(timing.election_ticks_min()) as u64;
        Self { most, writes: VecDeque::new(), is_told: false }
    }

    /// The write `number` was handed out.
    pub fn began(&mut self, number: u64, now: u64) {
        self.writes.push_back((number, now));
    }

    /// Everything up to `number` is durable.
    pub fn ended(&mut self, number: u64) {
        while self.writes.front().is_some_and(|(first, _)| *first <= number) {
            self.writes.pop_front();
        }
    }

    /// Whether the oldest write takes longer than the shortest election timeout: another member with such a pause
    /// would have been replaced.
    pub fn is_stalled(&self, now: u64) -> bool {
        self.writes.front().is_some_and(|(_, began)| now - began >= self.most)
    }

    /// Whether a stall begins or ends, said once for each.
    pub fn turns(&mut self, now: u64) -> Option<bool> {
        let stalled = self.is_stalled(now);
        (std::mem::replace(&mut self.is_told, stalled) != stalled).then_some(stalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_write_decides() {
        let mut stall = Stall::new(Timing::default());
        let most = stall.most;
        assert!(!stall.is_stalled(1000));
        stall.began(1, 10);
        stall.began(2, 25);
        assert!(!stall.is_stalled(10 + most - 1));
        assert_eq!(stall.turns(10 + most), Some(true));
        assert_eq!(stall.turns(11 + most), None);
        stall.ended(1);
        assert_eq!(stall.turns(11 + most), Some(false));
        stall.ended(2);
        assert!(!stall.is_stalled(1000));
    }
}

//! [`Incarnation`]: what tells the requests of one start of a member from those of all its others.
//!
//! A number that answers requests must not come from the member's directory. That may be put back from an older copy,
//! and then a count in it would hand out the same numbers again, for which the log of the cluster already holds
//! commands: a client would be told what came of somebody else's.

/// One start of a member, by numbers that do not come from its directory: that may be an older copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// Goes with every command; never 0.
    pub number: u64,
    /// First number of a request. Where it begins differs from start to start, so that a leader's refusal of what an
    /// earlier start forwarded names nothing that waits now.
    pub first: u64,
}

impl Incarnation {
    /// Numbers of a request at each start; no start has as many.
    const SPAN_BITS: u32 = 40;

    /// From a number drawn at random.
    #[must_use]
    pub fn new(random: u64) -> Self {
        // Below the half, so that counting on never comes to the end.
        Self { number: random.max(1), first: (random >> 1) & !((1 << Self::SPAN_BITS) - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_start_have_room_to_count_on() {
        for random in [0, 1, u64::MAX / 3, u64::MAX] {
            let incarnation = Incarnation::new(random);
            assert_ne!(incarnation.number, 0);
            assert!(incarnation.first.checked_add(1 << Incarnation::SPAN_BITS).is_some());
            assert_eq!(incarnation.first % (1 << Incarnation::SPAN_BITS), 0);
        }
    }
}

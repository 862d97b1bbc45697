//! [`Generator`]: the random stream of steps of a seed.

mod auth;
mod keys;
mod other;
mod recipes;
mod transactions;
mod watch;

use std::collections::VecDeque;

use super::step::Step;
use crate::sim::rng::Rng;

/// Who has a login.
pub const USERS: &[&str] = &["root", "alice", "bob", "carol"];

/// The steps of a seed, without end.
pub struct Generator {
    rng: Rng,
    /// Steps that belong together and come next.
    next: VecDeque<Step>,
    /// Steps until users stop to count; none while they do not.
    secured: u64,
    /// Steps until alarms are cleared.
    alarmed: u64,
}

impl Generator {
    /// The steps of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let rng = Rng::new(seed, "differential");
        Self { rng, next: VecDeque::new(), secured: 0, alarmed: 0 }
    }

    /// Whoever asks while users count; nobody otherwise, or a stranger whose token nobody looks at.
    fn user(&mut self) -> &'static str {
        let place = self.rng.below(100);
        match (self.secured > 0, place) {
            (true, 0..30) => "root",
            (true, 30..55) => "alice",
            (true, 55..75) => "bob",
            (true, 75..92) => "carol",
            (true, 92..95) | (false, 0) => "stranger",
            _ => "",
        }
    }

    fn add(&mut self) {
        let step = match self.rng.below(1000) {
            0..250 => self.range(),
            250..270 => self.range_stream(),
            270..400 => self.put(),
            400..450 => self.delete(),
            450..590 => self.transaction(),
            590..597 => self.compaction(),
            597..670 => self.watch(),
            670..770 => self.lease(),
            770..850 => self.auth(),
            850..880 => self.cluster(),
            880..910 => self.maintenance(),
            910..940 => self.recipe(),
            940..950 => self.malformed(),
            950..953 => return self.secure(),
            953..955 => return self.alarm(),
            // Reads in a row, which are asked together.
            _ => {
                for _ in 0..12 {
                    let step = self.range();
                    let user = self.user();
                    self.next.push_back(step.by(user));
                }
                return;
            }
        };
        let user = self.user();
        self.next.push_back(step.by(user));
    }
}

impl Iterator for Generator {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.secured == 1 {
            self.unsecure();
        }
        self.secured = self.secured.saturating_sub(1);
        if self.alarmed == 1 {
            self.clear_alarms();
        }
        self.alarmed = self.alarmed.saturating_sub(1);
        while self.next.is_empty() {
            self.add();
        }
        self.next.pop_front()
    }
}

//! Log lines that somebody else can cause as often as they like: the first is said, then one in a while, with a count.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mini_etcd_shared::clock::{Clock as _, Moment, SystemClock};

use crate::limits::{LOG_REPEAT_INTERVAL, LOG_REPEAT_KINDS_MAX};

/// What was said lately. `K` tells one kind of line from another.
///
/// However many kinds come, at most [`LOG_REPEAT_KINDS_MAX`] lines are said in any [`LOG_REPEAT_INTERVAL`].
#[derive(Debug)]
pub struct Repeats<K> {
    said: BTreeMap<K, Said>,
    /// Lines of kinds for which there was no room.
    crowded_out: u64,
}

/// A line that is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Say {
    /// Lines that were kept back since the last one, if any: a field of the line.
    pub more: Option<u64>,
}

impl Say {
    fn after(kept_back: &mut u64) -> Self {
        let kept_back = std::mem::take(kept_back);
        Self { more: (kept_back > 0).then_some(kept_back) }
    }
}

#[derive(Debug)]
struct Said {
    at: Moment,
    kept_back: u64,
}

impl<K> Default for Repeats<K> {
    fn default() -> Self {
        Self { said: BTreeMap::new(), crowded_out: 0 }
    }
}

impl<K: Ord> Repeats<K> {
    /// Whether a line of this kind is to be said at `now`.
    pub fn say(&mut self, kind: K, now: Moment) -> Option<Say> {
        let is_due = |said: &Said| now.since(said.at) >= LOG_REPEAT_INTERVAL;
        if let Some(said) = self.said.get_mut(&kind) {
            if !is_due(said) {
                said.kept_back += 1;
                return None;
            }
            said.at = now;
            return Some(Say::after(&mut said.kept_back));
        }
        if self.said.len() >= LOG_REPEAT_KINDS_MAX {
            let crowded_out = &mut self.crowded_out;
            self.said.retain(|_, said| {
                let keep = !is_due(said);
                *crowded_out += if keep { 0 } else { said.kept_back };
                keep
            });
        }
        if self.said.len() >= LOG_REPEAT_KINDS_MAX {
            self.crowded_out += 1;
            return None;
        }
        self.said.insert(kind, Said { at: now, kept_back: 0 });
        Some(Say::after(&mut self.crowded_out))
    }
}

/// [`Repeats`] by the machine's clock, for any number of threads.
#[derive(Debug)]
pub struct TimedRepeats<K> {
    clock: SystemClock,
    repeats: Mutex<Repeats<K>>,
}

impl<K> Default for TimedRepeats<K> {
    fn default() -> Self {
        Self { clock: SystemClock::new(), repeats: Mutex::default() }
    }
}

impl<K: Ord> TimedRepeats<K> {
    /// As [`Repeats::say`], now.
    pub fn say(&self, kind: K) -> Option<Say> {
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        repeats.say(kind, self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_is_said_at_once_and_then_once_in_a_while_with_a_count() {
        let mut repeats = Repeats::default();
        let at = |seconds| Moment(Duration::from_secs(seconds));
        assert_eq!(repeats.say("a", at(0)), Some(Say { more: None }));
        let said = (1..1000).filter(|_| repeats.say("a", at(1)).is_some()).count();
        assert_eq!(said, 0);
        assert_eq!(repeats.say("b", at(1)), Some(Say { more: None }), "another kind is news");
        assert_eq!(
            repeats.say("a", at(0).after(LOG_REPEAT_INTERVAL)),
            Some(Say { more: Some(999) })
        );
        assert_eq!(repeats.say("a", at(1).after(LOG_REPEAT_INTERVAL)), None);
    }

    #[test]
    fn any_number_of_kinds_is_bounded_together() {
        let mut repeats = Repeats::default();
        let begin = Moment::default();
        let said = (0..100_000).filter(|kind| repeats.say(*kind, begin).is_some()).count();
        assert_eq!(said, LOG_REPEAT_KINDS_MAX);
        assert!(repeats.said.len() <= LOG_REPEAT_KINDS_MAX);
        let later = begin.after(LOG_REPEAT_INTERVAL);
        let kept_back = 100_000 - LOG_REPEAT_KINDS_MAX as u64;
        assert_eq!(
            repeats.say(-1, later),
            Some(Say { more: Some(kept_back) }),
            "nothing is forgotten"
        );
    }
}

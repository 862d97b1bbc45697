//! Who led when, as this console saw it.

use std::collections::VecDeque;
use std::time::Duration;

use mini_etcd_shared::clock::Moment;

/// Spans that are kept.
const SPANS_MAX: usize = 512;
/// How far back is kept.
pub const WINDOW: Duration = Duration::from_secs(3600);

/// A time under one leader, or under none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Who led; `None` for nobody.
    pub leader: Option<u64>,
    /// In which term.
    pub term: u64,
    /// Since when.
    pub from: Moment,
    /// Until when; the last span ends at the last look.
    pub to: Moment,
    /// When it was last seen to lead, later than which it may have ended.
    pub seen: Moment,
}

/// Who led when.
#[derive(Clone, Debug, Default)]
pub struct Leadership {
    spans: VecDeque<Span>,
}

impl Leadership {
    /// Notes who leads now, and when that was last seen. Answers whether that is a change.
    pub fn note(
        &mut self,
        now: Moment,
        leader: Option<u64>,
        term: u64,
        seen: Option<Moment>,
    ) -> bool {
        let seen = seen.unwrap_or(now);
        if let Some(last) = self.spans.back_mut() {
            // A late word of a term that is over.
            if leader.is_some() && last.leader.is_some() && term < last.term {
                return false;
            }
            last.to = last.to.max(now);
            let same = last.leader == leader && (leader.is_none() || last.term == term);
            if same {
                last.term = term.max(last.term);
                last.seen = last.seen.max(seen);
                return false;
            }
        }
        self.spans.push_back(Span { leader, term, from: now, to: now, seen });
        while self.spans.len() > SPANS_MAX
            || self.spans.front().is_some_and(|span| now.since(span.to) > WINDOW)
        {
            self.spans.pop_front();
        }
        true
    }

    /// All spans, oldest first.
    #[must_use]
    pub fn spans(&self) -> impl DoubleEndedIterator<Item = &Span> + ExactSizeIterator {
        self.spans.iter()
    }

    /// Since when this console has looked.
    #[must_use]
    pub fn since(&self) -> Option<Moment> {
        self.spans.front().map(|span| span.from)
    }

    /// The changes, newest first: who led before, who leads since when in which term, and how long that took at the most.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut before: Option<&Span> = None;
        for span in &self.spans {
            let Some(to) = span.leader else { continue };
            // Whoever is seen again in the term it led has led all the while.
            let another = |old: &&Span| (old.leader, old.term) != (span.leader, span.term);
            if let Some(old) = before.filter(another) {
                let from = old.leader.unwrap_or_default();
                let within = span.from.since(old.seen);
                changes.push(Change { at: span.from, from, to, term: span.term, within });
            }
            before = Some(span);
        }
        changes.reverse();
        changes
    }
}

/// One change of leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When the new leader was first seen.
    pub at: Moment,
    /// Who led before.
    pub from: u64,
    /// Who leads since.
    pub to: u64,
    /// The new term.
    pub term: u64,
    /// Time between the last sight of the old leader and the first of the new one.
    pub within: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn a_change_says_who_led_who_leads_and_between_which_looks() {
        let mut seen = Leadership::default();
        assert!(seen.note(at(0), Some(1), 4, Some(at(0))));
        assert!(!seen.note(at(5), Some(1), 4, Some(at(5))));
        // Named by others, and not seen itself.
        assert!(!seen.note(at(9), Some(1), 4, Some(at(5))));
        assert!(seen.note(at(10), None, 4, None));
        assert!(!seen.note(at(11), None, 5, None));
        assert!(seen.note(at(12), Some(2), 5, Some(at(12))));
        let within = Duration::from_secs(7);
        assert_eq!(seen.changes(), [Change { at: at(12), from: 1, to: 2, term: 5, within }]);
    }

    #[test]
    fn a_leader_that_is_seen_again_in_its_term_has_not_changed() {
        let mut seen = Leadership::default();
        seen.note(at(0), Some(1), 4, None);
        seen.note(at(1), None, 4, None);
        seen.note(at(2), Some(1), 4, None);
        assert_eq!(seen.changes(), []);
        // Nor does a late word of an older term change anything.
        seen.note(at(3), Some(2), 5, None);
        assert!(!seen.note(at(4), Some(1), 4, None));
        assert_eq!(seen.changes().len(), 1);
    }

    #[test]
    fn a_new_term_of_the_same_leader_is_a_change() {
        let mut seen = Leadership::default();
        seen.note(at(0), Some(1), 4, None);
        assert!(seen.note(at(1), Some(1), 6, None));
        assert_eq!(seen.changes().len(), 1);
    }

    #[test]
    fn an_hour_is_kept_and_the_list_is_bounded() {
        let mut seen = Leadership::default();
        for second in 0..10_000 {
            seen.note(at(second), Some(second % 2), second, None);
        }
        assert!(seen.spans().len() <= SPANS_MAX);
        seen.note(at(100_000), None, 0, None);
        assert_eq!(
            seen.spans().len(),
            2,
            "the last before the hour, stretched to now, and the new one"
        );
    }
}

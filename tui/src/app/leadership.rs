//! Who led when, as this console saw it.

use std::collections::VecDeque;
use std::time::Duration;

use mini_etcd_server::clock::Moment;

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
}

/// Who led when.
#[derive(Clone, Debug, Default)]
pub struct Leadership {
    spans: VecDeque<Span>,
}

impl Leadership {
    /// Notes who leads now. Answers whether that is a change.
    pub fn note(&mut self, now: Moment, leader: Option<u64>, term: u64) -> bool {
        if let Some(last) = self.spans.back_mut() {
            last.to = last.to.max(now);
            let same = last.leader == leader && (leader.is_none() || last.term == term);
            if same {
                last.term = term.max(last.term);
                return false;
            }
        }
        self.spans.push_back(Span { leader, term, from: now, to: now });
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

    /// The changes, newest first: who led before, for how long nobody did, who leads since when in which term.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut before: Option<&Span> = None;
        let mut gap = Duration::ZERO;
        for span in &self.spans {
            match (span.leader, before) {
                (None, _) => gap += span.to.since(span.from),
                (Some(leader), Some(old)) => {
                    let from = old.leader.unwrap_or_default();
                    changes.push(Change { at: span.from, from, to: leader, term: span.term, gap });
                    (before, gap) = (Some(span), Duration::ZERO);
                }
                (Some(_), None) => (before, gap) = (Some(span), Duration::ZERO),
            }
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
    /// For how long nobody was seen to lead.
    pub gap: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn a_change_says_who_for_how_long_nobody_and_who_since() {
        let mut seen = Leadership::default();
        assert!(seen.note(at(0), Some(1), 4));
        assert!(!seen.note(at(5), Some(1), 4));
        assert!(seen.note(at(10), None, 4));
        assert!(!seen.note(at(11), None, 5));
        assert!(seen.note(at(12), Some(2), 5));
        let change = Change { at: at(12), from: 1, to: 2, term: 5, gap: Duration::from_secs(2) };
        assert_eq!(seen.changes(), [change]);
    }

    #[test]
    fn a_new_term_of_the_same_leader_is_a_change() {
        let mut seen = Leadership::default();
        seen.note(at(0), Some(1), 4);
        assert!(seen.note(at(1), Some(1), 6));
        assert_eq!(seen.changes().len(), 1);
    }

    #[test]
    fn an_hour_is_kept_and_the_list_is_bounded() {
        let mut seen = Leadership::default();
        for second in 0..10_000 {
            seen.note(at(second), Some(second % 2), second);
        }
        assert!(seen.spans().len() <= SPANS_MAX);
        seen.note(at(100_000), None, 0);
        assert_eq!(
            seen.spans().len(),
            2,
            "the last before the hour, stretched to now, and the new one"
        );
    }
}

//! Short messages: what happened, where, why, and what to do next.

use std::collections::VecDeque;
use std::time::Duration;

use mini_etcd_shared::clock::Moment;

/// Toasts on screen at once.
pub const TOASTS_MAX: usize = 4;
/// Messages that are remembered after they are gone.
const JOURNAL_MAX: usize = 200;
/// How long good news stays.
pub const INFO_STAYS: Duration = Duration::from_secs(4);
/// How long bad news stays at the least, whatever is pressed.
const ERROR_STAYS: Duration = Duration::from_secs(2);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Fades by itself.
    Info,
    /// Stays until a key is pressed.
    Error,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// How bad.
    pub gravity: Gravity,
    /// What happened, and where.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do next.
    pub next: String,
    /// How often it was said.
    pub times: u32,
    /// When it was said last.
    pub at: Moment,
}

impl Toast {
    /// Good news.
    #[must_use]
    pub fn info(at: Moment, what: impl Into<String>, next: impl Into<String>) -> Self {
        let (what, next) = (what.into(), next.into());
        Self { gravity: Gravity::Info, what, why: String::new(), next, times: 1, at }
    }

    /// Bad news.
    #[must_use]
    pub fn error(at: Moment, what: String, why: String, next: String) -> Self {
        Self { gravity: Gravity::Error, what, why, next, times: 1, at }
    }
}

/// The messages on screen, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Toasts {
    shown: Vec<Toast>,
    /// What was said about the cluster, oldest first, also after it is gone from the screen.
    journal: VecDeque<Toast>,
}

impl Toasts {
    /// Says what happened to the cluster; it is remembered.
    pub fn happened(&mut self, toast: Toast) {
        let known = self.shown.iter().any(|old| old.what == toast.what && old.why == toast.why);
        if !known {
            self.journal.push_back(toast.clone());
            if self.journal.len() > JOURNAL_MAX {
                self.journal.pop_front();
            }
        }
        self.say(toast);
    }

    /// Says something; a repeat only counts up.
    fn say(&mut self, toast: Toast) {
        let same = self.shown.iter_mut().find(|old| old.what == toast.what && old.why == toast.why);
        if let Some(old) = same {
            old.times = old.times.saturating_add(1);
            old.at = toast.at;
            return;
        }
        self.shown.push(toast);
        if self.shown.len() > TOASTS_MAX {
            self.shown.remove(0);
        }
    }

    /// A word to whoever presses the keys.
    pub fn hint(&mut self, at: Moment, what: impl Into<String>) {
        let hint = Toast {
            gravity: Gravity::Info,
            what: what.into(),
            why: String::new(),
            next: String::new(),
            times: 1,
            at,
        };
        self.shown.retain(|old| old.what != hint.what);
        self.shown.push(hint);
        if self.shown.len() > TOASTS_MAX {
            self.shown.remove(0);
        }
    }

    /// What happened to the cluster, oldest first.
    #[must_use]
    pub fn journal(&self) -> impl DoubleEndedIterator<Item = &Toast> + ExactSizeIterator {
        self.journal.iter()
    }

    /// Good news of this console.
    pub fn info(&mut self, at: Moment, what: impl Into<String>, next: impl Into<String>) {
        self.say(Toast::info(at, what, next));
    }

    /// Bad news of this console.
    pub fn error(&mut self, at: Moment, what: String, why: String, next: String) {
        self.say(Toast::error(at, what, why, next));
    }

    /// Lets good news fade. Answers whether any did.
    pub fn fade(&mut self, now: Moment) -> bool {
        let before = self.shown.len();
        self.shown.retain(|t| t.gravity == Gravity::Error || now.since(t.at) < INFO_STAYS);
        self.shown.len() != before
    }

    /// A key was pressed: bad news that had its time goes.
    pub fn acknowledge(&mut self, now: Moment) {
        self.shown.retain(|t| t.gravity == Gravity::Info || now.since(t.at) < ERROR_STAYS);
    }

    /// Takes all away. Answers whether there were any.
    pub fn clear(&mut self) -> bool {
        let any = !self.shown.is_empty();
        self.shown.clear();
        any
    }

    /// Takes away what is about something that is over.
    pub fn withdraw(&mut self, about: &str) {
        self.shown.retain(|toast| !toast.what.starts_with(about));
    }

    /// The messages on screen, oldest first.
    #[must_use]
    pub fn shown(&self) -> &[Toast] {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn good_news_fades_and_bad_news_waits_for_a_key() {
        let mut toasts = Toasts::default();
        toasts.info(at(0), "n1 is back", "");
        toasts.error(at(0), "n2 is down".into(), "refused".into(), String::new());
        assert!(toasts.fade(at(5)));
        assert_eq!(toasts.shown().len(), 1);
        toasts.acknowledge(at(5));
        assert!(toasts.shown().is_empty());
    }

    #[test]
    fn only_what_happened_to_the_cluster_is_remembered() {
        let mut toasts = Toasts::default();
        toasts.info(at(0), "copied 61B to the terminal's clipboard", "");
        toasts.happened(Toast::info(at(0), "n1 is back", ""));
        toasts.happened(Toast::info(at(1), "n1 is back", ""));
        let kept: Vec<_> = toasts.journal().map(|toast| toast.what.as_str()).collect();
        assert_eq!(kept, ["n1 is back"]);
    }

    #[test]
    fn a_repeat_counts_and_the_pile_is_bounded() {
        let mut toasts = Toasts::default();
        for _ in 0..3 {
            toasts.error(at(1), "n2 is down".into(), "refused".into(), String::new());
        }
        assert_eq!((toasts.shown().len(), toasts.shown()[0].times), (1, 3));
        for n in 0..10 {
            toasts.info(at(1), format!("{n}"), "");
        }
        assert_eq!(toasts.shown().len(), TOASTS_MAX);
    }
}

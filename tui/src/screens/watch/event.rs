//! What a tail holds: revisions with their events, and marks between them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::change;
use super::change::Change;
use crate::widget::grouped;

/// Bytes that an event is counted with beside its key and values.
const OVERHEAD: usize = 160;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was written.
    Put,
    /// It was deleted.
    Del,
}

/// A key's value at some revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// The value.
    pub value: Bytes,
    /// How often the key was written since it was created.
    pub version: i64,
    /// The lease it hangs on; 0 for none.
    pub lease: i64,
    /// The revision that wrote it.
    pub written: i64,
}

/// What was there before an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: the event created the key.
    Nothing,
    /// This.
    Known(Version),
    /// The server did not send it: nobody asked, or it is compacted.
    Unknown,
}

/// One key changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// How.
    pub kind: Kind,
    /// Which.
    pub key: Bytes,
    /// The revision that created it; 0 for a delete.
    pub created: i64,
    /// What it is now; of a delete only `written` says something.
    pub now: Version,
    /// What it was.
    pub before: Before,
    /// What changed: found out when it is first looked at, because most events scroll by unseen.
    seen: OnceLock<Change>,
}

impl Event {
    /// An event.
    #[must_use]
    pub fn new(kind: Kind, key: Bytes, created: i64, now: Version, before: Before) -> Self {
        Self { kind, key, created, now, before, seen: OnceLock::new() }
    }

    /// Whether the key did not exist before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.before == Before::Nothing
    }

    /// What changed.
    pub fn change(&self) -> &Change {
        self.seen.get_or_init(|| change::of(self))
    }

    /// What it is counted with against the bounds of a tail.
    #[must_use]
    pub fn weight(&self) -> usize {
        let before = if let Before::Known(before) = &self.before { before.value.len() } else { 0 };
        self.key.len() + self.now.value.len() + before + OVERHEAD
    }
}

/// All events of one revision, as far as the tail's range goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// Its events, in the server's order; never empty.
    pub events: Vec<Event>,
    /// Events of it that were too many to keep.
    pub cut: usize,
}

/// Something about the stream of events itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The tail began at this revision, on this member.
    Began {
        /// First revision that it shows.
        from: i64,
        /// The member.
        on: String,
    },
    /// The stream was lost and went on, and nothing is missing.
    Resumed {
        /// Why it was lost.
        why: String,
        /// The first revision after it.
        from: i64,
        /// The member it went on at.
        on: String,
        /// How long it was away, as shown.
        away: String,
    },
    /// History was compacted away before it was delivered.
    Compacted {
        /// First revision that is missing.
        from: i64,
        /// Where it goes on.
        to: i64,
    },
    /// While the tail was paused more happened than is held.
    NotHeld {
        /// Events that are not shown.
        events: u64,
    },
    /// The server ended it.
    Ended {
        /// Why.
        why: String,
    },
}

impl Mark {
    /// Whether something is missing, or may be.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Compacted { .. } | Self::NotHeld { .. } | Self::Ended { .. })
    }

    /// Whether it tells of trouble, survived or not.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        !matches!(self, Self::Began { .. })
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let at = |revision: &i64| grouped(revision.unsigned_abs());
        match self {
            Self::Began { from, on } => format!("begins at {} on {on}", at(from)),
            Self::Resumed { why, from, on, away } => {
                format!("gap {away}, nothing lost: {why}; resumed at {} on {on}", at(from))
            }
            Self::Compacted { from, to } => {
                let last = at(&(to - 1));
                format!("compacted: {} to {last} are gone; goes on at {}", at(from), at(to))
            }
            Self::NotHeld { events } => {
                format!("pause: the first {} events of it were not held", grouped(*events))
            }
            Self::Ended { why } => format!("ended by the server: {why}"),
        }
    }
}

/// One entry of a tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it came, in seconds of the wall clock.
    pub wall: u64,
    /// What.
    pub what: What,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Changes.
    Revision(Arc<Revision>),
    /// Something about the stream.
    Mark(Mark),
}

impl Entry {
    /// Events in it.
    #[must_use]
    pub fn events(&self) -> usize {
        match &self.what {
            What::Revision(revision) => revision.events.len(),
            What::Mark(_) => 0,
        }
    }

    /// Bytes in it; a mark is counted like an event without values.
    #[must_use]
    pub fn weight(&self) -> usize {
        match &self.what {
            What::Revision(revision) => revision.events.iter().map(Event::weight).sum(),
            What::Mark(_) => OVERHEAD,
        }
    }
}

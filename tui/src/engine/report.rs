//! [`Report`]: what the engine tells.

use std::time::Duration;

use mini_etcd_shared::clock::Moment;

use super::request::{Answer, Ticket};
use super::sample::{Fault, Listed, Proof, Sample};
use super::session::{RunEnded, SessionLine};

/// What the engine found out.
#[derive(Clone, Debug)]
pub enum Report {
    /// Who is in the cluster.
    Members(u64, Vec<Listed>),
    /// Nobody told who is in the cluster, and why each endpoint did not.
    Silent(Vec<(String, Fault)>),
    /// What a member says.
    Sample(u64, Box<Sample>),
    /// How long a member took to answer.
    Rtt(u64, Moment, Duration),
    /// A member has answered a linearizable read: a quorum stood behind it.
    Proof(u64, Proof),
    /// A member is not heard any more.
    Lost(u64, Fault),
    /// Whether somebody answers where a bundled server stands in for it.
    Elsewhere(bool),
    /// A bundled member was started.
    Started(String),
    /// A bundled member ended: its name, how, its log file, and whether it was killed from here.
    Ended(Ended),
    /// A run or a background watch says lines; so many were lost before them.
    Said(Vec<SessionLine>, u64),
    /// A run asks for a password, in these words.
    Asked(u64, String),
    /// A run is over.
    Ran(u64, RunEnded),
    /// An answer to what a screen asked.
    Answer(Ticket, Answer),
    /// Something was done that no screen shows: what, what next.
    Done(String, String),
    /// Something went wrong that no screen shows: what, why, what next.
    Trouble(String, String, String),
}

/// A bundled member ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its name.
    pub name: String,
    /// How it ended, in words.
    pub how: String,
    /// Its log file.
    pub log: String,
    /// It was killed from here.
    pub killed: bool,
}

/// How often members are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Somebody looks.
    #[default]
    Focused,
    /// The window has lost the keyboard.
    Blurred,
}

impl Pace {
    /// Time between two answers of an admin stream.
    #[must_use]
    pub fn stream(self) -> Duration {
        Duration::from_millis(if self == Self::Focused { 500 } else { 5000 })
    }

    /// Time between two questions to a server without one.
    #[must_use]
    pub fn poll(self) -> Duration {
        Duration::from_millis(if self == Self::Focused { 1000 } else { 5000 })
    }

    /// Time between two linearizable reads that show whether a quorum stands.
    #[must_use]
    pub fn proof(self) -> Duration {
        Duration::from_millis(if self == Self::Focused { 2000 } else { 5000 })
    }

    /// Age from which an answer is called stale.
    #[must_use]
    pub fn stale_after(self) -> Duration {
        Duration::from_millis(if self == Self::Focused { 3500 } else { 12_000 })
    }
}

//! What comes in and what goes out of [`super::update()`].

use std::time::Duration;

use crossterm::event::KeyEvent;
use mini_etcd_shared::clock::Moment;

use crate::engine::request::{Answer, Job, Ticket};
use crate::engine::sample::{Fault, Proof, Sample};
use crate::screens::cluster::member::Listed;
use crate::screens::repl::Ended as RunEnded;
use crate::screens::repl::scrollback::Said;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// Time went on: now, and the seconds of the wall clock.
    Tick(Moment, u64),
    /// The process goes on after it was stopped.
    Woke(Moment),
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has a new size.
    Resize(u16, u16),
    /// The terminal window got (or lost) the keyboard.
    Focus(bool),
    /// The engine reports; a report of an older generation is dropped.
    Report(u64, Report),
}

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
    Said(Vec<Said>, u64),
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

/// Something to do outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Run a text of the language; its answer carries the number.
    Run(u64, String),
    /// Give up the run of that number.
    Cancel(u64),
    /// Find an answer for a screen.
    Ask(Ticket, Job),
    /// Give up a question: nobody waits for its answer any more.
    Drop(Ticket),
    /// Kill a bundled member.
    Kill(String),
    /// Start a bundled member again.
    Restart(String),
    /// Write down what was done by keys.
    Note {
        /// Statements that do it again.
        script: String,
        /// The session's prefix, when it does not count for them and would change what they do.
        scope: Option<Vec<u8>>,
    },
    /// Ask members this often.
    Pace(Pace),
    /// Give this text to an editor; what it leaves is the answer.
    Edit {
        /// Whose answer it is.
        ticket: Ticket,
        /// Name of the file, for the editor to know what it is.
        name: &'static str,
        /// The text.
        text: Vec<u8>,
    },
    /// Ask this cluster from now on, and no other.
    Cluster(u64),
    /// Put this into the clipboard of the terminal, or into a file when it is too long.
    Copy(Vec<u8>),
    /// Look at other servers.
    Attach(Attach),
    /// Paint everything anew.
    Repaint,
    /// Stop the process until it is continued.
    Suspend,
    /// Leave.
    Quit,
}

/// Which other servers to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A bundled one, in the place of those that do not answer.
    Bundled,
    /// The ones that a bundled one stands in for.
    Named,
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

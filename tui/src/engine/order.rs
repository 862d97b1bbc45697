//! [`Order`]: what the engine is told to do.

use super::report::Pace;
use super::request::{Job, Ticket};
use crate::password::Secret;

/// What the engine is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Run a text of the language; its answer carries the number.
    Run(u64, String),
    /// Give up the run of that number.
    Cancel(u64),
    /// The password that the run of that number asked for; none when it is given up.
    Password(u64, Option<Secret>),
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
    /// Ask this cluster from now on, and no other.
    Cluster(u64),
    /// End, and stop the bundled members.
    Quit,
}

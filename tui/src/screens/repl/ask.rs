//! What the pane asks the engine beside runs.

use mini_etcd_shared::complete::Completion;

use super::{Place, Prompt};

/// What could stand at a cursor, as far as only the cluster or the disk knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is typed.
    pub text: String,
    /// The byte that the cursor is at.
    pub at: usize,
    /// How the session is.
    pub prompt: Prompt,
}

/// What is answered.
pub type Answer = Completion;

/// What an answer is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The editor.
    Edit,
    /// Candidates for this text, with the cursor there.
    Complete(Place, String, usize),
}

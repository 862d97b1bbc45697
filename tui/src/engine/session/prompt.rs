//! [`Prompt`]: how a session is, and [`RunEnded`]: how a run of it ended.

use std::time::Duration;

use mini_etcd_shared::complete::Context;

/// What a session's prompt and title show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The prefix that `cd` has set.
    pub scope: String,
    /// Output format.
    pub format: String,
    /// Whether the session tells how long each command took.
    pub timing: bool,
    /// The file that what is done is recorded in.
    pub recording: Option<String>,
    /// Names of the background watches.
    pub watches: Vec<String>,
    /// Names of the variables that are set.
    pub variables: Vec<String>,
    /// The scope as bytes.
    pub prefix: Vec<u8>,
}

impl Prompt {
    /// What completion has to know.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            variables: self.variables.clone(),
            watches: self.watches.clone(),
            // The console knows them.
            profiles: Vec::new(),
            scope: self.prefix.clone(),
        }
    }
}

/// A run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnded {
    /// Why it failed, as lines.
    pub failed: Option<Vec<String>>,
    /// How long it took.
    pub took: Duration,
    /// How the session is now.
    pub prompt: Prompt,
}

//! [`Outcome`]: what came of the steps of a run, and [`Difference`].

use std::collections::BTreeMap;
use std::fmt;

use super::deviations::Version;

/// A step that two servers answer differently.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Its number among the steps.
    pub step: usize,
    /// Of the method.
    pub path: String,
    /// Who asked.
    pub user: &'static str,
    /// What was asked of etcd, in its own numbers.
    pub asked: String,
    /// What etcd answered.
    pub etcd: String,
    /// What we answered.
    pub mini: String,
}

impl Difference {
    pub(super) fn new(path: &str, etcd: String, mini: String) -> Self {
        let (path, asked) = (path.to_owned(), String::new());
        Self { step: 0, path, user: "", asked, etcd, mini }
    }

    /// What two differences of one kind have alike: the method, and the answers without their figures, shortened.
    #[must_use]
    pub fn kind(&self) -> String {
        let short = |text: &str| -> String {
            text.chars().filter(|it| !it.is_ascii_digit()).take(48).collect()
        };
        format!("{} | {} | {}", self.path, short(&self.etcd), short(&self.mini))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.user.is_empty() { "nobody" } else { self.user };
        writeln!(out, "step {}, {by}: {} {}", self.step, self.path, self.asked)?;
        writeln!(out, "  etcd:      {}", self.etcd)?;
        write!(out, "  mini-etcd: {}", self.mini)
    }
}

/// What came of the steps.
#[derive(Debug)]
pub struct Outcome {
    /// Version of the etcd.
    pub version: Version,
    /// Steps that were carried out.
    pub steps: usize,
    /// Differences that are meant, and requests that were not sent, by name.
    pub passed_over: BTreeMap<&'static str, usize>,
    /// Answers by code, etcd's.
    pub codes: BTreeMap<String, usize>,
    /// The first difference.
    pub difference: Option<Difference>,
}

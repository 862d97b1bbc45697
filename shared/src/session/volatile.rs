//! [`Volatile`]: bytes that are others in every run, which are the run's own names and revisions that were stored. Golden
//! output and recordings go by it.

use std::collections::{BTreeMap, BTreeSet};

use super::CommandOutcome;
use crate::language::{Filter, Run, Variables, written};
use crate::text::{ANYTHING, Escaped, replaced};

/// Parts of names of fields that hold such numbers.
const FIELDS: [&str; 6] = ["revision", "_id", "ID", "header", "raft", "lease"];

/// Whether a path into an answer leads to something that only this cluster has.
#[must_use]
pub fn is_of_cluster(path: &str) -> bool {
    FIELDS.iter().any(|part| path.contains(part))
}

/// What is known to be another one the next time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Volatile {
    /// Variables that hold it now.
    variables: BTreeMap<String, Vec<u8>>,
    /// Everything that was ever held.
    values: BTreeSet<Vec<u8>>,
    /// `$rev` before the next statement.
    rev: Option<i64>,
}

impl Volatile {
    /// Takes in a value that only this run has.
    pub(super) fn hold(&mut self, value: &[u8]) {
        if !value.is_empty() {
            self.values.insert(value.to_vec());
        }
    }

    /// Takes in a command that has run; `uses_rev` tells whether it names `$rev`.
    pub fn take(
        &mut self,
        run: &Run,
        uses_rev: bool,
        outcome: &CommandOutcome,
        variables: &Variables,
    ) {
        if uses_rev {
            self.values.extend(self.rev.map(|rev| rev.to_string().into_bytes()));
        }
        self.rev = outcome.facts().rev;
        self.values.extend(["RUN", "TMP"].iter().filter_map(|name| {
            variables.get(name).filter(|value| !value.is_empty()).map(<[u8]>::to_vec)
        }));
        let Some(name) = &run.capture else { return };
        self.variables.remove(name);
        let value = variables.get(name).filter(|_| holds(run, outcome)).map(<[u8]>::to_vec);
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.values.insert(value.clone());
            self.variables.insert(name.clone(), value);
        }
    }

    /// What a value is expected to be; `None` when that is another one in every run.
    #[must_use]
    pub fn expected(&self, bytes: &[u8]) -> Option<String> {
        if let Some((name, _)) = self.variables.iter().find(|(_, value)| *value == bytes) {
            return Some(format!("\"${name}\""));
        }
        let inside = |part: &Vec<u8>| bytes.windows(part.len()).any(|window| window == part);
        (!self.values.iter().any(inside)).then(|| written(bytes))
    }

    /// Whether bytes hold something that only this run has.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.values.iter().any(|value| bytes.windows(value.len()).any(|window| window == value))
    }

    /// A line of output with `<*>` for what only this run has. A number counts as a whole word only.
    pub(super) fn masked(&self, line: &str) -> String {
        // The longest first: one may be a part of another.
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.into_iter().fold(line.to_owned(), |line, value| {
            let line = match str::from_utf8(value) {
                Ok(text) => replaced(&line, text),
                Err(_) => line,
            };
            line.replace(&Escaped(value).to_string(), ANYTHING)
        })
    }
}

/// Whether what a line stores is of this cluster only.
fn holds(run: &Run, outcome: &CommandOutcome) -> bool {
    if let Some(path) = run.filters.iter().find_map(|filter| match filter {
        Filter::Json(path) => Some(path),
        _ => None,
    }) {
        return is_of_cluster(&path.text);
    }
    !run.filters.iter().any(|filter| matches!(filter, Filter::Count))
        && outcome.answer.as_ref().is_some_and(|answer| answer.is_of_cluster())
}

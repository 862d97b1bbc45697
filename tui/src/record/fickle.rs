//! Bytes that are others in every run: the run's own names, and revisions that were stored.

use std::collections::{BTreeMap, BTreeSet};

use mini_etcd_shared::exec::Answer;
use mini_etcd_shared::language::{Filter, Run, Variables, written};
use mini_etcd_shared::session::Outcome;

/// Parts of names of fields that hold such numbers.
const FIELDS: [&str; 6] = ["revision", "_id", "ID", "header", "raft", "lease"];

/// Whether a path into an answer leads to something that only this cluster has.
pub(super) fn is_of_cluster(path: &str) -> bool {
    FIELDS.iter().any(|part| path.contains(part))
}

/// What is known to be another one the next time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fickle {
    /// Variables that hold it now.
    variables: BTreeMap<String, Vec<u8>>,
    /// Everything that was ever held.
    values: BTreeSet<Vec<u8>>,
    /// `$rev` before the next statement.
    rev: Option<i64>,
}

impl Fickle {
    /// Takes in a command that has run.
    pub(super) fn take(
        &mut self,
        run: &Run,
        source: &str,
        outcome: &Outcome,
        variables: &Variables,
    ) {
        if source.contains("$rev") || source.contains("${rev") {
            self.values.extend(self.rev.map(|rev| rev.to_string().into_bytes()));
        }
        self.rev = outcome.rev();
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
    pub(super) fn expected(&self, bytes: &[u8]) -> Option<String> {
        if let Some((name, _)) = self.variables.iter().find(|(_, value)| *value == bytes) {
            return Some(format!("\"${name}\""));
        }
        let inside = |part: &Vec<u8>| bytes.windows(part.len()).any(|window| window == part);
        (!self.values.iter().any(inside)).then(|| written(bytes))
    }
}

/// Whether what a line stores is of this cluster only.
fn holds(run: &Run, outcome: &Outcome) -> bool {
    if let Some(path) = run.filters.iter().find_map(|filter| match filter {
        Filter::Json(path) => Some(path),
        _ => None,
    }) {
        return is_of_cluster(&path.text);
    }
    !run.filters.iter().any(|filter| matches!(filter, Filter::Count))
        && matches!(
            &outcome.answer,
            Some(
                Answer::Put(_)
                    | Answer::Compaction(_)
                    | Answer::MemberList(_)
                    | Answer::EndpointStatus(_)
                    | Answer::EndpointHealth(_)
                    | Answer::EndpointHashKv(_)
            )
        )
}

//! The checks behind `/livez` and `/readyz`, and how their results are told.

use std::fmt::Write;

use http::StatusCode;

use super::site::{PLAIN, TextPage};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    DataCorruption,
    SerializableRead,
    /// Not etcd's: there a member with a disk that hangs stays ready.
    DiskWrite,
    LinearizableRead,
    NonLearner,
}

/// A group of checks that has a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Whether the process should be started anew.
    Live,
    /// Whether it can serve.
    Ready,
}

impl Check {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DataCorruption => "data_corruption",
            Self::SerializableRead => "serializable_read",
            Self::DiskWrite => "disk_write",
            Self::LinearizableRead => "linearizable_read",
            Self::NonLearner => "non_learner",
        }
    }
}

impl Group {
    pub(super) fn checks(self) -> &'static [Check] {
        match self {
            Self::Live => &[Check::SerializableRead],
            Self::Ready => &[
                Check::DataCorruption,
                Check::SerializableRead,
                // Before the read, which may wait for this very disk.
                Check::DiskWrite,
                Check::LinearizableRead,
                Check::NonLearner,
            ],
        }
    }

    /// The group of a path, and the one check that it may name.
    pub(super) fn by_path(path: &str) -> Option<(Self, Option<Check>)> {
        let groups = [("/livez", Self::Live), ("/readyz", Self::Ready)];
        groups.into_iter().find_map(|(root, group)| {
            let rest = path.strip_prefix(root)?;
            if rest.is_empty() {
                return Some((group, None));
            }
            let only = rest.strip_prefix('/')?;
            let only = group.checks().iter().find(|check| check.name() == only)?;
            Some((group, Some(*only)))
        })
    }
}

/// One line for each check when one failed or the client wants to see them all.
pub(super) fn report(results: &[(Check, Result<(), String>)], verbose: bool) -> TextPage {
    let failed = results.iter().any(|(_, result)| result.is_err());
    let mut text = String::new();
    if failed || verbose {
        for (check, result) in results {
            // Writing to a String does not fail.
            let _ = match result {
                Ok(()) => writeln!(text, "[+]{} ok", check.name()),
                Err(error) => writeln!(text, "[-]{} failed: {error}", check.name()),
            };
        }
    }
    if !failed {
        text.push_str("ok\n");
    }
    let status = if failed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    TextPage { status, content_type: PLAIN, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_group_or_one_of_its_checks() {
        for (path, want) in [
            ("/livez", Some((Group::Live, None))),
            ("/readyz", Some((Group::Ready, None))),
            ("/readyz/non_learner", Some((Group::Ready, Some(Check::NonLearner)))),
            ("/livez/non_learner", None),
            ("/readyz/", None),
            ("/readyzz", None),
            ("/healthz", None),
        ] {
            assert_eq!(Group::by_path(path), want, "{path}");
        }
    }

    #[test]
    fn lines_are_told_when_asked_for_or_when_one_failed() {
        let good = [(Check::SerializableRead, Ok(()))];
        assert_eq!(report(&good, false).text, "ok\n");
        assert_eq!(report(&good, true).text, "[+]serializable_read ok\nok\n");
        let bad =
            [good[0].clone(), (Check::NonLearner, Err("not supported for learner".to_owned()))];
        let page = report(&bad, false);
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        let text = "[+]serializable_read ok\n[-]non_learner failed: not supported for learner\n";
        assert_eq!(page.text, text);
    }
}

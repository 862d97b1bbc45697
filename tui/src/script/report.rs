//! What a run found, before it is written in one form or another.

use std::time::Duration;

use mini_etcd_shared::failure::exit;

/// How a test ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Passed,
    Failed(Failure),
    Skipped(&'static str),
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    /// `FILE:LINE`.
    pub at: String,
    /// The command.
    pub command: String,
    pub expected: String,
    pub got: String,
    /// Exit code that it leads to.
    pub exit: u8,
}

/// A command that has run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub line: usize,
    pub command: String,
    pub status: u8,
    pub elapsed: Duration,
    pub rev: Option<i64>,
    pub count: Option<i64>,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    pub error: Option<String>,
    /// Bytes of output that are not kept.
    pub dropped: usize,
}

/// A test that has run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TestReport {
    pub name: String,
    pub verdict: Verdict,
    pub elapsed: Duration,
    pub steps: Vec<Step>,
}

/// A file that has run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileReport {
    pub file: String,
    pub tests: Vec<TestReport>,
    /// What ran outside of tests.
    pub outside: Vec<Step>,
    /// What failed in teardown.
    pub teardown: Option<Failure>,
    pub elapsed: Duration,
    /// Expectations that were judged.
    pub assertions: usize,
}

/// Why a run ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Interrupted,
    TimedOut,
}

impl Stop {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::TimedOut => "out of time",
        }
    }

    pub(super) fn exit(self) -> u8 {
        match self {
            Self::Interrupted => exit::INTERRUPTED,
            Self::TimedOut => exit::TIMEOUT,
        }
    }
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    pub assertions: usize,
}

impl Totals {
    pub(super) fn of(files: &[FileReport]) -> Self {
        let mut totals = Self::default();
        for file in files {
            totals.assertions += file.assertions;
            for test in &file.tests {
                match test.verdict {
                    Verdict::Passed => totals.passed += 1,
                    Verdict::Failed(_) => totals.failed += 1,
                    Verdict::Skipped(_) => totals.skipped += 1,
                }
            }
        }
        totals
    }
}

/// I4: an early end is told before failures, no connection before a file, a file before a test.
pub(super) fn exit_code(files: &[FileReport], stop: Option<Stop>) -> u8 {
    if let Some(stop) = stop {
        return stop.exit();
    }
    let of_tests =
        files.iter().flat_map(|file| &file.tests).filter_map(|test| match &test.verdict {
            Verdict::Failed(failure) => Some(failure),
            _ => None,
        });
    let codes: Vec<u8> = of_tests
        .chain(files.iter().filter_map(|file| file.teardown.as_ref()))
        .map(|failure| failure.exit)
        .collect();
    for code in [exit::NO_CONNECTION, exit::IO] {
        if codes.contains(&code) {
            return code;
        }
    }
    if codes.is_empty() { 0 } else { exit::ERROR }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let file = |exits: &[u8], teardown: Option<u8>| {
            let failure = |exit: u8| Failure {
                at: String::new(),
                command: String::new(),
                expected: String::new(),
                got: String::new(),
                exit,
            };
            let test = |exit: &u8| TestReport {
                name: String::new(),
                verdict: if *exit == 0 { Verdict::Passed } else { Verdict::Failed(failure(*exit)) },
                elapsed: Duration::ZERO,
                steps: Vec::new(),
            };
            FileReport {
                file: String::new(),
                tests: exits.iter().map(test).collect(),
                outside: Vec::new(),
                teardown: teardown.map(failure),
                elapsed: Duration::ZERO,
                assertions: 0,
            }
        };
        for (exits, teardown, stop, code) in [
            (&[0, 0][..], None, None, 0),
            (&[0, 1], None, None, 1),
            (&[0, 128], None, None, 1),
            (&[1, 6], None, None, 6),
            (&[1, 2, 6], None, None, 2),
            (&[0], Some(1), None, 1),
            (&[1], None, Some(Stop::Interrupted), 5),
            (&[0], None, Some(Stop::TimedOut), 124),
        ] {
            assert_eq!(exit_code(&[file(exits, teardown)], stop), code, "{exits:?}");
        }
    }
}

//! From flags to an exit code.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use mini_etcd_shared::failure::exit;
use tokio::time::Instant;

use super::plan::Planned;
use super::report::{FileReport, TestReport, Totals, Verdict, exit_code};
use super::runner::Runner;
use super::servers::{Servers, ServersError};
use super::stop::Stopper;
use super::{Flags, json, junit, tap, update};
use crate::complaint;

/// Letters of `$RUN`.
const RUN_LETTERS: usize = 6;

/// Runs the scripts that the flags name; answers the exit code.
#[must_use]
pub fn run(flags: &Flags) -> u8 {
    let given: BTreeSet<String> = flags.variables.iter().map(|(name, _)| name.clone()).collect();
    let mut planned = Vec::new();
    let mut refused = 0;
    for path in &flags.files {
        match Planned::read(path, &given, flags.bundled) {
            Ok(file) => planned.push(file),
            Err(error) => {
                say(&error.to_string());
                refused = refused.max(error.exit());
            }
        }
    }
    // I1
    if refused != 0 {
        return refused;
    }
    if let Some(only) = &flags.only
        && !planned.iter().flat_map(Planned::tests).any(|name| name.contains(only.as_str()))
    {
        say(&format!("--only {only}: no test has this in its name"));
        return exit::BAD_ARGS;
    }
    if flags.dry_run {
        dry_run(flags, &planned);
        return 0;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            return exit::ERROR;
        }
    };
    runtime.block_on(run_all(flags, &planned))
}

fn say(text: &str) {
    complaint::say(&format!("mini-etcd-tui: {text}"));
}

/// Writes to standard output; a reader that has gone ends nothing, for teardown is to run.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn dry_run(flags: &Flags, planned: &[Planned]) {
    let count = planned.iter().map(|file| file.tests().len()).sum();
    print(&tap::head(None, "dry", count));
    let mut number = 0;
    for file in planned {
        print(&tap::file(&file.name()));
        for name in file.tests() {
            number += 1;
            let asked = flags.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
            let verdict = Verdict::Skipped(if asked { "dry run" } else { "not asked for" });
            let elapsed = std::time::Duration::ZERO;
            print(&tap::test(number, &TestReport { name, verdict, elapsed, steps: Vec::new() }));
        }
    }
}

async fn run_all(flags: &Flags, planned: &[Planned]) -> u8 {
    let stopper = match Stopper::new(flags.timeout) {
        Ok(stopper) => stopper,
        Err(error) => {
            say(&format!("cannot wait for signals: {error}"));
            return exit::ERROR;
        }
    };
    let tmp = match tempfile::Builder::new().prefix("mini-etcd-run-").tempdir() {
        Ok(tmp) => tmp,
        Err(error) => {
            say(&format!("no scratch directory: {error}"));
            return exit::IO;
        }
    };
    let servers = match Servers::open(flags).await {
        Ok(servers) => servers,
        Err(error) => {
            say(&error.to_string());
            return match error {
                ServersError::Address(_) | ServersError::Connect(_) => exit::BAD_ARGS,
                ServersError::Login(_) => exit::ERROR,
                _ => exit::NO_CONNECTION,
            };
        }
    };
    let run = run_name();
    let mut runner =
        Runner { flags, servers: &servers, run, tmp: tmp.path().to_owned(), stopper, stop: None };
    let code = report_all(flags, planned, &mut runner).await;
    drop(runner);
    servers.close().await;
    code
}

async fn report_all(flags: &Flags, planned: &[Planned], runner: &mut Runner<'_>) -> u8 {
    let start = Instant::now();
    let count = planned.iter().map(|file| file.tests().len()).sum();
    print(&tap::head(Some(&runner.servers.cluster), &runner.run, count));
    let mut reports: Vec<FileReport> = Vec::new();
    let mut number = 0;
    let mut written = Ok(());
    for file in planned {
        print(&tap::file(&file.name()));
        let mut tell = |test: &TestReport| {
            number += 1;
            print(&tap::test(number, test));
        };
        let (report, goldens) = runner.file(file, &mut tell).await;
        print(&tap::teardown(&report));
        reports.push(report);
        if flags.update {
            let updated = update::rewrite(&file.path, &file.source, goldens);
            match updated {
                Ok(0) => {}
                Ok(blocks) => {
                    print(&format!("# {}: {blocks} golden blocks updated\n", file.name()));
                }
                Err(error) => written = Err(format!("{}: {error}", file.name())),
            }
        }
    }
    print(&tap::totals(Totals::of(&reports), start.elapsed()));
    let code = exit_code(&reports, runner.stop);
    let write = |path: Option<&Path>, document: std::io::Result<Vec<u8>>| match path {
        None => Ok(()),
        Some(path) => document
            .and_then(|document| std::fs::write(path, document))
            .map_err(|error| format!("{}: {error}", path.display())),
    };
    let written = written
        .and_then(|()| write(flags.junit.as_deref(), junit::document(&reports)))
        .and_then(|()| write(flags.json.as_deref(), Ok(json::document(&reports, code))));
    match written {
        Ok(()) => code,
        Err(text) => {
            say(&text);
            if code == 0 || code == exit::ERROR { exit::IO } else { code }
        }
    }
}

/// A name that no other run has, short enough to be read.
pub(crate) fn run_name() -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letter =
        |_| letters.get(rand::random_range(0..letters.len())).map_or('x', |l| char::from(*l));
    // It begins with a letter, so that it is a name wherever names are wanted.
    std::iter::once('r').chain((1..RUN_LETTERS).map(letter)).collect()
}

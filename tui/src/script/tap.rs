//! The report as TAP 14.

use std::fmt::Write;
use std::time::Duration;

use super::report::{Failure, FileReport, TestReport, Totals, Verdict};
use mini_etcd_shared::text::printable;

/// The first lines: what runs where, and how many tests.
pub(super) fn head(cluster: Option<&str>, run: &str, count: usize) -> String {
    let cluster = cluster.map_or_else(|| "none".to_owned(), ToOwned::to_owned);
    format!("TAP version 14\n# cluster={cluster}  RUN={run}\n1..{count}\n")
}

/// The line before the tests of a file.
pub(super) fn file(name: &str) -> String {
    format!("# {}\n", printable(name.as_bytes()))
}

/// One test.
pub(super) fn test(number: usize, test: &TestReport) -> String {
    let name = test.name.replace('\\', "\\\\").replace('#', "\\#");
    match &test.verdict {
        Verdict::Passed => format!("ok {number} - {name} # time={}\n", time(test.elapsed)),
        Verdict::Skipped(why) => format!("ok {number} - {name} # SKIP {why}\n"),
        Verdict::Failed(failure) => {
            let time = time(test.elapsed);
            format!("not ok {number} - {name} # time={time}\n{}", yaml(failure))
        }
    }
}

/// What a file's teardown did.
pub(super) fn teardown(report: &FileReport) -> String {
    match &report.teardown {
        None => String::new(),
        Some(failure) => {
            let lines = yaml(failure);
            let commented: String = lines.lines().fold(String::new(), |mut out, line| {
                // Writing to a string does not fail.
                let _ = writeln!(out, "# {line}");
                out
            });
            format!("# failed outside of the tests:\n{commented}")
        }
    }
}

/// The last line.
pub(super) fn totals(totals: Totals, elapsed: Duration) -> String {
    let Totals { passed, failed, skipped, assertions } = totals;
    format!(
        "# {passed} passed, {failed} failed, {skipped} skipped, {assertions} assertions, {}\n",
        time(elapsed)
    )
}

/// A time with two or three digits that count.
pub(super) fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..100_000 => format!("{}.{}ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}ms", micros / 1_000),
    }
}

/// The failure as the YAML block of a test.
pub(super) fn yaml(failure: &Failure) -> String {
    let mut out = String::from("  ---\n");
    for (name, text) in [
        ("at", &failure.at),
        ("command", &failure.command),
        ("expected", &failure.expected),
        ("got", &failure.got),
    ] {
        out.push_str(&entry(name, text));
    }
    out.push_str("  ...\n");
    out
}

fn entry(name: &str, text: &str) -> String {
    if text.contains('\n') {
        let lines: Vec<_> =
            text.lines().map(|line| format!("    {}", printable(line.as_bytes()))).collect();
        return format!("  {name}: |-\n{}\n", lines.join("\n"));
    }
    let text = printable(text.as_bytes());
    let plain = text.chars().next().is_some_and(|c| c.is_alphanumeric() || "/{$".contains(c))
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' ']);
    // Braces begin a map in YAML: what is no map of ours is quoted.
    let map = text.starts_with('{') && text.ends_with('}');
    if map || (plain && !text.starts_with('{')) {
        return format!("  {name}: {text}\n");
    }
    format!("  {name}: {}\n", serde_json::Value::String(text))
}

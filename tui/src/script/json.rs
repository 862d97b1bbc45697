//! The report as JSON lines: one object for each command, one for each test, and one for the run.

use mini_etcd_shared::format::readable_bytes;
use serde_json::{Value, json};

use super::report::{Failure, FileReport, Step, Totals, Verdict};

/// All lines.
pub(super) fn document(files: &[FileReport], exit: u8) -> Vec<u8> {
    let mut lines = Vec::new();
    for file in files {
        for test in &file.tests {
            lines.extend(test.steps.iter().map(|step| command(file, Some(&test.name), step)));
            let (verdict, failure) = match &test.verdict {
                Verdict::Passed => ("passed", Value::Null),
                Verdict::Skipped(why) => ("skipped", json!({"reason": why})),
                Verdict::Failed(failure) => ("failed", object(failure)),
            };
            lines.push(json!({
                "kind": "test",
                "file": file.file,
                "test": test.name,
                "verdict": verdict,
                "why": failure,
                "elapsed_us": micros(test.elapsed),
            }));
        }
        lines.extend(file.outside.iter().map(|step| command(file, None, step)));
        if let Some(failure) = &file.teardown {
            lines.push(json!({"kind": "outside", "file": file.file, "why": object(failure)}));
        }
    }
    let totals = Totals::of(files);
    lines.push(json!({
        "kind": "run",
        "passed": totals.passed,
        "failed": totals.failed,
        "skipped": totals.skipped,
        "assertions": totals.assertions,
        "exit": exit,
    }));
    let mut out = Vec::new();
    for line in lines {
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
    }
    out
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn command(file: &FileReport, test: Option<&str>, step: &Step) -> Value {
    json!({
        "kind": "command",
        "file": file.file,
        "test": test,
        "line": step.line,
        "command": step.command,
        "status": step.status,
        "elapsed_us": micros(step.elapsed),
        "rev": step.rev,
        "count": step.count,
        "out": readable_bytes(&step.out),
        "err": readable_bytes(&step.err),
        "error": step.error,
        "dropped_bytes": step.dropped,
    })
}

fn object(failure: &Failure) -> Value {
    json!({
        "at": failure.at,
        "command": failure.command,
        "expected": failure.expected,
        "got": failure.got,
    })
}

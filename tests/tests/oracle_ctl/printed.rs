//! Runs a program and masks what cannot be equal.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use mini_etcd_shared::command::split_words;
use mini_etcd_tests::process::{etcd_binary, workspace_binary};

/// How a program ended, and what it printed, masked.
#[derive(Debug, PartialEq, Eq)]
pub struct Printed {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The two programs, ours first.
pub fn programs() -> anyhow::Result<[PathBuf; 2]> {
    Ok([workspace_binary("mini-etcdctl")?, etcd_binary("ETCDCTL_BIN")?])
}

pub fn command(binary: &Path, endpoints: Option<&str>, line: &str) -> Command {
    let mut command = Command::new(binary);
    // Ours names itself as it is called.
    command.arg0("etcdctl");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ETCDCTL_") {
            command.env_remove(name);
        }
    }
    if let Some(endpoints) = endpoints {
        command.arg(format!("--endpoints={endpoints}"));
    }
    command.args(
        split_words(line.as_bytes())
            .expect("a line of the tables")
            .into_iter()
            .map(OsString::from_vec),
    );
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn finish(mut command: Command, input: &str) -> anyhow::Result<Printed> {
    let mut child = command.spawn().context("start")?;
    // A program that does not read its input may be gone already.
    let _ = child.stdin.take().context("standard input")?.write_all(input.as_bytes());
    let output = child.wait_with_output()?;
    Ok(Printed {
        code: output.status.code(),
        signal: output.status.signal(),
        out: text_of(&output.stdout),
        err: without_log_lines(&text_of(&output.stderr)),
    })
}

/// Bytes as text in which none is lost.
pub fn text_of(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |mut all, chunk| {
        all.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(all, "<{byte:02x}>");
        }
        all
    })
}

/// Standard error; of log lines what says the same in both programs.
pub fn without_log_lines(text: &str) -> String {
    let kept = text.lines().filter_map(|line| {
        if line.starts_with("INFO: ") || line.starts_with("WARNING: ") {
            // With --debug, etcdctl's gRPC library talks too.
            return None;
        }
        if !line.starts_with('{') {
            return Some(line.to_owned());
        }
        let variable = line.split("\"environment-variable\":\"").nth(1)?.split('"').next()?;
        let fatal = line.contains("\"fatal\"");
        Some(format!("log: {variable} fatal={fatal}"))
    });
    let mut kept: Vec<String> = kept.collect();
    let logs = kept.iter().take_while(|line| line.starts_with("log: ")).count();
    if let Some(logs) = kept.get_mut(..logs) {
        logs.sort();
    }
    kept.join("\n")
}

/// Without the words of help and usage, which are each program's own: only that there are some is left.
pub fn without_help(mut printed: Printed) -> Printed {
    if printed.out.starts_with("NAME:\n") {
        "help".clone_into(&mut printed.out);
    }
    // Of a transaction's line with a bad flag etcdctl shows the usage before the error.
    if let Some((before, after)) = printed.err.split_once("Usage:\n")
        && let Some(at) = after.find("Error: ")
    {
        printed.err = format!("{before}{}", &after[at..]);
    }
    printed
}

/// Text between and after `marks`, replaced: numbers behind names that differ from run to run.
pub fn mask(text: &str) -> String {
    const NAMES: &[&str] = &[
        "\"revision\":",
        "\"create_revision\":",
        "\"mod_revision\":",
        "\"version\":",
        "\"Revision\" : ",
        "\"CreateRevision\" : ",
        "\"ModRevision\" : ",
        "\"Version\" : ",
        "\"PrevCreateRevision\" : ",
        "\"PrevModRevision\" : ",
        "\"PrevVersion\" : ",
        "\"took\":\"",
        "took = ",
        "\"Took\" : ",
        "compacted revision ",
    ];
    let mut out = text.to_owned();
    for name in NAMES {
        let mut parts = out.split(name);
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || ".µ".contains(c)));
            // A member's version is text, and equal.
            let value = if part.starts_with('"') {
                part
            } else {
                part.get(end.unwrap_or(part.len())..).unwrap_or("")
            };
            masked.push_str(name);
            if !part.starts_with('"') {
                masked.push('#');
            }
            masked.push_str(value);
        }
        out = masked;
    }
    out
}

pub fn run_line(binary: &Path, endpoint: &str, line: &str, input: &str) -> anyhow::Result<Printed> {
    let mut printed = finish(command(binary, Some(endpoint), line), input)?;
    printed.out = mask(&printed.out);
    Ok(printed)
}

/// The Raft index moves with every write of both programs, and the size of the store now and then.
pub fn without_raft_index(mut printed: Printed) -> Printed {
    for name in [
        "\"raftIndex\":",
        "\"raftAppliedIndex\":",
        "\"RaftIndex\" : ",
        "\"RaftAppliedIndex\" : ",
        "\"dbSizeInUse\":",
    ] {
        let parts: Vec<&str> = printed.out.split(name).collect();
        let masked: Vec<&str> =
            parts
                .iter()
                .enumerate()
                .map(|(at, part)| {
                    if at == 0 {
                        part
                    } else {
                        part.trim_start_matches(|c: char| c.is_ascii_digit())
                    }
                })
                .collect();
        printed.out = masked.join(name);
    }
    printed
}

/// The simple status ends in numbers that move by themselves when the cluster syncs.
pub fn without_last_columns(mut printed: Printed) -> Printed {
    if printed.out.contains(", true, false, ") {
        printed.out = printed.out.split(", true, false, ").next().unwrap_or_default().to_owned();
    }
    printed
}

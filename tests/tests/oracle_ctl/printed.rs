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

/// What a program prints, in the form that is compared.
pub fn finish(command: Command, input: &str) -> anyhow::Result<Printed> {
    Ok(without_usage(since_3_7(raw(command, input)?)))
}

/// What a program prints.
pub fn raw(mut command: Command, input: &str) -> anyhow::Result<Printed> {
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

/// Stands for the log line that says of a lock that it has the time to live of sessions.
pub const SESSIONS_TTL: &str = "log: the time to live of sessions";

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
        if line.contains("WithTTL(): ") {
            return Some(SESSIONS_TTL.to_owned());
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

/// The role root, which has no permissions and may do everything.
const ROOT: &str = "Role root\nKV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n";

/// What etcdctl 3.5.1 prints, in the form of 3.7: help beside a reason goes to standard error, and the reason stands
/// there once; the text of an alarm ends without a blank; frames are drawn with lines; `fields` has no revision where
/// there is none, and a delete byte of its own kind; a watch says more in `json`, a list of no endpoint is null, and the
/// role root says what it may do.
pub fn since_3_7(mut printed: Printed) -> Printed {
    printed.out = framed(&printed.out)
        .replace("NOSPACE \n", "NOSPACE\n")
        .replace("CORRUPT \n", "CORRUPT\n")
        .replace("\"Revision\" : 0\n", "")
        .replace("\\u007f", "\\x7f")
        .replace("Role root\nKV Read:\nKV Write:\n", ROOT)
        .replace("version: 3.5.1\nAPI version: 3.5\n", "version: 3.7.3\nAPI version: 3.7\n")
        .replace("\"Events\":[],", "\"Events\":null,")
        .replace(",\"Created\":false}", ",\"Created\":false,\"CancelReason\":\"\"}");
    if printed.out == "[]\n" {
        "null\n".clone_into(&mut printed.out);
    }
    let has_help = printed.out.starts_with("NAME:\n") && !printed.err.is_empty();
    if has_help {
        printed.out.clear();
    }
    let repeated = printed.err.rfind("\nError: ").map(|at| printed.err.split_at(at));
    let told = match repeated {
        Some((before, again)) => before.strip_prefix(&again[1..]).map(|hint| (&again[1..], hint)),
        None => None,
    };
    printed.err = match (told, has_help) {
        (Some((reason, hint)), false) => format!("{reason}{}", hint.trim_end()),
        (Some((reason, _)), true) => format!("{reason}\nUsage:\n"),
        (None, true) => format!("{}\nUsage:\n", printed.err),
        (None, false) => printed.err,
    };
    printed
}

/// A table of 3.5.1 with the frame of 3.7.
fn framed(out: &str) -> String {
    if !out.starts_with("+-") {
        return out.to_owned();
    }
    let mut lines: Vec<&str> = out.lines().collect();
    if lines.len() == 4 {
        // Without rows.
        lines.pop();
    }
    let last = lines.len() - 1;
    let drawn = lines.iter().enumerate().map(|(at, line)| {
        if !line.starts_with("+-") {
            return line.replace('|', "│") + "\n";
        }
        let [left, between, right] = match at {
            0 => ["┌", "┬", "┐"],
            at if at == last => ["└", "┴", "┘"],
            _ => ["├", "┼", "┤"],
        };
        let inner = line.trim_matches('+').replace('-', "─").replace('+', between);
        format!("{left}{inner}{right}\n")
    });
    drawn.collect()
}

/// Without the words of help and usage, which are each program's own: only that there are some is left.
pub fn without_usage(mut printed: Printed) -> Printed {
    if printed.out.starts_with("NAME:\n") || printed.out.contains("\nUsage:\n") {
        "help".clone_into(&mut printed.out);
    }
    if let Some((before, after)) = printed.err.split_once("Usage:\n") {
        // Of a transaction's line with a bad flag etcdctl shows the usage before the error.
        printed.err = match after.find("Error: ") {
            Some(at) => format!("{before}{}", &after[at..]),
            None => format!("{before}usage"),
        };
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

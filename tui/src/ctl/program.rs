//! Programs that commands run.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use bytes::Bytes;
use mini_etcd_shared::failure::{Failure, exit};
use mini_etcd_shared::text::quote;

/// Exit code of a command whose program a signal ended, as etcdctl has it.
const SIGNALLED: u8 = 255;

/// Runs a program with more in its environment, and waits for it.
///
/// # Errors
/// When it does not start or does not succeed: its exit code, and the words of Go's library.
pub(super) async fn run_to_its_end(
    program: &[Bytes],
    environment: &[(&str, OsString)],
) -> Result<(), Failure> {
    let Some((name, args)) = program.split_first() else { return Ok(()) };
    let status = tokio::process::Command::new(OsStr::from_bytes(name))
        .args(args.iter().map(|arg| OsStr::from_bytes(arg)))
        .stdin(Stdio::null())
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .status()
        .await;
    let (code, words) = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => {
                (u8::try_from(code).unwrap_or(SIGNALLED), format!("exit status {code}"))
            }
            (_, Some(signal)) => (SIGNALLED, format!("signal: {}", signal_name(signal))),
            _ => (SIGNALLED, status.to_string()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let words = if name.contains(&b'/') {
                format!("fork/exec {}: no such file or directory", String::from_utf8_lossy(name))
            } else {
                format!("exec: {}: executable file not found in $PATH", quote(name))
            };
            (exit::ERROR, words)
        }
        Err(error) => (exit::ERROR, error.to_string()),
    };
    Err(Failure::new(code, words))
}

/// The signals that end programs most, as Go's library calls them.
fn signal_name(number: i32) -> String {
    let names = [
        (1, "hangup"),
        (2, "interrupt"),
        (3, "quit"),
        (6, "aborted"),
        (9, "killed"),
        (11, "segmentation fault"),
        (13, "broken pipe"),
        (15, "terminated"),
    ];
    let known = names.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("signal {number}"), |(_, name)| (*name).to_owned())
}

//! [`through_shell`]: the end of a pipe that a shell reads.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::failure::{Failure, exit};
use crate::language::Variables;

/// The signal of Ctrl-C.
const SIGINT: i32 = 2;
/// Bytes that a shell may print.
const SHELL_BYTES_MAX: usize = 64 << 20;

/// The output of a shell that reads `input`, with these variables in its environment.
pub(super) async fn through_shell(
    line: &str,
    input: &[u8],
    variables: &Variables,
) -> Result<Vec<u8>, Failure> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::process::ExitStatusExt;
    let failed = |error: std::io::Error| Failure::new(exit::IO, format!("sh: {error}"));
    let variables = variables.iter().map(|(name, value)| {
        let value: Vec<u8> = value.iter().copied().filter(|byte| *byte != 0).collect();
        (name.to_owned(), std::ffi::OsStr::from_bytes(&value).to_owned())
    });
    let mut child = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(line)
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A shell that does not read all of it is no failure.
            let _ = stdin.write_all(input).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map_err(failed)?;
    // Ctrl-C reaches it as well as us, and whoever is first is the one that is heard.
    if output.status.signal() == Some(SIGINT) {
        return Err(Failure::new(exit::INTERRUPTED, "interrupted"));
    }
    if !output.status.success() {
        return Err(Failure::new(exit::ERROR, format!("sh: {}", output.status)));
    }
    if output.stdout.len() > SHELL_BYTES_MAX {
        return Err(Failure::new(exit::IO, format!("sh: more than {SHELL_BYTES_MAX} bytes")));
    }
    Ok(output.stdout)
}

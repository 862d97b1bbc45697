//! Standard input, output and error of the process.

use std::io::{BufRead, Read, Write};

use futures::future::BoxFuture;
use mini_etcd_shared::command::{Input, Prompt};
use mini_etcd_shared::failure::{Failure, exit};

use super::password;
use crate::hidden::Hidden;

/// Exit code of a process whose reader has gone, as the shell shows death by SIGPIPE.
const PIPE_CLOSED: i32 = 141;

/// The process's own input.
#[derive(Default)]
pub(super) struct Stdin {
    hidden: Hidden,
}

impl Input for Stdin {
    fn line(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let read = std::io::stdin().lock().read_until(b'\n', &mut line);
        (read.is_ok() && line.ends_with(b"\n")).then_some(line)
    }

    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match std::io::stdin().lock().read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(_) => Vec::new(),
        }
    }

    fn prompt(&mut self, prompt: Prompt) {
        out(prompt.text().as_bytes());
        out(b"\n");
    }

    fn given_password(&mut self) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        let read = std::io::stdin().lock().read_until(b'\n', &mut line);
        read.map_err(|error| Failure::new(exit::IO, error.to_string()))?;
        line.pop_if(|last| *last == b'\n');
        Ok(line)
    }

    fn ask_password<'a>(&'a mut self, prompt: &'a str) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(password::ask(&mut self.hidden, prompt))
    }
}

/// Writes to standard output; ends the process when nobody reads it any more.
pub(super) fn out(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(PIPE_CLOSED);
    }
}

/// Writes to standard error; one that is closed is no reason to fail.
pub(super) fn err(bytes: &[u8]) {
    let _ = std::io::stderr().lock().write_all(bytes);
}

/// Writes a line to standard error.
pub(super) fn err_line(line: &str) {
    err(format!("{line}\n").as_bytes());
}

//! A password that is asked for: hidden at a terminal, a line of standard input without one.

use std::io::{BufRead, IsTerminal, stdin};

use mini_etcd_shared::failure::{Failure, exit};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::OptionalActions;
use tokio::signal::unix::{SignalKind, signal};

use super::console::out;
use crate::hidden::{Hidden, Quiet};

/// Asks for a password.
pub(super) async fn ask(hidden: &mut Hidden, prompt: &str) -> Result<String, Failure> {
    if !stdin().is_terminal() {
        out(prompt.as_bytes());
        let mut line = Vec::new();
        let read = stdin().lock().read_until(b'\n', &mut line).map_err(|error| failed(&error));
        out(b"\n");
        read?;
        let line = line.strip_suffix(b"\n").unwrap_or(&line).to_vec();
        let line = String::from_utf8(line);
        return line.map_err(|_| refused("a password is UTF-8, and this one is not"));
    }
    let quiet = Quiet::begin(stdin(), OptionalActions::Now).map_err(|error| failed(&error))?;
    let (mut terminate, mut hangup) = (
        signal(SignalKind::terminate()).map_err(|error| failed(&error))?,
        signal(SignalKind::hangup()).map_err(|error| failed(&error))?,
    );
    let (typed, ended_by) = tokio::select! {
        typed = hidden.ask(prompt) => (typed, Signal::INT),
        _ = terminate.recv() => (Err(std::io::ErrorKind::Interrupted.into()), Signal::TERM),
        _ = hangup.recv() => (Err(std::io::ErrorKind::Interrupted.into()), Signal::HUP),
    };
    drop(quiet);
    match typed {
        Ok(line) => Ok(line),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            if ended_by == Signal::INT {
                // As if the terminal had sent it.
                let _refused = kill_process(getpid(), ended_by);
            }
            let code = u8::try_from(128 + ended_by.as_raw()).unwrap_or(u8::MAX);
            Err(Failure::new(code, ""))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn refused(text: &str) -> Failure {
    Failure::new(exit::BAD_ARGS, text)
}

fn failed(error: &std::io::Error) -> Failure {
    refused(&format!("failed to ask password: {error}"))
}

//! A password that is asked for: hidden at a terminal, a line of standard input without one.

use std::io::{BufRead, IsTerminal, stdin};

use mini_etcd_shared::failure::{Failure, exit};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use tokio::signal::unix::{SignalKind, signal};

use super::console::out;
use crate::hidden::Hidden;

/// A terminal that shows nothing and hands keys over one by one; it is as it was when this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> std::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut quiet = before.clone();
        // Ctrl-C is a key meanwhile: the process must not end with a terminal that shows nothing.
        quiet.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that is gone.
        let _gone = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

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
    let quiet = Quiet::begin().map_err(|error| failed(&error))?;
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

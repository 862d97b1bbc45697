//! Passwords: where they come from, and how one is asked for at the terminal without being shown.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Write, stdin};

use mini_etcd_shared::client::Credentials;
use mini_etcd_shared::text::MASK;
use rustix::termios::{OptionalActions, isatty};

use crate::hidden::{HiddenLine, Quiet, Typed};

/// Bytes that a password may have.
const BYTES_MAX: u64 = 4096;

/// A password; it is in no message and in no picture of the state.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps what was typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The password itself, for whom it is meant.
    #[must_use]
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// A name without a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--user needs a password: --user NAME:PASSWORD, --password or ETCDCTL_PASSWORD")]
pub struct NoPassword;

/// The user of `NAME` or `NAME:PASSWORD`; none when nobody is named. A password that is not given is asked for.
///
/// # Errors
/// When there is none, and nobody to ask.
pub fn credentials(user: &str, password: Option<&str>) -> Result<Option<Credentials>, NoPassword> {
    let (name, password) = match (user.split_once(':'), password) {
        (Some((name, password)), _) => (name, password.to_owned()),
        (None, Some(password)) if !password.is_empty() => (user, password.to_owned()),
        (None, _) if user.is_empty() => return Ok(None),
        (None, _) => (user, ask()?),
    };
    let credentials = Credentials { name: name.to_owned(), password };
    Ok((!name.is_empty()).then_some(credentials))
}

/// Asks at the terminal; without one, the first line of standard input is it, as for etcdctl.
fn ask() -> Result<String, NoPassword> {
    match OpenOptions::new().read(true).write(true).open("/dev/tty") {
        Ok(tty) => ask_at(tty),
        Err(_) if isatty(stdin()) => Err(NoPassword),
        Err(_) => {
            let mut line = String::new();
            let mut input = stdin().lock().take(BYTES_MAX);
            match input.read_line(&mut line) {
                Ok(1..) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
                _ => Err(NoPassword),
            }
        }
    }
}

fn ask_at(mut tty: File) -> Result<String, NoPassword> {
    let quiet = tty.try_clone().and_then(|tty| Quiet::begin(tty, OptionalActions::Flush));
    let quiet = quiet.map_err(|_| NoPassword)?;
    tty.write_all(b"Password: ").map_err(|_| NoPassword)?;
    let typed = typed(&mut tty);
    // Whoever typed sees that it was taken.
    let _gone = tty.write_all(b"\n");
    drop(quiet);
    typed.ok_or(NoPassword)
}

/// A line, key by key; none when it was given up.
fn typed(tty: &mut impl Read) -> Option<String> {
    let mut line = HiddenLine::default();
    let mut byte = [0];
    loop {
        tty.read_exact(&mut byte).ok()?;
        match line.take(byte[0]) {
            Typed::More => {}
            Typed::Line(line) => return Some(line),
            Typed::End | Typed::Interrupt => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_password_behind_a_colon_or_of_its_own() {
        let of = |user: &str, password: Option<&str>| {
            let found = credentials(user, password).unwrap();
            found.map(|found| (found.name, found.password))
        };
        let is = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(of("a:b:c", None), is("a", "b:c"));
        assert_eq!(of("a", Some("b")), is("a", "b"));
        assert_eq!(of("a:b", Some("c")), is("a", "b"));
        assert_eq!(of("a:", Some("c")), is("a", ""));
        assert_eq!(of("", Some("b")), None);
        assert_eq!(of(":b", None), None);
    }
}

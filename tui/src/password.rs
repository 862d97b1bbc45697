//! Passwords: where they come from, and how one is asked for at the terminal without being shown.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Read, Write, stdin};

use mini_etcd_shared::client::Credentials;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// Bytes that a password may have.
const BYTES_MAX: u64 = 4096;
/// Ctrl-C and Ctrl-D.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
/// What Backspace sends.
const BACKSPACE: [u8; 2] = [8, 127];
/// Ctrl-U: all of the line.
const KILL: u8 = 21;

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
    let before = tcgetattr(&tty).map_err(|_| NoPassword)?;
    let mut hidden = before.clone();
    // Signals too would leave a terminal that shows nothing.
    hidden.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
    let shown = Shown { tty: tty.try_clone().map_err(|_| NoPassword)?, before };
    tcsetattr(&tty, OptionalActions::Flush, &hidden).map_err(|_| NoPassword)?;
    tty.write_all(b"Password: ").map_err(|_| NoPassword)?;
    let typed = typed(&mut tty);
    // Whoever typed sees that it was taken.
    let _gone = tty.write_all(b"\n");
    drop(shown);
    typed.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(NoPassword)
}

/// A line, byte by byte; none when it was given up.
fn typed(tty: &mut impl Read) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    for _ in 0..BYTES_MAX {
        tty.read_exact(&mut byte).ok()?;
        match byte[0] {
            b'\n' | b'\r' => return Some(line),
            INTERRUPT => return None,
            END if line.is_empty() => return None,
            END => return Some(line),
            KILL => line.clear(),
            byte if BACKSPACE.contains(&byte) => {
                // The last character, and not only its last byte.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            byte => line.push(byte),
        }
    }
    None
}

/// Shows again what is typed, however the asking ends.
struct Shown {
    tty: File,
    before: Termios,
}

impl Drop for Shown {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _gone = tcsetattr(&self.tty, OptionalActions::Flush, &self.before);
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

    #[test]
    fn what_is_typed_can_be_corrected_and_given_up() {
        let typed =
            |bytes: &[u8]| super::typed(&mut &*bytes).map(|line| String::from_utf8(line).unwrap());
        assert_eq!(typed(b"abc\n").as_deref(), Some("abc"));
        assert_eq!(typed("ab\u{e9}\x7fc\r".as_bytes()).as_deref(), Some("abc"));
        assert_eq!(typed(b"wrong\x15right\n").as_deref(), Some("right"));
        assert_eq!(typed(b"abc\x03"), None);
        assert_eq!(typed(b"\x04"), None);
        assert_eq!(typed(b"abc"), None);
    }
}

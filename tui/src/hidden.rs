//! [`Hidden`]: reads what somebody types at the terminal without showing it.
//!
//! Whoever asks has the terminal in a mode in which it shows nothing and hands keys over one by one ([`Quiet`]).

use std::io::{Write, stdin, stdout};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// Bytes that are taken at once.
const READ_BYTES: usize = 256;
/// Pause after which a reader looks whether anybody still waits for it, in nanoseconds.
const LOOK_AFTER_NANOS: i64 = 50_000_000;
/// Bytes of a line; what is typed beyond it does not count.
const LINE_BYTES_MAX: usize = 4096;

/// Keys of a terminal that hands them over one by one.
mod key {
    pub const INTERRUPT: u8 = 0x03;
    pub const END: u8 = 0x04;
    pub const BACKSPACE: u8 = 0x08;
    pub const CLEAR: u8 = 0x15;
    pub const DELETE: u8 = 0x7f;
}

/// A terminal that shows nothing and hands keys over one by one; it is as it was when this is dropped.
pub(crate) struct Quiet<T: AsFd> {
    terminal: T,
    before: Termios,
    when: OptionalActions,
}

impl<T: AsFd> Quiet<T> {
    /// `when` says whether what was typed ahead counts.
    ///
    /// # Errors
    /// When it is no terminal.
    pub(crate) fn begin(terminal: T, when: OptionalActions) -> std::io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        // Ctrl-C is a key meanwhile: the process must not end with a terminal that shows nothing.
        quiet.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, when, &quiet)?;
        Ok(Self { terminal, before, when })
    }
}

impl<T: AsFd> Drop for Quiet<T> {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that is gone.
        let _gone = tcsetattr(&self.terminal, self.when, &self.before);
    }
}

/// A line that is being typed.
#[derive(Debug, Default)]
pub(crate) struct HiddenLine(Vec<u8>);

/// What a key did to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// It goes on.
    More,
    /// It is whole.
    Line(String),
    /// Ctrl-D, with nothing before it.
    End,
    /// Ctrl-C.
    Interrupt,
}

impl HiddenLine {
    /// Takes a key.
    pub(crate) fn take(&mut self, byte: u8) -> Typed {
        match byte {
            b'\r' | b'\n' => return Typed::Line(self.end()),
            key::INTERRUPT => return Typed::Interrupt,
            key::END if self.0.is_empty() => return Typed::End,
            key::END => return Typed::Line(self.end()),
            key::BACKSPACE | key::DELETE => without_last(&mut self.0),
            key::CLEAR => self.0.clear(),
            byte if self.0.len() < LINE_BYTES_MAX => self.0.push(byte),
            _ => {}
        }
        Typed::More
    }

    /// What there is of it.
    fn end(&mut self) -> String {
        text(std::mem::take(&mut self.0))
    }
}

/// Lines that are typed and not shown. What is typed ahead of the next question is kept for it.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    ahead: Vec<u8>,
}

impl Hidden {
    /// Shows a prompt, and reads the line that is typed; empty when the terminal ends.
    ///
    /// # Errors
    /// When the terminal cannot be read; [`Interrupted`](std::io::ErrorKind::Interrupted) for Ctrl-C, where that is a
    /// key.
    pub(crate) async fn ask(&mut self, prompt: &str) -> std::io::Result<String> {
        show(prompt.as_bytes());
        let line = self.line().await;
        show(b"\r\n");
        line
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = HiddenLine::default();
        loop {
            let typed = std::mem::take(&mut self.ahead);
            for (at, byte) in typed.iter().enumerate() {
                match line.take(*byte) {
                    Typed::More => {}
                    Typed::Line(line) => {
                        self.ahead = typed.get(at + 1..).unwrap_or_default().to_vec();
                        return Ok(line);
                    }
                    Typed::End => return Ok(String::new()),
                    Typed::Interrupt => return Err(std::io::ErrorKind::Interrupted.into()),
                }
            }
            self.ahead = read().await?;
            if self.ahead.is_empty() {
                return Ok(line.end());
            }
        }
    }
}

/// What is typed next; nothing when the terminal has ended. Who no longer waits for it takes nothing from it.
async fn read() -> std::io::Result<Vec<u8>> {
    struct Waiting(Arc<AtomicBool>);
    impl Drop for Waiting {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let gone = Arc::new(AtomicBool::new(false));
    let waiting = Waiting(Arc::clone(&gone));
    let reader = tokio::task::spawn_blocking(move || {
        let pause = Timespec { tv_sec: 0, tv_nsec: LOOK_AFTER_NANOS };
        let terminal = stdin();
        loop {
            let typed = poll(&mut [PollFd::new(&terminal, PollFlags::IN)], Some(&pause));
            if gone.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            match typed {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => {
                    let mut bytes = vec![0; READ_BYTES];
                    let count = rustix::io::read(&terminal, &mut bytes)?;
                    bytes.truncate(count);
                    return Ok(bytes);
                }
                Err(error) => return Err(error.into()),
            }
        }
    });
    let bytes = reader.await.map_err(std::io::Error::other)?;
    drop(waiting);
    bytes
}

/// Takes a whole character away.
fn without_last(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        if byte & 0xc0 != 0x80 {
            return;
        }
    }
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

fn show(bytes: &[u8]) {
    let mut out = stdout().lock();
    // Nothing can be done for a terminal that is gone.
    let _gone = out.write_all(bytes).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_can_be_corrected_and_given_up() {
        let typed = |bytes: &[u8]| {
            let mut line = HiddenLine::default();
            bytes.iter().map(|byte| line.take(*byte)).find(|typed| *typed != Typed::More)
        };
        let is = |text: &str| Some(Typed::Line(text.to_owned()));
        assert_eq!(typed(b"abc\n"), is("abc"));
        assert_eq!(typed("ab\u{e9}\x7fc\r".as_bytes()), is("abc"));
        assert_eq!(typed("\u{e9}\x7f\x7f\x7fa\r".as_bytes()), is("a"));
        assert_eq!(typed(b"wrong\x15right\n"), is("right"));
        assert_eq!(typed(b"abc\x04"), is("abc"));
        assert_eq!(typed(b"abc\x03"), Some(Typed::Interrupt));
        assert_eq!(typed(b"\x04"), Some(Typed::End));
        assert_eq!(typed(b"abc"), None);
    }
}

//! [`Hidden`]: reads what somebody types at the terminal without showing it.
//!
//! Whoever asks has the terminal in a mode in which it shows nothing and hands keys over one by one.

use std::io::{Write, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
        let mut line = Vec::new();
        loop {
            let typed = std::mem::take(&mut self.ahead);
            for (at, byte) in typed.iter().enumerate() {
                match *byte {
                    b'\r' | b'\n' => {
                        self.ahead = typed.get(at + 1..).unwrap_or_default().to_vec();
                        return Ok(text(line));
                    }
                    key::INTERRUPT => return Err(std::io::ErrorKind::Interrupted.into()),
                    key::END if line.is_empty() => return Ok(String::new()),
                    key::BACKSPACE | key::DELETE => without_last(&mut line),
                    key::CLEAR => line.clear(),
                    byte if line.len() < LINE_BYTES_MAX => line.push(byte),
                    _ => {}
                }
            }
            self.ahead = read().await?;
            if self.ahead.is_empty() {
                return Ok(text(line));
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
    fn a_character_is_taken_away_whole() {
        let mut line = "aé".as_bytes().to_vec();
        without_last(&mut line);
        assert_eq!(line, b"a");
        without_last(&mut line);
        without_last(&mut line);
        assert!(line.is_empty());
    }
}

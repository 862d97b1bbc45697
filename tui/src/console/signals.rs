//! The signals that a program on a terminal has to mind, as one stream of news.
//!
//! * I1: a signal that ends the program is heard, so that the terminal is given back before it does.
//! * I2: a stop is made here, after the terminal was given back; a continuation takes it again, also after a stop that
//!   nobody can hear of (SIGSTOP); one in the background waits for the terminal (`terminal`).

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// To end; the number of the signal.
    End(u8),
    /// To stop until it is continued.
    Stop,
    /// It was stopped and goes on.
    Continued,
    /// The window has another size.
    Resized,
}

/// The streams of all of them.
pub(crate) struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    stop: Signal,
    continued: Signal,
    resized: Signal,
}

impl Signals {
    /// Takes them from now on.
    ///
    /// # Errors
    /// When the process may not.
    pub(crate) fn take() -> io::Result<Self> {
        let by = |number: Number| signal(SignalKind::from_raw(number.as_raw()));
        Ok(Self {
            terminate: by(Number::TERM)?,
            hangup: by(Number::HUP)?,
            interrupt: by(Number::INT)?,
            quit: by(Number::QUIT)?,
            stop: by(Number::TSTP)?,
            continued: by(Number::CONT)?,
            resized: by(Number::WINCH)?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> News {
        let end = |number: Number| News::End(u8::try_from(number.as_raw()).unwrap_or(0));
        tokio::select! {
            biased;
            _ = self.terminate.recv() => end(Number::TERM),
            _ = self.hangup.recv() => end(Number::HUP),
            _ = self.quit.recv() => end(Number::QUIT),
            _ = self.interrupt.recv() => end(Number::INT),
            _ = self.stop.recv() => News::Stop,
            _ = self.continued.recv() => News::Continued,
            _ = self.resized.recv() => News::Resized,
        }
    }

    /// The next one that counts while another program has the terminal: Ctrl-C and Ctrl-\ there are for that program.
    pub(crate) async fn next_of_lent(&mut self) -> News {
        loop {
            match self.next().await {
                News::End(number) if is_typed(number) => {}
                news => return news,
            }
        }
    }
}

/// Whether keys of a terminal send it.
fn is_typed(number: u8) -> bool {
    [Number::INT, Number::QUIT].iter().any(|typed| typed.as_raw() == i32::from(number))
}

/// Stops this process alone, until it is continued.
pub(crate) fn stop_here() {
    // One that cannot stop goes on, which is what a continued one does too.
    let _refused = rustix::process::kill_process(rustix::process::getpid(), Number::STOP);
}

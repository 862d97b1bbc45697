//! The terminal while a command runs.
//!
//! A terminal in its usual mode shows what is typed ahead before the line editor shows it again, and keeps Ctrl-D for a
//! reader that is not there. So from the first prompt to the end it gathers single keys and shows none of them, unless
//! it is lent to another program; Ctrl-C, Ctrl-Z and Ctrl-\ stay signals. The line editor goes from this mode to its own
//! and back.

use std::io::{Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// Ends what a line editor has switched on.
const PASTE_OFF: &[u8] = b"\x1b[?2004l";
const PASTE_ON: &[u8] = b"\x1b[?2004h";

/// The terminal; it is given back when this is dropped. I4
#[derive(Debug)]
pub(super) struct Tty {
    before: Termios,
    quiet: Termios,
    /// Another program has it.
    lent: AtomicBool,
}

impl Tty {
    /// Takes the terminal that standard input is.
    pub(super) fn take() -> std::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
        // Enter stays the key that the line editor knows.
        quiet.input_modes -= InputModes::ICRNL;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        let tty = Self { before, quiet, lent: AtomicBool::new(false) };
        tty.take_back();
        Ok(tty)
    }

    /// Lets another program have it as it was.
    pub(super) fn lend(&self) {
        self.lent.store(true, Ordering::SeqCst);
        set(&self.before);
    }

    /// Takes it again, whether or not it is lent.
    pub(super) fn take_back(&self) {
        self.lent.store(false, Ordering::SeqCst);
        set(&self.quiet);
    }

    /// Takes it again after a stop that nobody could hear of, if a shell has it in line mode since; a line that is
    /// edited is shown again.
    pub(super) fn continued(&self, edits: bool) {
        let lines =
            tcgetattr(stdin()).is_ok_and(|now| now.local_modes.contains(LocalModes::ICANON));
        if !lines || self.lent.load(Ordering::SeqCst) {
            return;
        }
        if !edits {
            return set(&self.quiet);
        }
        // As the line editor had it.
        let mut raw = self.quiet.clone();
        raw.local_modes -= LocalModes::ISIG;
        raw.input_modes -=
            InputModes::BRKINT | InputModes::INPCK | InputModes::ISTRIP | InputModes::IXON;
        set(&raw);
        show(PASTE_ON);
        // It paints its line when it hears of another size.
        let _refused = kill_process(getpid(), Signal::WINCH);
    }

    /// Stops the program until its shell continues it.
    pub(super) fn suspend(&self) {
        let now = tcgetattr(stdin());
        show(PASTE_OFF);
        set(&self.before);
        // The whole group stops, as a shell expects of a job, with a signal that an orphaned group obeys too.
        let _refused = kill_process_group(getpgrp(), Signal::STOP);
        if let Ok(now) = now {
            set(&now);
            if !now.local_modes.contains(LocalModes::ISIG) {
                // A line is being edited.
                show(PASTE_ON);
            }
        }
    }

    /// Gives it back while a line is edited.
    pub(super) fn give_back(&self) {
        set(&self.before);
        show(PASTE_OFF);
        show(b"\r\n");
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.lend();
    }
}

fn set(mode: &Termios) {
    // Nothing can be done for a terminal that is gone.
    let _gone = tcsetattr(stdin(), OptionalActions::Now, mode);
}

fn show(bytes: &[u8]) {
    let mut out = stdout().lock();
    let _gone = out.write_all(bytes).and_then(|()| out.flush());
}

//! [`Progress`]: a line on standard error that says how far something is, where somebody sees it.

use std::io::{IsTerminal, stderr};

use crate::ctl::console::err;

/// What takes the line away: back to its start, and nothing behind.
const CLEAR: &str = "\r\x1b[K";

/// The line goes when this does.
pub(super) struct Progress {
    is_seen: bool,
    shown: String,
}

impl Progress {
    pub fn new() -> Self {
        Self { is_seen: stderr().is_terminal(), shown: String::new() }
    }

    pub fn show(&mut self, text: impl FnOnce() -> String) {
        if !self.is_seen {
            return;
        }
        let text = text();
        if text != self.shown {
            err(format!("{CLEAR}{text}").as_bytes());
            self.shown = text;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !self.shown.is_empty() {
            err(CLEAR.as_bytes());
        }
    }
}

//! What the terminal is shown. I3

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use mini_etcd_shared::session::{Emitted, Sink, WatchNews};
use mini_etcd_shared::text::printable;

use super::printer::Printer;

const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// Bytes as lines that any terminal can show.
pub(super) fn lines_of(bytes: &[u8]) -> String {
    let lines: Vec<String> = bytes.split(|byte| *byte == b'\n').map(printable).collect();
    lines.join("\n")
}

/// News of a watch that are no events, as a line.
pub(super) fn news(id: &str, news: &WatchNews) -> Option<String> {
    let text = match news {
        WatchNews::Standing { endpoint, revision, .. } => {
            format!("watching from {revision} on {endpoint}")
        }
        // It never stood.
        WatchNews::Lost { reason, revision: 0 } => format!("trying again: {reason}"),
        WatchNews::Lost { reason, revision } => {
            format!("connection lost, it goes on at {revision}: {reason}")
        }
        WatchNews::Ended(reason) => format!("ended: {reason}"),
        WatchNews::Events(_) | WatchNews::Progress(_) => return None,
    };
    Some(format!("[{id}] {}", printable(text.as_bytes())))
}

/// A watch stands again.
fn goes_on(endpoint: &str, revision: i64, at: i64) -> String {
    let goes_on = format!("goes on at {revision} on {endpoint}");
    if at < revision - 1 {
        return format!("{goes_on}, which is at {at}: it lags, or its data was replaced");
    }
    format!("{goes_on}, nothing missed")
}

/// The terminal behind the prompt.
#[derive(Debug)]
pub(super) struct Screen {
    printer: Printer,
    color: bool,
    /// Watches whose connection is lost: that is said once. I5
    down: Mutex<BTreeSet<String>>,
}

impl Screen {
    pub(super) fn new(printer: Printer, color: bool) -> Self {
        Self { printer, color, down: Mutex::default() }
    }

    /// Something that went wrong.
    pub(super) fn error(&self, text: &str) {
        write(&self.painted(RED, &lines_of(text.as_bytes())));
    }

    /// Something about the session, between two prompts.
    pub(super) fn notice(&self, text: &str) {
        write(&self.painted(DIM, &lines_of(text.as_bytes())));
    }

    /// Something that may come while one types. I2
    pub(super) fn above(&self, text: &str) {
        self.printer.news(self.painted(DIM, &lines_of(text.as_bytes())));
    }

    fn painted(&self, color: &str, text: &str) -> String {
        let text = text.trim_end_matches('\n');
        if self.color { format!("{color}{text}{PLAIN}\n") } else { format!("{text}\n") }
    }

    fn watch(&self, id: &str, of: &WatchNews, text: &[u8]) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        match of {
            WatchNews::Events(_) => {
                let (on, off) = if self.color { (CYAN, PLAIN) } else { ("", "") };
                let mut shown = String::new();
                for line in text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n') {
                    // Writing to a string does not fail.
                    let _ = writeln!(shown, "{on}[{id}]{off} {}", printable(line));
                }
                self.printer.news(shown);
            }
            WatchNews::Lost { .. } if !down.insert(id.to_owned()) => {}
            WatchNews::Standing { endpoint, revision, at } if down.remove(id) => {
                self.above(&format!("[{id}] {}", goes_on(endpoint, *revision, *at)));
            }
            other => {
                if let Some(line) = news(id, other) {
                    self.above(&line);
                }
            }
        }
    }
}

/// Writes between two prompts; a terminal that is gone ends the editor, which says so.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl Sink for Screen {
    fn emit(&self, piece: Emitted<'_>) {
        match piece {
            Emitted::Out(bytes) => {
                let mut text = lines_of(bytes);
                // The prompt begins a line.
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                write(&text);
            }
            Emitted::Err(bytes) => self.error(&lines_of(bytes)),
            Emitted::Notice(text) => self.notice(text),
            Emitted::Watch { id, news, text } => self.watch(id, news, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_goes_on_where_less_is_known_than_it_has_seen_does_not_say_that_nothing_was_missed()
     {
        assert_eq!(goes_on("h:1", 7, 6), "goes on at 7 on h:1, nothing missed");
        assert_eq!(goes_on("h:1", 7, 9), "goes on at 7 on h:1, nothing missed");
        let replaced = "goes on at 7 on h:1, which is at 1: it lags, or its data was replaced";
        assert_eq!(goes_on("h:1", 7, 1), replaced);
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let shown = lines_of(b"a\x1b[2J\r\n\xff\x07b\n");
        assert_eq!(shown, "a\\u{1b}[2J\\r\n\\xff\\u{7}b\n");
    }
}

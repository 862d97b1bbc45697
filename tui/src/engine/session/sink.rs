//! What a session says, as lines for the screen.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mini_etcd_shared::session::{Emitted, Sink, WatchNews};
use tokio::sync::oneshot;

use crate::engine::Inbox;
use crate::engine::session::{LINES_MAX, LineKind, OutputLine, SessionLine};
use crate::password::Secret;
use crate::widget::{escape, escape_line};

/// Bytes of a line that are shown.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Stands for no run.
const NONE: u64 = 0;

/// Takes what a session says to the inbox.
pub(crate) struct Screen {
    inbox: Arc<Inbox>,
    /// The run that says it.
    run: AtomicU64,
    /// Watches whose loss was told: each attempt to find a member says it again.
    lost: Mutex<BTreeSet<String>>,
    /// The command that waits for a password.
    asks: Mutex<Option<oneshot::Sender<Option<Secret>>>>,
}

impl Screen {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, run: AtomicU64::new(NONE), lost: Mutex::default(), asks: Mutex::default() }
    }

    /// What is said from now on belongs to this run.
    pub(crate) fn begin(&self, run: Option<u64>) {
        self.run.store(run.unwrap_or(NONE), Ordering::Relaxed);
        self.answer(None);
    }

    /// Asks whoever types for a password; none when it is given up.
    pub(crate) async fn ask(&self, prompt: &str) -> Option<Secret> {
        let (tell, told) = oneshot::channel();
        *self.asks.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
        let prompt = lines(prompt.as_bytes()).concat();
        self.inbox.asked(self.run.load(Ordering::Relaxed), prompt);
        told.await.ok().flatten()
    }

    /// A password was typed, or given up. Nobody may wait for it any more.
    pub(crate) fn answer(&self, secret: Option<Secret>) {
        let asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(asks) = asks {
            let _gone = asks.send(secret);
        }
    }

    fn say(&self, run: Option<u64>, kind: LineKind, head: &str, bytes: &[u8]) {
        let said = lines(bytes)
            .into_iter()
            .map(|text| SessionLine { run, line: OutputLine::new(kind, format!("{head}{text}")) });
        self.inbox.said(said.collect());
    }

    /// A line about the session itself.
    pub(crate) fn notice(&self, text: &str) {
        self.say(None, LineKind::Notice, "", text.as_bytes());
    }
}

impl Sink for Screen {
    fn emit(&self, piece: Emitted<'_>) {
        let run = Some(self.run.load(Ordering::Relaxed)).filter(|run| *run != NONE);
        match piece {
            Emitted::Out(bytes) => self.say(run, LineKind::Out, "", bytes),
            Emitted::Err(bytes) => self.say(run, LineKind::Err, "", bytes),
            Emitted::Notice(text) => self.say(run, LineKind::Notice, "", text.as_bytes()),
            Emitted::Watch { id, news, text } => {
                let head = format!("[{}] ", escape(id.as_bytes()));
                let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
                let is_lost = matches!(news, WatchNews::Lost { .. });
                let told = lost.remove(id);
                if is_lost {
                    lost.insert(id.to_owned());
                }
                drop(lost);
                let again = is_lost && told;
                if again {
                    return;
                }
                let words = match news {
                    WatchNews::Events(_) => return self.say(None, LineKind::Watch, &head, text),
                    WatchNews::Progress(_) => return,
                    WatchNews::Standing { endpoint, revision, .. } => {
                        format!("watching from revision {revision} on {endpoint}")
                    }
                    WatchNews::Lost { reason, revision } => {
                        format!("connection lost, it goes on at {revision}: {reason}")
                    }
                    WatchNews::Ended(reason) => format!("ended: {reason}"),
                };
                self.say(None, LineKind::Notice, &head, words.as_bytes());
            }
        }
    }
}

/// Bytes as lines that any terminal can show, so many as the scrollback keeps. I3
pub(crate) fn lines(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    let all = || bytes.split(|byte| *byte == b'\n');
    let count = all().count();
    if count <= LINES_MAX {
        return all().map(line).collect();
    }
    let mut lines: Vec<String> = all().take(LINES_MAX - 1).map(line).collect();
    lines.push(format!("({} more lines are not shown)", count - lines.len()));
    lines
}

fn line(bytes: &[u8]) -> String {
    match bytes.get(..LINE_BYTES_MAX) {
        Some(head) if head.len() < bytes.len() => {
            format!("{} ({} more bytes are not shown)", escape_line(head), bytes.len() - head.len())
        }
        _ => escape_line(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_shown_and_not_sent_to_the_terminal() {
        assert_eq!(lines(b"a\n\xff\x1b[31mb\n"), ["a", "\\xff\\x1b[31mb"]);
        assert_eq!(lines(b""), Vec::<String>::new());
        assert_eq!(lines(b"\n\n"), ["", ""]);
    }

    #[test]
    fn what_is_said_is_bounded_in_lines_and_in_a_line() {
        let many = lines(&b"x\n".repeat(LINES_MAX + 5));
        assert_eq!(many.len(), LINES_MAX);
        assert_eq!(many.last().unwrap(), "(6 more lines are not shown)");
        let long = lines(&b"x".repeat(LINE_BYTES_MAX + 7));
        assert!(long[0].ends_with("x (7 more bytes are not shown)"), "{}", long[0].len());
    }
}

//! [`Background`]: a watch that goes on while other things run.

#![expect(missing_docs, reason = "names that say all have no comment")]

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::WatchResponse;
use mini_etcd_proto::mvccpb::Event;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::{Emitted, Sink};
use crate::client::{WatchItem, WatchStream};
use crate::error::ClientError;
use crate::failure::{Failure, exit, words_of};
use crate::format::{Style, render};

/// Events of one watch that are kept for `await`; beyond it the oldest go, and are still counted.
const EVENTS_KEPT_MAX: usize = 10_000;

/// News of a watch.
#[derive(Clone, Debug)]
pub enum WatchNews {
    /// It stands; what happens from this revision on will be seen.
    Standing {
        /// The member that serves it.
        endpoint: String,
        revision: i64,
        /// Revision of that member now. A lower one than what was delivered before: it lags, or its data is another.
        at: i64,
    },
    Events(WatchResponse),
    /// Everything up to this revision was delivered.
    Progress(i64),
    /// Its connection is gone; it goes on at this revision as soon as a member answers.
    Lost {
        reason: String,
        revision: i64,
    },
    /// It has ended, for this reason.
    Ended(String),
}

/// What a watch has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub events: u64,
    pub kept: VecDeque<Event>,
    pub last: Option<WatchResponse>,
    /// How often its connection was lost.
    pub lost: u32,
    pub ended: Option<String>,
}

impl Seen {
    /// In a few words, for reports.
    #[must_use]
    pub fn summary(&self) -> String {
        let rev =
            self.kept.back().and_then(|event| event.kv.as_ref()).map_or(0, |kv| kv.mod_revision);
        let stream = match (&self.ended, self.lost) {
            (Some(reason), _) => format!("ended: {reason}"),
            (None, 0) => "open".to_owned(),
            (None, times) => format!("open, connection lost {times} times"),
        };
        format!("{{ events: {}, last_rev: {rev}, stream: {stream} }}", self.events)
    }
}

#[derive(Debug, Default)]
struct State {
    seen: Mutex<Seen>,
    changed: Notify,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A watch in the background; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Background {
    state: Arc<State>,
    task: AbortHandle,
}

impl Drop for Background {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a watch is shown.
pub(super) struct Shown {
    pub id: String,
    pub style: Style,
    pub sink: Arc<dyn Sink>,
    /// The file that its output goes to instead.
    pub file: Option<File>,
}

impl Background {
    /// Starts a watch, and answers when it stands on one of the servers that are `asked`.
    pub(super) async fn start(
        stream: WatchStream,
        shown: Shown,
        asked: String,
        within: Duration,
    ) -> Result<Self, Failure> {
        let state = Arc::<State>::default();
        let (stands, standing) = oneshot::channel();
        let task = tokio::spawn(follow(stream, shown, Arc::clone(&state), stands));
        let watch = Self { state, task: task.abort_handle() };
        match tokio::time::timeout(within, standing).await {
            Ok(Ok(())) => Ok(watch),
            Ok(Err(_)) => {
                let reason = watch.state.lock().ended.clone();
                Err(Failure::new(
                    exit::ERROR,
                    reason.unwrap_or_else(|| "the watch ended".to_owned()),
                ))
            }
            Err(_) => {
                let error = ClientError::TimedOut {
                    endpoint: asked,
                    after: within,
                    unsent: true,
                    reason: Some("no server took the watch".to_owned()),
                };
                let text = format!("no server took the watch: {error}");
                Err(Failure { error: Some(error), ..Failure::new(exit::ERROR, text) })
            }
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.state.lock().clone()
    }

    /// Waits until it has seen so many events, has ended, or time is up; answers what it has seen.
    pub(super) async fn wait(&self, events: u64, within: Duration) -> Seen {
        let until = Instant::now() + within;
        loop {
            let changed = self.state.changed.notified();
            tokio::pin!(changed);
            // What happens between the look and the wait must wake it.
            changed.as_mut().enable();
            let done = {
                let seen = self.state.lock();
                seen.events >= events || seen.ended.is_some()
            };
            if done || timeout_at(until, changed).await.is_err() {
                return self.seen();
            }
        }
    }
}

async fn follow(
    mut stream: WatchStream,
    mut shown: Shown,
    state: Arc<State>,
    stands: oneshot::Sender<()>,
) {
    let mut stands = Some(stands);
    while let Some(item) = stream.next().await {
        let news = news_of(item);
        {
            let mut seen = state.lock();
            match &news {
                WatchNews::Events(response) => {
                    seen.events += u64::try_from(response.events.len()).unwrap_or(0);
                    seen.kept.extend(response.events.iter().cloned());
                    let over = seen.kept.len().saturating_sub(EVENTS_KEPT_MAX);
                    seen.kept.drain(..over);
                    seen.last = Some(WatchResponse { events: Vec::new(), ..response.clone() });
                }
                WatchNews::Lost { .. } => seen.lost += 1,
                WatchNews::Ended(reason) => seen.ended = Some(reason.clone()),
                WatchNews::Standing { .. } | WatchNews::Progress(_) => {}
            }
        }
        shown.show(&news);
        state.changed.notify_waiters();
        if let WatchNews::Standing { .. } = &news
            && let Some(stands) = stands.take()
        {
            // Whoever waited may have given up.
            let _ = stands.send(());
        }
    }
}

impl Shown {
    fn show(&mut self, news: &WatchNews) {
        let text = text_of(news, self.style);
        if let Some(file) = &mut self.file {
            if let Err(error) = file.write_all(&text) {
                let notice = format!("[{}] its file cannot be written: {error}", self.id);
                self.sink.emit(Emitted::Notice(&notice));
            }
            return;
        }
        self.sink.emit(Emitted::Watch { id: &self.id, news, text: &text });
    }
}

/// An item of a watch as news.
pub(super) fn news_of(item: WatchItem) -> WatchNews {
    match item {
        WatchItem::Created { endpoint, revision, response } => {
            let at = response.header.map_or(0, |header| header.revision);
            WatchNews::Standing { endpoint, revision, at }
        }
        WatchItem::Events(response) => WatchNews::Events(response),
        WatchItem::Progress(response) => {
            WatchNews::Progress(response.header.map_or(0, |header| header.revision))
        }
        WatchItem::Lost { error, revision } => {
            WatchNews::Lost { reason: cause_of(&error), revision }
        }
        WatchItem::Canceled(response) if response.compact_revision != 0 => {
            WatchNews::Ended(format!(
                "etcdserver: mvcc: required revision has been compacted, history begins at {}",
                response.compact_revision
            ))
        }
        WatchItem::Canceled(response) if response.cancel_reason.is_empty() => {
            WatchNews::Ended("the server ended the watch".to_owned())
        }
        WatchItem::Canceled(response) => WatchNews::Ended(response.cancel_reason),
        WatchItem::Refused(error) => WatchNews::Ended(words_of(&error)),
    }
}

/// Why a connection is lost, behind words that say that it is.
fn cause_of(error: &ClientError) -> String {
    match error {
        ClientError::Broken { endpoint, reason } => format!("{endpoint}: {reason}"),
        other => other.to_string(),
    }
}

/// Events in the format of the session; nothing for other news.
pub(super) fn text_of(news: &WatchNews, style: Style) -> Vec<u8> {
    let WatchNews::Events(response) = news else { return Vec::new() };
    // A table needs an end; a watch has none.
    let shown = render(response, style, "").or_else(|_| render(response, Style::default(), ""));
    shown.map(|rendered| rendered.out).unwrap_or_default()
}

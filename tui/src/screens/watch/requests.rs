//! Watch: a watch that goes on over reconnects and compactions, and says so; and the file that a tail is written to.
//!
//! * I1: a tail reads no further than the screen takes: its parts wait, and the server keeps what is behind them.
//! * I2: a member that holds the connection and says nothing is given up: progress is asked for more often than silence
//!   is borne.
//! * I3: a file is there whole or not at all, and no other one is replaced.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::WatchResponse;
use mini_etcd_proto::mvccpb;
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_shared::client::{Client, Patience, WatchItem, WatchRequester, WatchStream};
use mini_etcd_shared::error::ClientError;
use tokio::time::{Instant, sleep_until};

use super::{Before, Entry, Event, Kind, News, Revision, Spec, Version, lines};
use crate::engine::request::{Clients, Parts, Request, Trouble};

/// Time between two requests for progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// What is borne of a member: some times of that, and the time for an answer.
const PATIENCE: Patience =
    Patience { answer: Duration::from_secs(5), silence: Duration::from_secs(8) };
/// Events handed over at once; a revision that has more goes by itself.
const PART_EVENTS_MAX: usize = 256;
/// Bytes handed over at once, likewise.
const PART_BYTES_MAX: usize = 256 << 10;
/// Events kept of one revision.
const REVISION_EVENTS_MAX: usize = 5000;

/// Follows a range until it is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// The number of the tail.
    pub tail: u64,
    /// What it follows.
    pub spec: Spec,
}

impl Request for Follow {
    type Answer = News;

    async fn run(self, clients: Clients, parts: Parts<News>) -> Result<News, Trouble> {
        Ok(News::Ended(follow(&clients.client, &self.spec, &parts).await))
    }
}

/// Writes entries to a file that is not there yet. The answer is the number of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// The file.
    pub file: String,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Request for Save {
    type Answer = usize;

    async fn run(self, _: Clients, _: Parts<usize>) -> Result<usize, Trouble> {
        save(self.file, self.entries).await
    }
}

/// How a stream ended.
enum End {
    /// What is before the second revision is compacted; the first one was wanted.
    Compacted(i64, i64),
    /// The server does not want it.
    Refused(String),
}

/// Answers why it has ended.
async fn follow(client: &Client, spec: &Spec, parts: &Parts<News>) -> String {
    let mut from = spec.from.unwrap_or(0);
    loop {
        let mut stream =
            client.watch(spec.request(from)).patience(PATIENCE).at_most(REVISION_EVENTS_MAX);
        if spec.leader {
            stream = stream.require_leader();
        }
        match tail(stream, parts).await {
            End::Compacted(wanted, left) if left > wanted => {
                parts.send(News::Compacted(wanted, left)).await;
                from = left;
            }
            End::Compacted(..) => return "the server compacts what it has yet to send".to_owned(),
            End::Refused(why) => return why,
        }
    }
}

/// Reads a stream to its end, over any number of connections.
async fn tail(stream: WatchStream, parts: &Parts<News>) -> End {
    let mut requester: Option<WatchRequester> = None;
    let mut ask = after(PROGRESS_EVERY);
    // The stream travels with the read, so that asking for progress never cuts one off.
    let mut reading = Box::pin(read(stream));
    loop {
        tokio::select! {
            (item, mut stream) = &mut reading => {
                let Some(item) = item else { return End::Refused("it is over".to_owned()) };
                match item {
                    WatchItem::Created { endpoint, revision, response } => {
                        requester = stream.requester();
                        ask = after(PROGRESS_EVERY);
                        let header = response.header.unwrap_or_default();
                        let member = (header.member_id, endpoint);
                        let server = header.revision;
                        parts.send(News::Stands { member, from: revision, server }).await;
                    }
                    WatchItem::Events(response) => {
                        hand_over(response, stream.take_cut(), parts).await;
                    }
                    WatchItem::Progress(response) => {
                        let revision = response.header.map_or(0, |header| header.revision);
                        parts.send(News::Progress(revision)).await;
                    }
                    WatchItem::Lost { error, revision } => {
                        requester = None;
                        let (place, why) = words(&error);
                        parts.send(News::Lost { place, why, next: revision }).await;
                    }
                    WatchItem::Canceled(response) => return canceled(&response, &stream),
                    WatchItem::Refused(error) => return End::Refused(error.to_string()),
                }
                reading = Box::pin(read(stream));
            }
            () = sleep_until(ask) => {
                if let Some(requester) = &requester {
                    requester.try_progress();
                }
                ask = after(PROGRESS_EVERY);
            }
        }
    }
}

async fn read(mut stream: WatchStream) -> (Option<WatchItem>, WatchStream) {
    let item = stream.next().await;
    (item, stream)
}

fn after(time: Duration) -> Instant {
    Instant::now() + time
}

fn canceled(response: &WatchResponse, stream: &WatchStream) -> End {
    if response.compact_revision > 0 {
        return End::Compacted(stream.next_revision(), response.compact_revision);
    }
    let why = response.cancel_reason.as_str();
    End::Refused(if why.is_empty() { "it gave no reason" } else { why }.to_owned())
}

/// Who failed, and how.
fn words(error: &ClientError) -> (String, String) {
    match error {
        ClientError::BadEndpoint { text, reason } => (text.clone(), reason.clone()),
        ClientError::NotConnected { endpoint, reason } => {
            let why = if reason.contains("refused") { "refused the connection" } else { reason };
            (endpoint.clone(), why.to_owned())
        }
        ClientError::Broken { endpoint, reason } if reason.contains("closed the watch") => {
            (endpoint.clone(), "closed the watch".to_owned())
        }
        ClientError::Broken { endpoint, .. } => {
            (endpoint.clone(), "lost the connection".to_owned())
        }
        ClientError::TimedOut { endpoint, after, .. } => {
            (endpoint.clone(), format!("was silent for {}", crate::widget::age(*after)))
        }
        ClientError::Refused { message, .. } => (String::new(), message.clone()),
        ClientError::ReadOnly => (String::new(), error.to_string()),
    }
}

/// Hands events over in parts, none of which keeps the screen from being drawn for long.
async fn hand_over(response: WatchResponse, cut: Option<(i64, usize)>, parts: &Parts<News>) {
    let server = response.header.map_or(0, |header| header.revision);
    let (mut part, mut events, mut bytes) = (Vec::new(), 0, 0);
    for mut revision in revisions(response.events) {
        revision.cut += cut.filter(|(of, _)| *of == revision.number).map_or(0, |(_, count)| count);
        events += revision.events.len();
        bytes += revision.events.iter().map(Event::weight).sum::<usize>();
        part.push(Arc::new(revision));
        if events >= PART_EVENTS_MAX || bytes >= PART_BYTES_MAX {
            parts.send(News::Revisions(std::mem::take(&mut part), server)).await;
            (events, bytes) = (0, 0);
            tokio::task::yield_now().await;
        }
    }
    if !part.is_empty() {
        parts.send(News::Revisions(part, server)).await;
    }
}

/// Groups events by revision; of a very large one the first are kept and the rest are counted.
fn revisions(events: Vec<mvccpb::Event>) -> impl Iterator<Item = Revision> {
    let mut events = events.into_iter().peekable();
    let number = |event: &mvccpb::Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
    std::iter::from_fn(move || {
        let first = events.next()?;
        let mut revision = Revision { number: number(&first), events: vec![event(first)], cut: 0 };
        while let Some(next) = events.next_if(|next| number(next) == revision.number) {
            if revision.events.len() < REVISION_EVENTS_MAX {
                revision.events.push(event(next));
            } else {
                revision.cut += 1;
            }
        }
        Some(revision)
    })
}

fn event(event: mvccpb::Event) -> Event {
    let kind = match event.r#type() {
        EventType::Put => Kind::Put,
        EventType::Delete => Kind::Del,
    };
    let before = match event.prev_kv {
        Some(before) => Before::Known(version(&before)),
        None if kind == Kind::Put && event.kv.as_ref().is_some_and(|kv| kv.version == 1) => {
            Before::Nothing
        }
        None => Before::Unknown,
    };
    let kv = event.kv.unwrap_or_default();
    Event::new(kind, own(&kv.key), kv.create_revision, version(&kv), before)
}

fn version(kv: &mvccpb::KeyValue) -> Version {
    let (value, written) = (own(&kv.value), kv.mod_revision);
    Version { value, version: kv.version, lease: kv.lease, written }
}

/// A copy: what came is a slice of a whole message, and would keep all of it in memory.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

async fn save(file: String, entries: Vec<Entry>) -> Result<usize, Trouble> {
    let place = file.clone();
    let written = tokio::task::spawn_blocking(move || write(Path::new(&file), &entries)).await;
    match written {
        Ok(Ok(count)) => Ok(count),
        Ok(Err(why)) => {
            let next = "s with another name tries again".to_owned();
            let why = match why.kind() {
                std::io::ErrorKind::AlreadyExists => "a file of that name is there".to_owned(),
                _ => why.to_string(),
            };
            Err(Trouble { place, why, next })
        }
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Given up with the console.
            Err(error) => Err(Trouble { place, why: error.to_string(), next: String::new() }),
        },
    }
}

/// Writes the lines of the entries beside the file, and gives them its name when all are on disk. I3
fn write(file: &Path, entries: &[Entry]) -> std::io::Result<usize> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let beside = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    let mut out = std::io::BufWriter::new(beside);
    let mut count = 0;
    for line in entries.iter().flat_map(lines) {
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
        count += 1;
    }
    let beside = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    beside.as_file().sync_all()?;
    beside.persist_noclobber(file).map_err(|error| error.error)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::watch::{Mark, What};

    fn put(revision: i64) -> mvccpb::Event {
        let kv = mvccpb::KeyValue { mod_revision: revision, ..mvccpb::KeyValue::default() };
        mvccpb::Event { kv: Some(kv), ..mvccpb::Event::default() }
    }

    #[test]
    fn events_of_one_revision_stay_together_and_a_huge_one_is_cut_and_counted() {
        let mut events: Vec<_> = [1, 1, 2, 5].map(put).to_vec();
        events.extend((0..REVISION_EVENTS_MAX + 7).map(|_| put(6)));
        let grouped: Vec<_> =
            revisions(events).map(|r| (r.number, r.events.len(), r.cut)).collect();
        assert_eq!(grouped, [(1, 2, 0), (2, 1, 0), (5, 1, 0), (6, REVISION_EVENTS_MAX, 7)]);
    }

    #[test]
    fn a_file_is_written_whole_and_replaces_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("w1.jsonl");
        let mark = Mark::NotHeld { events: 3 };
        let entries = [Entry { wall: 0, what: What::Mark(mark) }];
        assert_eq!(write(&file, &entries).unwrap(), 1);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.ends_with("}\n") && text.contains("not-held"), "{text}");
        let error = write(&file, &[]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside");
        assert!(write(&dir.path().join("no/such.jsonl"), &[]).is_err());
    }
}

//! [`Watches`]: the streams of watches of both servers, and what came on them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use mini_etcd_proto::etcdserverpb::WatchResponse;
use prost::Message;
use prost_reflect::DynamicMessage;
use tokio::time::Instant;
use tonic::Status;

use super::call::{Caller, messages};
use super::deviations::Version;
use super::names::Names;
use super::server::Server;
use super::text::text;
use super::{Pair, Side};
use crate::wait::eventually;

/// Longest that a server may be behind the other.
const DEADLINE: Duration = Duration::from_secs(5);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Instead of a watch: all of a stream.
const ALL: i64 = -1;

/// What one watch got, in order, as text; progress reports apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Events and what became of the watch.
    Events,
    /// Reports of progress, each only once.
    Progress,
}

type Requests = UnboundedSender<Bytes>;
type Answers = UnboundedReceiver<Result<Bytes, Status>>;

/// One server's end of a stream.
struct End {
    requests: Requests,
    answers: Answers,
    /// By watch; cut when both ends were found equal.
    got: BTreeMap<(i64, Kind), Vec<String>>,
    /// Answers to requests to create, and reports of the progress of all.
    created: usize,
    progress: usize,
    /// Watches that the server knows, and those of them that a compaction ended: these keep their numbers until their client
    /// cancels them, and meanwhile the stream has no progress.
    alive: BTreeSet<i64>,
    over: BTreeSet<i64>,
    /// Watches that etcd sends nothing more to: see [`SILENCED`](super::deviations::SILENCED). What it kept back, it sends to the
    /// next watch of that number, so they stay here as long as the stream.
    silenced: BTreeSet<i64>,
    /// Ids that ended, or were refused, so often.
    canceled: BTreeMap<i64, usize>,
    /// Revision of the last event of a watch, and whether a rest of it may follow.
    last: BTreeMap<i64, (i64, bool)>,
    /// What must not be, whatever the other server does.
    fault: Option<String>,
    version: Version,
}

impl End {
    fn open(caller: &Caller, token: &str, version: Version) -> Self {
        let (requests, answers) = caller.open_watch(token);
        Self::of(requests, answers, version)
    }

    fn of(requests: Requests, answers: Answers, version: Version) -> Self {
        Self {
            requests,
            answers,
            got: BTreeMap::new(),
            created: 0,
            progress: 0,
            alive: BTreeSet::new(),
            over: BTreeSet::new(),
            silenced: BTreeSet::new(),
            canceled: BTreeMap::new(),
            last: BTreeMap::new(),
            fault: None,
            version,
        }
    }

    /// Takes what has come.
    fn drain(&mut self, names: &Names, side: Side) {
        while let Ok(next) = self.answers.try_recv() {
            match next {
                Err(status) => {
                    let end = format!("{:?}: {}", status.code(), status.message());
                    self.note(0, Kind::Events, end);
                }
                Ok(bytes) => match WatchResponse::decode(bytes.clone()) {
                    Ok(answer) => self.take(names, side, &answer, bytes),
                    Err(error) => self.fault = Some(error.to_string()),
                },
            }
        }
    }

    fn note(&mut self, watch: i64, kind: Kind, text: String) {
        self.got.entry((watch, kind)).or_default().push(text);
    }

    fn take(&mut self, names: &Names, side: Side, answer: &WatchResponse, bytes: Bytes) {
        // Up to 3.5 a refusal for want of a right has the number that was asked for, and one reason for all.
        let is_refused = answer.created
            && answer.canceled
            && self.version < (3, 6)
            && answer.cancel_reason.starts_with("rpc error");
        self.created += usize::from(answer.created);
        if answer.canceled {
            *self.canceled.entry(answer.watch_id).or_default() += 1;
            if is_refused {
                if side == Side::Etcd && self.alive.contains(&answer.watch_id) {
                    self.silenced.insert(answer.watch_id);
                }
            } else if answer.compact_revision == 0 {
                self.alive.remove(&answer.watch_id);
                self.over.remove(&answer.watch_id);
            } else {
                self.over.insert(answer.watch_id);
            }
        } else if answer.created {
            self.alive.insert(answer.watch_id);
            // A number used again may begin in the past.
            self.last.remove(&answer.watch_id);
        }
        let Some((_, output)) = messages("/etcdserverpb.Watch/Watch") else { return };
        let Ok(mut message) = DynamicMessage::decode(output, bytes) else {
            self.fault.get_or_insert_with(|| "a message that is none of Watch".to_owned());
            return;
        };
        names.inward_all(side, &mut message);
        if answer.events.is_empty() {
            if let Some(header) =
                message.get_field_by_name_mut("header").and_then(|it| it.as_message_mut())
            {
                header.clear_field_by_name("cluster_id");
                header.clear_field_by_name("raft_term");
            }
            if is_refused {
                self.note(ALL, Kind::Events, "refused".to_owned());
            } else if answer.created || answer.canceled {
                self.note(answer.watch_id, Kind::Events, text(&message));
            } else if answer.watch_id == ALL {
                // What is asked for again is answered again.
                self.progress += 1;
                let got = self.got.entry((ALL, Kind::Progress)).or_default();
                got.push(text(&message));
                got.dedup();
            }
            return;
        }
        if self.silenced.contains(&answer.watch_id) {
            return;
        }
        self.check_order(answer);
        for event in
            message.get_field_by_name("events").iter().filter_map(|it| it.as_list()).flatten()
        {
            if let Some(event) = event.as_message() {
                self.note(answer.watch_id, Kind::Events, text(event));
            }
        }
    }

    /// Revisions of a watch never go back, and those of one are in one response but for fragments.
    fn check_order(&mut self, answer: &WatchResponse) {
        let mut last = self.last.get(&answer.watch_id).copied().unwrap_or((0, true));
        for (place, event) in answer.events.iter().enumerate() {
            let revision = event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
            let may_repeat = place > 0 || last.1;
            if revision < last.0 || (revision == last.0 && !may_repeat) {
                self.fault = Some(format!(
                    "watch {}: an event of revision {revision} behind one of {}",
                    answer.watch_id, last.0
                ));
            }
            last = (revision, answer.fragment);
        }
        self.last.insert(answer.watch_id, last);
    }
}

/// A stream of watches of both servers.
struct Stream {
    ends: Pair<End>,
    /// Etcd's revision from which on the last of its watches wants events.
    start: i64,
}

/// All streams of both servers.
#[derive(Default)]
pub struct Watches {
    streams: BTreeMap<u8, Stream>,
    /// When the last watch of each stream began that had a past to read.
    behind: BTreeSet<u8>,
}

/// What a request on a stream is answered with, so that it can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Await {
    /// Nothing.
    Nothing,
    /// An answer to a request to create.
    Created,
    /// An answer to a request to create, and then the end of the watch.
    CreatedAndCanceled,
    /// The end of a watch.
    Canceled(i64),
    /// A report of the progress of all; asked for again until it is there.
    Progress,
}

impl Watches {
    /// Whether a stream is open.
    #[must_use]
    pub fn is_open(&self, stream: u8) -> bool {
        self.streams.contains_key(&stream)
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether a stream has a watch.
    #[must_use]
    pub fn has(&self, stream: u8, watch: i64) -> bool {
        self.streams.get(&stream).is_some_and(|stream| stream.ends.etcd.alive.contains(&watch))
    }

    /// Watches of etcd that refusals have silenced, on all streams.
    #[must_use]
    pub fn silenced(&self) -> usize {
        self.streams.values().map(|it| it.ends.etcd.silenced.len()).sum()
    }

    /// Whether a stream has watches, all of which want events from before `revision`.
    #[must_use]
    pub fn has_begun(&self, stream: u8, revision: i64) -> bool {
        let stream = self.streams.get(&stream);
        stream.is_some_and(|it| {
            let End { alive, over, .. } = &it.ends.etcd;
            !alive.is_empty() && over.is_empty() && it.start <= revision
        })
    }

    /// Waits until etcd has looked at every watch, or those of a stream, that had a past to read. That is not to be seen where
    /// there was nothing in it for the watch, and what ends the watch would come before.
    ///
    /// # Errors
    /// It takes too long.
    pub async fn settle(&mut self, etcd: &Server, stream: Option<u8>) -> anyhow::Result<()> {
        let is_meant = |it: &u8| stream.is_none_or(|stream| stream == *it);
        if self.behind.iter().any(is_meant) {
            eventually("etcd's watches that catch up", DEADLINE, || async {
                let behind = etcd.gauge("etcd_debugging_mvcc_slow_watcher_total").await?;
                ensure!(behind == 0, "{behind} watches");
                Ok(())
            })
            .await?;
        }
        self.behind.retain(|it| !is_meant(it));
        Ok(())
    }

    /// A watch of a stream wants events from `revision` on, one that is behind `newest` those of the past.
    pub fn starts(&mut self, stream: u8, revision: i64, newest: i64) {
        if revision != 0 && revision <= newest {
            self.behind.insert(stream);
        }
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.start = stream.start.max(revision);
        }
    }

    /// Opens a stream.
    pub fn open(
        &mut self,
        stream: u8,
        callers: Pair<&Caller>,
        tokens: Pair<&str>,
        version: Version,
    ) {
        let ends = Pair {
            etcd: End::open(callers.etcd, tokens.etcd, version),
            mini: End::open(callers.mini, tokens.mini, version),
        };
        self.streams.insert(stream, Stream { ends, start: 0 });
    }

    /// Sends a request on a stream to both servers, and waits for what both must answer.
    ///
    /// # Errors
    /// What is different, or missing.
    pub async fn send(
        &mut self,
        names: &Names,
        stream: u8,
        requests: Pair<Bytes>,
        answer: Await,
    ) -> Result<(), String> {
        let Some(stream) = self.streams.get_mut(&stream) else { return Ok(()) };
        let more = if answer == Await::CreatedAndCanceled { 2 } else { 1 };
        let wanted = Pair {
            etcd: stream.counts(Side::Etcd, answer) + more,
            mini: stream.counts(Side::Mini, answer) + more,
        };
        let mut looks = 0_u32;
        let start = Instant::now();
        loop {
            if looks == 0 || (answer == Await::Progress && looks.is_multiple_of(64)) {
                let _ = stream.ends.etcd.requests.unbounded_send(requests.etcd.clone());
                let _ = stream.ends.mini.requests.unbounded_send(requests.mini.clone());
            }
            looks += 1;
            stream.drain(names);
            let is_there = |side: Side| stream.counts(side, answer) >= *wanted.of(side);
            if answer == Await::Nothing || (is_there(Side::Etcd) && is_there(Side::Mini)) {
                break;
            }
            if start.elapsed() > DEADLINE {
                return stream.equal().and(Err(format!("no answer to wait for: {answer:?}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        stream.equal_faults()
    }

    /// Waits until both servers have sent the same on all streams.
    ///
    /// # Errors
    /// What is different.
    pub async fn compare(&mut self, names: &Names) -> Result<(), String> {
        let start = Instant::now();
        for (number, stream) in &mut self.streams {
            loop {
                stream.drain(names);
                stream.equal_faults()?;
                match stream.equal() {
                    Ok(()) => break,
                    Err(difference) if start.elapsed() > DEADLINE => {
                        return Err(format!("stream {number}: {difference}"));
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
            stream.cut();
        }
        Ok(())
    }

    /// Closes a stream.
    pub fn close(&mut self, stream: u8) {
        self.streams.remove(&stream);
    }

    /// Closes all.
    pub fn close_all(&mut self) {
        self.streams.clear();
    }
}

impl Stream {
    fn counts(&self, side: Side, answer: Await) -> usize {
        let end = self.ends.of(side);
        let canceled: usize = end.canceled.values().sum();
        match answer {
            Await::Nothing => 0,
            Await::Created => end.created,
            Await::CreatedAndCanceled => end.created + canceled,
            Await::Canceled(watch) => end.canceled.get(&watch).copied().unwrap_or(0),
            Await::Progress => end.progress,
        }
    }

    fn drain(&mut self, names: &Names) {
        self.ends.etcd.drain(names, Side::Etcd);
        self.ends.mini.drain(names, Side::Mini);
    }

    fn equal_faults(&self) -> Result<(), String> {
        match (&self.ends.etcd.fault, &self.ends.mini.fault) {
            (_, Some(fault)) => Err(format!("mini-etcd: {fault}")),
            (Some(fault), _) => Err(format!("etcd: {fault}")),
            _ => Ok(()),
        }
    }

    fn equal(&self) -> Result<(), String> {
        let (etcd, mini) = (&self.ends.etcd.got, &self.ends.mini.got);
        let nothing = Vec::new();
        let silenced = &self.ends.etcd.silenced;
        for key in etcd.keys().chain(mini.keys()).filter(|(watch, _)| !silenced.contains(watch)) {
            let (etcd, mini) =
                (etcd.get(key).unwrap_or(&nothing), mini.get(key).unwrap_or(&nothing));
            if etcd != mini {
                let place = etcd.iter().zip(mini).take_while(|(a, b)| a == b).count();
                let at =
                    |got: &Vec<String>| got.get(place).cloned().unwrap_or("nothing".to_owned());
                return Err(format!(
                    "watch {} {:?} {place}: etcd {}, mini-etcd {}",
                    key.0,
                    key.1,
                    at(etcd),
                    at(mini)
                ));
            }
        }
        Ok(())
    }

    /// What was found equal is not kept.
    fn cut(&mut self) {
        for end in [&mut self.ends.etcd, &mut self.ends.mini] {
            end.got.retain(|(_, kind), got| {
                if *kind == Kind::Progress {
                    got.drain(..got.len().saturating_sub(1));
                    return true;
                }
                false
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::unbounded;
    use mini_etcd_proto::etcdserverpb::ResponseHeader;
    use mini_etcd_proto::mvccpb::{Event, KeyValue};

    use super::*;

    const DENIED: &str = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";

    fn end(version: Version) -> End {
        let ((requests, _), (_, answers)) = (unbounded(), unbounded());
        End::of(requests, answers, version)
    }

    fn created(watch_id: i64) -> WatchResponse {
        WatchResponse { watch_id, created: true, ..WatchResponse::default() }
    }

    fn refused(watch_id: i64) -> WatchResponse {
        WatchResponse { canceled: true, cancel_reason: DENIED.to_owned(), ..created(watch_id) }
    }

    fn put(watch_id: i64, mod_revision: i64) -> WatchResponse {
        let kv = Some(KeyValue { key: "a".into(), mod_revision, ..KeyValue::default() });
        let events = vec![Event { kv, ..Event::default() }];
        let header = Some(ResponseHeader { revision: mod_revision, ..ResponseHeader::default() });
        WatchResponse { header, watch_id, events, ..WatchResponse::default() }
    }

    /// A stream on which both servers have watches 0 and 5, and then sent these.
    fn stream(version: Version, etcd: &[WatchResponse], mini: &[WatchResponse]) -> Stream {
        let mut names = Names::new((1, 1), Pair::default(), Pair::default());
        for revision in [2, 3, 9] {
            names.seen(revision, revision);
        }
        let both = [created(0), created(5)];
        let ends = Pair { etcd, mini }.map(|side, own| {
            let mut end = end(version);
            for answer in both.iter().chain(own) {
                end.take(&names, side, answer, answer.encode_to_vec().into());
            }
            end
        });
        Stream { ends, start: 0 }
    }

    #[test]
    fn a_refusal_silences_the_watch_of_its_number_alone() {
        let to_all = [refused(-1), put(0, 2), put(5, 2)];
        let stream_of = |etcd: &[WatchResponse]| stream((3, 5), etcd, &to_all);
        assert!(stream_of(&[refused(0), put(5, 2)]).equal().is_ok());
        assert!(stream_of(&[refused(5), put(0, 2)]).equal().is_ok());
        assert!(stream_of(&[refused(0), put(0, 2)]).equal().is_err(), "5 has got nothing");
        assert!(stream_of(&[refused(3), put(5, 2)]).equal().is_err(), "no watch 3 to silence");
        assert!(stream_of(&[refused(-1), put(5, 2)]).equal().is_err(), "as from 3.5.6 on");
    }

    #[test]
    fn a_number_used_again_may_begin_in_the_past() {
        let canceled = WatchResponse { canceled: true, created: false, ..created(5) };
        let again = [put(5, 9), canceled, created(5), put(5, 3)];
        assert_eq!(stream((3, 5), &again, &again).equal_faults(), Ok(()));
        let back = [put(5, 9), put(5, 3)];
        assert!(stream((3, 5), &back, &back).equal_faults().is_err());
    }

    #[test]
    fn only_etcd_before_3_6_has_watches_that_are_silenced() {
        let (without, with) = ([refused(0), put(5, 2)], [refused(0), put(0, 2), put(5, 2)]);
        assert!(stream((3, 5), &without, &with).equal().is_ok());
        assert!(stream((3, 6), &without, &with).equal().is_err());
        let late = [refused(-1), put(0, 2), put(5, 2)];
        assert!(stream((3, 5), &late, &without).equal().is_err(), "ours is silent");
    }

    #[test]
    fn a_silenced_watch_still_ends_and_gives_its_number_away() {
        let canceled = WatchResponse { canceled: true, created: false, ..created(5) };
        let late = [refused(5), canceled.clone(), created(5), put(5, 9), put(5, 3)];
        let mut stream = stream((3, 5), &late, &[refused(-1), put(5, 9), canceled, created(5)]);
        assert_eq!(stream.ends.etcd.canceled.get(&5), Some(&2));
        assert!(stream.ends.etcd.alive.contains(&5));
        assert!(stream.equal().is_ok() && stream.equal_faults().is_ok());
        stream.cut();
        assert!(stream.ends.etcd.silenced.contains(&5));
    }
}

//! [`WatchStream`]: a watch that outlives its connection.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
    watch_request::RequestUnion,
};
use mini_etcd_proto::mvccpb::Event;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Streaming};

use super::calls::SILENT_AFTER;
use super::{Client, Endpoint, Member};
use crate::error::ClientError;

/// Requests that may wait on a watch's connection.
const REQUESTS_MAX: usize = 16;
/// First pause before another attempt to connect; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(25);
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Longest silence that a patient watch bears: it doubles with every connection that says nothing at all.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The id in answers that are about a stream and not about one of its watches.
const WHOLE_STREAM: i64 = -1;

/// What a watch has to say.
#[derive(Clone, Debug)]
pub enum WatchItem {
    /// The watch stands on the member at this endpoint; what happens from `revision` on will be seen.
    Created {
        /// The member that serves it.
        endpoint: String,
        /// First revision whose events will be delivered.
        revision: i64,
        /// The server's message.
        response: WatchResponse,
    },
    /// Events, whole revisions in order; the fragments of a response are joined.
    Events(WatchResponse),
    /// Everything up to `header.revision` was delivered. Before 3.4.25 and 3.5.8 etcd answers a request for it without
    /// looking whether it is so; this stream therefore never drops an event because of it.
    Progress(WatchResponse),
    /// The connection is gone; the watch goes on at `revision` as soon as a member answers.
    Lost {
        /// Why.
        error: ClientError,
        /// Where it will go on; 0 when it was never created.
        revision: i64,
    },
    /// The server ended the watch, and it stays ended: by the reason given, or because history from the
    /// wanted revision on is gone (`compact_revision` is not 0).
    Canceled(WatchResponse),
    /// A server refused the watch as a whole, and no other will take it; the watch stays ended.
    Refused(ClientError),
}

/// How long a watch waits before it calls a member dead that holds its connection and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to its creation.
    pub answer: Duration,
    /// For any word after that. Whoever sets it asks for progress more often, so that a live member speaks.
    pub silence: Duration,
}

/// A watch. It reconnects and resumes by revision; it says so with [`WatchItem::Lost`] and
/// [`WatchItem::Created`].
#[derive(Debug)]
pub struct WatchStream {
    client: Client,
    request: WatchCreateRequest,
    require_leader: bool,
    patience: Option<Patience>,
    state: State,
    /// Where it goes on after a reconnect; 0 before the first answer of a watch that starts at "now".
    next: i64,
    /// Events below were delivered (I3).
    fresh: i64,
    /// Everything below was delivered, if the answer to a request for progress is to be believed.
    claimed: i64,
    /// It begins beyond what the server had: silence is no sign of death.
    future: bool,
    /// The login was made anew, and nothing was delivered since.
    renewed: bool,
    pause: Duration,
    silence: Duration,
    /// Events of a revision whose last fragment has yet to come.
    joined: Vec<Event>,
    /// Events of one revision that are held until it is complete.
    most: usize,
    /// The revision of which some were too many, and how many.
    cut: Option<(i64, usize)>,
}

#[derive(Debug)]
enum State {
    Idle {
        pause: bool,
    },
    Live {
        member: Member,
        requests: mpsc::Sender<WatchRequest>,
        answers: Box<Streaming<WatchResponse>>,
        /// The server has confirmed it.
        confirmed: bool,
    },
    Ended,
}

/// Sends requests about a watch while somebody else reads it.
#[derive(Clone, Debug)]
pub struct WatchRequester(mpsc::Sender<WatchRequest>);

impl WatchRequester {
    /// Asks how far the watch is; the answer is a [`WatchItem::Progress`].
    pub async fn progress(&self) {
        let union = Some(RequestUnion::ProgressRequest(WatchProgressRequest {}));
        // A connection that is gone answers with `Lost` on the stream.
        let _ = self.0.send(WatchRequest { request_union: union }).await;
    }

    /// Asks without waiting; a connection that has not taken what was asked before is not asked again.
    pub fn try_progress(&self) {
        let union = Some(RequestUnion::ProgressRequest(WatchProgressRequest {}));
        let _ = self.0.try_send(WatchRequest { request_union: union });
    }
}

impl WatchStream {
    pub(super) fn new(client: Client, request: WatchCreateRequest) -> Self {
        Self {
            next: request.start_revision,
            fresh: request.start_revision,
            claimed: 0,
            future: false,
            client,
            request,
            require_leader: false,
            patience: None,
            state: State::Idle { pause: false },
            renewed: false,
            pause: PAUSE_MIN,
            silence: Duration::ZERO,
            joined: Vec::new(),
            most: usize::MAX,
            cut: None,
        }
    }

    /// Asks the server to end the watch's connection when its member has no leader, as etcdctl does; the
    /// watch then goes on elsewhere.
    #[must_use]
    pub fn require_leader(mut self) -> Self {
        self.require_leader = true;
        self
    }

    /// Gives up a connection that stands and says nothing, and goes on elsewhere. Without it a watch waits for as
    /// long as the connection stands.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = Some(patience);
        self.silence = patience.silence;
        self
    }

    /// Holds at most so many events of a revision that comes in fragments. The others are dropped and counted:
    /// [`take_cut`](Self::take_cut). Without it all are held, however many.
    #[must_use]
    pub fn at_most(mut self, events: usize) -> Self {
        self.most = events;
        self
    }

    /// The revision of which events were dropped, and how many, since it was asked last.
    pub fn take_cut(&mut self) -> Option<(i64, usize)> {
        self.cut.take()
    }

    /// Where the watch would go on after a reconnect.
    #[must_use]
    pub fn next_revision(&self) -> i64 {
        self.next
    }

    /// Sends requests about this watch; `None` while it is not connected.
    #[must_use]
    pub fn requester(&self) -> Option<WatchRequester> {
        match &self.state {
            State::Live { requests, .. } => Some(WatchRequester(requests.clone())),
            _ => None,
        }
    }

    /// What happens next; `None` once the watch has ended. Safe to drop while it waits.
    pub async fn next(&mut self) -> Option<WatchItem> {
        loop {
            let answer = match &mut self.state {
                State::Ended => return None,
                State::Idle { pause } => {
                    if std::mem::replace(pause, false) {
                        let pause = self.pause;
                        self.pause = (pause * 2).min(PAUSE_MAX);
                        tokio::time::sleep(pause).await;
                    }
                    match self.connect().await {
                        Ok(state) => self.state = state,
                        Err(error) => return Some(self.lost(error)),
                    }
                    continue;
                }
                State::Live { answers, member, confirmed, .. } => {
                    let within = match self.patience {
                        Some(patience) if !*confirmed => Some(patience.answer),
                        Some(_) if !self.future => Some(self.silence),
                        _ => None,
                    };
                    hear(answers, member.endpoint().as_str(), within).await
                }
            };
            match answer {
                Ok(answer) => {
                    if let Some(item) = self.take(answer) {
                        return Some(item);
                    }
                }
                Err(error) => return Some(self.lost(error)),
            }
        }
    }

    /// Opens the watch on a member that is ready; on another one when that provably took nothing, or is silent.
    async fn connect(&self) -> Result<State, ClientError> {
        let mut tried = Vec::new();
        loop {
            let member = self.client.ready(&tried).await?;
            let endpoint = member.endpoint().clone();
            let repeated = tried.contains(&endpoint);
            tried.push(endpoint);
            let error = match self.open(member, &tried).await {
                Ok(state) => return Ok(state),
                Err(error) => error,
            };
            let passing = error.unsent_reason().is_some() || is_silence(&error);
            if repeated || !passing || self.client.another(&tried).is_none() {
                return Err(error);
            }
        }
    }

    /// Opens the watch on one member; gives it up when its patience ends, or it is silent while another one speaks.
    async fn open(&self, member: Member, tried: &[Endpoint]) -> Result<State, ClientError> {
        let endpoint = member.endpoint().as_str().to_owned();
        let beats = member.connection().pulse().beats();
        let patience = async {
            match self.patience {
                None => std::future::pending().await,
                Some(patience) => {
                    tokio::time::sleep(patience.answer).await;
                    patience.answer
                }
            }
        };
        let opening = self.connect_to(member.clone());
        tokio::pin!(opening, patience);
        loop {
            tokio::select! {
                opened = &mut opening => return opened,
                after = &mut patience => return Err(silent(&endpoint, after)),
                () = tokio::time::sleep(SILENT_AFTER) => {
                    if self.client.is_silent(&member, beats) && self.client.another(tried).is_some() {
                        return Err(silent(&endpoint, SILENT_AFTER));
                    }
                }
            }
        }
    }

    async fn connect_to(&self, member: Member) -> Result<State, ClientError> {
        let (requests, receiver) = mpsc::channel(REQUESTS_MAX);
        let create = WatchCreateRequest { start_revision: self.next, ..self.request.clone() };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        // The channel is new and empty: there is room.
        let _ = requests.try_send(create);
        let mut request = Request::new(ReceiverStream::new(receiver));
        if self.require_leader {
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        }
        let answers = member
            .watch()
            .watch(request)
            .await
            .map_err(|status| ClientError::of(member.endpoint().as_str(), &status))?
            .into_inner();
        Ok(State::Live { member, requests, answers: Box::new(answers), confirmed: false })
    }

    fn lost(&mut self, error: ClientError) -> WatchItem {
        self.joined.clear();
        self.cut = None;
        if is_silence(&error) {
            self.silence = (self.silence * 2).min(SILENCE_MAX);
        }
        let renewed = self.client.forgets_login(&error);
        if let ClientError::Refused { code, .. } = &error
            && !renewed
            && !matches!(code, Code::Unavailable | Code::Internal)
        {
            self.state = State::Ended;
            return WatchItem::Refused(error);
        }
        self.state = State::Idle { pause: true };
        WatchItem::Lost { error, revision: self.next }
    }

    fn take(&mut self, mut answer: WatchResponse) -> Option<WatchItem> {
        self.pause = PAUSE_MIN;
        let at = answer.header.as_ref().map_or(0, |header| header.revision);
        if answer.canceled {
            // What a request for progress was answered with is believed only where the alternative is to give up.
            if answer.compact_revision > self.next && answer.compact_revision <= self.claimed {
                self.next = self.claimed;
                self.state = State::Idle { pause: false };
                return None;
            }
            // Up to 3.5 etcd says so of a token that it has forgotten, too.
            if answer.compact_revision == 0
                && !std::mem::replace(&mut self.renewed, true)
                && self.client.login_is_doubted(&answer.cancel_reason)
            {
                self.state = State::Idle { pause: false };
                return None;
            }
            self.state = State::Ended;
            return Some(WatchItem::Canceled(answer));
        }
        if answer.created {
            if self.next <= 0 {
                (self.next, self.fresh) = (at + 1, at + 1);
            }
            self.future = self.next > at + 1;
            let State::Live { member, confirmed, .. } = &mut self.state else { return None };
            *confirmed = true;
            let endpoint = member.endpoint().as_str().to_owned();
            return Some(WatchItem::Created { endpoint, revision: self.next, response: answer });
        }
        if let Some(patience) = self.patience {
            self.silence = patience.silence;
        }
        self.renewed = false;
        // A fragment may end in the middle of a revision: nobody sees one before all of it is there.
        let joining = !self.joined.is_empty();
        self.joined.append(&mut answer.events);
        let rest = if answer.fragment { self.incomplete() } else { Vec::new() };
        answer.events = std::mem::replace(&mut self.joined, rest);
        if answer.events.is_empty() && (answer.fragment || joining) {
            return None;
        }
        if answer.events.is_empty() {
            if answer.watch_id == WHOLE_STREAM {
                self.claimed = self.claimed.max(at + 1);
            } else {
                self.next = self.next.max(at + 1);
            }
            return Some(WatchItem::Progress(answer));
        }
        self.keep_new(&mut answer);
        (!answer.events.is_empty()).then_some(WatchItem::Events(answer))
    }

    /// Takes the events of the last revision out of what was joined: more of it may come.
    fn incomplete(&mut self) -> Vec<Event> {
        let Some(last) = self.joined.last().map(revision) else { return Vec::new() };
        let first = self.joined.partition_point(|event| revision(event) < last);
        let mut rest = self.joined.split_off(first);
        if rest.len() > self.most {
            let before = self.cut.filter(|(of, _)| *of == last).map_or(0, |(_, count)| count);
            self.cut = Some((last, before + rest.len() - self.most));
            rest.truncate(self.most);
        }
        rest
    }

    /// Drops what was delivered before (I3), and moves on.
    fn keep_new(&mut self, answer: &mut WatchResponse) {
        let from = self.fresh;
        answer.events.retain(|event| revision(event) >= from);
        if let Some(last) = answer.events.last() {
            self.fresh = revision(last) + 1;
            self.next = self.next.max(self.fresh);
            self.future = false;
        }
    }
}

fn revision(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv| kv.mod_revision)
}

/// The next message of a connection; silence is an error after `within`.
async fn hear(
    answers: &mut Streaming<WatchResponse>,
    endpoint: &str,
    within: Option<Duration>,
) -> Result<WatchResponse, ClientError> {
    let message = match within {
        None => answers.message().await,
        Some(within) => match timeout(within, answers.message()).await {
            Ok(message) => message,
            Err(_) => return Err(silent(endpoint, within)),
        },
    };
    message.map_err(|status| ClientError::of(endpoint, &status))?.ok_or_else(|| {
        ClientError::Broken {
            endpoint: endpoint.to_owned(),
            reason: "the server closed the watch".to_owned(),
        }
    })
}

fn is_silence(error: &ClientError) -> bool {
    matches!(error, ClientError::TimedOut { .. })
}

fn silent(endpoint: &str, after: Duration) -> ClientError {
    ClientError::TimedOut { endpoint: endpoint.to_owned(), after, unsent: false, reason: None }
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::ResponseHeader;
    use mini_etcd_proto::mvccpb::KeyValue;

    use super::*;
    use crate::client::{ClientConfig, Endpoint};

    /// A watch that was never connected: what a server would say is handed to it.
    fn watch() -> WatchStream {
        let config = ClientConfig::new(vec![Endpoint::parse("127.0.0.1:1").unwrap()]);
        let mut watch = Client::new(config).unwrap().watch(WatchCreateRequest::default());
        watch.take(said(0, 10, |answer| answer.created = true));
        watch
    }

    fn said(id: i64, revision: i64, change: impl FnOnce(&mut WatchResponse)) -> WatchResponse {
        let header = Some(ResponseHeader { revision, ..ResponseHeader::default() });
        let mut answer = WatchResponse { header, watch_id: id, ..WatchResponse::default() };
        change(&mut answer);
        answer
    }

    fn events(revisions: &[i64]) -> WatchResponse {
        let event = |revision: &i64| Event {
            kv: Some(KeyValue { mod_revision: *revision, ..KeyValue::default() }),
            ..Event::default()
        };
        said(0, 99, |answer| answer.events = revisions.iter().map(event).collect())
    }

    fn delivered(item: Option<WatchItem>) -> Vec<i64> {
        match item {
            Some(WatchItem::Events(answer)) => {
                answer.events.into_iter().map(|event| event.kv.unwrap().mod_revision).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Goal: I3 with etcd 3.5.1, which says how far the store is and not how far the watch is.
    #[tokio::test]
    async fn progress_that_runs_ahead_of_events_drops_none() {
        let mut watch = watch();
        assert!(matches!(watch.take(said(-1, 50, |_| {})), Some(WatchItem::Progress(_))));
        assert_eq!(watch.next_revision(), 11);
        assert_eq!(delivered(watch.take(events(&[20, 30]))), [20, 30]);
        assert_eq!(delivered(watch.take(events(&[20, 30, 31]))), [31]);
        assert_eq!(watch.next_revision(), 32);
    }

    #[tokio::test]
    async fn progress_of_the_watch_itself_moves_it_on() {
        let mut watch = watch();
        watch.take(said(0, 50, |_| {}));
        assert_eq!(watch.next_revision(), 51);
    }

    /// Goal: an idle watch whose history was compacted away lost nothing. Method: it had been told so.
    #[tokio::test]
    async fn a_claim_of_progress_counts_where_the_alternative_is_to_end() {
        let compacted = |revision| {
            said(0, 99, |answer| {
                (answer.canceled, answer.compact_revision) = (true, revision);
            })
        };
        let mut watch = watch();
        watch.take(said(-1, 50, |_| {}));
        assert!(watch.take(compacted(40)).is_none());
        assert_eq!(watch.next_revision(), 51);
        assert!(matches!(watch.take(compacted(60)), Some(WatchItem::Canceled(_))));
        assert!(matches!(watch.state, State::Ended));
    }

    #[tokio::test]
    async fn fragments_are_joined_and_a_lost_connection_forgets_the_first_half() {
        let mut watch = watch();
        let mut half = events(&[11]);
        half.fragment = true;
        assert!(watch.take(half.clone()).is_none());
        assert_eq!(delivered(watch.take(events(&[11, 12]))), [11, 11, 12]);
        half.events = events(&[13]).events;
        watch.take(half);
        watch.lost(silent("e", Duration::ZERO));
        assert_eq!(delivered(watch.take(events(&[13]))), [13]);
    }

    fn fragment(revisions: &[i64]) -> WatchResponse {
        WatchResponse { fragment: true, ..events(revisions) }
    }

    /// Goal: catching up holds one revision, however many come in one response.
    #[tokio::test]
    async fn of_a_long_response_whole_revisions_are_delivered_as_they_are_complete() {
        let mut watch = watch();
        assert_eq!(delivered(watch.take(fragment(&[11, 12, 13]))), [11, 12]);
        assert_eq!(watch.next_revision(), 13);
        assert!(watch.take(fragment(&[13])).is_none());
        assert!(watch.take(fragment(&[])).is_none());
        assert_eq!(delivered(watch.take(fragment(&[14]))), [13, 13]);
        assert_eq!(delivered(watch.take(events(&[]))), [14]);
    }

    #[tokio::test]
    async fn a_revision_too_large_to_hold_is_cut_and_counted() {
        let mut watch = watch().at_most(2);
        assert!(watch.take(fragment(&[11, 11, 11])).is_none());
        assert!(watch.take(fragment(&[11, 11])).is_none());
        assert_eq!(delivered(watch.take(events(&[11, 12]))), [11, 11, 11, 12]);
        assert_eq!(watch.take_cut(), Some((11, 3)));
        assert_eq!(watch.take_cut(), None);
    }

    #[tokio::test]
    async fn silence_is_borne_longer_each_time_and_a_word_ends_that() {
        let patience = Patience { answer: Duration::from_secs(5), silence: Duration::from_secs(8) };
        let mut watch = watch().patience(patience);
        for seconds in [16, 32, 60, 60] {
            watch.lost(silent("e", Duration::ZERO));
            assert_eq!(watch.silence, Duration::from_secs(seconds));
        }
        watch.take(said(-1, 50, |_| {}));
        assert_eq!(watch.silence, Duration::from_secs(8));
    }
}

//! A watch that outlives its connection.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
    watch_request::RequestUnion,
};
use mini_etcd_proto::mvccpb::Event;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Streaming};

use super::{Client, Member};
use crate::error::ClientError;

/// Requests that may wait on a watch's connection.
const REQUESTS_MAX: usize = 16;
/// First pause before another attempt to connect; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(25);
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

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
    /// Everything up to `header.revision` was delivered.
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

/// A watch. It reconnects and resumes by revision; it says so with [`WatchItem::Lost`] and
/// [`WatchItem::Created`].
#[derive(Debug)]
pub struct WatchStream {
    client: Client,
    request: WatchCreateRequest,
    require_leader: bool,
    state: State,
    /// Where it goes on after a reconnect; 0 before the first answer of a watch that starts at "now".
    next: i64,
    pause: Duration,
    joined: Vec<Event>,
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
}

impl WatchStream {
    pub(super) fn new(client: Client, request: WatchCreateRequest) -> Self {
        Self {
            next: request.start_revision,
            client,
            request,
            require_leader: false,
            state: State::Idle { pause: false },
            pause: PAUSE_MIN,
            joined: Vec::new(),
        }
    }

    /// Asks the server to end the watch's connection when its member has no leader, as etcdctl does; the
    /// watch then goes on elsewhere.
    #[must_use]
    pub fn require_leader(mut self) -> Self {
        self.require_leader = true;
        self
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
                State::Live { answers, member, .. } => {
                    let endpoint = member.endpoint().as_str();
                    answers
                        .message()
                        .await
                        .map_err(|status| ClientError::of(endpoint, &status))
                        .and_then(|answer| {
                            answer.ok_or_else(|| ClientError::Broken {
                                endpoint: endpoint.to_owned(),
                                reason: "the server closed the watch".to_owned(),
                            })
                        })
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

    async fn connect(&self) -> Result<State, ClientError> {
        let member = self.client.pick();
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
        Ok(State::Live { member, requests, answers: Box::new(answers) })
    }

    fn lost(&mut self, error: ClientError) -> WatchItem {
        self.joined.clear();
        if let ClientError::Refused { code, .. } = &error
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
            self.state = State::Ended;
            return Some(WatchItem::Canceled(answer));
        }
        if answer.created {
            if self.next <= 0 {
                self.next = at + 1;
            }
            let State::Live { member, .. } = &self.state else { return None };
            let endpoint = member.endpoint().as_str().to_owned();
            return Some(WatchItem::Created { endpoint, revision: self.next, response: answer });
        }
        // A fragment may end in the middle of a revision: nobody sees one before all are there.
        self.joined.append(&mut answer.events);
        if answer.fragment {
            return None;
        }
        answer.events = std::mem::take(&mut self.joined);
        if answer.events.is_empty() {
            self.next = self.next.max(at + 1);
            return Some(WatchItem::Progress(answer));
        }
        self.keep_new(&mut answer);
        (!answer.events.is_empty()).then_some(WatchItem::Events(answer))
    }

    /// Drops what was delivered before (I3), and moves on.
    fn keep_new(&mut self, answer: &mut WatchResponse) {
        let revision = |event: &Event| event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
        let from = self.next;
        answer.events.retain(|event| revision(event) >= from);
        if let Some(last) = answer.events.last() {
            self.next = revision(last) + 1;
        }
    }
}

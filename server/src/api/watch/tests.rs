//! The whole path from an applied entry to a decoded message: applier, hub, service, codec, generated client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, ResponseHeader, WatchCreateRequest,
    WatchProgressRequest, WatchRequest, WatchResponse,
};
use mini_etcd_proto::internalpb::{Asker, Command, ConfState, Entry, EntryKind, command};
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};
use prost::Message as _;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Request, Streaming};

use super::WatchService;
use crate::api::Caller;
use crate::apply::{Applier, ApplyTask, Birth, Identity};
use crate::config::Timing;
use crate::limits;
use crate::storage::MemoryEngine;
use crate::watch::Hub;

const IDENTITY: Identity = Identity { cluster_id: ClusterId(7), member_id: MemberId(9) };
const TERM: Term = Term(3);

/// A member without raft: what is written is applied at once.
pub(super) struct Member {
    applier: Applier<MemoryEngine>,
    hub: Hub,
    index: u64,
}

impl Member {
    /// Starts the fan-out, too.
    pub(super) fn start(has_leader: bool) -> Self {
        let birth = Birth {
            index: LogIndex::BIRTH,
            term: TERM,
            conf_state: ConfState::default(),
            members: Vec::new(),
        };
        let applier = Applier::create(MemoryEngine::new(), IDENTITY, &birth).unwrap();
        let hub = Hub::new(applier.published());
        let running = hub.clone();
        tokio::spawn(async move {
            running.run(Timing::default().election_timeout(), || has_leader).await;
        });
        tokio::spawn(hub.clone().wake_streams());
        Self { applier, hub, index: LogIndex::BIRTH.0 }
    }

    /// Applies one turn; answers the revision after it.
    pub(super) fn apply(&mut self, requests: Vec<command::Request>) -> i64 {
        let entries = requests.into_iter().map(|request| {
            self.index += 1;
            let command = Command {
                origin: 1,
                sequence: self.index,
                incarnation: 1,
                request: Some(request),
                asker: None,
            };
            Entry {
                kind: EntryKind::Normal.into(),
                term: TERM.0,
                index: self.index,
                data: Bytes::from(command.encode_to_vec()),
            }
        });
        let task = ApplyTask { entries: entries.collect(), conf_states: Vec::new() };
        let applied = self.applier.apply(&task).unwrap();
        self.hub.publish(&applied);
        applied.published.view.revision().0
    }

    fn put(&mut self, key: &'static str, value: &'static str) -> i64 {
        self.apply(vec![put(key, value)])
    }

    pub(super) fn service(&self) -> WatchService {
        let nobody = Arc::new(|_: &Caller| Ok(Asker::default()));
        let (hub, term) = (self.hub.clone(), Arc::new(|| TERM));
        WatchService::new(hub, IDENTITY, term, nobody, Duration::from_millis(1))
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.hub.counts().held_bytes
    }

    fn client(&self) -> WatchClient<WatchService> {
        WatchClient::new(self.service()).max_decoding_message_size(usize::MAX)
    }
}

fn put(key: &'static str, value: &'static str) -> command::Request {
    let (key, value) = (Bytes::from_static(key.as_bytes()), Bytes::from_static(value.as_bytes()));
    command::Request::Put(PutRequest { key, value, ..PutRequest::default() })
}

struct Call {
    requests: UnboundedSender<WatchRequest>,
    responses: Streaming<WatchResponse>,
}

impl Call {
    async fn open(member: &Member, headers: &[(&'static str, &'static str)]) -> Self {
        let (requests, receiver) = unbounded_channel();
        let mut request = Request::new(UnboundedReceiverStream::new(receiver));
        for (name, value) in headers {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        let responses = member.client().watch(request).await.unwrap().into_inner();
        Self { requests, responses }
    }

    fn send(&self, union: RequestUnion) {
        self.requests.send(WatchRequest { request_union: Some(union) }).unwrap();
    }

    fn create(&self, key: &'static str, start_revision: i64, prev_kv: bool) {
        let key = Bytes::from_static(key.as_bytes());
        let range_end = Bytes::from_static(&[0]);
        self.send(RequestUnion::CreateRequest(WatchCreateRequest {
            key,
            range_end,
            start_revision,
            prev_kv,
            ..WatchCreateRequest::default()
        }));
    }

    async fn next(&mut self) -> WatchResponse {
        self.responses.message().await.unwrap().expect("the stream goes on")
    }
}

fn revisions(response: &WatchResponse) -> Vec<i64> {
    response.events.iter().map(|event| event.kv.as_ref().unwrap().mod_revision).collect()
}

/// Goal: a write reaches the client whole, with the header of this member, and also after the client ended its
/// half. Method: put, overwrite, remove.
#[tokio::test]
async fn events_reach_a_client_that_ended_its_half() {
    let mut member = Member::start(true);
    let mut call = Call::open(&member, &[]).await;
    call.create("a", 0, true);
    let created = call.next().await;
    assert!(created.created);
    let header =
        |revision| ResponseHeader { cluster_id: 7, member_id: 9, revision, raft_term: TERM.0 };
    assert_eq!(created.header, Some(header(1)));
    let Call { requests, mut responses } = call;
    drop(requests);
    member.put("a", "1");
    member.put("a", "2");
    let key = Bytes::from_static(b"a");
    let delete = DeleteRangeRequest { key, ..DeleteRangeRequest::default() };
    member.apply(vec![command::Request::DeleteRange(delete)]);
    let mut events = Vec::new();
    while events.len() < 3 {
        let response = responses.message().await.unwrap().unwrap();
        let last = *revisions(&response).last().unwrap();
        assert_eq!(response.header, Some(header(last)));
        events.extend(response.events);
    }
    assert_eq!(events[0].prev_kv, None);
    assert_eq!(events[1].prev_kv, events[0].kv);
    assert_eq!(events[2].r#type(), EventType::Delete);
    assert_eq!(events[2].prev_kv, events[1].kv);
    let gone = events[2].kv.as_ref().unwrap();
    assert_eq!((gone.mod_revision, gone.create_revision, gone.version), (4, 0, 0));
}

/// Goal: history from the real store joins the live events without a gap, for a client that reads nothing while
/// the queue fills as for one that does. Method: more writes than queue and memory hold, then read all.
#[tokio::test]
async fn a_slow_client_gets_everything_once() {
    let mut member = Member::start(true);
    for _ in 0..10 {
        member.put("a", "early");
    }
    let mut slow = Call::open(&member, &[]).await;
    slow.create("a", 1, true);
    assert!(slow.next().await.created);
    let mut last = 0;
    for _ in 0..limits::WATCH_RECENT_EVENTS_MAX + 1000 {
        last = member.put("a", "late");
        tokio::task::yield_now().await;
    }
    assert!(member.hub.counts().slow > 0, "the client was to fall behind");
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        seen.extend(revisions(&slow.next().await));
    }
    assert_eq!(seen, (2..=last).collect::<Vec<_>>());
    let counts = member.hub.counts();
    assert_eq!((counts.slow, counts.pending_events), (0, 0));
}

/// Goal: what happens without any watch costs the fan-out nothing and is still there for a later one.
#[tokio::test]
async fn what_nobody_watched_is_read_from_history() {
    let mut member = Member::start(true);
    member.apply(vec![put("a", "1"), put("b", "1"), put("a", "2")]);
    let mut call = Call::open(&member, &[]).await;
    call.create("a", 2, false);
    call.create("b", 3, false);
    let mut seen: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    while seen.values().map(Vec::len).sum::<usize>() < 4 {
        let response = call.next().await;
        seen.entry(response.watch_id).or_default().extend(revisions(&response));
    }
    assert_eq!(seen, BTreeMap::from([(0, vec![2, 3, 4]), (1, vec![3])]));
}

/// Goal: a start below the compacted revision ends the watch with that revision, and only the watch.
#[tokio::test]
async fn a_compacted_start_ends_the_watch_alone() {
    let mut member = Member::start(true);
    for _ in 0..3 {
        member.put("a", "x");
    }
    let compaction = CompactionRequest { revision: 3, ..CompactionRequest::default() };
    member.apply(vec![command::Request::Compaction(compaction)]);
    let mut call = Call::open(&member, &[]).await;
    call.create("a", 2, false);
    call.create("a", 3, false);
    assert!(call.next().await.created);
    let over = call.next().await;
    assert!(over.canceled && !over.created);
    assert_eq!((over.compact_revision, over.header.unwrap().revision), (3, 0));
    assert!(call.next().await.created);
    assert_eq!(revisions(&call.next().await), [3, 4]);
}

#[tokio::test]
async fn progress_comes_by_itself_and_on_request() {
    let mut member = Member::start(true);
    member.put("a", "x");
    let mut call = Call::open(&member, &[]).await;
    call.send(RequestUnion::CreateRequest(WatchCreateRequest {
        key: Bytes::from_static(b"quiet"),
        progress_notify: true,
        ..WatchCreateRequest::default()
    }));
    assert!(call.next().await.created);
    let by_itself = call.next().await;
    assert_eq!((by_itself.watch_id, by_itself.header.unwrap().revision), (0, 2));
    assert!(by_itself.events.is_empty());
    let revision = member.put("b", "x");
    call.send(RequestUnion::ProgressRequest(WatchProgressRequest::default()));
    loop {
        let response = call.next().await;
        if response.watch_id == -1 {
            assert_eq!(response.header.unwrap().revision, revision);
            return;
        }
    }
}

#[tokio::test]
async fn a_stopped_hub_ends_streams_as_unavailable() {
    let mut member = Member::start(true);
    let mut call = Call::open(&member, &[]).await;
    call.create("a", 0, false);
    assert!(call.next().await.created);
    member.put("a", "last");
    member.hub.stop();
    assert_eq!(revisions(&call.next().await), [2]);
    let status = call.responses.message().await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "etcdserver: server stopped")
    );
    assert!(member.hub.open_stream(false).is_err());
}

/// Goal: only streams that ask for a leader end without one. Method: the real look-out, which takes three looks.
#[tokio::test]
async fn a_stream_that_requires_a_leader_ends_without_one() {
    let member = Member::start(false);
    let mut asking = Call::open(&member, &[("hasleader", "true")]).await;
    let mut plain = Call::open(&member, &[]).await;
    plain.create("a", 0, false);
    assert!(plain.next().await.created);
    let status = asking.responses.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "etcdserver: no leader"));
    plain.create("b", 0, false);
    assert!(plain.next().await.created);
}

#[tokio::test]
async fn a_stream_is_forgotten_when_its_client_goes() {
    let member = Member::start(true);
    let mut call = Call::open(&member, &[]).await;
    call.create("a", 0, false);
    assert!(call.next().await.created);
    assert_eq!((member.hub.counts().streams, member.hub.counts().watchers), (1, 1));
    drop(call);
    assert_eq!((member.hub.counts().streams, member.hub.counts().watchers), (0, 0));
}

#[tokio::test]
async fn an_oversized_request_is_refused() {
    let member = Member::start(true);
    let mut call = Call::open(&member, &[]).await;
    call.send(RequestUnion::CreateRequest(WatchCreateRequest {
        key: Bytes::from(vec![b'k'; member.hub.message_bytes_max()]),
        ..WatchCreateRequest::default()
    }));
    let status = call.responses.message().await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
}

pub(super) fn large_put(bytes: usize) -> command::Request {
    let (key, value) = (Bytes::from_static(b"a"), Bytes::from(vec![b'v'; bytes]));
    command::Request::Put(PutRequest { key, value, ..PutRequest::default() })
}

/// Goal: a backlog larger than the queue of a stream arrives whole, and what comes after it too, without the client
/// saying anything. Method: the client waits for its first event before there is one.
#[tokio::test]
async fn a_watch_from_the_past_delivers_all_beyond_the_buffer() {
    for (count, size) in [(60, 100_000), (5000, 1000)] {
        let mut member = Member::start(true);
        for _ in 0..count {
            member.apply(vec![large_put(size)]);
        }
        let mut call = Call::open(&member, &[]).await;
        call.create("a", 1, false);
        assert!(call.next().await.created);
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.extend(revisions(&call.next().await));
        }
        let live = member.apply(vec![large_put(size)]);
        seen.extend(revisions(&call.next().await));
        assert_eq!(seen, (2..=live).collect::<Vec<_>>());
    }
}

/// Goal: live events beyond the queue arrive as well. Method: turns that fill it several times before the client runs.
#[tokio::test]
async fn a_live_watch_delivers_all_beyond_the_buffer() {
    let mut member = Member::start(true);
    let mut call = Call::open(&member, &[]).await;
    call.create("a", 0, false);
    assert!(call.next().await.created);
    let mut last = 0;
    for _ in 0..24 {
        last = member.apply(vec![large_put(1 << 20)]);
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        seen.extend(revisions(&call.next().await));
    }
    assert_eq!(seen, (2..=last).collect::<Vec<_>>());
}

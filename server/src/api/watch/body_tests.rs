//! The pieces in which answers leave: what a connection is given, before anybody decodes it.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, Full};
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use prost::Message as _;
use tonic::body::Body;
use tower::Service as _;

use super::tests::{Member, large_put};

/// An answer as a connection reads it.
struct Answer {
    body: Body,
    rest: BytesMut,
}

impl Answer {
    /// Opens a stream with a watch of all keys.
    async fn open(member: &Member) -> Self {
        let create = WatchCreateRequest {
            key: Bytes::from_static(&[0]),
            range_end: Bytes::from_static(&[0]),
            ..WatchCreateRequest::default()
        };
        let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(u32::try_from(request.encoded_len()).unwrap());
        request.encode(&mut message).unwrap();
        let request = http::Request::post("/etcdserverpb.Watch/Watch")
            .body(Full::new(message.freeze()))
            .unwrap();
        let response = member.service().call(request).await.unwrap();
        assert_eq!(response.headers()[http::header::CONTENT_TYPE], "application/grpc");
        let mut answer = Self { body: response.into_body(), rest: BytesMut::new() };
        answer.piece().await;
        assert!(answer.messages().iter().all(|created| created.created));
        answer
    }

    /// The next piece.
    async fn piece(&mut self) -> Bytes {
        let frame = self.body.frame().await.expect("the stream goes on").unwrap();
        let piece = frame.into_data().expect("the stream goes on");
        self.rest.extend_from_slice(&piece);
        piece
    }

    /// The whole messages that came.
    fn messages(&mut self) -> Vec<WatchResponse> {
        let mut messages = Vec::new();
        while let Some(mut prefix) = self.rest.get(1..5) {
            let end = 5 + usize::try_from(prefix.get_u32()).unwrap();
            if self.rest.len() < end {
                break;
            }
            messages
                .push(WatchResponse::decode(self.rest.split_to(end).freeze().slice(5..)).unwrap());
        }
        messages
    }

    /// The pieces up to the last event, and the messages that they make.
    async fn until(&mut self, revision: i64) -> (Vec<Bytes>, Vec<WatchResponse>) {
        let (mut pieces, mut messages) = (Vec::new(), Vec::new());
        while events(&messages).last().is_none_or(|(last, _)| *last < revision) {
            pieces.push(self.piece().await);
            messages.extend(self.messages());
        }
        (pieces, messages)
    }
}

/// Revision and size of the value of each event.
fn events(messages: &[WatchResponse]) -> Vec<(i64, usize)> {
    let kvs = messages.iter().flat_map(|message| &message.events).flat_map(|event| &event.kv);
    kvs.map(|kv| (kv.mod_revision, kv.value.len())).collect()
}

/// Goal: what a large event costs does not grow with the streams that get it, nor what a connection holds with the event.
/// Method: the pieces of two streams, by their addresses.
#[tokio::test]
async fn a_large_event_leaves_in_small_pieces_that_all_streams_share() {
    let mut member = Member::start(true);
    let mut answers = [Answer::open(&member).await, Answer::open(&member).await];
    let revision = member.apply(vec![large_put(1_000_000)]);
    let mut shared = Vec::new();
    for answer in &mut answers {
        let (pieces, messages) = answer.until(revision).await;
        assert_eq!(events(&messages), [(revision, 1_000_000)]);
        assert!(pieces.iter().all(|piece| piece.len() <= 64 << 10));
        let large = pieces.iter().filter(|piece| piece.len() > 1000);
        shared.push(large.map(|piece| (piece.as_ptr(), piece.len())).collect::<Vec<_>>());
    }
    assert_eq!(shared[0].len(), 16);
    assert_eq!(shared[0], shared[1]);
}

/// Goal: what a connection keeps counts for its stream, however it keeps it. Method: a piece of the first event is not
/// let go while the second event is taken, then it is.
#[tokio::test]
async fn a_large_event_counts_until_its_connection_lets_go_of_it() {
    let mut member = Member::start(true);
    let mut answer = Answer::open(&member).await;
    let mut kept = Vec::new();
    for kept_events in [0, 1, 1] {
        let revision = member.apply(vec![large_put(100_000)]);
        let (pieces, messages) = answer.until(revision).await;
        assert_eq!(events(&messages), [(revision, 100_000)]);
        let held = member.held_bytes();
        let events = kept_events + 1;
        assert!((events * 100_000..events * 100_200).contains(&held), "{held}");
        kept = pieces;
    }
    drop(kept);
    assert!(answer.piece().now_or_never().is_none());
    assert_eq!(member.held_bytes(), 0);
}

/// Goal: small events cost HTTP/2 one frame for all that are ready, however many responses that are.
#[tokio::test]
async fn small_responses_that_are_ready_leave_in_one_piece() {
    let mut member = Member::start(true);
    let mut answer = Answer::open(&member).await;
    let revisions: Vec<i64> = (0..10).map(|_| member.apply(vec![large_put(200)])).collect();
    let (pieces, messages) = answer.until(revisions[9]).await;
    assert_eq!((pieces.len(), messages.len()), (1, 10));
    let wanted: Vec<_> = revisions.into_iter().map(|revision| (revision, 200)).collect();
    assert_eq!(events(&messages), wanted);
}

/// Goal: no order of sizes breaks a message. Method: responses of events that are copied and of events that are not, in
/// sizes around every bound.
#[tokio::test]
async fn events_of_all_sizes_arrive_whole_and_in_order() {
    let mut member = Member::start(true);
    let mut answer = Answer::open(&member).await;
    let bounds = [1, 1 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10];
    let around = |bound: usize| [bound.saturating_sub(40), bound, bound + 40];
    let sizes: Vec<usize> = bounds.into_iter().flat_map(around).collect();
    let mixed = (0..sizes.len()).map(|place| sizes[place * 7 % sizes.len()]);
    let sizes: Vec<usize> = sizes.iter().copied().chain(mixed).chain(vec![10; 5000]).collect();
    let last = member.apply(sizes.iter().map(|size| large_put(*size)).collect());
    let (pieces, messages) = answer.until(last).await;
    assert!(pieces.iter().all(|piece| piece.len() <= 64 << 10));
    let wanted: Vec<(i64, usize)> = (2..=last).zip(sizes).collect();
    assert_eq!(events(&messages), wanted);
}

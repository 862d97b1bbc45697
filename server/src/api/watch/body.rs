//! The answer of one call as HTTP/2 sends it: messages one behind the other, in pieces.
//!
//! Small events are gathered in one buffer, with the heads of their responses: a frame for each of 300 bytes would serve
//! HTTP/2 badly. Large ones are handed on as slices of what all their streams share. A piece is asked for when the one
//! before has found room in its client's window, so that nothing is taken from the queue of a client that does not read,
//! behind the response that it has not read. A slice keeps its whole event in memory: that counts as held by the stream
//! until the connection has let go of all slices, or the stream has nothing more to send.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use mini_etcd_proto::etcdserverpb::{ResponseHeader, WatchResponse};
use prost::Message as _;
use tonic::Status;

use crate::api::body::trailers;
use crate::apply::Identity;
use crate::mvcc::PREFIX_BYTES;
use crate::watch::{Kind, Response};

use super::{CurrentTerm, Responses};

/// First size of the buffer; it grows on demand. Most streams are idle.
const BUFFER_BYTES: usize = 1024;
/// Bytes after which the buffer is handed to the connection.
const BUFFER_YIELD_BYTES: usize = 32 << 10;
/// Events of at most so many bytes are copied into the buffer: about as much as one frame of HTTP/2 takes.
const GATHERED_BYTES_MAX: usize = 16 << 10;
/// Bytes of a larger event that are handed to the connection at one time.
const PIECE_BYTES: usize = 64 << 10;

/// In whose name responses are sent.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) identity: Identity,
    pub(super) term: CurrentTerm,
}

/// The body of an answer. It ends with the status of the stream.
pub(super) struct WatchBody {
    responses: Responses,
    sender: Sender,
    /// What is not yet handed to the connection; it comes before what else is sent.
    gathered: BytesMut,
    current: Option<Current>,
    handed: Handed,
    /// How the stream ends.
    end: Option<Status>,
    ended: bool,
}

/// A response of which some events are still to be sent.
struct Current {
    response: Response,
    /// The next event, and how many bytes of it are on their way.
    event: usize,
    offset: usize,
    /// Bytes of all that are not.
    left: usize,
}

impl Sender {
    /// Everything of a response but its events.
    fn head(&self, response: &Response) -> WatchResponse {
        let header = ResponseHeader {
            cluster_id: self.identity.cluster_id.0,
            member_id: self.identity.member_id.0,
            revision: response.revision,
            raft_term: (self.term)().0,
        };
        let watch_id = response.watch_id;
        let head = WatchResponse { header: Some(header), watch_id, ..WatchResponse::default() };
        match &response.kind {
            Kind::Created => WatchResponse { created: true, ..head },
            Kind::Refused(reason) => WatchResponse {
                created: true,
                canceled: true,
                cancel_reason: reason.clone(),
                ..head
            },
            Kind::Withdrawn(reason) => {
                WatchResponse { canceled: true, cancel_reason: reason.clone(), ..head }
            }
            Kind::Canceled => WatchResponse { canceled: true, ..head },
            Kind::Compacted(revision) => {
                WatchResponse { canceled: true, compact_revision: *revision, ..head }
            }
            Kind::Events { fragment } => WatchResponse { fragment: *fragment, ..head },
            Kind::Progress => head,
        }
    }
}

impl WatchBody {
    pub(super) fn new(responses: Responses, sender: Sender) -> Self {
        let gathered = BytesMut::new();
        let (current, handed) = (None, Handed::default());
        Self { responses, sender, gathered, current, handed, end: None, ended: false }
    }

    /// Begins a response: gathers its head. `events` is the last field of a response, so that head and events are the
    /// very encoding of the whole message.
    fn begin(&mut self, response: Response) -> Result<(), Status> {
        let head = self.sender.head(&response);
        let left = response.event_bytes();
        let head_len = head.encoded_len();
        let len = u32::try_from(head_len + left).map_err(|_| {
            let len = head_len + left;
            Status::resource_exhausted(format!(
                "a message may have 4 GiB, this one has {len} bytes"
            ))
        })?;
        let gathers_events = response.event(0).is_some_and(|event| is_gathered(event));
        let events = if gathers_events { left.min(BUFFER_YIELD_BYTES) } else { 0 };
        let least = if self.gathered.is_empty() { BUFFER_BYTES } else { 0 };
        self.gathered.reserve(least.max(PREFIX_BYTES + head_len + events));
        self.gathered.put_u8(0);
        self.gathered.put_u32(len);
        head.encode_raw(&mut self.gathered);
        self.current = Some(Current { response, event: 0, offset: 0, left });
        Ok(())
    }

    /// Goes on with the response under way, as far as what is to be handed on next.
    fn go_on(&mut self) -> Option<Bytes> {
        let Self { current, gathered, handed, .. } = self;
        while let Some(progress) = current {
            let Some(event) = progress.response.event(progress.event) else {
                *current = None;
                break;
            };
            if !is_gathered(event) {
                if !gathered.is_empty() {
                    return Some(gathered.split().freeze());
                }
                let event = event.clone();
                return Some(progress.piece(&event, handed));
            }
            if gathered.is_empty() {
                gathered.reserve(progress.left.min(BUFFER_YIELD_BYTES));
            }
            gathered.put_slice(event);
            progress.left -= event.len();
            progress.event += 1;
            if gathered.len() >= BUFFER_YIELD_BYTES {
                break;
            }
        }
        (gathered.len() >= BUFFER_YIELD_BYTES).then(|| gathered.split().freeze())
    }

    /// Asks for the next response; answers whether there is none now.
    fn awaits_next(&mut self, context: &mut Context<'_>) -> bool {
        let begun = match self.responses.poll_next(context, self.handed.bytes()) {
            Poll::Ready(Some(Ok(response))) => self.begin(response),
            Poll::Ready(Some(Err(status))) => Err(status),
            Poll::Ready(None) => Err(Status::ok("")),
            Poll::Pending => return true,
        };
        self.end = begun.err();
        false
    }
}

fn is_gathered(event: &[u8]) -> bool {
    event.len() <= GATHERED_BYTES_MAX
}

impl Current {
    /// The next piece of `event`, which is the one under way.
    fn piece(&mut self, event: &Bytes, handed: &mut Handed) -> Bytes {
        let end = event.len().min(self.offset + PIECE_BYTES);
        let piece = handed.piece(event, self.offset..end);
        self.left -= end - self.offset;
        self.offset = end;
        if end == event.len() {
            (self.event, self.offset) = (self.event + 1, 0);
        }
        piece
    }
}

/// Large events of which the connection may still have pieces, the oldest first.
#[derive(Default)]
struct Handed {
    events: VecDeque<(Arc<()>, usize)>,
}

/// What one piece keeps in memory.
struct Piece {
    bytes: Bytes,
    _event: Arc<()>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Handed {
    /// A part of `event` that shares its memory; the first part of an event begins it.
    fn piece(&mut self, event: &Bytes, range: Range<usize>) -> Bytes {
        if range.start == 0 {
            self.events.push_back((Arc::default(), event.len()));
        }
        let bytes = event.slice(range);
        match self.events.back() {
            Some((event, _)) => Bytes::from_owner(Piece { bytes, _event: Arc::clone(event) }),
            None => bytes,
        }
    }

    /// Bytes of the events that the connection still has.
    fn bytes(&mut self) -> usize {
        // A connection sends in order.
        while self.events.front().is_some_and(|(event, _)| Arc::strong_count(event) == 1) {
            self.events.pop_front();
        }
        self.events.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl HttpBody for WatchBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(bytes) = self.go_on() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let is_pending = self.end.is_none() && self.awaits_next(context);
            if self.current.is_some() {
                continue;
            }
            if !self.gathered.is_empty() {
                let gathered = self.gathered.split().freeze();
                return Poll::Ready(Some(Ok(Frame::data(gathered))));
            }
            if is_pending {
                return Poll::Pending;
            }
            if let Some(status) = self.end.take() {
                self.ended = true;
                return Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

//! Bodies that count: messages both ways, what is held for a request, what a stream ended with, what a large result
//! occupies.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout};
use tonic::body::Body;
use tonic::{Code, Status};

use super::messages::{Begun, Messages};
use super::request_log::Start;
use super::results::PERMIT_BYTES;
use super::statuses::translate_headers;
use crate::error::RequestError;
use crate::limits;
use crate::metrics::Method;
use crate::mvcc::Pieces;

/// A number that is lowered again when the holder goes.
pub struct Held {
    total: Arc<AtomicUsize>,
    mine: usize,
}

impl Held {
    /// Nothing yet, of `total`.
    pub fn none(total: &Arc<AtomicUsize>) -> Self {
        Self { total: Arc::clone(total), mine: 0 }
    }

    /// Adds `amount` unless the total would pass `limit`.
    pub fn add(&mut self, amount: usize, limit: usize) -> bool {
        if self.total.fetch_add(amount, Relaxed) + amount > limit {
            self.total.fetch_sub(amount, Relaxed);
            return false;
        }
        self.mine += amount;
        true
    }

    /// Gives all back.
    pub fn release(&mut self) {
        self.total.fetch_sub(std::mem::take(&mut self.mine), Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// The body of a request. What has arrived of a unary one is held until the message is decoded, and begins the call.
pub(super) struct Counted<B> {
    pub(super) inner: B,
    pub(super) messages: Messages,
    pub(super) unary: Option<(Held, Begun)>,
    /// Where the start of the request is kept, if anywhere.
    pub(super) start: Option<Start>,
}

impl<B> HttpBody for Counted<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(Status::from_error(error.into())))),
            None => return Poll::Ready(None),
        };
        let Some(data) = frame.data_ref() else { return Poll::Ready(Some(Ok(frame))) };
        let message = self.messages.pass(data);
        if let Some(start) = &self.start {
            start.pass(data);
        }
        if let Some((held, begun)) = &mut self.unary {
            if message {
                begun.begin();
            }
            if !held.add(data.len(), limits::REQUEST_BYTES_IN_FLIGHT_MAX) {
                begun.begin();
                return Poll::Ready(Some(Err(RequestError::TooManyRequests.into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

/// The answer of a unary method, whose messages are counted. `held` is kept until all of it is sent: its call is in
/// progress, and its bytes are unread.
pub(super) fn answered<H: Send + 'static>(inner: Body, mut messages: Messages, held: H) -> Body {
    Body::new(inner.map_frame(move |frame| {
        let _held = &held;
        if let Some(data) = frame.data_ref() {
            messages.pass(data);
        }
        frame
    }))
}

/// The end of an answer.
pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // The code is there in any case; words are escaped, and so make a header.
    let _ = status.add_header(&mut trailers);
    trailers
}

/// The answer of a streaming method: counted by what it ends with, and ended when the server stops.
pub(super) struct Streamed {
    pub(super) inner: Body,
    pub(super) stop: BoxFuture<'static, ()>,
    pub(super) messages: Messages,
    pub(super) metrics: Method,
    pub(super) since: Instant,
    pub(super) _call: Held,
    pub(super) code: Option<Code>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.code.is_some() {
            return Poll::Ready(None);
        }
        // A message that was begun is there, and ends first: half of one would be an error of its own to the client.
        if self.messages.is_between() && self.stop.as_mut().poll(context).is_ready() {
            let stopped = trailers(&RequestError::Stopped.into());
            self.code = Some(Code::Unavailable);
            return Poll::Ready(Some(Ok(Frame::trailers(stopped))));
        }
        let mut frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &mut frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.messages.pass(data);
                }
                if let Some(trailers) = frame.trailers_mut() {
                    self.code = translate_headers(trailers);
                }
            }
            Some(Err(status)) => self.code = Some(status.code()),
            None => self.code = Some(Code::Ok),
        }
        Poll::Ready(frame)
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        // A client that goes away ends a stream without an answer.
        self.metrics.handled(self.code.unwrap_or(Code::Cancelled), self.since.elapsed());
    }
}

/// A unary result that was encoded beforehand, on a reading thread; sent in pieces that share its memory, each given
/// back when it is sent.
#[derive(Clone)]
pub(super) struct Built {
    len: usize,
    pieces: VecDeque<Bytes>,
    /// Bytes of the pieces.
    left: usize,
    /// What it occupies of the results in flight. Shared because an extension must be able to be copied.
    space: Arc<Mutex<OwnedSemaphorePermit>>,
}

impl Built {
    pub(super) fn new(message: Pieces, space: OwnedSemaphorePermit) -> Self {
        let (len, space) = (message.len(), Arc::new(Mutex::new(space)));
        Self { len, pieces: message.into_pieces().into(), left: len, space }
    }

    /// Takes the next piece. What went before is sent, and the space for that is free again.
    fn next(&mut self) -> Option<Bytes> {
        let mut space = self.space.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = space.num_permits().saturating_sub(self.left.div_ceil(PERMIT_BYTES));
        drop(space.split(sent));
        drop(space);
        let piece = self.pieces.pop_front()?;
        self.left -= piece.len();
        Some(piece)
    }

    /// The message in one piece.
    #[cfg(test)]
    pub(super) fn concat(&self) -> Bytes {
        self.pieces.iter().flatten().copied().collect()
    }
}

/// A unary result that was encoded beforehand, behind its prefix; small enough to be sent as a whole.
#[derive(Clone)]
pub(super) struct Framed(pub(super) Bytes);

impl Framed {
    /// Its body.
    pub(super) fn body(self) -> Body {
        let trailers = std::future::ready(Some(Ok(trailers(&Status::ok("")))));
        Body::new(Full::new(self.0).with_trailers(trailers))
    }
}

/// Body of a [`Built`] result. A client that reads nothing of it for [`limits::RESULT_STALL_TIMEOUT`] loses it, and its
/// space goes to others.
pub(super) struct BuiltBody {
    head: Option<Bytes>,
    /// None once the client was given up.
    rest: Arc<Mutex<Option<Built>>>,
    ended: bool,
    /// Goes away with the body.
    _over: oneshot::Sender<()>,
}

impl BuiltBody {
    /// Within a runtime, on which the client's progress is looked at.
    pub(super) fn new(built: Built) -> Self {
        let mut head = vec![0];
        let length = u32::try_from(built.len).unwrap_or(u32::MAX);
        head.extend_from_slice(&length.to_be_bytes());
        let rest = Arc::new(Mutex::new(Some(built)));
        let (over, is_over) = oneshot::channel();
        tokio::spawn(give_up_when_stalled(Arc::downgrade(&rest), is_over));
        Self { head: Some(head.into()), rest, ended: false, _over: over }
    }
}

async fn give_up_when_stalled(body: Weak<Mutex<Option<Built>>>, mut over: oneshot::Receiver<()>) {
    let mut left = usize::MAX;
    while let Some(rest) = body.upgrade()
        && is_read(&rest, &mut left)
    {
        drop(rest);
        if timeout(limits::RESULT_STALL_TIMEOUT, &mut over).await.is_ok() {
            return;
        }
    }
}

fn pieces_left(rest: &Mutex<Option<Built>>) -> usize {
    let rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
    rest.as_ref().map_or(0, |built| built.pieces.len())
}

/// Whether less is left than the last time; if not, nothing is.
fn is_read(rest: &Mutex<Option<Built>>, left: &mut usize) -> bool {
    let now = pieces_left(rest);
    let is_read = now < *left;
    *left = now;
    if !is_read {
        *rest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
    is_read
}

impl HttpBody for BuiltBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        let end = match &mut *self.rest.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(built) => match built.next() {
                Some(piece) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                None => Status::ok(""),
            },
            None => RequestError::TooManyRequests.into(),
        };
        self.ended = true;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&end)))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let total = Arc::new(AtomicUsize::new(0));
        let mut first = Held::none(&total);
        assert!(first.add(7, 10));
        let mut second = Held::none(&total);
        assert!(!second.add(4, 10));
        assert!(second.add(3, 10));
        drop(first);
        assert_eq!(total.load(Relaxed), 3);
        drop(second);
        assert_eq!(total.load(Relaxed), 0);
    }

    /// Goal: no client sees half a message because the server stops. Method: it stops behind the first piece.
    #[tokio::test]
    async fn a_stream_that_is_stopped_ends_its_message_first() {
        let pieces = [&[0, 0, 0, 0, 2, 7][..], &[8], &[0, 0, 0, 0, 0]];
        let frames = pieces.map(|piece| Ok::<_, Status>(Frame::data(Bytes::from_static(piece))));
        let metrics = Metrics::default();
        let method = metrics.method("etcdserverpb.Watch", "Watch", "bidi_stream");
        let mut body = Streamed {
            inner: Body::new(StreamBody::new(futures::stream::iter(frames))),
            stop: Box::pin(std::future::ready(())),
            messages: Messages::sent(&method, &metrics, true),
            metrics: method,
            since: Instant::now(),
            _call: Held::none(&Arc::default()),
            code: None,
        };
        // The server stops while the first piece is on its way.
        let stop = std::mem::replace(&mut body.stop, Box::pin(std::future::pending()));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), pieces[0]);
        body.stop = stop;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), pieces[1]);
        let end = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(end["grpc-status"], "14");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_built_result_is_one_grpc_message_and_frees_its_space_when_sent() {
        let space = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&space).try_acquire_owned().unwrap();
        let mut message = Pieces::default();
        let rows = [vec![7; 300 << 10], vec![8; 10], vec![9; 20 << 10]];
        for row in &rows {
            message.shared(2, Bytes::copy_from_slice(row));
        }
        let built = Built::new(message, permit);
        let (message, len) = (built.concat(), built.len);
        assert_eq!((message.len(), built.pieces.len()), (len, 4));
        let collected = BuiltBody::new(built).collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        let bytes = collected.to_bytes();
        assert_eq!(bytes[0], 0);
        assert_eq!(bytes[1..5], u32::try_from(len).unwrap().to_be_bytes());
        assert_eq!(bytes[5..], message);
        assert_eq!(space.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_framed_result_is_sent_as_it_is_and_ends_well() {
        let frame = Bytes::from_static(&[0, 0, 0, 0, 2, 7, 8]);
        let collected = Framed(frame.clone()).body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), frame);
    }

    #[tokio::test]
    async fn space_is_given_back_as_an_answer_is_sent() {
        let space = Arc::new(Semaphore::new(3));
        let permit = Arc::clone(&space).try_acquire_many_owned(3).unwrap();
        let mut message = Pieces::default();
        for _ in 0..3 {
            message.shared(2, vec![7; 1_000_000].into());
        }
        let mut body = BuiltBody::new(Built::new(message, permit));
        let mut free = Vec::new();
        while body.frame().await.is_some() {
            free.push(space.available_permits());
        }
        drop(body);
        // The head, three times the key of a row and the row, the status.
        assert_eq!(free, [0, 0, 0, 1, 1, 2, 2, 3]);
        assert_eq!(space.available_permits(), 3);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_of_a_large_result_loses_it() {
        let space = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&space).try_acquire_owned().unwrap();
        let mut message = Pieces::default();
        for _ in 0..3 {
            message.shared(2, Bytes::from(vec![7; 300 << 10]));
        }
        let mut body = BuiltBody::new(Built::new(message, permit));
        let mut left = pieces_left(&body.rest);
        for _ in 0..2 {
            // The first time the head comes as well.
            body.frame().await.unwrap().unwrap();
            body.frame().await.unwrap().unwrap();
            assert!(is_read(&body.rest, &mut left));
        }
        assert_eq!(space.available_permits(), 0);
        assert!(!is_read(&body.rest, &mut left));
        assert_eq!(space.available_permits(), 1, "its space is free");
        let end = body.frame().await.unwrap().unwrap();
        assert_eq!(end.trailers_ref().unwrap()["grpc-status"], "8");
        assert!(body.frame().await.is_none());
    }
}

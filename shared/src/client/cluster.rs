//! [`OneCluster`]: the one cluster that a client talks to, and what answers say of the cluster they come from.
//!
//! ```text
//! answer ─▶ Answer: its header says a cluster ─┬─▶ the first one: OneCluster holds to it
//!                                              └─▶ another one: the answer fails, the connection ends
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use prost::encoding::decode_varint;
use tokio::sync::watch;

use super::connect::SendError;

/// Bytes before a message of gRPC: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Bytes of an answer that tell its cluster: the prefix, the key and the length of the header, and the key and the
/// value of its first field.
const HEAD_BYTES: usize = PREFIX_BYTES + 1 + 10 + 1 + 10;
/// Key of the header in every answer of etcd's services: field 1, a message.
const HEADER_KEY: u8 = 0x0a;
/// Key of the cluster in a header: field 1, a number.
const CLUSTER_KEY: u8 = 0x08;
/// Paths of the services whose answers begin with a header.
const WITH_HEADER: &str = "/etcdserverpb.";

/// The cluster that clients hold to: the first one that answers any of those that share this.
#[derive(Clone, Debug)]
pub struct OneCluster(Arc<watch::Sender<u64>>);

impl Default for OneCluster {
    fn default() -> Self {
        Self::of(0)
    }
}

impl OneCluster {
    /// The cluster of this number, whoever answers first.
    #[must_use]
    pub fn of(id: u64) -> Self {
        Self(Arc::new(watch::Sender::new(id)))
    }

    /// Its number, once it is known.
    #[must_use]
    pub fn known(&self) -> Option<u64> {
        Some(*self.0.borrow()).filter(|id| *id != 0)
    }

    /// The number: `id`, if none is known yet. A server that says 0 has said nothing.
    #[must_use]
    pub fn settle(&self, id: u64) -> u64 {
        self.0.send_if_modified(|known| {
            let first = *known == 0 && id != 0;
            if first {
                *known = id;
            }
            first
        });
        *self.0.borrow()
    }

    /// Waits until it is known.
    pub(super) async fn settled(&self) {
        // The sender lives as long as this.
        let _ = self.0.subscribe().wait_for(|id| *id != 0).await;
    }
}

/// What one connection says of its cluster.
#[derive(Debug)]
pub(super) struct Origin {
    ours: OneCluster,
    /// The last cluster that an answer on it named; 0 before the first.
    heard: AtomicU64,
}

impl Origin {
    pub fn new(ours: OneCluster) -> Self {
        Self { ours, heard: AtomicU64::new(0) }
    }

    pub fn ours(&self) -> &OneCluster {
        &self.ours
    }

    /// The cluster it named, if it named one.
    pub fn heard(&self) -> Option<u64> {
        Some(self.heard.load(Ordering::Acquire)).filter(|id| *id != 0)
    }

    /// Whether requests may go there: it is of the cluster, or none is known yet.
    pub fn is_ours(&self) -> bool {
        self.ours.known().is_none_or(|ours| self.heard() == Some(ours))
    }

    /// Both clusters, when it named another one.
    pub fn stranger(&self) -> Option<(u64, u64)> {
        let (found, ours) = (self.heard()?, self.ours.known()?);
        (found != ours).then_some((found, ours))
    }

    fn hear(&self, id: u64) {
        if id != 0 {
            self.heard.store(id, Ordering::Release);
            // Whether it is this one is asked when the answer is.
            let _known = self.ours.settle(id);
        }
    }
}

/// Whether answers to this path tell their cluster.
pub(super) fn tells(path: &str) -> bool {
    path.starts_with(WITH_HEADER)
}

/// The words for a server of another cluster.
pub(super) fn stranger(found: u64, ours: u64) -> String {
    format!("another cluster answers there: it says {found:x}, and this client talks to {ours:x}")
}

/// The body of an answer, which is read along until it has told its cluster; it fails when that is another one.
pub(super) struct Answer<F> {
    body: Incoming,
    /// The first bytes, until they were enough.
    head: Option<Vec<u8>>,
    origin: Arc<Origin>,
    /// Ends the connection.
    end: F,
}

impl<F: Fn() + Unpin> Answer<F> {
    pub fn new(body: Incoming, origin: Arc<Origin>, end: F) -> Self {
        Self { body, head: Some(Vec::with_capacity(HEAD_BYTES)), origin, end }
    }

    /// Reads along; fails when another cluster answers.
    fn read(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        let Some(head) = &mut self.head else { return Ok(()) };
        head.extend(bytes.iter().take(HEAD_BYTES - head.len()));
        if !is_whole(head) {
            return Ok(());
        }
        let cluster = cluster_of(head);
        self.head = None;
        self.origin.hear(cluster.unwrap_or(0));
        match self.origin.stranger() {
            None => Ok(()),
            Some((found, ours)) => {
                (self.end)();
                Err(SendError::OtherCluster { found, ours })
            }
        }
    }
}

impl<F: Fn() + Unpin> Body for Answer<F> {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame?;
        if let Some(bytes) = frame.data_ref() {
            this.read(bytes)?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether no more bytes of the first message can tell more.
fn is_whole(head: &[u8]) -> bool {
    let Some([_, length @ ..]) = head.first_chunk::<PREFIX_BYTES>() else { return false };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    head.len() >= HEAD_BYTES.min(PREFIX_BYTES.saturating_add(length))
}

/// The cluster in the header of the message that begins so.
fn cluster_of(head: &[u8]) -> Option<u64> {
    let [0, ..] = head else { return None };
    let mut rest = head.get(PREFIX_BYTES..)?.strip_prefix(&[HEADER_KEY])?;
    let header = decode_varint(&mut rest).ok()?;
    let mut rest = rest.strip_prefix(&[CLUSTER_KEY]).filter(|_| header > 0)?;
    decode_varint(&mut rest).ok()
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::{PutResponse, ResponseHeader, WatchResponse};
    use prost::Message;

    use super::*;

    fn framed(message: &impl Message) -> Vec<u8> {
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], &message].concat()
    }

    #[test]
    fn the_cluster_is_read_from_the_first_bytes_of_any_answer() {
        let header = |cluster_id| ResponseHeader {
            cluster_id,
            member_id: u64::MAX,
            revision: 7,
            ..ResponseHeader::default()
        };
        for id in [1, 0xcdf8_181e_3277_5f34, u64::MAX] {
            let answer = framed(&PutResponse { header: Some(header(id)), prev_kv: None });
            let enough = (0..=answer.len()).find(|n| is_whole(&answer[..*n])).unwrap();
            assert_eq!(cluster_of(&answer[..enough]), Some(id));
            let created =
                WatchResponse { header: Some(header(id)), created: true, ..Default::default() };
            assert_eq!(cluster_of(&framed(&created)), Some(id));
        }
        let none = [
            framed(&PutResponse::default()),
            framed(&PutResponse { header: Some(header(0)), prev_kv: None }),
            framed(&WatchResponse { watch_id: 8, ..WatchResponse::default() }),
        ];
        for answer in none {
            assert!(is_whole(&answer));
            assert_eq!(cluster_of(&answer), None);
        }
        assert!(!is_whole(&[0, 0, 0, 0]) && !is_whole(&[0, 0, 0, 0, 9, 0x0a]));
    }

    #[test]
    fn the_first_cluster_counts_and_zero_is_none() {
        let one = OneCluster::default();
        let sharing = one.clone();
        assert_eq!((one.settle(0), one.known()), (0, None));
        assert_eq!((one.settle(7), sharing.settle(8), sharing.known()), (7, 7, Some(7)));
    }
}

//! Answers that wait for their clients to read them.
//!
//! What one connection has unread is bounded: a further answer is not built before there is room. So a client that
//! calls and does not read stops its own calls, costs the others nothing, and the member no more memory than its share.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;
use tokio::time::timeout;
use tonic::Request;

use crate::error::RequestError;
use crate::limits;

/// The unread answers of one connection.
#[derive(Debug, Default)]
pub struct Unread {
    /// The other end of the connection; none for a socket of the file system.
    peer: Option<SocketAddr>,
    bytes: AtomicUsize,
    drained: Notify,
}

/// An answer that counts as unread until this goes. Clones are one.
#[derive(Clone, Debug)]
pub(super) struct Share(#[expect(dead_code, reason = "held for its end")] Arc<Counted>);

#[derive(Debug)]
struct Counted {
    bytes: usize,
    connection: Arc<Unread>,
    all: Arc<AtomicUsize>,
}

impl Unread {
    /// Those of a connection from `peer`.
    #[must_use]
    pub fn from_peer(peer: Option<SocketAddr>) -> Self {
        Self { peer, ..Self::default() }
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// That of the connection that a call came on; of none for a call from within.
    pub(super) fn of<T>(request: &Request<T>) -> Arc<Self> {
        request.extensions().get::<Arc<Self>>().cloned().unwrap_or_default()
    }

    /// Counts an answer of `bytes` as soon as there is room for it; `all` is what all connections have unread.
    ///
    /// A connection without unread answers has room for any; so whoever waits here waits for an answer to be read or
    /// given up, and is woken by that.
    ///
    /// # Errors
    /// No room within [`limits::REQUEST_TIMEOUT`].
    pub(super) async fn hold(
        self: &Arc<Self>,
        bytes: usize,
        all: &Arc<AtomicUsize>,
    ) -> Result<Share, RequestError> {
        if let Some(share) = self.try_hold(bytes, all) {
            return Ok(share);
        }
        timeout(limits::REQUEST_TIMEOUT, self.wait(bytes, all))
            .await
            .map_err(|_| RequestError::TooManyRequests)
    }

    async fn wait(self: &Arc<Self>, bytes: usize, all: &Arc<AtomicUsize>) -> Share {
        loop {
            let mut drained = pin!(self.drained.notified());
            drained.as_mut().enable();
            if let Some(share) = self.try_hold(bytes, all) {
                // One answer that goes may make room for several.
                self.drained.notify_one();
                return share;
            }
            drained.await;
        }
    }

    fn try_hold(self: &Arc<Self>, bytes: usize, all: &Arc<AtomicUsize>) -> Option<Share> {
        let mine = self.bytes.load(Relaxed);
        if mine > 0 && mine + bytes > allowance(all.load(Relaxed)) {
            return None;
        }
        self.bytes.fetch_add(bytes, Relaxed);
        all.fetch_add(bytes, Relaxed);
        let (connection, all) = (Arc::clone(self), Arc::clone(all));
        Some(Share(Arc::new(Counted { bytes, connection, all })))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
        self.connection.bytes.fetch_sub(self.bytes, Relaxed);
        self.connection.drained.notify_one();
    }
}

/// Bytes that one connection may have unread when all have `all`: a fraction of what is left, so that those who never
/// read cannot take it all, and never less than what keeps a connection going.
fn allowance(all: usize) -> usize {
    let left = limits::UNREAD_BYTES_MAX.saturating_sub(all);
    (left / limits::UNREAD_CONNECTION_SHARE)
        .clamp(limits::UNREAD_CONNECTION_BYTES_MIN, limits::UNREAD_CONNECTION_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::task::Poll;

    use super::*;

    /// Whether `future` is ready when looked at once.
    async fn is_ready<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn a_connection_that_reads_nothing_stops_itself_alone() {
        const ANSWER: usize = 64 << 10;
        let all = Arc::<AtomicUsize>::default();
        let hung = Arc::<Unread>::default();
        let mut held = Vec::new();
        while let Some(share) = hung.try_hold(ANSWER, &all) {
            held.push(share);
        }
        assert!(held.len() * ANSWER <= limits::UNREAD_CONNECTION_BYTES_MAX);
        let other = Arc::<Unread>::default();
        assert!(other.try_hold(ANSWER, &all).is_some());
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(hung.wait(ANSWER, &all))).collect();
        for wait in &mut waiting {
            assert!(is_ready(wait).await.is_none());
        }
        held.clear();
        for wait in &mut waiting {
            tokio::time::timeout(limits::REQUEST_TIMEOUT, wait).await.expect("woken");
        }
        drop(waiting);
        assert_eq!((hung.bytes.load(Relaxed), all.load(Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn connections_that_read_nothing_stay_within_the_bound_together() {
        let all = Arc::<AtomicUsize>::default();
        let mut held = Vec::new();
        for _ in 0..2000 {
            let connection = Arc::<Unread>::default();
            while let Some(share) = connection.try_hold(limits::UNREAD_CONNECTION_BYTES_MIN, &all) {
                held.push(share);
            }
        }
        let least = 2000 * limits::UNREAD_CONNECTION_BYTES_MIN;
        assert!(all.load(Relaxed) <= limits::UNREAD_BYTES_MAX + least);
    }
}

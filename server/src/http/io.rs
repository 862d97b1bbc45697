//! A connection's bytes: counted, and the first ones awaited for a bounded time only.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::poll_proceed;
use tokio::time::Sleep;

use super::slots::Slot;
use crate::limits::{CONNECTION_TURN_BYTES, CONNECTION_TURN_BYTES_SENT};
use crate::metrics::Metrics;

/// Operations that the runtime lets a task do in one turn; its sockets are not ready after that.
const TURN_OPERATIONS: usize = 128;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection. Until its first bytes tell which protocol it speaks, a clock runs; afterwards that protocol's own
/// clocks do (header timeout, pings).
pub(super) struct Metered<T> {
    inner: T,
    metrics: Metrics,
    opening: Option<Opening>,
}

struct Opening {
    deadline: Pin<Box<Sleep>>,
    /// Bytes of the preface that have come.
    matched: usize,
    slot: Arc<Slot>,
}

impl<T> Metered<T> {
    pub(super) fn new(inner: T, metrics: Metrics, patience: Duration, slot: Arc<Slot>) -> Self {
        let deadline = Box::pin(tokio::time::sleep(patience));
        Self { inner, metrics, opening: Some(Opening { deadline, matched: 0, slot }) }
    }
}

impl Opening {
    /// Takes fresh bytes in; true once the protocol is known.
    fn decided(&mut self, fresh: &[u8]) -> bool {
        if !fresh.is_empty() {
            self.slot.spoke();
        }
        let rest = PREFACE.get(self.matched..).unwrap_or_default();
        let compared = rest.len().min(fresh.len());
        self.matched += compared;
        self.matched == PREFACE.len() || rest.get(..compared) != fresh.get(..compared)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(opening) = &mut self.opening
            && opening.deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        self.metrics.received_bytes.inc_by(u64::try_from(fresh.len()).unwrap_or(0));
        spend_turn(context, fresh.len(), CONNECTION_TURN_BYTES);
        if self.opening.as_mut().is_some_and(|opening| opening.decided(fresh)) {
            self.opening = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Takes the part of the task's turn that belongs to so many bytes, of which a turn has `turn_bytes`.
///
/// *Reading.* The HTTP/2 library reads on while there is something to read, before it hands on a single stream. What comes in one
/// turn is therefore what a client can make it hold: streams that were opened and cancelled at once, above all
/// (CVE-2023-44487), and the time until others have their turn.
///
/// *Writing.* A large answer would fill its client's window in one go, megabytes at a time, and with twenty such
/// connections on a thread a small call waits for all of them.
///
/// Answers whether the turn is over.
fn spend_turn(context: &mut Context<'_>, bytes: usize, turn_bytes: usize) -> bool {
    for _ in 0..bytes / (turn_bytes / TURN_OPERATIONS) {
        match poll_proceed(context) {
            Poll::Ready(part) => part.made_progress(),
            Poll::Pending => return true,
        }
    }
    false
}

impl<T> Metered<T> {
    fn sent(&self, written: io::Result<usize>) -> io::Result<usize> {
        if let Ok(bytes) = &written {
            self.metrics.sent_bytes.inc_by(u64::try_from(*bytes).unwrap_or(0));
        }
        written
    }
}

/// Takes one slice at a time, although a socket could take several: to a stream that does, the crate h2 gives every message
/// of 256 bytes and more in a system call of its own, and to this one it gives all below 1 KiB together. With values of 256
/// bytes that is worth a quarter more reads (`docs/performance.md`).
impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        let written = self.sent(written)?;
        if spend_turn(context, written, CONNECTION_TURN_BYTES_SENT) {
            // Threads take turns too: a thread that sends large answers has always something to do, and a small write
            // would wait for the end of its time slice at each of its steps through Raft, log and state.
            std::thread::yield_now();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::{Capacity, Slots};
    use super::*;
    use crate::limits::FIRST_BYTE_TIMEOUT;

    #[tokio::test]
    async fn a_connection_gathers_small_messages() {
        let (near, _far) = tokio::io::duplex(1);
        let capacity = Capacity { clients: 1, guests: 0, peers: 0 };
        let place = Slots::new(capacity, Metrics::default()).admit().await;
        let slot = place.slot().clone();
        let metered = Metered::new(near, Metrics::default(), FIRST_BYTE_TIMEOUT, slot);
        assert!(!metered.is_write_vectored());
    }

    #[tokio::test]
    async fn a_connection_that_sends_much_gives_others_their_turn() {
        let (near, mut far) = tokio::io::duplex(64 * CONNECTION_TURN_BYTES_SENT);
        let capacity = Capacity { clients: 1, guests: 0, peers: 0 };
        let place = Slots::new(capacity, Metrics::default()).admit().await;
        let slot = place.slot().clone();
        let mut metered = Metered::new(near, Metrics::default(), FIRST_BYTE_TIMEOUT, slot);
        let bytes = vec![7; 16 << 10];
        // One turn: what is written until the connection is not ready any more, though the far end takes it all.
        let turn = std::future::poll_fn(|context| {
            let mut sent = 0;
            while sent < 32 * CONNECTION_TURN_BYTES_SENT {
                match Pin::new(&mut metered).poll_write(context, &bytes) {
                    Poll::Ready(written) => sent += written.unwrap(),
                    Poll::Pending => break,
                }
            }
            Poll::Ready(sent)
        });
        let sent: usize = turn.await;
        assert!((1..=CONNECTION_TURN_BYTES_SENT + bytes.len()).contains(&sent), "{sent} bytes");
        let mut all = vec![0; sent];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut all).await.unwrap();
    }
}

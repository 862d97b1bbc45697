//! A connection's bytes: counted, and the first ones awaited for a bounded time only.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::handshake::TLS_FIRST_BYTE;
use super::pace::{CHUNK_BYTES, CallsGivenUp, Pace};
use super::slots::Slot;
use super::turn_writer::{TurnWriter, spend_turn};
use crate::limits::CONNECTION_TURN_BYTES;
use crate::metrics::Metrics;
use crate::repeats::{Say, TimedRepeats};

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection. Until its first bytes tell which protocol it speaks, a clock runs; afterwards that protocol's own
/// clocks do (header timeout, pings).
pub(super) struct Metered<R, W> {
    incoming: R,
    writer: TurnWriter<W>,
    metrics: Metrics,
    opening: Option<Opening>,
    complaints: Arc<TimedRepeats<Complaint>>,
    pace: Arc<Pace>,
    /// Until it is read again.
    pause: Option<Pin<Box<Sleep>>>,
}

struct Opening {
    deadline: Pin<Box<Sleep>>,
    /// Bytes of the preface that have come.
    matched: usize,
    slot: Arc<Slot>,
}

/// What the log says of connections, not of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Complaint {
    /// TLS where it is not spoken.
    SpeaksTls,
    CallsGivenUp,
}

impl<R, W> Metered<R, W> {
    pub(super) fn new(
        (incoming, writer): (R, TurnWriter<W>),
        metrics: Metrics,
        (patience, complaints): (Duration, Arc<TimedRepeats<Complaint>>),
        (slot, pace): (Arc<Slot>, Arc<Pace>),
    ) -> Self {
        let deadline = Box::pin(sleep(patience));
        let opening = Some(Opening { deadline, matched: 0, slot });
        Self { incoming, writer, metrics, opening, complaints, pace, pause: None }
    }

    /// Bytes of this turn, once it may be read.
    fn poll_pace(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, CallsGivenUp>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let turn = self.pace.turn()?;
            match turn.pause {
                Some(pause) => self.pause = Some(Box::pin(sleep(pause))),
                None => return Poll::Ready(Ok(turn.bytes)),
            }
        }
    }
}

impl Opening {
    /// Takes fresh bytes in; true once the protocol is known.
    fn decided(&mut self, fresh: &[u8], complaints: &TimedRepeats<Complaint>) -> bool {
        if !fresh.is_empty() {
            self.slot.spoke();
        }
        if self.matched == 0
            && fresh.first() == Some(&TLS_FIRST_BYTE)
            && let Some(Say { more }) = complaints.say(Complaint::SpeaksTls)
        {
            tracing::warn!(
                more,
                "a client or a member speaks TLS to a port that speaks plain text"
            );
        }
        let rest = PREFACE.get(self.matched..).unwrap_or_default();
        let compared = rest.len().min(fresh.len());
        self.matched += compared;
        self.matched == PREFACE.len() || rest.get(..compared) != fresh.get(..compared)
    }
}

impl<R: AsyncRead + Unpin, W: Unpin> AsyncRead for Metered<R, W> {
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
        let turn_bytes = match ready!(self.poll_pace(context)) {
            Ok(bytes) => bytes,
            Err(error) => {
                if let Some(Say { more }) = self.complaints.say(Complaint::CallsGivenUp) {
                    tracing::warn!(more, "a client's connection is ended: {error}");
                }
                return Poll::Ready(Err(io::Error::other(error)));
            }
        };
        if turn_bytes < CONNECTION_TURN_BYTES {
            let mut chunk = [0; CHUNK_BYTES];
            let most = CHUNK_BYTES.min(turn_bytes).min(buffer.remaining());
            let mut part = ReadBuf::new(chunk.get_mut(..most).unwrap_or_default());
            ready!(Pin::new(&mut self.incoming).poll_read(context, &mut part))?;
            buffer.put_slice(part.filled());
        } else {
            ready!(Pin::new(&mut self.incoming).poll_read(context, buffer))?;
        }
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        self.metrics.received_bytes.inc_by(u64::try_from(fresh.len()).unwrap_or(0));
        self.pace.read(fresh.len());
        spend_turn(context, fresh.len(), turn_bytes);
        let Self { opening, complaints, .. } = &mut *self;
        if opening.as_mut().is_some_and(|opening| opening.decided(fresh, complaints)) {
            *opening = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Takes one slice at a time: what is gathered is copied anyway, and to a stream that takes several the crate h2 gives every
/// message of 256 bytes and more alone.
impl<R: Unpin, W: AsyncWrite + Unpin> AsyncWrite for Metered<R, W> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writer.poll_gather(context, bytes)
    }

    /// Does nothing: the end of the turn sends ([`TurnWriter::poll_turn`]).
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};

    use super::super::slots::{Capacity, SlotGuard, Slots};
    use super::super::turn_writer::Lane;
    use super::*;
    use crate::limits::{
        CONNECTION_GATHERED_MAX, CONNECTION_TURN_BYTES_FIRST, CONNECTION_TURN_BYTES_MIN,
        CONNECTION_TURN_BYTES_SENT, FIRST_BYTE_TIMEOUT,
    };

    #[tokio::test]
    async fn a_connection_that_sends_much_gives_others_their_turn() {
        let (near, mut far) = tokio::io::duplex(64 * CONNECTION_TURN_BYTES_SENT);
        let (incoming, writer) = tokio::io::split(near);
        let capacity = Capacity { clients: 1, guests: 0, peers: 0 };
        let place = Slots::new(capacity, Metrics::default()).admit().await;
        let slot = place.slot().clone();
        let writer = TurnWriter::new(writer, Lane::default(), Metrics::default());
        let halves = (incoming, writer.clone());
        let mut metered = Metered::new(
            halves,
            Metrics::default(),
            (FIRST_BYTE_TIMEOUT, Arc::default()),
            (slot, Arc::default()),
        );
        let bytes = vec![7; 16 << 10];
        // One turn: what is written until the connection is not ready any more, though the far end takes it all.
        let mut said = 0;
        let turn = poll_fn(|context| {
            let connection = std::pin::pin!(poll_fn(|context| {
                while said < 32 * CONNECTION_TURN_BYTES_SENT {
                    match Pin::new(&mut metered).poll_write(context, &bytes) {
                        Poll::Ready(taken) => said += taken.unwrap(),
                        Poll::Pending => break,
                    }
                }
                Poll::Ready(())
            }));
            writer.poll_turn(connection, context)
        });
        turn.await;
        let bound = CONNECTION_TURN_BYTES_SENT + 2 * CONNECTION_GATHERED_MAX;
        assert!((1..=bound).contains(&said), "{said} bytes");
        let rest = poll_fn(|context| writer.poll_shutdown(context));
        rest.await.unwrap();
        let mut all = vec![0; said];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut all).await.unwrap();
    }

    /// A connection at this pace, and its place.
    async fn metered(
        near: DuplexStream,
        pace: &Arc<Pace>,
    ) -> (Metered<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>, SlotGuard) {
        let (incoming, writer) = tokio::io::split(near);
        let capacity = Capacity { clients: 1, guests: 0, peers: 0 };
        let guard = Slots::new(capacity, Metrics::default()).admit().await;
        let counted = (guard.slot().clone(), Arc::clone(pace));
        let writer = TurnWriter::new(writer, Lane::default(), Metrics::default());
        let opening = (FIRST_BYTE_TIMEOUT, Arc::default());
        (Metered::new((incoming, writer), Metrics::default(), opening, counted), guard)
    }

    /// Bytes that a connection reads until its turn is over, of more than any turn has.
    async fn read_in_a_turn(pace: &Arc<Pace>) -> usize {
        let (near, mut far) = tokio::io::duplex(2 * CONNECTION_TURN_BYTES);
        let sent = vec![7; 2 * CONNECTION_TURN_BYTES];
        far.write_all(&sent).await.unwrap();
        let (mut metered, _guard) = metered(near, pace).await;
        let mut bytes = vec![0; sent.len()];
        let mut buffer = ReadBuf::new(&mut bytes);
        // A turn has its share of operations.
        tokio::task::yield_now().await;
        poll_fn(|context| {
            while buffer.remaining() > 0 {
                if Pin::new(&mut metered).poll_read(context, &mut buffer).is_pending() {
                    break;
                }
            }
            Poll::Ready(())
        })
        .await;
        buffer.filled().len()
    }

    #[tokio::test]
    async fn turns_are_as_long_as_the_pace_says_and_wait_as_long() {
        let pace = Arc::<Pace>::default();
        let first = read_in_a_turn(&pace).await;
        assert!((1..=2 * CONNECTION_TURN_BYTES_FIRST).contains(&first), "{first} bytes");
        for _ in 0..20 {
            drop(pace.begin());
            pace.begin_turn();
        }
        assert!(pace.turn().unwrap().pause.is_some());
        let short = read_in_a_turn(&pace).await;
        assert!((1..=2 * CONNECTION_TURN_BYTES_MIN).contains(&short), "{short} bytes");
        drop(pace.begin());
        pace.begin_turn();
        assert_eq!(read_in_a_turn(&pace).await, 0);
    }

    #[tokio::test]
    async fn a_pause_ends() {
        let (near, mut far) = tokio::io::duplex(8);
        far.write_all(b"once").await.unwrap();
        let pace = Arc::<Pace>::default();
        for _ in 0..4 {
            drop(pace.begin());
            pace.begin_turn();
        }
        drop(pace.begin());
        pace.begin_turn();
        let (mut metered, _guard) = metered(near, &pace).await;
        let begun = tokio::time::Instant::now();
        metered.read_exact(&mut [0; 4]).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(16));
    }
}

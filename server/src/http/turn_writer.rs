//! What a connection has to say: gathered while its task runs, sent when that has said all. The crate h2 gives every frame a
//! write of its own, and a write costs more than a small answer or a watch event; through a socket of 64 KiB segments, also
//! more than the copy of a large one.
//!
//! A connection that has more to say than one turn may send goes on in its thread's lane for large answers. One at a time is
//! in there, for one turn, and after a turn that was used up the runtime looks who else is ready. So a small call waits for
//! one turn of a large answer, however many of those there are.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::coop::poll_proceed;
use tokio_util::sync::PollSemaphore;

use crate::limits::{CONNECTION_GATHERED_MAX, CONNECTION_TURN_BYTES_SENT};
use crate::metrics::Metrics;

/// Operations that the runtime lets a task do in one turn; its sockets are not ready after that.
const TURN_OPERATIONS: usize = 128;

thread_local! {
    /// The buffer of whichever connection of this thread speaks next. They take turns, so that one that rests needs none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Where the large answers of a thread's connections take turns.
#[derive(Clone)]
pub(super) struct Lane(Arc<Semaphore>);

impl Default for Lane {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// The sending half of a connection, held by the connection and by whoever polls it.
pub(super) struct TurnWriter<W>(Arc<Mutex<Inner<W>>>);

struct Inner<W> {
    half: W,
    metrics: Metrics,
    /// Of this, `sent` bytes are with the socket; at most [`CONNECTION_GATHERED_MAX`].
    gathered: Vec<u8>,
    sent: usize,
    /// Something was written that TLS may still hold.
    unflushed: bool,
    lane: PollSemaphore,
    /// Held in the lane, and after a turn that was used up until the next one: the runtime has looked around meanwhile.
    permit: Option<OwnedSemaphorePermit>,
    /// This turn is used up.
    over: bool,
    /// A turn was used up, and not everything is sent yet.
    long: bool,
}

impl<W> Clone for TurnWriter<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: AsyncWrite + Unpin> TurnWriter<W> {
    pub(super) fn new(half: W, Lane(lane): Lane, metrics: Metrics) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            half,
            metrics,
            gathered: Vec::new(),
            sent: 0,
            unflushed: false,
            lane: PollSemaphore::new(lane),
            permit: None,
            over: false,
            long: false,
        })))
    }

    /// Polls `connection`, and sends what it says in this turn. What an earlier turn left goes first: the turn's share of
    /// operations may be used up by reading.
    pub(super) fn poll_turn<C: Future>(
        &self,
        connection: Pin<&mut C>,
        context: &mut Context<'_>,
    ) -> Poll<C::Output> {
        // An error of the socket shows in the connection's own reads.
        let _ = self.state().begin_turn().poll_send(context);
        let polled = connection.poll(context);
        let mut state = self.state();
        let sent = state.poll_send(context);
        state.end_turn(sent.is_ready());
        polled
    }

    /// Takes bytes in, as many as there is room for.
    pub(super) fn poll_gather(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.gathered.len() >= CONNECTION_GATHERED_MAX {
            ready!(state.poll_send(context))?;
        }
        if state.gathered.is_empty() && bytes.len() >= CONNECTION_GATHERED_MAX {
            return state.poll_write(context, bytes);
        }
        if state.gathered.capacity() == 0 {
            state.gathered = SPARE.take();
        }
        let room = CONNECTION_GATHERED_MAX - state.gathered.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        state.gathered.extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    /// Sends what is gathered, and ends this direction.
    pub(super) fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        ready!(state.poll_send(context))?;
        Pin::new(&mut state.half).poll_shutdown(context)
    }

    fn state(&self) -> MutexGuard<'_, Inner<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: AsyncWrite + Unpin> Inner<W> {
    fn begin_turn(&mut self) -> &mut Self {
        self.permit = None;
        self.over = false;
        self
    }

    fn end_turn(&mut self, sent_all: bool) {
        if !self.over {
            self.permit = None;
            self.long &= !sent_all;
        }
    }

    /// Sends until nothing is left; what is left stays.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gathered.is_empty() {
            return self.poll_flush(context);
        }
        while self.sent < self.gathered.len() {
            let gathered = std::mem::take(&mut self.gathered);
            let rest = gathered.get(self.sent..).unwrap_or_default();
            let written = self.poll_write(context, rest);
            self.gathered = gathered;
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.gathered.clear();
        self.sent = 0;
        SPARE.set(std::mem::take(&mut self.gathered));
        self.poll_flush(context)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.half).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.long && self.permit.is_none() {
            // Nobody closes it.
            self.permit = ready!(self.lane.poll_acquire(context));
        }
        let written = ready!(Pin::new(&mut self.half).poll_write(context, bytes))?;
        self.unflushed = true;
        self.metrics.sent_bytes.inc_by(u64::try_from(written).unwrap_or(0));
        if spend_turn(context, written, CONNECTION_TURN_BYTES_SENT) {
            // Threads take turns too: a thread that sends large answers has always something to do, and a small write
            // would wait for the end of its time slice at each of its steps through Raft, log and state.
            std::thread::yield_now();
            self.over = true;
            self.long = true;
        }
        Poll::Ready(Ok(written))
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
pub(super) fn spend_turn(context: &mut Context<'_>, bytes: usize, turn_bytes: usize) -> bool {
    for _ in 0..bytes / (turn_bytes / TURN_OPERATIONS) {
        match poll_proceed(context) {
            Poll::Ready(part) => part.made_progress(),
            Poll::Pending => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::task::yield_now;

    use super::*;

    /// A socket that takes nothing, or everything, and remembers what each write had.
    #[derive(Clone, Default)]
    struct Socket {
        full: Arc<Mutex<bool>>,
        writes: Arc<Mutex<Vec<String>>>,
    }

    impl Socket {
        fn writes(&self) -> Vec<String> {
            std::mem::take(&mut *self.writes.lock().unwrap())
        }

        fn set_full(&self, full: bool) {
            *self.full.lock().unwrap() = full;
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if *self.full.lock().unwrap() {
                return Poll::Pending;
            }
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.writes.lock().unwrap().push(text);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.writes.lock().unwrap().push("the end".to_owned());
            Poll::Ready(Ok(()))
        }
    }

    /// One turn in which a connection says each of `said`; answers how many bytes were taken.
    async fn turn(writer: &TurnWriter<Socket>, said: &[&str]) -> usize {
        poll_fn(|context| {
            let connection = std::pin::pin!(poll_fn(|context| {
                let taken = said.iter().map_while(|words| {
                    match writer.poll_gather(context, words.as_bytes()) {
                        Poll::Ready(taken) => Some(taken.unwrap()),
                        Poll::Pending => None,
                    }
                });
                Poll::Ready(taken.sum())
            }));
            writer.poll_turn(connection, context)
        })
        .await
    }

    #[tokio::test]
    async fn what_one_turn_says_leaves_in_one_write() {
        let socket = Socket::default();
        let writer = TurnWriter::new(socket.clone(), Lane::default(), Metrics::default());
        turn(&writer, &["a", "b", "c"]).await;
        turn(&writer, &["d"]).await;
        assert_eq!(socket.writes(), ["abc", "d"]);
        turn(&writer, &[]).await;
        assert_eq!(socket.writes(), [""; 0]);
    }

    #[tokio::test]
    async fn what_a_full_socket_did_not_take_goes_first() {
        let socket = Socket::default();
        let writer = TurnWriter::new(socket.clone(), Lane::default(), Metrics::default());
        socket.set_full(true);
        turn(&writer, &["a"]).await;
        socket.set_full(false);
        turn(&writer, &["b"]).await;
        assert_eq!(socket.writes(), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_gathered_for_within_a_bound() {
        let socket = Socket::default();
        let writer = TurnWriter::new(socket.clone(), Lane::default(), Metrics::default());
        socket.set_full(true);
        let long = "l".repeat(CONNECTION_GATHERED_MAX * 2 / 3);
        assert_eq!(turn(&writer, &[&long, &long, &long]).await, CONNECTION_GATHERED_MAX);
        assert_eq!(turn(&writer, &["more"]).await, 0);
        socket.set_full(false);
        assert_eq!(turn(&writer, &["more"]).await, 4);
        let sent = socket.writes();
        let lengths: Vec<usize> = sent.iter().map(String::len).collect();
        assert_eq!(lengths, [CONNECTION_GATHERED_MAX, 4]);
    }

    #[tokio::test]
    async fn large_answers_take_turns_and_small_ones_do_not_wait() {
        let lane = Lane::default();
        let open = || {
            let socket = Socket::default();
            (TurnWriter::new(socket.clone(), lane.clone(), Metrics::default()), socket)
        };
        let ((first, first_socket), (second, second_socket)) = (open(), open());
        let (small, small_socket) = open();
        let long = "l".repeat(2 * CONNECTION_TURN_BYTES_SENT);
        // Each has more than a turn to say, and the lane is the first one's until its next turn begins.
        for writer in [&first, &second, &first] {
            turn(writer, &[&long]).await;
            yield_now().await;
        }
        assert_eq!((first_socket.writes().len(), second_socket.writes().len()), (2, 1));
        turn(&second, &["the rest"]).await;
        turn(&small, &["small"]).await;
        assert_eq!(second_socket.writes(), [""; 0]);
        assert_eq!(small_socket.writes(), ["small"]);
        turn(&first, &[]).await;
        turn(&second, &[]).await;
        assert_eq!(second_socket.writes(), ["the rest"]);
        // All is sent: it is small again.
        turn(&first, &[&long]).await;
        yield_now().await;
        turn(&second, &["more"]).await;
        assert_eq!(second_socket.writes(), ["more"]);
    }

    #[tokio::test]
    async fn what_was_said_leaves_before_the_end() {
        let socket = Socket::default();
        let writer = TurnWriter::new(socket.clone(), Lane::default(), Metrics::default());
        poll_fn(|context| {
            assert!(writer.poll_gather(context, b"goodbye").is_ready());
            writer.poll_shutdown(context)
        })
        .await
        .unwrap();
        assert_eq!(socket.writes(), ["goodbye", "the end"]);
    }
}

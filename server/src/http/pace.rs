//! [`Pace`]: how much of a connection is read in one turn of its thread, and when the next turn is.
//!
//! What a turn reads may begin thousands of calls, and each is a task that everybody else on the thread waits for. Where
//! they are answered that is what the client came for; a client whose calls are given up as soon as they are begun
//! (CVE-2023-44487) only takes the time of others. So a connection begins with short turns, has twice as long ones when
//! its calls were answered, or when what it says goes on with calls of before, and half as long ones when most were given
//! up.
//!
//! Where most were given up before their message came, which no client does that wants an answer, the connection is not
//! read for a while, each time for twice as long, within a bound: a connection alone must not keep its thread busy, for
//! Raft, log and state want the same processors, and wait for the end of a time slice at each step of a write. When that goes on
//! it is ended: who went away long ago with thousands of calls unread would be read for minutes, and a hundred such
//! connections are felt again. Calls with a message are given up by clients that mean well: they ask several members at once,
//! or their patience is short.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::limits::{
    CALLS_GIVEN_UP_PAUSE_MS_MAX, CALLS_GIVEN_UP_TURNS_MAX, CONNECTION_TURN_BYTES,
    CONNECTION_TURN_BYTES_FIRST, CONNECTION_TURN_BYTES_MIN,
};

/// Bytes of one read while turns are short.
pub(super) const CHUNK_BYTES: usize = CONNECTION_TURN_BYTES_FIRST;

/// How much is read in a turn, by how the calls of the turns before ended.
pub(super) struct Pace {
    turn_bytes: AtomicUsize,
    /// Milliseconds of the last pause, if no call was answered since.
    pause_ms: AtomicU64,
    is_pause_due: AtomicBool,
    /// Turns in a row that ended with a pause.
    pauses: AtomicU32,
    /// What was read in the last turn, and calls since.
    read_bytes: AtomicUsize,
    begun: AtomicUsize,
    answered: AtomicUsize,
    given_up: AtomicUsize,
    /// Of these, those whose message did not come.
    without_message: AtomicUsize,
}

/// What a connection may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub bytes: usize,
    /// Time to pass before it is read.
    pub pause: Option<Duration>,
}

/// Why a connection is read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its calls are given up as soon as they are begun")]
pub(super) struct CallsGivenUp;

impl Default for Pace {
    fn default() -> Self {
        Self {
            turn_bytes: AtomicUsize::new(CONNECTION_TURN_BYTES_FIRST),
            pause_ms: AtomicU64::default(),
            is_pause_due: AtomicBool::default(),
            pauses: AtomicU32::default(),
            read_bytes: AtomicUsize::default(),
            begun: AtomicUsize::default(),
            answered: AtomicUsize::default(),
            given_up: AtomicUsize::default(),
            without_message: AtomicUsize::default(),
        }
    }
}

impl Pace {
    /// A turn begins: how long it is follows from what the calls of the turns before have come to since the last one began.
    pub fn begin_turn(&self) {
        let taken = |count: &AtomicUsize| count.swap(0, Relaxed);
        let (read_bytes, begun) = (taken(&self.read_bytes), taken(&self.begun));
        let (answered, given_up) = (taken(&self.answered), taken(&self.given_up));
        let is_waste = given_up > answered;
        let is_attack = taken(&self.without_message) > answered;
        let goes_on = answered > 0 || begun == 0 && read_bytes > 0;
        if !is_waste && !goes_on {
            return;
        }
        let before = self.turn_bytes.load(Relaxed);
        let bytes = if is_waste { before / 2 } else { before * 2 };
        let bytes = bytes.clamp(CONNECTION_TURN_BYTES_MIN, CONNECTION_TURN_BYTES);
        self.turn_bytes.store(bytes, Relaxed);
        let longer = (self.pause_ms.load(Relaxed) * 2).clamp(1, CALLS_GIVEN_UP_PAUSE_MS_MAX);
        self.pause_ms.store(if is_attack { longer } else { 0 }, Relaxed);
        self.is_pause_due.store(is_attack, Relaxed);
        let pauses = self.pauses.load(Relaxed);
        self.pauses.store(if is_attack { pauses.saturating_add(1) } else { 0 }, Relaxed);
    }

    /// What may be read now. A pause is told once.
    ///
    /// # Errors
    /// Nothing, ever again.
    pub fn turn(&self) -> Result<Turn, CallsGivenUp> {
        if self.pauses.load(Relaxed) > CALLS_GIVEN_UP_TURNS_MAX {
            return Err(CallsGivenUp);
        }
        let pause = Duration::from_millis(self.pause_ms.load(Relaxed));
        let is_due = self.is_pause_due.swap(false, Relaxed);
        Ok(Turn { bytes: self.turn_bytes.load(Relaxed), pause: is_due.then_some(pause) })
    }

    /// So many bytes were read.
    pub fn read(&self, bytes: usize) {
        self.read_bytes.fetch_add(bytes, Relaxed);
    }

    /// A call begins.
    pub fn begin(self: &Arc<Self>) -> Arc<Underway> {
        self.begun.fetch_add(1, Relaxed);
        let no = AtomicBool::default;
        let pace = Arc::clone(self);
        Arc::new(Underway { pace, has_message: no(), is_answered: no(), is_over: no() })
    }
}

/// A call that counts as given up unless it is answered.
pub(super) struct Underway {
    pace: Arc<Pace>,
    has_message: AtomicBool,
    is_answered: AtomicBool,
    /// Its client has ended the stream: what is answered now, that the message did not come, is for nobody.
    is_over: AtomicBool,
}

impl Underway {
    /// Its client has something of the answer, or soon will.
    pub fn answered(&self) {
        if !self.is_over.load(Relaxed) && !self.is_answered.swap(true, Relaxed) {
            self.pace.answered.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if !*self.is_answered.get_mut() {
            self.pace.given_up.fetch_add(1, Relaxed);
            let is_without = usize::from(!*self.has_message.get_mut());
            self.pace.without_message.fetch_add(is_without, Relaxed);
        }
    }
}

/// The body of a call's request, which tells whether anything of it comes, and when its client ends the stream before it is
/// complete.
pub(super) struct Asked<B> {
    body: B,
    underway: Arc<Underway>,
}

impl<B> Asked<B> {
    pub fn new(body: B, underway: &Arc<Underway>) -> Self {
        Self { body, underway: Arc::clone(underway) }
    }
}

impl<B: HttpBody + Unpin> HttpBody for Asked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(_))) => self.underway.has_message.store(true, Relaxed),
            Poll::Ready(Some(Err(_))) => self.underway.is_over.store(true, Relaxed),
            Poll::Ready(None) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};
    use tonic::Status;

    use super::*;

    fn next(pace: &Pace) -> Turn {
        pace.begin_turn();
        pace.turn().unwrap()
    }

    /// The turn after so many calls were answered and so many given up: its bytes, and the pause before it in ms.
    fn after(pace: &Arc<Pace>, answered: usize, given_up: usize) -> (usize, Option<u128>) {
        (0..answered).for_each(|_| pace.begin().answered());
        (0..given_up).for_each(|_| drop(pace.begin()));
        let turn = next(pace);
        (turn.bytes, turn.pause.map(|pause| pause.as_millis()))
    }

    #[test]
    fn turns_grow_with_answers_and_shrink_with_what_is_given_up() {
        const FIRST: usize = CONNECTION_TURN_BYTES_FIRST;
        let pace = Arc::<Pace>::default();
        assert_eq!(after(&pace, 0, 0), (FIRST, None));
        assert_eq!(after(&pace, 1, 0), (2 * FIRST, None));
        assert_eq!(after(&pace, 0, 0), (2 * FIRST, None));
        // As many of one as of the other: a busy client whose patience is short.
        assert_eq!(after(&pace, 7, 7), (4 * FIRST, None));
        assert_eq!(after(&pace, 1, 2), (2 * FIRST, Some(1)));
        assert_eq!(after(&pace, 0, 0), (2 * FIRST, None));
        assert_eq!(after(&pace, 0, 9), (FIRST, Some(2)));
        assert_eq!(after(&pace, 3, 2), (2 * FIRST, None));
        assert_eq!(after(&pace, 0, 9), (FIRST, Some(1)));
        for _ in 0..20 {
            after(&pace, 0, 1);
        }
        assert_eq!(after(&pace, 0, 1), (CONNECTION_TURN_BYTES_MIN, Some(100)));
        for _ in 0..20 {
            after(&pace, 1, 0);
        }
        assert_eq!(after(&pace, 1, 0), (CONNECTION_TURN_BYTES, None));
    }

    #[test]
    fn who_goes_on_giving_calls_up_is_read_no_further() {
        let pace = Arc::<Pace>::default();
        let attack = |turns: u32| {
            (0..turns).for_each(|_| {
                pace.turn().unwrap();
                drop(pace.begin());
                pace.begin_turn();
            });
        };
        attack(CALLS_GIVEN_UP_TURNS_MAX);
        after(&pace, 1, 0);
        attack(CALLS_GIVEN_UP_TURNS_MAX + 1);
        assert_eq!(pace.turn(), Err(CallsGivenUp));
        pace.begin().answered();
        assert_eq!(pace.turn(), Err(CallsGivenUp), "nothing is read that could be answered");
    }

    #[test]
    fn turns_grow_with_what_goes_on_with_calls_of_before() {
        let pace = Arc::<Pace>::default();
        let call = pace.begin();
        pace.read(100);
        assert_eq!(next(&pace).bytes, CONNECTION_TURN_BYTES_FIRST);
        pace.read(100);
        // What its turn begins is not known before its end.
        assert_eq!(pace.turn().unwrap().bytes, CONNECTION_TURN_BYTES_FIRST);
        assert_eq!(next(&pace).bytes, 2 * CONNECTION_TURN_BYTES_FIRST);
        assert_eq!(next(&pace).bytes, 2 * CONNECTION_TURN_BYTES_FIRST);
        call.answered();
    }

    #[tokio::test]
    async fn whose_calls_have_messages_is_read_at_once_though_they_are_given_up() {
        let pace = Arc::<Pace>::default();
        let call = pace.begin();
        let message = stream::iter([Ok::<_, Status>(Frame::data(Bytes::from("message")))]);
        assert!(Asked::new(StreamBody::new(message), &call).frame().await.unwrap().is_ok());
        drop(call);
        let turn = next(&pace);
        assert_eq!((turn.bytes, turn.pause), (CONNECTION_TURN_BYTES_FIRST / 2, None));
    }

    #[test]
    fn an_answer_of_several_parts_is_one() {
        let pace = Arc::<Pace>::default();
        let call = pace.begin();
        call.answered();
        call.answered();
        drop((call, pace.begin()));
        assert_eq!(next(&pace).pause, None);
    }

    #[tokio::test]
    async fn an_answer_after_the_stream_was_ended_is_none() {
        let pace = Arc::<Pace>::default();
        let call = pace.begin();
        let lost = stream::iter([Err::<Frame<Bytes>, _>("reset")]);
        let mut asked = Asked::new(StreamBody::new(lost), &call);
        assert_eq!(asked.frame().await.unwrap().err(), Some("reset"));
        call.answered();
        drop((call, asked));
        assert_eq!(next(&pace).pause, Some(Duration::from_millis(1)));
    }
}

//! Wake-ups on their way to the thread that serves the streams.
//!
//! An event may concern thousands of streams. Woken all at once they would stand in a row that everybody else on their
//! thread has to wait behind, two or three times for each call; and to wake a task of another thread is a system call.
//! So they are left here, one task of the thread is woken, and that one wakes a few at a time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::Waker;

use tokio::sync::Notify;

use crate::limits;

use super::hub::lock;

/// The streams of one thread that are to be woken. The waker of a stream is gone from the hub when it stands here; the
/// stream leaves a new one when it next asks in vain.
#[derive(Default)]
pub(super) struct Wakes {
    waiting: Mutex<VecDeque<Waker>>,
    bell: Notify,
}

impl Wakes {
    /// Leaves them here all at once: their thread may run before a second call, and be woken for each of them.
    pub(super) fn push(&self, wakers: impl IntoIterator<Item = Waker>) {
        let mut waiting = lock(&self.waiting);
        let first = waiting.is_empty();
        waiting.extend(wakers);
        drop(waiting);
        if first {
            self.bell.notify_one();
        }
    }

    /// Wakes them, for ever. To be run on their thread.
    pub(super) async fn run(&self) {
        loop {
            self.bell.notified().await;
            while self.wake_some() {
                // The socket of a small call is looked at, and then its task runs, before the next ones. And other threads
                // run: a put passes several, and each would wait for the end of this one's time slice.
                std::thread::yield_now();
                tokio::task::yield_now().await;
            }
        }
    }

    /// Answers whether there are more.
    fn wake_some(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        let number = waiting.len().min(limits::WATCH_WAKES_AT_ONCE);
        let some: Vec<Waker> = waiting.drain(..number).collect();
        let more = !waiting.is_empty();
        drop(waiting);
        for waker in some {
            waker.wake();
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_task_waits_for_few_streams_that_have_something() {
        const STREAMS: usize = 100;
        let (wakes, sent) = (Arc::<Wakes>::default(), Arc::<AtomicUsize>::default());
        for _ in 0..STREAMS {
            let (wakes, sent) = (Arc::clone(&wakes), Arc::clone(&sent));
            let mut asked = false;
            tokio::spawn(poll_fn(move |context| {
                if asked {
                    sent.fetch_add(1, Ordering::Relaxed);
                    return Poll::Ready(());
                }
                asked = true;
                wakes.push([context.waker().clone()]);
                Poll::Pending
            }));
        }
        yield_now().await;
        tokio::spawn(async move { wakes.run().await });
        let other = tokio::spawn(async move {
            let mut seen = vec![0];
            // Each of its turns comes after one of the others at the latest.
            for _ in 0..STREAMS {
                yield_now().await;
                seen.push(sent.load(Ordering::Relaxed));
            }
            seen
        });
        let seen = other.await.unwrap();
        assert_eq!(seen.last(), Some(&STREAMS), "{seen:?}");
        let most = seen.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(most.is_some_and(|most| most <= limits::WATCH_WAKES_AT_ONCE), "{seen:?}");
    }
}

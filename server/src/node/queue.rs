//! [`Queue`]: a queue between two threads that is emptied in batches and woken at most once for each batch.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue with one taker.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    /// Only then is a wake worth its system call.
    sleeping: bool,
    /// The taker is to look up, though there is nothing to take.
    nudged: bool,
    closed: bool,
}

/// What a taker got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// At least one item, in order.
    Items(Vec<T>),
    /// Nothing came in the time given, or until a nudge.
    Idle,
    /// The queue is closed and empty.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let state = State { items: VecDeque::new(), sleeping: false, nudged: false, closed: false };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Adds an item.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.lock();
        state.items.push_back(item);
        self.wake(state);
    }

    /// Lets a taker that waits go on with nothing.
    pub(crate) fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = true;
        self.wake(state);
    }

    /// Whether the taker waits, so that it has nothing in hand.
    pub(crate) fn is_taker_waiting(&self) -> bool {
        let state = self.lock();
        state.sleeping && state.items.is_empty()
    }

    /// Whether items wait that the taker does not have in hand.
    #[cfg(test)]
    pub(crate) fn is_waiting_for_taker(&self) -> bool {
        !self.lock().items.is_empty()
    }

    /// Lets the taker end once the queue is empty.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
    }

    /// Takes the first item, and those behind it as long as `more` says so. Waits for one, at most `wait`.
    pub(crate) fn take(
        &self,
        wait: Option<Duration>,
        mut more: impl FnMut(&T) -> bool,
    ) -> Taken<T> {
        let mut state = self.lock();
        if state.items.is_empty() && !state.closed {
            state.sleeping = true;
            let idle =
                |state: &mut State<T>| state.items.is_empty() && !state.closed && !state.nudged;
            state = match wait {
                None => self.wake.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    let waited = self.wake.wait_timeout_while(state, wait, idle);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.sleeping = false;
        }
        state.nudged = false;
        let Some(first) = state.items.pop_front() else {
            return if state.closed { Taken::Closed } else { Taken::Idle };
        };
        more(&first);
        let mut taken = vec![first];
        while state.items.front().is_some_and(&mut more) {
            taken.extend(state.items.pop_front());
        }
        Taken::Items(taken)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic of either thread ends the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        let wake = mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_where_the_taker_says_and_has_at_least_one_item() {
        let queue = Queue::new();
        for item in [5, 1, 1, 9, 1] {
            queue.push(item);
        }
        let mut sum = 0;
        let mut up_to_7 = |item: &i32| {
            sum += item;
            sum <= 7
        };
        assert_eq!(queue.take(None, &mut up_to_7), Taken::Items(vec![5, 1, 1]));
        assert_eq!(queue.take(None, |item| *item < 9), Taken::Items(vec![9, 1]));
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        let queue = Queue::new();
        assert_eq!(queue.take(Some(Duration::ZERO), |_: &i32| true), Taken::Idle);
        queue.push(1);
        queue.close();
        assert_eq!(queue.take(None, |_| true), Taken::Items(vec![1]));
        assert_eq!(queue.take(None, |_| true), Taken::Closed);
    }
}

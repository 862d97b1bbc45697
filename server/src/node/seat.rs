//! A [`Seat`] lends what one thread runs to another one, should the first be away for long.
//!
//! The Raft thread writes and applies small tasks itself. A disk that hangs must not stop the ticks of Raft with it: so
//! it leaves the driver in the seat for that time, and a stand-in takes it when it does not come back.
//!
//! ```text
//! leave ─▶ (carries a task out) ─▶ take_back        no system call, unless nobody watched
//!    └─▶ stand_by: the same absence at two looks in a row ─▶ the stand-in goes on, the first one stands by after its task
//! ```

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits::{STAND_IN_LOOK, STAND_IN_QUIET_LOOKS};

/// Holds what is run while the thread that runs it is away.
pub(crate) struct Seat<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
}

struct State<T> {
    left: Option<T>,
    /// Times that it was left.
    times: u64,
    /// Somebody stands by.
    has_stand_in: bool,
    /// The stand-in looks at the seat now and then; else it sleeps until it is told.
    watched: bool,
    over: bool,
}

impl<T> Seat<T> {
    /// A seat that nobody has left.
    pub fn new() -> Self {
        let state =
            State { left: None, times: 0, has_stand_in: false, watched: false, over: false };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Leaves `it`, for a short time as it seems.
    ///
    /// # Errors
    /// Nobody stands by: the thread that was to is away itself. Answers `it`.
    pub fn leave(&self, it: T) -> Result<(), T> {
        let mut state = self.lock();
        if !state.has_stand_in {
            return Err(it);
        }
        state.left = Some(it);
        state.times += 1;
        if !state.watched {
            state.watched = true;
            drop(state);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes back what was left; none when a stand-in goes on with it.
    pub fn take_back(&self) -> Option<T> {
        self.lock().left.take()
    }

    /// Waits until somebody is away for long, and takes what was left; none when it is over.
    pub fn stand_by(&self) -> Option<T> {
        let mut state = self.lock();
        let mut quiet = 0;
        state.has_stand_in = true;
        while !state.over {
            if !state.watched {
                let asleep = |state: &mut State<T>| !state.watched && !state.over;
                state = self.wake.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner);
                quiet = 0;
            }
            let (times, away) = (state.times, state.left.is_some());
            let waited = self.wake.wait_timeout_while(state, STAND_IN_LOOK, |state| !state.over);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.times != times {
                quiet = 0;
            } else if away && state.left.is_some() {
                state.has_stand_in = false;
                return state.left.take();
            } else {
                quiet += 1;
                state.watched = quiet < STAND_IN_QUIET_LOOKS;
            }
        }
        None
    }

    /// Lets who stands by go.
    pub fn end(&self) {
        self.lock().over = true;
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic of either thread ends the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    /// Waits until somebody stands by.
    fn stood_by<T>(seat: &Seat<T>) {
        while !seat.lock().has_stand_in {
            thread::yield_now();
        }
    }

    #[test]
    fn who_comes_back_in_time_goes_on_and_who_does_not_is_stood_in_for() {
        let seat = Arc::new(Seat::new());
        let stand_in = {
            let seat = seat.clone();
            thread::spawn(move || seat.stand_by())
        };
        stood_by(&seat);
        for number in 0..1000 {
            seat.leave(number).unwrap();
            // A machine that lets this thread stand for two looks takes the number: then it is gone for good.
            if seat.take_back().is_none() {
                assert_eq!(stand_in.join().unwrap(), Some(number));
                return;
            }
        }
        seat.leave(1000).unwrap();
        assert_eq!(stand_in.join().unwrap(), Some(1000));
        assert_eq!(seat.take_back(), None);
        assert_eq!(seat.leave(1001), Err(1001), "nobody stands by");
    }

    #[test]
    fn a_seat_that_is_not_left_is_not_looked_at() {
        let seat = Arc::new(Seat::new());
        let stand_in = {
            let seat = seat.clone();
            thread::spawn(move || seat.stand_by())
        };
        stood_by(&seat);
        seat.leave(()).unwrap();
        seat.take_back();
        while seat.lock().watched {
            thread::yield_now();
        }
        seat.end();
        assert_eq!(stand_in.join().unwrap(), None);
    }
}

//! A [`Worker`] carries out tasks in order: on a thread of its own, or on that of whoever hands one over.
//!
//! A task that is short costs less than to wake a thread for it. So whoever hands it over may carry it out itself
//! while the thread has nothing to do; what is long, or comes while the thread is at work, waits for the thread.
//!
//! * I1: tasks are carried out one at a time, in the order in which they are handed over, by one thread at a time; one that
//!   is carried out by who hands it over has its place before another thread goes on.
//! * I2: whether a task is carried out at once follows from the queue, from its size, and from how long such work took
//!   lately; see [`INLINE_WORK_MAX`].

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::queue::{Queue, Taken};
use crate::fatal;
use crate::limits::{INLINE_BYTES_MAX, INLINE_ENTRIES_MAX, INLINE_WORK_MAX};

/// What a [`Worker`] does. It owns what it works on.
pub(crate) trait Work: Sized + Send + 'static {
    /// A piece of it.
    type Task: Task;
    /// Ends the process.
    type Error: Display;

    /// Name of the thread.
    const NAME: &'static str;
    /// Entries and bytes that are carried out together at the most, if it is more than one task.
    const BATCH_MAX: Size;

    /// Carries tasks out; answers how long that took.
    fn work(&mut self, tasks: Vec<Self::Task>) -> Result<Duration, Self::Error>;
    /// How long nothing must come before [`Work::idle`] has something to do.
    fn patience(&self) -> Option<Duration>;
    /// Nothing came for so long.
    fn idle(&mut self) -> Result<(), Self::Error>;
    /// Looks after what is due at some time; never on another thread than its own.
    fn look_after(&mut self) -> Result<(), Self::Error>;
    /// Nothing comes any more.
    fn close(self) -> Result<(), Self::Error>;
    /// Exit code of a process that ends with `error`.
    fn exit_code(error: &Self::Error) -> u8;
}

/// What a [`Worker`] is given.
pub(crate) trait Task: Send + 'static {
    /// How much it is.
    fn size(&self) -> Size;
}

/// How much is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Items: tasks of a batch, or entries.
    pub items: usize,
    /// Bytes of their data.
    pub bytes: usize,
}

impl Size {
    /// Whether it is no more than `most`.
    pub fn fits(self, most: Self) -> bool {
        self.items <= most.items && self.bytes <= most.bytes
    }

    fn add(&mut self, more: Self) {
        self.items += more.items;
        self.bytes += more.bytes;
    }
}

/// A task of this size may be carried out by whoever hands it over.
const INLINE_MAX: Size = Size { items: INLINE_ENTRIES_MAX, bytes: INLINE_BYTES_MAX };

/// A worker as those see it who hand it tasks.
pub(crate) trait Hands<T>: Send + Sync {
    /// Gives the task to the thread.
    fn push(&self, task: T);
    /// Whether [`Hands::run`] would carry the task out now.
    fn may_run(&self, task: &T) -> bool;
    /// Carries the task out if that may be and `begin` agrees, else gives it to the thread.
    ///
    /// SAFETY-RAFT: the task has its place before `begin` is called. It lets another thread hand tasks over from then on,
    /// and those come after this one, however long it takes.
    fn run(&self, task: T, begin: &mut dyn FnMut() -> bool);
    /// Lets the thread end once all is done.
    fn close(&self);
}

/// A queue of tasks, and the one who carries them out.
pub(crate) struct Worker<W: Work> {
    tasks: Queue<W::Task>,
    state: Mutex<State<W>>,
}

struct State<W> {
    /// None once it is closed.
    work: Option<W>,
    /// The longest that it took lately; fades with each time that it took less.
    lately: Duration,
    /// Times that something was carried out.
    times: u64,
}

impl<W: Work> Worker<W> {
    /// A worker without a thread yet.
    pub fn new(work: W) -> Arc<Self> {
        let state = State { work: Some(work), lately: Duration::ZERO, times: 0 };
        Arc::new(Self { tasks: Queue::new(), state: Mutex::new(state) })
    }

    /// Starts the thread. It ends, with the work closed, once the queue is closed and empty.
    pub fn start(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let worker = Arc::clone(self);
        fatal::spawn(W::NAME, move || or_end::<W>(worker.serve()))
    }

    /// Lets the thread look whether it has something to look after.
    pub fn nudge(&self) {
        self.tasks.nudge();
    }

    fn serve(&self) -> Result<(), W::Error> {
        let mut state = self.lock();
        loop {
            let Some(work) = &mut state.work else { return Ok(()) };
            work.look_after()?;
            let (patience, times) = (work.patience(), state.times);
            drop(state);
            let mut batch = Size::default();
            let taken = self.tasks.take(patience, |task| {
                batch.add(task.size());
                batch.fits(W::BATCH_MAX)
            });
            state = self.lock();
            match taken {
                Taken::Items(tasks) => state.carry_out(tasks)?,
                // Else something was carried out meanwhile, by who handed it over.
                Taken::Idle if state.times == times => {
                    state.work.as_mut().map_or(Ok(()), W::idle)?;
                }
                Taken::Idle => {}
                Taken::Closed => return state.work.take().map_or(Ok(()), W::close),
            }
        }
    }

    /// The work, while its thread has nothing to do and `task` is short.
    fn free_for(&self, task: &W::Task) -> Option<MutexGuard<'_, State<W>>> {
        // I1: the thread sleeps, so it has no task in hand; and who asks is the one who hands tasks over.
        if !task.size().fits(INLINE_MAX) || !self.tasks.is_taker_waiting() {
            return None;
        }
        self.state.try_lock().ok().filter(|state| state.lately <= INLINE_WORK_MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // A panic of either thread ends the process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Work> Hands<W::Task> for Worker<W> {
    fn push(&self, task: W::Task) {
        self.tasks.push(task);
    }

    fn may_run(&self, task: &W::Task) -> bool {
        self.free_for(task).is_some()
    }

    fn run(&self, task: W::Task, begin: &mut dyn FnMut() -> bool) {
        let Some(mut state) = self.free_for(&task).filter(|_| begin()) else {
            return self.tasks.push(task);
        };
        let before = state.patience();
        or_end::<W>(state.carry_out(vec![task]));
        // The thread sleeps for as long as it had patience before.
        let sooner = state.patience().is_some_and(|now| before.is_none_or(|old| now < old));
        drop(state);
        if sooner {
            self.tasks.nudge();
        }
    }

    fn close(&self) {
        self.tasks.close();
    }
}

impl<W: Work> State<W> {
    fn patience(&self) -> Option<Duration> {
        self.work.as_ref().and_then(W::patience)
    }

    fn carry_out(&mut self, tasks: Vec<W::Task>) -> Result<(), W::Error> {
        /// What fades of [`State::lately`] each time.
        const FADES: u32 = 8;
        let Some(work) = &mut self.work else { return Ok(()) };
        let took = work.work(tasks)?;
        self.lately = took.max(self.lately.saturating_sub(self.lately / FADES));
        self.times += 1;
        Ok(())
    }
}

fn or_end<W: Work>(result: Result<(), W::Error>) {
    if let Err(error) = result {
        fatal::end(W::exit_code(&error), error);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};

    use super::*;

    /// What was carried out, and on which thread.
    type Note = (Vec<usize>, ThreadId);

    struct Notes {
        done: mpsc::Sender<Note>,
        takes: Duration,
    }

    impl Task for usize {
        fn size(&self) -> Size {
            Size { items: 1, bytes: *self }
        }
    }

    impl Work for Notes {
        type Task = usize;
        type Error = String;
        const NAME: &'static str = "notes";
        const BATCH_MAX: Size = Size { items: 4, bytes: 1 << 20 };

        fn work(&mut self, tasks: Vec<usize>) -> Result<Duration, String> {
            let _ = self.done.send((tasks, thread::current().id()));
            Ok(self.takes)
        }

        fn patience(&self) -> Option<Duration> {
            None
        }

        fn idle(&mut self) -> Result<(), String> {
            Ok(())
        }

        fn look_after(&mut self) -> Result<(), String> {
            Ok(())
        }

        fn close(self) -> Result<(), String> {
            Ok(())
        }

        fn exit_code(_error: &String) -> u8 {
            1
        }
    }

    fn worker(takes: Duration) -> (Arc<Worker<Notes>>, mpsc::Receiver<Note>) {
        let (done, notes) = mpsc::channel();
        (Worker::new(Notes { done, takes }), notes)
    }

    /// Waits until the thread has nothing to do.
    fn at_rest(worker: &Worker<Notes>) {
        while !worker.tasks.is_taker_waiting() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_short_task_is_carried_out_by_who_hands_it_over_while_the_thread_rests() {
        let (worker, notes) = worker(INLINE_WORK_MAX);
        worker.run(1, &mut || true);
        assert!(notes.try_recv().is_err(), "no thread rests: the task waits for one");
        let thread = worker.start().unwrap();
        assert_eq!(notes.recv().unwrap(), (vec![1], thread.thread().id()));
        at_rest(&worker);
        worker.run(2, &mut || true);
        assert_eq!(notes.try_recv().unwrap(), (vec![2], thread::current().id()));
        worker.run(INLINE_BYTES_MAX + 1, &mut || true);
        assert_eq!(notes.recv().unwrap(), (vec![INLINE_BYTES_MAX + 1], thread.thread().id()));
        worker.close();
        thread.join().unwrap();
    }

    /// Goal: a stand-in goes on while this thread is stopped between leaving the seat and its task. Method: `begin` hands
    /// the next task over, and comes back when the thread has it in hand.
    #[test]
    fn a_task_keeps_its_place_while_another_thread_goes_on() {
        let (worker, notes) = worker(Duration::ZERO);
        let thread = worker.start().unwrap();
        at_rest(&worker);
        worker.run(1, &mut || {
            worker.push(2);
            while worker.tasks.is_waiting_for_taker() {
                thread::yield_now();
            }
            worker.run(3, &mut || true);
            true
        });
        worker.run(4, &mut || false);
        worker.close();
        thread.join().unwrap();
        let order: Vec<usize> = notes.iter().take(4).flat_map(|(tasks, _)| tasks).collect();
        assert_eq!(order, [1, 2, 3, 4]);
    }

    #[test]
    fn work_that_took_long_lately_is_left_to_the_thread() {
        let (worker, notes) = worker(INLINE_WORK_MAX * 2);
        let thread = worker.start().unwrap();
        at_rest(&worker);
        assert!(worker.may_run(&1));
        worker.run(1, &mut || true);
        assert_eq!(notes.recv().unwrap(), (vec![1], thread::current().id()));
        assert!(!worker.may_run(&2));
        worker.run(2, &mut || true);
        assert_eq!(notes.recv().unwrap(), (vec![2], thread.thread().id()));
        // It fades.
        at_rest(&worker);
        worker.lock().work.as_mut().unwrap().takes = Duration::ZERO;
        let mut times = 0;
        while !worker.may_run(&3) {
            worker.run(3, &mut || true);
            notes.recv().unwrap();
            at_rest(&worker);
            times += 1;
        }
        assert!((2..20).contains(&times), "{times}");
        worker.close();
        thread.join().unwrap();
    }
}

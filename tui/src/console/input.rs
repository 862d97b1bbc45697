//! What is typed, read by a thread of its own.
//!
//! terminal ─▶ thread ─▶ channel ─▶ `event` (the loop)
//!
//! * I1: nothing that was typed is lost, whatever else happens to the process at that moment. The stream that comes
//!   with crossterm waits on an edge-triggered poll and looks at one of the ready sources only: a key that arrives
//!   together with a change of size, or with the end of a stream before it, stays unread until the next key. This
//!   thread waits for the level, and reads only when there is something to read.
//! * I2: once [`Input::stop`] has returned nobody reads here, so that an editor, or a stopped shell's next job, has
//!   the terminal for itself.
//! * I3: what is typed while another job has the terminal is that job's, and not read here.
//!
//! Changes of size are not taken from here but from the signal, which the loop hears itself.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::terminal::is_foreground;

/// What crossterm gets to look for a further event of a burst, look after look. When its time is over before it has
/// begun, as on a busy machine, it does not even look at what it has read already, and a key would wait for the next
/// one: so it is asked again, with more time.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
];

/// Time between two looks whether the terminal, in which another job's keys wait, is this job's again.
const ELSEWHERE_LOOK: Duration = Duration::from_millis(20);

/// The thread that reads what is typed.
#[derive(Debug)]
pub struct Input {
    /// Read before the last stop, and not taken yet. I1
    kept: VecDeque<io::Result<Event>>,
    events: UnboundedReceiver<io::Result<Event>>,
    /// Closed to end the thread.
    running: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Input {
    /// Starts to read.
    ///
    /// # Errors
    /// When the process may open no more files or start no more threads.
    pub fn start() -> io::Result<Self> {
        let (stopped, running) = pipe_with(PipeFlags::CLOEXEC)?;
        let (tell, events) = unbounded_channel();
        let thread =
            thread::Builder::new().name("input".to_owned()).spawn(move || read(&stopped, &tell))?;
        let (kept, running) = (VecDeque::new(), Some(running));
        Ok(Self { kept, events, running, thread: Some(thread) })
    }

    /// The next event; none once the terminal is gone.
    pub async fn next(&mut self) -> Option<io::Result<Event>> {
        match self.kept.pop_front() {
            Some(event) => Some(event),
            None => self.events.recv().await,
        }
    }

    /// The next event, if it is here already.
    pub fn waiting(&mut self) -> Option<io::Result<Event>> {
        self.kept.pop_front().or_else(|| self.events.try_recv().ok())
    }

    /// Starts to read again after [`stop`](Self::stop).
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_again(&mut self) -> io::Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend(std::iter::from_fn(|| self.events.try_recv().ok()));
        *self = Self { kept, ..Self::start()? };
        Ok(())
    }

    /// Ends the thread. I2
    pub fn stop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been told by the hook.
            let _ended = thread.join();
        }
    }
}

/// Reads until told to stop, or until the terminal is gone.
fn read(stopped: &OwnedFd, tell: &UnboundedSender<io::Result<Event>>) {
    let stdin = io::stdin();
    // I1: the thread before may have left keys with crossterm that it had read and not told: no wait ends for them.
    if is_foreground() && !told_all(stopped, tell) {
        return;
    }
    loop {
        let mut ready =
            [PollFd::new(&stdin, PollFlags::IN), PollFd::new(stopped, PollFlags::empty())];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => {
                let _told = tell.send(Err(error.into()));
                return;
            }
            Ok(_) => {}
        }
        let [typed, stop] = ready.map(|fd| fd.revents());
        // A terminal that is gone is ready for ever.
        if !stop.is_empty() || typed.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return;
        }
        // I3: a read would stop the process in the middle of it, and go on to the end of a line when the shell that has
        // the terminal now gives it back in line mode.
        if !is_foreground() {
            if is_closed_within(stopped, ELSEWHERE_LOOK) {
                return;
            }
            continue;
        }
        if !told_all(stopped, tell) {
            return;
        }
    }
}

/// Tells what there is to be read; answers whether to go on.
fn told_all(stopped: &OwnedFd, tell: &UnboundedSender<io::Result<Event>>) -> bool {
    let mut looks = LOOKS.iter();
    while let Some(look) = looks.next() {
        let event = match event::poll(*look) {
            Ok(true) => event::read(),
            Ok(false) if is_closed(stopped) => return false,
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        looks = LOOKS.iter();
        let failed = event.is_err();
        if tell.send(event).is_err() || failed {
            return false;
        }
    }
    true
}

fn is_closed(stopped: &OwnedFd) -> bool {
    is_closed_within(stopped, Duration::ZERO)
}

fn is_closed_within(stopped: &OwnedFd, time: Duration) -> bool {
    let mut ready = [PollFd::new(stopped, PollFlags::empty())];
    let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    poll(&mut ready, Some(&time)).is_ok_and(|closed| closed > 0)
}

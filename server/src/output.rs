//! Lines for the standard streams of the process, written without ever waiting for who reads them.
//!
//! ```text
//! tracing, log of requests ─▶ LogLines ─▶ bounded queue ─▶ thread ─▶ standard error     one queue for each of the two
//!                                └ full, or its reader is gone: the line is dropped and counted
//! ```
//!
//! A member must not depend on its log: a pipe whose reader stopped would hold every thread that logs, and one whose
//! reader is gone fails each write, which `eprintln!` turns into a panic. So nothing in this crate writes to a stream
//! but this module (a lint of the crate refuses the macros).
//!
//! Invariants:
//! - I1: no caller waits longer than [`OUTPUT_TIMEOUT`], whatever the stream does.
//! - I2: no failure of a stream is an error, or a panic, of the caller.
//! - I3: a line that was not written is counted in [`lines_dropped`], one of the log of requests, which has a queue of its own, in
//!   [`request_lines_dropped`].
//!
//! Not `tracing-appender`: its guard reports a full pipe at the end with `println!`, which may panic itself, and a line
//! whose write failed is not counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;

use tracing_subscriber::fmt::MakeWriter;

use crate::limits::{LOG_BYTES_WAITING_MAX, LOG_LINES_WAITING_MAX, OUTPUT_TIMEOUT};

/// A queue of this process, and the lines that it lost.
#[derive(Debug)]
struct Queue {
    /// Of its thread.
    name: &'static str,
    lines: OnceLock<LogLines>,
    dropped: AtomicU64,
}

static LOG: Queue = Queue::new("output");

/// For the log of requests, which must not cost other lines their room.
static REQUESTS: Queue = Queue::new("request output");

impl Queue {
    const fn new(name: &'static str) -> Self {
        Self { name, lines: OnceLock::new(), dropped: AtomicU64::new(0) }
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Log lines that were not written: the stream failed, or did not take them as fast as they came.
#[must_use]
pub fn lines_dropped() -> u64 {
    LOG.dropped()
}

/// Lines of the log of requests that were not written.
#[must_use]
pub fn request_lines_dropped() -> u64 {
    REQUESTS.dropped()
}

/// A stream of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// Writes one line to a stream, behind the log lines that wait. Gives up after [`OUTPUT_TIMEOUT`].
pub fn say(stream: Stream, line: String) {
    flush();
    let (done, written) = mpsc::channel();
    let write = move || {
        let _ = match stream {
            Stream::Out => write_line(&mut io::stdout(), &line),
            Stream::Error => write_line(&mut io::stderr(), &line),
        };
        let _ = done.send(());
    };
    // A thread of its own, since a full pipe holds whoever writes to it. It ends with the process.
    if thread::Builder::new().name("output line".to_owned()).spawn(write).is_ok() {
        let _ = written.recv_timeout(OUTPUT_TIMEOUT);
    }
}

/// Waits until the log lines of before are written, at most [`OUTPUT_TIMEOUT`].
pub fn flush() {
    let (done, flushed) = mpsc::channel();
    for lines in [&LOG, &REQUESTS].into_iter().filter_map(|queue| queue.lines.get()) {
        lines.flush(done.clone());
    }
    drop(done);
    // Nobody says anything there: it ends when all have let go of it.
    let _ = flushed.recv_timeout(OUTPUT_TIMEOUT);
}

fn write_line(stream: &mut impl Write, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())?;
    stream.flush()
}

/// Where log lines go: a queue to the thread that writes them to standard error. Clones share it.
#[derive(Clone, Debug)]
pub struct LogLines {
    tasks: SyncSender<Task>,
    waiting: Arc<AtomicUsize>,
    queue: &'static Queue,
}

#[derive(Debug)]
enum Task {
    Write(Vec<u8>),
    Flush(mpsc::Sender<()>),
}

impl LogLines {
    /// The queue to standard error; the same for every call of a process.
    ///
    /// # Errors
    /// The machine refuses another thread.
    pub fn to_standard_error() -> io::Result<Self> {
        Self::of(&LOG)
    }

    /// The queue of the log of requests, to standard error too; the same for every call of a process.
    ///
    /// # Errors
    /// The machine refuses another thread.
    pub(crate) fn of_requests() -> io::Result<Self> {
        Self::of(&REQUESTS)
    }

    fn of(queue: &'static Queue) -> io::Result<Self> {
        if let Some(lines) = queue.lines.get() {
            return Ok(lines.clone());
        }
        let lines = Self::start(io::stderr(), queue)?;
        Ok(queue.lines.get_or_init(|| lines).clone())
    }

    fn start(stream: impl Write + Send + 'static, queue: &'static Queue) -> io::Result<Self> {
        let (tasks, taken) = mpsc::sync_channel(LOG_LINES_WAITING_MAX);
        let waiting = Arc::<AtomicUsize>::default();
        let written = Arc::clone(&waiting);
        thread::Builder::new()
            .name(queue.name.to_owned())
            .spawn(move || write_tasks(stream, &taken, (&written, queue)))?;
        Ok(Self { tasks, waiting, queue })
    }

    /// Queues a line, which has its end; without room it is dropped and counted.
    pub(crate) fn push(&self, line: &[u8]) {
        let bytes = line.len();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let is_queued = before + bytes <= LOG_BYTES_WAITING_MAX
            && self.tasks.try_send(Task::Write(line.to_vec())).is_ok();
        if !is_queued {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets go of `done` once the lines of before are written. A queue that is full belongs to a stream that nobody reads.
    fn flush(&self, done: mpsc::Sender<()>) {
        let _ = self.tasks.try_send(Task::Flush(done));
    }
}

fn write_tasks(
    mut stream: impl Write,
    tasks: &Receiver<Task>,
    (waiting, queue): (&AtomicUsize, &Queue),
) {
    for task in tasks {
        match task {
            Task::Write(line) => {
                if stream.write_all(&line).is_err() {
                    queue.dropped.fetch_add(1, Ordering::Relaxed);
                }
                waiting.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Task::Flush(done) => {
                let _ = stream.flush();
                drop(done);
            }
        }
    }
}

/// Takes the bytes of one event, which `tracing-subscriber` writes in one call.
#[derive(Debug)]
pub struct Line<'a>(&'a LogLines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// A pipe that takes nothing until it is opened.
    #[derive(Clone, Default)]
    struct Pipe {
        opened: Arc<(Mutex<bool>, Condvar)>,
        taken: Arc<Mutex<Vec<u8>>>,
        is_broken: bool,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.is_broken {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let (opened, change) = &*self.opened;
            drop(change.wait_while(opened.lock().unwrap(), |opened| !*opened).unwrap());
            self.taken.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn flush(lines: &LogLines) {
        let (done, flushed) = mpsc::channel();
        lines.flush(done);
        assert_eq!(flushed.recv_timeout(OUTPUT_TIMEOUT), Err(mpsc::RecvTimeoutError::Disconnected));
    }

    /// Goal: whoever logs into a stream that nobody reads goes on, the queue stays bounded, and what is lost is
    /// counted. Method: more than the bounds hold, then open the pipe and compare.
    #[test]
    fn a_stream_that_takes_nothing_costs_lines_and_nothing_else() {
        let pipe = Pipe::default();
        let lines = LogLines::start(pipe.clone(), &LOG).unwrap();
        let before = lines_dropped();
        let line = [b'x'; 1024];
        let count = 2 * LOG_BYTES_WAITING_MAX / line.len();
        for _ in 0..count {
            lines.make_writer().write_all(&line).unwrap();
        }
        assert!(lines.waiting.load(Ordering::Relaxed) <= LOG_BYTES_WAITING_MAX);
        let (opened, change) = &*pipe.opened;
        *opened.lock().unwrap() = true;
        change.notify_all();
        flush(&lines);
        let written = pipe.taken.lock().unwrap().len() / line.len();
        let dropped = usize::try_from(lines_dropped() - before).unwrap();
        assert!(dropped >= count - written, "{dropped} dropped, {written} of {count} written");
        assert!(written > 0);
    }

    #[test]
    fn a_stream_whose_reader_is_gone_costs_lines_and_nothing_else() {
        let lines = LogLines::start(Pipe { is_broken: true, ..Pipe::default() }, &LOG).unwrap();
        let before = lines_dropped();
        lines.make_writer().write_all(b"a line\n").unwrap();
        flush(&lines);
        assert!(lines_dropped() > before);
    }
}

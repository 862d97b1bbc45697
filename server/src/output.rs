//! Lines for the standard streams of the process, written without ever waiting for who reads them.
//!
//! ```text
//! tracing ─▶ LogLines ─▶ bounded queue ─▶ thread "output" ─▶ standard error
//!                └ full, or its reader is gone: the line is dropped and counted
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

/// The queue of this process.
static LINES: OnceLock<LogLines> = OnceLock::new();

/// The queue of this process for the log of requests, which must not cost other lines their room.
static REQUESTS: OnceLock<LogLines> = OnceLock::new();

static DROPPED: AtomicU64 = AtomicU64::new(0);

static REQUESTS_DROPPED: AtomicU64 = AtomicU64::new(0);

/// Log lines that were not written: the stream failed, or did not take them as fast as they came.
#[must_use]
pub fn lines_dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Lines of the log of requests that were not written.
#[must_use]
pub fn request_lines_dropped() -> u64 {
    REQUESTS_DROPPED.load(Ordering::Relaxed)
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
    for lines in [LINES.get(), REQUESTS.get()].into_iter().flatten() {
        lines.flush();
    }
}

fn write_line(stream: &mut impl Write, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())?;
    stream.flush()
}

/// Where log lines go: a queue to the thread that writes them to standard error. Clones share it.
#[derive(Clone, Debug)]
pub struct LogLines {
    queue: SyncSender<Task>,
    waiting: Arc<AtomicUsize>,
    dropped: &'static AtomicU64,
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
        Self::of(&LINES, &DROPPED)
    }

    /// The queue of the log of requests, to standard error too; the same for every call of a process.
    ///
    /// # Errors
    /// The machine refuses another thread.
    pub(crate) fn of_requests() -> io::Result<Self> {
        Self::of(&REQUESTS, &REQUESTS_DROPPED)
    }

    fn of(queue: &OnceLock<Self>, dropped: &'static AtomicU64) -> io::Result<Self> {
        if let Some(lines) = queue.get() {
            return Ok(lines.clone());
        }
        let lines = Self::start(io::stderr(), dropped)?;
        Ok(queue.get_or_init(|| lines).clone())
    }

    fn start(stream: impl Write + Send + 'static, dropped: &'static AtomicU64) -> io::Result<Self> {
        let (queue, tasks) = mpsc::sync_channel(LOG_LINES_WAITING_MAX);
        let waiting = Arc::<AtomicUsize>::default();
        let written = Arc::clone(&waiting);
        thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || write_tasks(stream, &tasks, (&written, dropped)))?;
        Ok(Self { queue, waiting, dropped })
    }

    /// Queues a line, which has its end; without room it is dropped and counted.
    pub(crate) fn push(&self, line: &[u8]) {
        let bytes = line.len();
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let is_queued = before + bytes <= LOG_BYTES_WAITING_MAX
            && self.queue.try_send(Task::Write(line.to_vec())).is_ok();
        if !is_queued {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        let (done, flushed) = mpsc::channel();
        // A queue that is full belongs to a stream that nobody reads.
        if self.queue.try_send(Task::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(OUTPUT_TIMEOUT);
        }
    }
}

fn write_tasks(
    mut stream: impl Write,
    tasks: &Receiver<Task>,
    (waiting, dropped): (&AtomicUsize, &AtomicU64),
) {
    for task in tasks {
        match task {
            Task::Write(line) => {
                if stream.write_all(&line).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
                waiting.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Task::Flush(done) => {
                let _ = stream.flush();
                let _ = done.send(());
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

    /// Goal: whoever logs into a stream that nobody reads goes on, the queue stays bounded, and what is lost is
    /// counted. Method: more than the bounds hold, then open the pipe and compare.
    #[test]
    fn a_stream_that_takes_nothing_costs_lines_and_nothing_else() {
        let pipe = Pipe::default();
        let lines = LogLines::start(pipe.clone(), &DROPPED).unwrap();
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
        lines.flush();
        let written = pipe.taken.lock().unwrap().len() / line.len();
        let dropped = usize::try_from(lines_dropped() - before).unwrap();
        assert!(dropped >= count - written, "{dropped} dropped, {written} of {count} written");
        assert!(written > 0);
    }

    #[test]
    fn a_stream_whose_reader_is_gone_costs_lines_and_nothing_else() {
        let lines = LogLines::start(Pipe { is_broken: true, ..Pipe::default() }, &DROPPED).unwrap();
        let before = lines_dropped();
        lines.make_writer().write_all(b"a line\n").unwrap();
        lines.flush();
        assert!(lines_dropped() > before);
    }
}

//! News that come while one types. A thread of its own prints them, for the line editor takes one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// News that wait to be printed; what comes beyond it is counted. I6
const WAITING_MAX: usize = 1024;
/// Bytes that are printed at once, so that a storm repaints the prompt less often.
const AT_ONCE_BYTES: usize = 32 << 10;

/// Prints a text above the prompt; answers whether there still is a terminal.
pub(super) type Print = Box<dyn FnMut(String) -> bool + Send>;

/// Takes news.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    waiting: SyncSender<String>,
    missed: Arc<AtomicU64>,
}

impl Printer {
    /// Starts the thread.
    pub(super) fn start(print: Print) -> std::io::Result<Self> {
        let (waiting, come) = sync_channel(WAITING_MAX);
        let missed = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&missed);
        std::thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || run(&come, &counted, print))?;
        Ok(Self { waiting, missed })
    }

    /// Prints whole lines as soon as there is room. Never waits.
    pub(super) fn news(&self, text: String) {
        if let Err(TrySendError::Full(_)) = self.waiting.try_send(text) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn run(come: &Receiver<String>, missed: &AtomicU64, mut print: Print) {
    while let Ok(mut text) = come.recv() {
        while text.len() < AT_ONCE_BYTES
            && let Ok(more) = come.try_recv()
        {
            text.push_str(&more);
        }
        let count = missed.swap(0, Ordering::Relaxed);
        if count > 0 {
            text.push_str(&format!("... {count} messages came too fast and are not shown\n"));
        }
        if !print(text) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Goal: I6. Method: nothing is printed until more has come than may wait.
    #[test]
    fn what_finds_no_room_is_counted_and_the_count_is_said() {
        let (go, gone) = channel::<()>();
        let (tell, told) = channel();
        let print = move |text| gone.recv().is_ok() && tell.send(text).is_ok();
        let printer = Printer::start(Box::new(print)).unwrap();
        for number in 0..WAITING_MAX * 2 {
            printer.news(format!("{number}\n"));
        }
        let mut text = String::new();
        while !text.contains("are not shown") {
            go.send(()).unwrap();
            text.push_str(&told.recv().unwrap());
        }
        let line = text.lines().find(|line| line.contains("not shown")).unwrap();
        let missed: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
        let shown = text.lines().filter(|line| line.parse::<usize>().is_ok()).count();
        assert!(missed > 0 && shown + missed <= WAITING_MAX * 2);
    }
}

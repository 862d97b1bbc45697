//! [`Defragmenter`]: asks the apply thread to give space back to the file system, and waits for it.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::RequestError;
use crate::storage::ReclaimStep;

/// Time between two looks of the apply thread at what it began.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// What services and the apply thread share. Requests that come while one is carried out are carried out together after it.
pub struct Defragmenter {
    /// Requests so far.
    asked: watch::Sender<u64>,
    /// As many of them are done, and what the last round lacked.
    done: watch::Sender<Done>,
    /// Wakes the apply thread.
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// What is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    /// Requests.
    number: u64,
    /// Bytes that the disk lacked, so that nothing was done.
    lacks: u64,
}

impl Default for Defragmenter {
    fn default() -> Self {
        let (asked, done) = (watch::Sender::new(0), watch::Sender::new(Done::default()));
        Self { asked, done, wake: OnceLock::new() }
    }
}

impl Defragmenter {
    /// From now on `wake` wakes the apply thread.
    pub(crate) fn attend(&self, wake: impl Fn() + Send + Sync + 'static) {
        // There is one apply thread.
        let _ = self.wake.set(Box::new(wake));
    }

    /// Asks, and waits until it is done.
    ///
    /// # Errors
    /// The disk has no room for it.
    pub(super) async fn defragment(&self) -> Result<(), RequestError> {
        let mut done = self.done.subscribe();
        let number = self.ask();
        if let Some(wake) = self.wake.get() {
            wake();
        }
        // An error means that the member stops: the sender is this very value.
        match done.wait_for(|done| done.number >= number).await.map(|done| *done) {
            Ok(Done { lacks: 0, .. }) => Ok(()),
            Ok(Done { lacks, .. }) => Err(RequestError::DiskTooFull { lacks }),
            Err(_) => Err(RequestError::Stopped),
        }
    }

    /// Asks, and answers how many requests there were with this one.
    pub(super) fn ask(&self) -> u64 {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        number
    }

    /// So many requests are done, or were not as the disk lacked so much.
    pub(super) fn tell(&self, number: u64, lacks: u64) {
        self.done.send_replace(Done { number, lacks });
    }
}

/// How far the apply thread is with it.
#[derive(Debug, Default)]
pub(super) struct Defragmentation {
    /// Requests that are being carried out, and the step that is under way.
    under_way: Option<(u64, ReclaimStep)>,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, or nothing yet.
    Nothing,
    /// Readers are to be opened anew, and this step begun.
    Begin(ReclaimStep),
    /// All is done: look at the files, and tell who waits.
    Tell(u64),
}

impl Defragmentation {
    /// Whether something is under way.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Gives up a round that was just begun: how many requests it was for.
    pub fn give_up(&mut self) -> u64 {
        self.under_way.take().map_or(0, |(asked, _)| asked)
    }

    /// What is next, where `is_busy` says whether the step that was begun goes on.
    pub fn next(&mut self, wanted: &Defragmenter, is_busy: bool) -> Next {
        let (asked, done) = (*wanted.asked.borrow(), wanted.done.borrow().number);
        match self.under_way {
            Some(_) if is_busy => Next::Nothing,
            None if asked == done => Next::Nothing,
            None => self.begin(asked, ReclaimStep::Rewrite),
            Some((asked, ReclaimStep::Rewrite)) => self.begin(asked, ReclaimStep::Release),
            Some((asked, ReclaimStep::Release)) => {
                self.under_way = None;
                Next::Tell(asked)
            }
        }
    }

    fn begin(&mut self, asked: u64, step: ReclaimStep) -> Next {
        self.under_way = Some((asked, step));
        Next::Begin(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: two steps for all who ask before the first, and two more for who asks later. Method: the steps by hand.
    #[tokio::test]
    async fn who_asks_meanwhile_waits_for_a_round_of_their_own() {
        let (wanted, mut done) = (Defragmenter::default(), Defragmentation::default());
        assert_eq!(done.next(&wanted, false), Next::Nothing);
        let first = wanted.defragment();
        tokio::pin!(first);
        assert!(futures::poll!(&mut first).is_pending());
        assert_eq!(done.next(&wanted, false), Next::Begin(ReclaimStep::Rewrite));
        let later = wanted.defragment();
        tokio::pin!(later);
        assert!(futures::poll!(&mut later).is_pending());
        assert_eq!(done.next(&wanted, true), Next::Nothing);
        assert_eq!(done.next(&wanted, false), Next::Begin(ReclaimStep::Release));
        assert_eq!(done.next(&wanted, false), Next::Tell(1));
        wanted.tell(1, 0);
        assert!(futures::poll!(&mut first).is_ready());
        assert!(futures::poll!(&mut later).is_pending());
        for next in
            [Next::Begin(ReclaimStep::Rewrite), Next::Begin(ReclaimStep::Release), Next::Tell(2)]
        {
            assert_eq!(done.next(&wanted, false), next);
        }
        wanted.tell(2, 7);
        let lacks = Err(RequestError::DiskTooFull { lacks: 7 });
        assert_eq!(futures::poll!(&mut later), std::task::Poll::Ready(lacks));
        assert_eq!(done.next(&wanted, false), Next::Nothing);
        assert!(!done.is_under_way());
    }
}

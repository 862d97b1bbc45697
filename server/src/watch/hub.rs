//! The shell of the core: locks, wake-ups, and the thread that reads history.

use std::collections::BTreeMap;
use std::future::{Future as _, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mini_etcd_proto::etcdserverpb::WatchRequest;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::internalpb::Asker;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::apply::{Applied, Published};
use crate::error::RequestError;
use crate::limits;
use crate::mvcc::{RowId, View};

use super::catch_up::{At, Pass, Passed};
use super::core::{Core, Popped, WatchCounts};
use super::inbox::{Inbox, TakenEvents, place};
use super::response::Response;
use super::stream::StreamId;
use super::wakes::Wakes;

/// Where apply publishes and streams are opened. Clones are handles of the same hub, on the same thread.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<HubShared>,
    wakes: Arc<Wakes>,
    message_bytes_max: usize,
}

/// One stream of watches. Dropping it closes the stream.
pub struct WatchStream {
    shared: Arc<HubShared>,
    wakes: Arc<Wakes>,
    id: StreamId,
}

struct HubShared {
    /// Taken by the apply thread for a push; never held together with work.
    inbox: Mutex<Inbox>,
    /// Taken on the threads that serve clients, for as long as a turn takes.
    desk: Mutex<Desk>,
    bell: Notify,
    /// Whether there may be a watch. Set before the inbox is emptied for the first one: a turn published before
    /// is then older than the watch, a turn published after is kept for it. Written under the lock of the desk.
    watched: AtomicBool,
    stopped: AtomicBool,
}

struct Desk {
    core: Core,
    /// How to wake the consumer of a stream that found nothing, and where.
    wakers: BTreeMap<StreamId, (Arc<Wakes>, Waker)>,
}

impl Hub {
    /// A hub whose first turn follows `published`.
    #[must_use]
    pub fn new(published: Arc<Published>) -> Self {
        let (revision, compacted) = place(&published);
        let mut core = Core::new(revision, compacted);
        core.judge(&published.auth);
        let message_bytes_max = core.message_bytes_max;
        let desk = Desk { core, wakers: BTreeMap::new() };
        let shared = HubShared {
            inbox: Mutex::new(Inbox::new(published)),
            desk: Mutex::new(desk),
            bell: Notify::new(),
            watched: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), wakes: Arc::default(), message_bytes_max }
    }

    /// The same hub, not yet in use, whose messages are of so many bytes at the most, from clients and, for those that ask for
    /// pieces, to them.
    #[must_use]
    pub fn with_message_bytes_max(self, bytes: usize) -> Self {
        lock(&self.shared.desk).core.message_bytes_max = bytes;
        Self { message_bytes_max: bytes, ..self }
    }

    /// Bytes of a client's message, at the most.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// The same hub for the streams of another thread.
    #[must_use]
    pub fn on_another_thread(&self) -> Self {
        Self { wakes: Arc::default(), ..self.clone() }
    }

    /// Takes an apply turn over; from the apply thread, in order, every turn once, and before the results of the
    /// turn are sent (a client must not see its write answered and then watch from before it). Never blocks.
    pub fn publish(&self, applied: &Applied) {
        let ring = {
            let mut inbox = lock(&self.shared.inbox);
            let watched = self.shared.watched.load(Ordering::Acquire);
            inbox.push(applied, watched)
        };
        if ring {
            self.shared.bell.notify_one();
        }
    }

    /// Opens a stream. One that requires a leader ends when [`Hub::run`] misses it.
    ///
    /// # Errors
    /// When the hub is stopped.
    pub fn open_stream(&self, requires_leader: bool) -> Result<WatchStream, RequestError> {
        if self.shared.stopped.load(Ordering::Acquire) {
            return Err(RequestError::Stopped);
        }
        let id = lock(&self.shared.desk).core.open(requires_leader);
        if requires_leader {
            self.shared.bell.notify_one();
        }
        let (shared, wakes) = (Arc::clone(&self.shared), Arc::clone(&self.wakes));
        Ok(WatchStream { shared, wakes, id })
    }

    /// Figures for metrics and status.
    #[must_use]
    pub fn counts(&self) -> WatchCounts {
        lock(&self.shared.desk).core.counts()
    }

    /// Ends every stream with "server stopped" after what is queued on it, and takes no new ones.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.with(|core| core.end_all(false, &RequestError::Stopped));
        self.shared.bell.notify_one();
    }

    /// Fans out until the hub is stopped, and looks every `look_every` whether there is a leader. To be run once, on the runtime
    /// that serves the streams.
    ///
    /// # Panics
    /// When reading history does.
    pub async fn run(&self, look_every: Duration, has_leader: impl Fn() -> bool) {
        let mut look = pin!(sleep(look_every));
        let mut reading: Option<JoinHandle<Passed>> = None;
        let mut leaderless = 0;
        while !self.shared.stopped.load(Ordering::Acquire) {
            let turn = self.shared.turn();
            if let Some((pass, view)) = turn.pass {
                reading = Some(tokio::task::spawn_blocking(move || read(pass, &view)));
            }
            if turn.more {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = self.shared.bell.notified() => {}
                passed = finished(reading.as_mut()) => {
                    reading = None;
                    self.shared.with(|core| core.passed(passed));
                }
                () = &mut look, if turn.requires_leader => {
                    look.as_mut().reset(Instant::now() + look_every);
                    leaderless = if has_leader() { 0 } else { leaderless + 1 };
                    self.look(leaderless);
                }
            }
        }
    }

    /// Wakes the streams of this handle's thread when they have something. To be run once on each thread, for ever.
    pub async fn wake_streams(self) {
        self.wakes.run().await;
    }

    fn look(&self, leaderless: u32) {
        if leaderless >= limits::LEADERLESS_LOOKS {
            self.shared.with(|core| core.end_all(true, &RequestError::NoLeader));
        }
    }
}

/// What a turn of the hub leaves to do.
struct HubTurn {
    pass: Option<(Pass, View)>,
    more: bool,
    requires_leader: bool,
}

impl HubShared {
    /// Runs `act` on a core that has seen all that was published, and wakes whom that concerns.
    fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let mut desk = lock(&self.desk);
        // `act` may add the first watch: before the inbox is emptied, see there.
        self.watched.store(true, Ordering::Release);
        self.fan_out(&mut desk.core, usize::MAX);
        let result = act(&mut desk.core);
        self.release(desk);
        result
    }

    fn turn(&self) -> HubTurn {
        let mut desk = lock(&self.desk);
        let Some(latest) = self.fan_out(&mut desk.core, limits::WATCH_FAN_OUT_AT_ONCE) else {
            let requires_leader = desk.core.requires_leader();
            self.release(desk);
            return HubTurn { pass: None, more: true, requires_leader };
        };
        desk.core.catch_up(&mut |id| latest.view.key_value(id));
        let pass = desk.core.next_pass().map(|pass| (pass, latest.view.clone()));
        let more = desk.core.has_work();
        let requires_leader = desk.core.requires_leader();
        self.release(desk);
        HubTurn { pass, more, requires_leader }
    }

    /// Fans out what was published, to at most `left` watches: the lock and the thread are wanted by others, too. The state
    /// that the core stands at; none while there is more to fan out.
    fn fan_out(&self, core: &mut Core, mut left: usize) -> Option<Arc<Published>> {
        loop {
            if !core.fan_out(&mut left) {
                return None;
            }
            let TakenEvents { turn, lost, latest } = lock(&self.inbox).take();
            // Before the events: what was taken is taken.
            core.judge(&latest.auth);
            if lost {
                let (revision, compacted) = place(&latest);
                core.skipped(revision, compacted);
            }
            let Some(turn) = turn else { return Some(latest) };
            let mut versions = |id: RowId| latest.view.key_value(id);
            core.begin_turn(&turn.events, turn.revision, turn.compacted, &mut versions);
        }
    }

    /// Ends a use of the core: the lock goes before anybody is woken.
    fn release(&self, mut desk: MutexGuard<'_, Desk>) {
        self.watched.store(desk.core.is_watched(), Ordering::Release);
        let woken = desk.core.take_wakes();
        let mut threads: Vec<(Arc<Wakes>, Vec<Waker>)> = Vec::new();
        for (wakes, waker) in woken.iter().filter_map(|id| desk.wakers.remove(id)) {
            match threads.iter_mut().find(|(thread, _)| Arc::ptr_eq(thread, &wakes)) {
                Some((_, wakers)) => wakers.push(waker),
                None => threads.push((wakes, vec![waker])),
            }
        }
        let work = desk.core.has_work();
        drop(desk);
        for (wakes, wakers) in threads {
            wakes.push(wakers);
        }
        if work {
            self.bell.notify_one();
        }
    }
}

impl WatchStream {
    /// Takes a request of the client, for whom `asker` answers when it matters; one that asks for nothing is ignored, as in
    /// etcd.
    pub fn request(
        &self,
        request: &WatchRequest,
        asker: impl FnOnce() -> Result<Asker, RequestError>,
    ) {
        let Some(union) = &request.request_union else { return };
        self.shared.with(|core| match union {
            RequestUnion::CreateRequest(create) => core.create(self.id, create, asker()),
            RequestUnion::CancelRequest(cancel) => core.cancel(self.id, cancel.watch_id),
            RequestUnion::ProgressRequest(_) => core.progress(self.id),
        });
    }

    /// Whether the next request may be taken; while not, responses are to be taken first.
    #[must_use]
    pub fn takes_requests(&self) -> bool {
        lock(&self.shared.desk).core.takes_requests(self.id)
    }

    /// Whether [`WatchStream::tick`] is of use.
    #[must_use]
    pub fn wants_ticks(&self) -> bool {
        lock(&self.shared.desk).core.wants_ticks(self.id)
    }

    /// Time for progress messages.
    pub fn tick(&self) {
        self.shared.with(|core| core.tick(self.id));
    }

    /// The next response, for a connection that still has events of `unsent` bytes.
    ///
    /// # Errors
    /// Why the stream is over.
    pub fn poll_next(
        &self,
        context: &mut Context<'_>,
        unsent: usize,
    ) -> Poll<Result<Response, RequestError>> {
        let mut desk = lock(&self.shared.desk);
        let popped = desk.core.pop(self.id, unsent);
        if popped == Popped::Nothing {
            let wake = (Arc::clone(&self.wakes), context.waker().clone());
            desk.wakers.insert(self.id, wake);
        }
        if desk.core.has_work() {
            self.shared.bell.notify_one();
        }
        drop(desk);
        match popped {
            Popped::Response(response) => Poll::Ready(Ok(response)),
            Popped::Nothing => Poll::Pending,
            Popped::End(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        let mut desk = lock(&self.shared.desk);
        desk.core.close(self.id);
        desk.wakers.remove(&self.id);
        self.shared.watched.store(desk.core.is_watched(), Ordering::Release);
    }
}

/// Reads one piece of history and encodes it.
fn read(pass: Pass, view: &View) -> Passed {
    let history = view.history(
        mini_etcd_shared::types::Revision(pass.from()),
        limits::WATCH_CATCH_UP_REVISIONS_MAX,
        &|key| pass.wants(key),
    );
    let at = At { revision: view.revision().0, compacted: view.compacted() };
    pass.finish(history, at, &mut |id| view.key_value(id))
}

/// Waits for the reading under way; for ever if there is none or the runtime ends.
async fn finished(reading: Option<&mut JoinHandle<Passed>>) -> Passed {
    let Some(reading) = reading else { return pending().await };
    match poll_fn(|context| Pin::new(&mut *reading).poll(context)).await {
        Ok(passed) => passed,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => pending().await,
        },
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Places for connections: how many may be open at one time, and who gives way when all are taken.
//!
//! Peers and clients come in at one port, so a connection is a peer's only once it has said so. Every connection
//! therefore begins as a client's while those have room, and as a *guest* when they have not:
//!
//! ```text
//! accept ─▶ client ─┬─▶ peer       it said a hello that was checked
//!        └▶ guest ──┤
//!                   ├─▶ client     it made a call, and there was room by then
//!                   └─▶ leaving    it made a call without room (refused, surely not processed), or got its page
//! ```
//!
//! Invariants:
//! - I1: open connections that are no peer's never exceed [`Capacity::clients`] and [`Capacity::guests`] together, so
//!   that descriptors are left for disk and peers. What is accepted waits for its place. Both change with the members
//!   ([`Slots::resize`]); clients that are too many then leave.
//! - I2: a connection on which a call is in progress is never closed to make room for a client. A silent one is, the
//!   oldest first, and then the one that has been quiet for longest.
//! - I3: a guest gives way to the next one, so that a peer or a probe that speaks at once always gets its turn.
//!
//! Tested below, in `accept_tests`, and with real descriptors in `tests/tests/connections.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};
use tonic::Status;
use tonic::body::Body;

use super::pace::Underway;
use crate::limits::CONNECTION_QUIET_MIN;
use crate::metrics::Metrics;

/// Time after which connections are looked through again when none of them could give way.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Connections that one look through all of them finds to give way.
const LOOK_TAKES: usize = 64;

/// How many connections may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    pub clients: usize,
    /// Beyond those, for the time it takes to say hello as a peer or to ask for a page.
    pub guests: usize,
    /// Of peers, beside both.
    pub peers: usize,
}

/// What a connection counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Client,
    Guest,
    Peer,
    Leaving,
}

impl Kind {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Client,
            1 => Self::Guest,
            2 => Self::Peer,
            _ => Self::Leaving,
        }
    }
}

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Finish what is in progress and end.
    Leave = 1,
    /// End now.
    Cut = 2,
}

/// The places of a member, over all its listeners and threads.
pub struct Slots {
    metrics: Metrics,
    began: Instant,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    capacity: Capacity,
    open: BTreeMap<u64, Arc<Slot>>,
    next: u64,
    clients: usize,
    peers: usize,
    guests: BTreeSet<u64>,
    /// Told to leave, not yet cut.
    leaving: BTreeSet<u64>,
    /// Cut, and still to be closed by their threads.
    cut: usize,
    /// Those that may give way, the first first; looked at again before they do.
    candidates: VecDeque<u64>,
    next_look_ms: u64,
}

/// One connection, as its thread and the table see it.
pub struct Slot {
    number: u64,
    slots: Arc<Slots>,
    kind: AtomicU8,
    spoken: AtomicBool,
    calls: AtomicUsize,
    quiet_since_ms: AtomicU64,
    order: AtomicU8,
    told: Notify,
}

/// The place of an open connection; dropped after its socket.
pub(super) struct SlotGuard(Arc<Slot>);

/// A call in progress on a connection.
pub(super) struct Call(Arc<Slot>);

impl Slots {
    /// Places for so many.
    #[must_use]
    pub fn new(capacity: Capacity, metrics: Metrics) -> Arc<Self> {
        let table = Mutex::new(Table { capacity, ..Table::default() });
        Arc::new(Self { metrics, began: Instant::now(), table, freed: Notify::new() })
    }

    /// Has room for so many from now on. Clients beyond that are told to leave, first those that do nothing.
    pub fn resize(&self, capacity: Capacity) {
        let mut table = self.lock();
        table.capacity = capacity;
        let excess = table.clients.saturating_sub(capacity.clients);
        if excess > 0 {
            let clients = table.open.values().filter(|slot| slot.kind() == Kind::Client);
            let is_busy = |slot: &Slot| slot.calls.load(Relaxed) > 0;
            let mut ranked: Vec<_> =
                clients.map(|slot| ((is_busy(slot), slot.rank()), slot.clone())).collect();
            ranked.sort_unstable_by_key(|(rank, _)| *rank);
            for (_, slot) in ranked.into_iter().take(excess) {
                table.tell(&slot, Order::Leave);
                self.metrics.connections_shed.inc();
            }
        }
        drop(table);
        self.freed.notify_waiters();
    }

    /// Waits until there is a place for a connection that was accepted, and makes one where that is needed (I1).
    pub(super) async fn admit(self: &Arc<Self>) -> SlotGuard {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(place) = self.try_admit() {
                return place;
            }
            freed.await;
        }
    }

    fn try_admit(self: &Arc<Self>) -> Option<SlotGuard> {
        let now_ms = self.now_ms();
        let mut table = self.lock();
        let Capacity { clients, guests, .. } = table.capacity;
        let room = table.clients < clients || self.shed(&mut table, now_ms);
        if table.without_peers() >= clients + guests {
            table.cut_one();
            return None;
        }
        let kind = if room { Kind::Client } else { Kind::Guest };
        let slot = Arc::new(Slot {
            number: table.next,
            slots: Arc::clone(self),
            kind: AtomicU8::new(kind as u8),
            spoken: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            quiet_since_ms: AtomicU64::new(now_ms),
            order: AtomicU8::new(0),
            told: Notify::new(),
        });
        table.next += 1;
        table.count(slot.number, kind);
        table.open.insert(slot.number, Arc::clone(&slot));
        self.metrics.connections.inc();
        Some(SlotGuard(slot))
    }

    /// Makes a client's place free; false when all are in use (I2).
    pub(super) fn make_room(&self) -> bool {
        self.shed(&mut self.lock(), self.now_ms())
    }

    fn shed(&self, table: &mut Table, now_ms: u64) -> bool {
        loop {
            if let Some(number) = table.candidates.pop_front() {
                let found = table.open.get(&number).filter(|slot| slot.may_leave(now_ms));
                if let Some(slot) = found.cloned() {
                    table.tell(&slot, Order::Leave);
                    self.metrics.connections_shed.inc();
                    return true;
                }
            } else if now_ms < table.next_look_ms {
                return false;
            } else if !table.look(now_ms) {
                table.next_look_ms = now_ms + as_ms(LOOK_PAUSE);
                return false;
            }
        }
    }

    fn now_ms(&self) -> u64 {
        as_ms(self.began.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Table {
    /// Connections that are no peer's.
    fn without_peers(&self) -> usize {
        self.clients + self.guests.len() + self.leaving.len() + self.cut
    }

    fn count(&mut self, number: u64, kind: Kind) {
        match kind {
            Kind::Client => self.clients += 1,
            Kind::Guest => drop(self.guests.insert(number)),
            Kind::Peer => self.peers += 1,
            Kind::Leaving => drop(self.leaving.insert(number)),
        }
    }

    fn forget(&mut self, number: u64, kind: Kind) {
        match kind {
            Kind::Client => self.clients -= 1,
            Kind::Guest => drop(self.guests.remove(&number)),
            Kind::Peer => self.peers -= 1,
            Kind::Leaving if self.leaving.remove(&number) => {}
            Kind::Leaving => self.cut -= 1,
        }
    }

    /// Has a connection count as something else; one that is closed counts as nothing, though a call of it may still
    /// come to its end.
    fn turn(&mut self, slot: &Slot, kind: Kind) {
        if !self.open.contains_key(&slot.number) {
            return;
        }
        self.forget(slot.number, slot.kind());
        self.count(slot.number, kind);
        slot.kind.store(kind as u8, Relaxed);
    }

    fn tell(&mut self, slot: &Slot, order: Order) {
        if slot.kind() != Kind::Leaving {
            self.turn(slot, Kind::Leaving);
        }
        if order == Order::Cut && self.leaving.remove(&slot.number) {
            self.cut += 1;
        }
        slot.order.fetch_max(order as u8, Relaxed);
        slot.told.notify_one();
    }

    /// Ends a connection at once: one that leaves anyway, else a guest, the oldest that is not being answered (I3).
    fn cut_one(&mut self) {
        let idle =
            |number: &&u64| self.open.get(number).is_some_and(|slot| slot.calls.load(Relaxed) == 0);
        let guest = self.guests.iter().find(idle).or_else(|| self.guests.first());
        let chosen = self.leaving.first().or(guest);
        if let Some(slot) = chosen.and_then(|number| self.open.get(number)).cloned() {
            self.tell(&slot, Order::Cut);
        }
    }

    /// Finds the clients that give way first; false when none may.
    fn look(&mut self, now_ms: u64) -> bool {
        let may = self.open.values().filter(|slot| slot.may_leave(now_ms));
        let mut found: Vec<_> = may.map(|slot| (slot.rank(), slot.number)).collect();
        found.sort_unstable();
        self.candidates = found.into_iter().map(|(_, number)| number).take(LOOK_TAKES).collect();
        !self.candidates.is_empty()
    }
}

impl Slot {
    /// The connection said something.
    pub(super) fn spoke(&self) {
        self.spoken.store(true, Relaxed);
    }

    /// A checked peer speaks on this connection: it counts as one while it does.
    pub(super) fn is_peer(&self) {
        let mut table = self.slots.lock();
        let joins = matches!(self.kind(), Kind::Client | Kind::Guest);
        if joins && table.peers < table.capacity.peers {
            table.turn(self, Kind::Peer);
            drop(table);
            self.slots.freed.notify_waiters();
        }
    }

    /// A request begins. `None` when it is a client's (not `open_to_all`) and there is no room for it.
    pub(super) fn begin(self: &Arc<Self>, open_to_all: bool) -> Option<Call> {
        self.calls.fetch_add(1, Relaxed);
        let call = Call(Arc::clone(self));
        if self.kind() == Kind::Guest && !open_to_all && !self.settle() {
            self.slots.metrics.connections_refused.inc();
            return None;
        }
        Some(call)
    }

    /// Makes a guest a client if there is room by now.
    fn settle(&self) -> bool {
        let now_ms = self.slots.now_ms();
        let mut table = self.slots.lock();
        let has_room = table.clients < table.capacity.clients;
        let settles =
            self.kind() == Kind::Guest && (has_room || self.slots.shed(&mut table, now_ms));
        if settles {
            table.turn(self, Kind::Client);
        }
        settles
    }

    /// Waits until this connection is told as much as `order`.
    pub(super) async fn told(&self, order: Order) {
        while self.order.load(Relaxed) < order as u8 {
            self.told.notified().await;
        }
    }

    fn kind(&self) -> Kind {
        Kind::of(self.kind.load(Relaxed))
    }

    fn may_leave(&self, now_ms: u64) -> bool {
        let quiet_ms = now_ms.saturating_sub(self.quiet_since_ms.load(Relaxed));
        self.kind() == Kind::Client
            && self.calls.load(Relaxed) == 0
            && (!self.spoken.load(Relaxed) || quiet_ms >= as_ms(CONNECTION_QUIET_MIN))
    }

    /// The least gives way first.
    fn rank(&self) -> (bool, u64) {
        (self.spoken.load(Relaxed), self.quiet_since_ms.load(Relaxed))
    }

    /// The last call in progress has ended: that of a peer or a guest was all there was to do.
    fn quiet(&self) {
        self.quiet_since_ms.store(self.slots.now_ms(), Relaxed);
        if matches!(self.kind(), Kind::Guest | Kind::Peer) {
            self.slots.lock().tell(self, Order::Leave);
        }
    }
}

impl SlotGuard {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.0
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let slots = &self.0.slots;
        let mut table = slots.lock();
        table.open.remove(&self.0.number);
        table.forget(self.0.number, self.0.kind());
        drop(table);
        slots.metrics.connections.dec();
        slots.freed.notify_waiters();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Relaxed) == 1 {
            self.0.quiet();
        }
    }
}

/// An answer whose call is in progress until it is sent.
pub(super) struct Answer {
    body: Body,
    _call: Call,
    underway: Arc<Underway>,
}

impl Answer {
    pub fn new(body: Body, call: Call, underway: Arc<Underway>) -> Self {
        // Then nobody asks for a frame.
        if body.is_end_stream() {
            underway.answered();
        }
        Self { body, _call: call, underway }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.underway.answered();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const CAPACITY: Capacity = Capacity { clients: 2, guests: 2, peers: 1 };

    /// Places that have been there for a while.
    fn slots() -> Arc<Slots> {
        let mut slots = Slots::new(CAPACITY, Metrics::default());
        let only = Arc::get_mut(&mut slots).unwrap();
        only.began = only.began.checked_sub(CONNECTION_QUIET_MIN * 2).unwrap();
        slots
    }

    /// Has a connection quiet for as long as all of them exist.
    fn age(place: &SlotGuard) {
        place.slot().quiet_since_ms.store(0, Relaxed);
        place.slot().slots.lock().next_look_ms = 0;
    }

    /// Admits one that speaks at once.
    fn spoken(slots: &Arc<Slots>) -> SlotGuard {
        let place = slots.admit().now_or_never().expect("there is a place");
        place.slot().spoke();
        place
    }

    fn is_told(place: &SlotGuard, order: Order) -> bool {
        place.slot().told(order).now_or_never().is_some()
    }

    #[tokio::test]
    async fn a_silent_connection_gives_way_first_and_then_the_one_quiet_for_longest() {
        let slots = slots();
        let quiet = spoken(&slots);
        let silent = slots.admit().await;
        let third = spoken(&slots);
        assert!(is_told(&silent, Order::Leave) && !is_told(&quiet, Order::Leave));
        drop(silent);
        let busy = third.slot().begin(false).unwrap();
        // Nobody is quiet for long enough: who comes now is a guest, and its call is refused.
        let guest = spoken(&slots);
        assert!(guest.slot().begin(false).is_none());
        assert!(is_told(&guest, Order::Leave));
        drop(guest);
        age(&third);
        age(&quiet);
        let fourth = spoken(&slots);
        assert!(fourth.slot().begin(false).is_some());
        assert!(is_told(&quiet, Order::Leave) && !is_told(&third, Order::Leave));
        drop(busy);
    }

    #[tokio::test]
    async fn a_guest_gets_its_page_and_a_peer_stays_beside_all_clients() {
        let slots = slots();
        let clients = [spoken(&slots), spoken(&slots)];
        let calls = clients.each_ref().map(|client| client.slot().begin(false).unwrap());
        let page = spoken(&slots);
        let call = page.slot().begin(true).unwrap();
        assert!(!is_told(&page, Order::Leave));
        drop(call);
        assert!(is_told(&page, Order::Leave));
        let peer = spoken(&slots);
        let stream = peer.slot().begin(true).unwrap();
        peer.slot().is_peer();
        // One leaves and one is a peer: there is a place for one guest, and the one that leaves is cut for the next.
        let silent = slots.admit().await;
        assert!(slots.admit().now_or_never().is_none());
        assert!(is_told(&page, Order::Cut) && !is_told(&silent, Order::Cut));
        drop(page);
        let other = slots.admit().await;
        // The oldest guest gives way.
        assert!(slots.admit().now_or_never().is_none());
        assert!(is_told(&silent, Order::Cut) && !is_told(&other, Order::Cut));
        assert!(!is_told(&peer, Order::Leave));
        drop(stream);
        assert!(is_told(&peer, Order::Leave));
        assert!(!clients.iter().any(|client| is_told(client, Order::Leave)));
        drop(calls);
    }

    #[tokio::test]
    async fn who_joins_finds_a_place_that_a_client_gives_up() {
        let slots = slots();
        let quiet = spoken(&slots);
        let busy = spoken(&slots);
        let call = busy.slot().begin(false).unwrap();
        let peers = [spoken(&slots), spoken(&slots)];
        for peer in &peers {
            peer.slot().is_peer();
        }
        assert_eq!(slots.lock().peers, 1, "there is a place for one");
        slots.resize(Capacity { clients: 1, peers: 2, ..CAPACITY });
        assert!(is_told(&quiet, Order::Leave) && !is_told(&busy, Order::Leave));
        peers[1].slot().is_peer();
        let table = slots.lock();
        assert_eq!((table.peers, table.clients), (2, 1));
        drop(table);
        drop(call);
    }

    #[tokio::test]
    async fn a_call_that_outlives_its_connection_changes_nothing() {
        let slots = slots();
        let clients = [spoken(&slots), spoken(&slots)];
        let calls = clients.each_ref().map(|client| client.slot().begin(false).unwrap());
        let (page, peer) = (spoken(&slots), spoken(&slots));
        let ending = [&page, &peer].map(|place| place.slot().begin(true).unwrap());
        let late = Arc::clone(page.slot());
        peer.slot().is_peer();
        drop((page, peer));
        late.is_peer();
        drop(ending);
        drop((calls, clients));
        let table = slots.lock();
        assert_eq!((table.without_peers(), table.peers, table.open.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn places_are_never_more_than_the_capacity_whatever_happens() {
        let slots = slots();
        let mut open = VecDeque::new();
        let mut random = 7_u32;
        for _ in 0..10_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match (random >> 16) % 5 {
                0..=2 => open.extend(slots.admit().now_or_never()),
                3 => drop(open.pop_front()),
                _ => {
                    if let Some(place) = open.back() {
                        place.slot().spoke();
                        let _ = place.slot().begin(random & 1 == 0);
                    }
                }
            }
            open.retain(|place: &SlotGuard| !is_told(place, Order::Cut));
            let table = slots.lock();
            assert!(table.without_peers() <= CAPACITY.clients + CAPACITY.guests);
            assert_eq!(table.open.len(), open.len());
            assert_eq!(table.without_peers() + table.peers, open.len());
        }
        open.clear();
        assert_eq!(slots.lock().without_peers(), 0);
        assert_eq!(slots.metrics.connections.get(), 0);
    }
}

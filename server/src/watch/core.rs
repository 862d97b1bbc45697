//! The state machine: requests and applied turns in, responses and wake-ups out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mini_etcd_proto::etcdserverpb::WatchCreateRequest;
use mini_etcd_proto::internalpb::Asker;

use crate::auth::Auth;
use crate::config::Serving;
use crate::error::RequestError;
use crate::limits;

use super::groups::{Groups, Serial};
use super::held::Held;
use super::live::FanOut;
use super::recent::Recent;
use super::response::{Kind, Response};
use super::spec::{Spec, WatchRefusal};
use super::stream::{Stream, StreamId};

/// Every watch of the member. See the module for the rules that it keeps.
#[derive(Debug)]
pub struct Core {
    /// Last revision that was fanned out.
    pub(super) revision: i64,
    /// History below this revision is given up; -1 for none.
    pub(super) compacted: i64,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) watches: BTreeMap<Serial, Watch>,
    /// The turn that is being fanned out.
    pub(super) turn: Option<FanOut>,
    /// Watches that get events as they come.
    pub(super) live: Groups,
    /// Watches that need history.
    pub(super) lagging: BTreeSet<Serial>,
    /// Lagging watches whose stream has room, not yet looked at.
    pub(super) ready: VecDeque<Serial>,
    /// Lagging watches that memory does not reach back for.
    pub(super) old: VecDeque<Serial>,
    pub(super) pass_in_flight: bool,
    pub(super) recent: Recent,
    pub(super) counts: WatchCounts,
    /// What all streams hold together.
    pub(super) held: Held,
    /// Bytes of a message after which it is sent in pieces, where the watch asked for that.
    pub(super) message_bytes_max: usize,
    /// Who may read what, as of the newest state that was seen.
    auth: Arc<Auth>,
    last_stream: StreamId,
    last_serial: Serial,
    wakes: Vec<StreamId>,
}

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) stream: StreamId,
    pub(super) id: i64,
    pub(super) spec: Arc<Spec>,
    /// Who watches; empty where nobody has logged in.
    user: String,
    /// What the client asked for.
    pub(super) start: i64,
    /// No event below this revision is to be queued. While live, also nothing up to the core's revision.
    pub(super) next: i64,
    pub(super) state: State,
    /// Nothing was queued since the last tick.
    pub(super) quiet: bool,
    fragment: bool,
}

/// How a watch gets its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// As they are applied.
    Live,
    /// From the past.
    Lagging,
    /// Not at all: it was told that its history is compacted, and keeps its number until it is canceled.
    Over,
}

/// Figures for metrics and status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts {
    /// Open streams.
    pub streams: usize,
    /// Watches on them.
    pub watchers: usize,
    /// Watches that read the past.
    pub slow: usize,
    /// Events handed to streams so far.
    pub events_sent: u64,
    /// Of these, those of watches that want the version before, but for the first of a key.
    pub prev_reads: u64,
    /// Events that wait in the queues of streams.
    pub pending_events: usize,
    /// Bytes of events that wait on any stream or in its connection; those that several share count for each.
    pub held_bytes: usize,
}

/// What [`Core::pop`] finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped {
    /// The next response.
    Response(Response),
    /// Nothing now; the stream is named by [`Core::take_wakes`] when that changes.
    Nothing,
    /// The stream is over.
    End(RequestError),
}

impl Core {
    /// A core without watches, at a state of the keys.
    #[must_use]
    pub fn new(revision: i64, compacted: i64) -> Self {
        Self {
            revision,
            compacted,
            streams: BTreeMap::new(),
            watches: BTreeMap::new(),
            turn: None,
            live: Groups::default(),
            lagging: BTreeSet::new(),
            ready: VecDeque::new(),
            old: VecDeque::new(),
            pass_in_flight: false,
            recent: Recent::new(revision.saturating_add(1)),
            counts: WatchCounts::default(),
            held: Held::new(limits::WATCH_BYTES_MAX),
            message_bytes_max: Serving::default().message_bytes_max(),
            auth: Arc::default(),
            last_stream: 0,
            last_serial: 0,
            wakes: Vec::new(),
        }
    }

    /// Last revision that was fanned out.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Figures now.
    #[must_use]
    pub fn counts(&self) -> WatchCounts {
        WatchCounts {
            streams: self.streams.len(),
            watchers: self.watches.len(),
            slow: self.lagging.len(),
            held_bytes: self.held.bytes(),
            ..self.counts
        }
    }

    /// Whether there is any watch.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.watches.is_empty()
    }

    pub fn open(&mut self, requires_leader: bool) -> StreamId {
        self.last_stream += 1;
        self.streams.insert(self.last_stream, Stream::new(requires_leader));
        self.last_stream
    }

    /// Forgets a stream and everything on it.
    pub fn close(&mut self, id: StreamId) {
        self.drop_watches(id);
        if let Some(stream) = self.streams.remove(&id) {
            self.counts.pending_events -= stream.pending_events();
            self.held.give_back(stream.held_bytes());
        }
    }

    /// Ends a stream after what is queued on it.
    pub fn end(&mut self, id: StreamId, error: RequestError) {
        self.drop_watches(id);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.end.get_or_insert(error);
            self.wake(id);
        }
    }

    /// Ends every stream, or every one that requires a leader.
    pub fn end_all(&mut self, only_requiring_leader: bool, error: &RequestError) {
        let chosen: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.requires_leader || !only_requiring_leader)
            .map(|(id, _)| *id)
            .collect();
        for id in chosen {
            self.end(id, error.clone());
        }
    }

    /// Whether some stream requires a leader.
    #[must_use]
    pub fn requires_leader(&self) -> bool {
        self.streams.values().any(|stream| stream.requires_leader && stream.end.is_none())
    }

    /// Answers a request for a watch of `asker`, or of somebody who is not known.
    pub fn create(
        &mut self,
        id: StreamId,
        request: &WatchCreateRequest,
        asker: Result<Asker, RequestError>,
    ) {
        let auth = Arc::clone(&self.auth);
        let revision = self.revision;
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.end.is_none()) else {
            return;
        };
        let spec = Spec::of(request);
        let user = asker.as_ref().map_or("", |asker| &asker.user).to_owned();
        let permitted = asker.and_then(|asker| may_watch(&auth, &asker, &spec));
        if let Some(refusal) = refusal(stream, request, &spec, permitted) {
            stream.push_control(-1, revision, Kind::Refused(refusal.to_string()));
            return self.wake(id);
        }
        let watch_id = if request.watch_id == 0 { stream.pick_id() } else { request.watch_id };
        stream.push_control(watch_id, revision, Kind::Created);
        self.last_serial += 1;
        let serial = self.last_serial;
        stream.watches.insert(watch_id, serial);
        if request.progress_notify {
            stream.notify.insert(serial);
        }
        stream.behind += 1;
        let start = request.start_revision;
        let watch = Watch {
            stream: id,
            id: watch_id,
            spec: Arc::new(spec),
            user,
            start,
            next: if start == 0 { revision.saturating_add(1) } else { start },
            state: State::Lagging,
            quiet: true,
            fragment: request.fragment,
        };
        self.watches.insert(serial, watch);
        self.lagging.insert(serial);
        self.wake(id);
        if start != 0 && start < self.compacted {
            self.give_up(serial);
        } else {
            self.settle(serial);
        }
    }

    /// Ends the watches whose users may not read their keys any more, with all that is queued of them.
    pub fn judge(&mut self, auth: &Arc<Auth>) {
        if Arc::ptr_eq(&self.auth, auth) {
            return;
        }
        self.auth = Arc::clone(auth);
        let denied = self.watches.values().filter_map(|watch| {
            let permit = auth.permit_of(&watch.user);
            let read = permit.and_then(|permit| {
                permit.read(watch.spec.range.start(), &watch.spec.range.range_end())
            });
            read.err().map(|error| (watch.stream, watch.id, error.as_go()))
        });
        for (id, watch_id, reason) in denied.collect::<Vec<_>>() {
            if let Some(stream) = self.streams.get_mut(&id) {
                let (bytes, events) = stream.drop_events(watch_id);
                self.held.give_back(bytes);
                self.counts.pending_events -= events;
            }
            self.remove(id, watch_id, Kind::Withdrawn(reason));
        }
    }

    /// Ends a watch at its client's request.
    pub fn cancel(&mut self, id: StreamId, watch_id: i64) {
        self.remove(id, watch_id, Kind::Canceled);
    }

    fn remove(&mut self, id: StreamId, watch_id: i64, end: Kind) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(serial) = stream.watches.remove(&watch_id) else { return };
        stream.notify.remove(&serial);
        stream.push_control(watch_id, self.revision, end);
        self.drop_watch(serial);
        self.wake(id);
    }

    /// The next response of a stream, for a consumer whose connection still has events of `unsent` bytes.
    pub fn pop(&mut self, id: StreamId, unsent: usize) -> Popped {
        self.send_due(id);
        if self.streams.get(&id).is_some_and(Stream::is_empty) {
            self.asked_in_vain(id);
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return Popped::End(RequestError::WatchCanceled);
        };
        let Some(response) = stream.pop() else {
            return stream.end.clone().map_or(Popped::Nothing, Popped::End);
        };
        self.counts.pending_events -= response.event_count();
        self.counts.events_sent += response.event_count() as u64;
        self.counts.prev_reads += response.prev_reads();
        self.held.take(unsent);
        self.held.give_back(stream.begin_sending(unsent + response.event_bytes()));
        if stream.is_drained(self.held.share()) {
            self.ready.append(&mut stream.stalled);
        }
        Popped::Response(response)
    }

    /// The consumer of a stream asks and there is nothing: its client has read what came before, but for what its
    /// connection buffers, so those of its watches that waited for that go on.
    ///
    /// IMPORTANT: what its connection has yet to send is not counted here: nobody asks again when it has been sent, and a
    /// stream that waited for that would wait for ever.
    fn asked_in_vain(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.flagged = false;
        self.held.give_back(stream.begin_sending(0));
        self.ready.append(&mut stream.stalled);
        self.send_due(id);
    }

    /// Whether the next request of a stream may be taken: not while answers to earlier ones pile up.
    #[must_use]
    pub fn takes_requests(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_some_and(|stream| {
            stream.end.is_none() && stream.controls() < limits::WATCH_CONTROL_QUEUE_MAX
        })
    }

    /// Streams that have something new since they last found nothing, each once.
    pub fn take_wakes(&mut self) -> Vec<StreamId> {
        std::mem::take(&mut self.wakes)
    }

    pub(super) fn wake(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && !stream.flagged
        {
            stream.flagged = true;
            self.wakes.push(id);
        }
    }

    /// Queues what a watch gets of `bodies`. Answers the first revision that there was no room for.
    /// The header has `revision`, or that of the last event. Whatever is queued wakes the stream, also when the
    /// rest finds no room (I7).
    pub(super) fn deliver(
        &mut self,
        serial: Serial,
        bodies: &[super::frame::Body],
        revision: Option<i64>,
    ) -> Option<i64> {
        let watch = self.watches.get_mut(&serial).filter(|watch| watch.state != State::Over)?;
        let id = watch.stream;
        let stream = self.streams.get_mut(&id)?;
        let mut no_room = None;
        for body in bodies {
            let body = body.since(watch.next);
            if body.frames().is_empty() {
                continue;
            }
            if !stream.has_room(self.held.share()) {
                no_room = Some(body.first());
                break;
            }
            watch.quiet = false;
            self.counts.pending_events += body.frames().len();
            self.held.take(body.bytes());
            let revision = revision.unwrap_or(body.last());
            let split = watch.fragment.then_some(self.message_bytes_max);
            stream.push_events(watch.id, revision, body, split);
        }
        if !std::mem::replace(&mut stream.flagged, true) {
            self.wakes.push(id);
        }
        no_room
    }

    /// Makes a watch that is not in any queue live if it has caught up; else queues it for catching up.
    pub(super) fn settle(&mut self, serial: Serial) {
        debug_assert!(self.turn.is_none(), "where the core stands is not yet decided");
        let Some(watch) = self.watches.get_mut(&serial) else { return };
        let Some(stream) = self.streams.get_mut(&watch.stream) else { return };
        if watch.next > self.revision {
            watch.state = State::Live;
            stream.behind -= 1;
            stream.horizon = stream.horizon.max(watch.needs());
            self.lagging.remove(&serial);
            self.live.insert(&watch.spec, serial);
        } else if stream.is_drained(self.held.share()) {
            self.ready.push_back(serial);
        } else {
            stream.stalled.push_back(serial);
        }
    }

    /// Takes a live watch out of the fan-out; it goes on from revision `next` by reading the past.
    pub(super) fn fall_behind(&mut self, serial: Serial, next: i64) {
        let Some(watch) = self.watches.get_mut(&serial) else { return };
        let Some(stream) = self.streams.get_mut(&watch.stream) else { return };
        watch.next = next;
        watch.state = State::Lagging;
        stream.behind += 1;
        self.live.remove(&watch.spec, serial);
        self.lagging.insert(serial);
    }

    /// Tells a lagging watch that its history is compacted.
    pub(super) fn give_up(&mut self, serial: Serial) {
        let Some(watch) = self.watches.get_mut(&serial) else { return };
        let Some(stream) = self.streams.get_mut(&watch.stream) else { return };
        watch.state = State::Over;
        stream.push_control(watch.id, 0, Kind::Compacted(self.compacted));
        self.lagging.remove(&serial);
        let id = watch.stream;
        self.wake(id);
    }

    /// Raises the compacted revision; lagging watches that need what is below it are over.
    pub(super) fn compact(&mut self, compacted: i64) {
        if compacted <= self.compacted {
            return;
        }
        self.compacted = compacted;
        let lost: Vec<Serial> = self
            .lagging
            .iter()
            .copied()
            .filter(|serial| self.watches.get(serial).is_some_and(|watch| watch.next < compacted))
            .collect();
        for serial in lost {
            self.give_up(serial);
        }
    }

    fn drop_watches(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        for serial in std::mem::take(&mut stream.watches).into_values() {
            self.drop_watch(serial);
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.notify.clear();
            stream.due.clear();
            stream.stalled.clear();
        }
    }

    fn drop_watch(&mut self, serial: Serial) {
        let Some(watch) = self.watches.remove(&serial) else { return };
        match watch.state {
            State::Live => return self.live.remove(&watch.spec, serial),
            State::Lagging => {
                self.lagging.remove(&serial);
            }
            State::Over => {}
        }
        if let Some(stream) = self.streams.get_mut(&watch.stream) {
            stream.behind -= 1;
        }
    }
}

impl Watch {
    /// Revision from which on a progress message says the truth about this watch.
    pub(super) fn needs(&self) -> i64 {
        self.start.max(self.next.saturating_sub(1))
    }
}

/// Whether `asker` may read what is watched.
fn may_watch(auth: &Auth, asker: &Asker, spec: &Spec) -> Result<(), RequestError> {
    auth.permit(asker)?.read(spec.range.start(), &spec.range.range_end())
}

/// Why a watch must not be created, in the order in which etcd looks.
fn refusal(
    stream: &Stream,
    request: &WatchCreateRequest,
    spec: &Spec,
    permitted: Result<(), RequestError>,
) -> Option<WatchRefusal> {
    if request.start_revision < 0 {
        return Some(WatchRefusal::NegativeStart);
    }
    if let Err(error) = permitted {
        return Some(WatchRefusal::Denied(error));
    }
    if spec.range.is_empty() {
        return Some(WatchRefusal::EmptyRange);
    }
    if request.watch_id != 0 && stream.watches.contains_key(&request.watch_id) {
        return Some(WatchRefusal::DuplicateId);
    }
    (stream.watches.len() >= limits::WATCHES_PER_STREAM_MAX).then_some(WatchRefusal::TooMany)
}

#[cfg(test)]
impl Core {
    /// Checks what must hold between any two inputs, except for the place of watches in a pass under way.
    pub(super) fn check(&self) {
        let mut places: BTreeMap<Serial, usize> = BTreeMap::new();
        let stalled = self.streams.values().flat_map(|stream| &stream.stalled);
        for serial in self.ready.iter().chain(&self.old).chain(stalled) {
            *places.entry(*serial).or_default() += 1;
        }
        let live: BTreeSet<Serial> = self.live.members().collect();
        for (serial, watch) in &self.watches {
            let lags = watch.state == State::Lagging;
            assert_eq!(lags, self.lagging.contains(serial));
            assert_eq!(watch.state == State::Live, live.contains(serial));
            let places = places.get(serial).copied().unwrap_or(0);
            // I4
            assert!(!lags || places == 1 || (places == 0 && self.pass_in_flight), "{watch:?}");
        }
        assert!(live.iter().chain(&self.lagging).all(|serial| self.watches.contains_key(serial)));
        let (mut pending, mut held) = (0, 0);
        for stream in self.streams.values() {
            let behind = stream
                .watches
                .values()
                .filter(|serial| self.watches[serial].state != State::Live)
                .count();
            assert_eq!(stream.behind, behind);
            pending += stream.pending_events();
            held += stream.held_bytes();
            assert!(stream.is_empty() || stream.flagged, "I7: {stream:?}");
            let asks = stream.is_empty() && !stream.flagged;
            assert!(!asks || stream.stalled.is_empty(), "I8: {stream:?}");
        }
        assert_eq!(self.counts.pending_events, pending);
        assert_eq!(self.held.bytes(), held);
    }
}

//! One stream: its watches by number, and what waits to leave.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::error::RequestError;
use crate::limits;

use super::frame::Body;
use super::groups::Serial;
use super::response::{Kind, Response};

/// Upper bound of what a response has beside its events.
const HEAD_BYTES_MAX: usize = 96;

/// Number of a stream, never used twice.
pub type StreamId = u64;

#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Watches by the number the client knows.
    pub(crate) watches: BTreeMap<i64, Serial>,
    /// Watches that asked for progress messages.
    pub(crate) notify: BTreeSet<Serial>,
    /// Watches to which a progress message is owed, as room allows.
    pub(crate) due: VecDeque<Serial>,
    /// Watches that fell behind and wait until the queue is half empty.
    pub(crate) stalled: VecDeque<Serial>,
    /// Watches that are not live.
    pub(crate) behind: usize,
    /// No progress below this revision; may be too high after a watch ended.
    pub(crate) horizon: i64,
    /// The stream ends when the server loses its leader.
    pub(crate) requires_leader: bool,
    /// How the stream ends, after what is queued.
    pub(crate) end: Option<RequestError>,
    /// The consumer was woken and has not yet found the queue empty.
    pub(crate) flagged: bool,
    next_id: i64,
    queue: VecDeque<Response>,
    /// Bytes of the events that wait.
    bytes: usize,
    /// Bytes of the events that wait in the connection: those that were taken last, until more is asked for, and what was
    /// left of those before.
    sending: usize,
    controls: usize,
}

impl Stream {
    pub(crate) fn new(requires_leader: bool) -> Self {
        Self { requires_leader, ..Self::default() }
    }

    /// Whether one more response may be queued, whatever its size. `share` is what the stream may hold in bytes.
    /// False only while the consumer is to ask again (I8).
    pub(crate) fn has_room(&self, share: usize) -> bool {
        self.asks()
            || self.queue.len() < limits::WATCH_STREAM_QUEUE_MAX && self.held_bytes() < share
    }

    /// Whether it is worth reading history for this stream. False only while the consumer is to ask again (I8).
    pub(crate) fn is_drained(&self, share: usize) -> bool {
        let is_short = self.queue.len() <= limits::WATCH_STREAM_QUEUE_MAX / 2;
        self.asks() || is_short && self.held_bytes() <= share / 2
    }

    /// The consumer found nothing when it asked last: what it got before is on its way. One that does not read does not
    /// ask, so nothing is queued behind the one response that waits in its connection.
    fn asks(&self) -> bool {
        self.queue.is_empty() && !self.flagged
    }

    /// Bytes of events that the stream keeps in memory, here and in its connection.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes + self.sending
    }

    /// Notes that the connection has `bytes` of events from now on, and answers how many it had before.
    pub(crate) fn begin_sending(&mut self, bytes: usize) -> usize {
        std::mem::replace(&mut self.sending, bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Answers that wait and are no events.
    pub(crate) fn controls(&self) -> usize {
        self.controls
    }

    /// A free number: a counter from 0 that passes over those in use.
    pub(crate) fn pick_id(&mut self) -> i64 {
        while self.watches.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Queues an answer that is no event.
    pub(crate) fn push_control(&mut self, watch_id: i64, revision: i64, kind: Kind) {
        self.controls += 1;
        self.queue.push_back(Response::control(watch_id, revision, kind));
    }

    /// Queues events, in pieces of `split` bytes if they are larger than one and the watch asked for that. Nothing comes between pieces.
    pub(crate) fn push_events(
        &mut self,
        watch_id: i64,
        revision: i64,
        body: Body,
        split: Option<usize>,
    ) {
        let limit = split.map_or(usize::MAX, |most| most.saturating_sub(HEAD_BYTES_MAX));
        self.bytes += body.bytes();
        let mut push = |body, fragment| {
            let kind = Kind::Events { fragment };
            self.queue.push_back(Response { revision, watch_id, kind, body });
        };
        if body.bytes() >= limit {
            let parts = body.parts(limit);
            let last = parts.len().saturating_sub(1);
            for (at, part) in parts.into_iter().enumerate() {
                push(part, at < last);
            }
        } else {
            push(body, false);
        }
    }

    /// Takes out what is queued of a watch's events: their bytes, and how many they are.
    pub(crate) fn drop_events(&mut self, watch_id: i64) -> (usize, usize) {
        let (mut bytes, mut events) = (0, 0);
        self.queue.retain(|response| {
            let is_kept = response.watch_id != watch_id || response.event_count() == 0;
            if !is_kept {
                bytes += response.event_bytes();
                events += response.event_count();
            }
            is_kept
        });
        self.bytes -= bytes;
        (bytes, events)
    }

    /// Takes the next response.
    pub(crate) fn pop(&mut self) -> Option<Response> {
        let response = self.queue.pop_front()?;
        self.bytes -= response.event_bytes();
        if !matches!(response.kind, Kind::Events { .. }) {
            self.controls -= 1;
        }
        Some(response)
    }

    /// Events that wait.
    pub(crate) fn pending_events(&self) -> usize {
        self.queue.iter().map(Response::event_count).sum()
    }
}

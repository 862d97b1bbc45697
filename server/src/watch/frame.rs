//! Events as they stand in a response, encoded once for all who get them.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::error::RequestError;
use crate::limits;
use crate::mvcc::{Event, EventKind, RowId};

use super::spec::Spec;

/// Number of the field `events` in a `WatchResponse`.
const EVENTS: u32 = 11;
/// Numbers of the fields of an `Event`.
const TYPE: u32 = 1;
const KV: u32 = 2;
const PREV_KV: u32 = 3;

/// Finds the version before a change; none when it is gone.
pub(crate) type Versions<'a> = dyn FnMut(RowId) -> Result<Option<KeyValue>, RequestError> + 'a;

/// One event: the whole field of the response, tag and length included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) revision: i64,
    /// The version before is wanted, and the event is not the first of its key: in etcd that is a read.
    pub(crate) prev_read: bool,
    pub(crate) bytes: Bytes,
}

/// The events of one response, whole revisions in order. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    frames: Arc<[Frame]>,
    bytes: usize,
}

impl Body {
    pub(crate) fn new(frames: Vec<Frame>) -> Self {
        let bytes = frames.iter().map(|frame| frame.bytes.len()).sum();
        Self { frames: frames.into(), bytes }
    }

    pub(crate) fn empty() -> Self {
        Self::new(Vec::new())
    }

    pub(crate) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Revision of the first event; 0 for none.
    pub(crate) fn first(&self) -> i64 {
        self.frames.first().map_or(0, |frame| frame.revision)
    }

    /// Revision of the last event; 0 for none.
    pub(crate) fn last(&self) -> i64 {
        self.frames.last().map_or(0, |frame| frame.revision)
    }

    /// The events from revision `from` on.
    pub(crate) fn since(&self, from: i64) -> Self {
        if from <= self.first() {
            return self.clone();
        }
        let at = self.frames.partition_point(|frame| frame.revision < from);
        Self::new(self.frames.get(at..).unwrap_or_default().to_vec())
    }

    /// Parts of which each has less than `limit` bytes, or one event.
    pub(crate) fn parts(&self, limit: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut part: Vec<Frame> = Vec::new();
        let mut bytes = 0;
        for frame in self.frames.iter() {
            if !part.is_empty() && bytes + frame.bytes.len() >= limit {
                parts.push(Self::new(std::mem::take(&mut part)));
                bytes = 0;
            }
            bytes += frame.bytes.len();
            part.push(frame.clone());
        }
        parts.push(Self::new(part));
        parts
    }
}

/// Events of one turn, and their frames as far as somebody wanted them.
pub(crate) struct EventBatch<'a> {
    events: &'a [Event],
    plain: Vec<Option<Frame>>,
    with_prev: Vec<Option<Frame>>,
    /// Changes at or below this revision come without the version before.
    compacted: i64,
    /// Bytes after which a response takes no further revision.
    response_bytes: usize,
    versions: &'a mut Versions<'a>,
}

impl<'a> EventBatch<'a> {
    /// A turn that was just applied: every version before a change can still be read.
    pub(crate) fn live(events: &'a [Event], versions: &'a mut Versions<'a>) -> Self {
        Self::past(events, i64::MIN, limits::WATCH_RESPONSE_BYTES, versions)
    }

    /// Events of the past. What stood before a change is gone once the state before it is compacted, also
    /// while its row still waits to be removed: the same request must not get it by luck.
    pub(crate) fn past(
        events: &'a [Event],
        compacted: i64,
        response_bytes: usize,
        versions: &'a mut Versions<'a>,
    ) -> Self {
        let (plain, with_prev) = (vec![None; events.len()], vec![None; events.len()]);
        Self { events, plain, with_prev, compacted, response_bytes, versions }
    }

    pub(crate) fn events(&self) -> &'a [Event] {
        self.events
    }

    /// What a watch of `spec` gets of the events at `places`: bodies that end behind `response_bytes`, of at most [`limits::WATCH_CATCH_UP_REVISIONS_MAX`], none of which
    /// splits a revision.
    pub(crate) fn bodies(
        &mut self,
        spec: &Spec,
        places: &[usize],
    ) -> Result<Vec<Body>, RequestError> {
        let mut bodies = Vec::new();
        let mut frames: Vec<Frame> = Vec::new();
        let (mut bytes, mut revisions) = (0, 0);
        for place in places {
            let Some(frame) = self.frame(spec, *place)? else { continue };
            if frames.last().is_some_and(|last| last.revision < frame.revision) {
                revisions += 1;
                if bytes >= self.response_bytes || revisions >= limits::WATCH_CATCH_UP_REVISIONS_MAX
                {
                    bodies.push(Body::new(std::mem::take(&mut frames)));
                    (bytes, revisions) = (0, 0);
                }
            }
            bytes += frame.bytes.len();
            frames.push(frame);
        }
        if !frames.is_empty() {
            bodies.push(Body::new(frames));
        }
        Ok(bodies)
    }

    fn frame(&mut self, spec: &Spec, place: usize) -> Result<Option<Frame>, RequestError> {
        let Some(event) = self.events.get(place).filter(|event| spec.wants(event.kind)) else {
            return Ok(None);
        };
        let made = if spec.prev_kv { &mut self.with_prev } else { &mut self.plain };
        if let Some(Some(frame)) = made.get(place) {
            return Ok(Some(frame.clone()));
        }
        let prev = match event.prev {
            Some(id) if spec.prev_kv && event.id.revision.0 > self.compacted => {
                (self.versions)(id)?
            }
            _ => None,
        };
        let mut frame = encode(event, prev.as_ref());
        let is_first = event.kind == EventKind::Put && event.prev.is_none();
        frame.prev_read = spec.prev_kv && !is_first;
        if let Some(slot) = made.get_mut(place) {
            *slot = Some(frame.clone());
        }
        Ok(Some(frame))
    }
}

fn encode(event: &Event, prev: Option<&KeyValue>) -> Frame {
    let kind = if event.kind == EventKind::Delete { 2 } else { 0 };
    let kv = field_len(KV, event.kv.len());
    let prev_len = prev.map(KeyValue::encoded_len);
    let inner = kind + kv + prev_len.map_or(0, |len| field_len(PREV_KV, len));
    let mut bytes = BytesMut::with_capacity(field_len(EVENTS, inner));
    begin(EVENTS, inner, &mut bytes);
    if event.kind == EventKind::Delete {
        encode_key(TYPE, WireType::Varint, &mut bytes);
        encode_varint(1, &mut bytes);
    }
    begin(KV, event.kv.len(), &mut bytes);
    bytes.put_slice(&event.kv);
    if let (Some(prev), Some(len)) = (prev, prev_len) {
        begin(PREV_KV, len, &mut bytes);
        prev.encode_raw(&mut bytes);
    }
    Frame { revision: event.id.revision.0, prev_read: false, bytes: bytes.freeze() }
}

fn begin(field: u32, len: usize, bytes: &mut BytesMut) {
    encode_key(field, WireType::LengthDelimited, bytes);
    encode_varint(len as u64, bytes);
}

fn field_len(field: u32, len: usize) -> usize {
    key_len(field) + encoded_len_varint(len as u64) + len
}

#[cfg(test)]
mod tests {
    use super::*;
    use mini_etcd_proto::etcdserverpb::WatchResponse;
    use mini_etcd_proto::mvccpb::{self, event::EventType};
    use mini_etcd_shared::types::{KeyRange, Revision};

    fn version(revision: i64) -> KeyValue {
        KeyValue {
            key: Bytes::from_static(b"k"),
            create_revision: 1,
            mod_revision: revision,
            version: revision,
            value: Bytes::from_static(b"v"),
            lease: 0,
        }
    }

    fn event(revision: i64, kind: EventKind, prev: Option<i64>) -> Event {
        let kv = Bytes::from(version(revision).encode_to_vec());
        let id = |revision| RowId { revision: Revision(revision), sub: 0 };
        let prev = prev.map(id);
        Event { id: id(revision), kind, key: Bytes::from_static(b"k"), kv, prev }
    }

    fn spec(prev_kv: bool) -> Spec {
        let range = KeyRange::single(Bytes::from_static(b"k"));
        Spec { range, puts: true, deletes: true, prev_kv }
    }

    // Goal: a frame is what prost would have written. Method: decode it as part of a response.
    #[test]
    fn a_frame_is_an_event_field_of_the_response() {
        let events = [event(5, EventKind::Put, Some(3)), event(6, EventKind::Delete, Some(5))];
        for with_prev in [false, true] {
            let mut versions = |id: RowId| Ok(Some(version(id.revision.0)));
            let mut turn = EventBatch::live(&events, &mut versions);
            let bodies = turn.bodies(&spec(with_prev), &[0, 1]).unwrap();
            let bytes: Vec<u8> =
                bodies[0].frames().iter().flat_map(|frame| frame.bytes.to_vec()).collect();
            let decoded = WatchResponse::decode(bytes.as_slice()).unwrap();
            let wanted = |kind: EventType, revision, prev| mvccpb::Event {
                r#type: kind.into(),
                kv: Some(version(revision)),
                prev_kv: with_prev.then(|| version(prev)),
            };
            let wanted = vec![wanted(EventType::Put, 5, 3), wanted(EventType::Delete, 6, 5)];
            assert_eq!(decoded.events, wanted);
            assert_eq!(decoded.encoded_len(), bodies[0].bytes());
        }
    }

    #[test]
    fn the_version_before_is_read_once_for_all() {
        let events = [event(5, EventKind::Put, Some(3))];
        let mut reads = 0;
        let mut versions = |id: RowId| {
            reads += 1;
            Ok(Some(version(id.revision.0)))
        };
        let mut turn = EventBatch::live(&events, &mut versions);
        for _ in 0..3 {
            turn.bodies(&spec(true), &[0]).unwrap();
        }
        turn.bodies(&spec(false), &[0]).unwrap();
        assert_eq!(reads, 1);
    }

    // Goal: a response that would grow too large ends, but never inside a revision.
    #[test]
    fn bodies_end_between_revisions() {
        let mut events: Vec<Event> =
            [5, 6, 6, 7].map(|revision| event(revision, EventKind::Put, None)).into();
        let large = KeyValue {
            value: Bytes::from(vec![0; limits::WATCH_RESPONSE_BYTES / 2 + 1]),
            ..version(6)
        };
        for event in &mut events {
            event.kv = Bytes::from(large.encode_to_vec());
        }
        let mut versions = |_: RowId| Ok(None);
        let bodies =
            EventBatch::live(&events, &mut versions).bodies(&spec(false), &[0, 1, 2, 3]).unwrap();
        let spans: Vec<_> =
            bodies.iter().map(|body| (body.first(), body.last(), body.frames().len())).collect();
        assert_eq!(spans, [(5, 6, 3), (7, 7, 1)]);
        assert_eq!(bodies[0].since(6).frames().len(), 2);
        assert_eq!(bodies[0].since(7).frames().len(), 0);
    }
}

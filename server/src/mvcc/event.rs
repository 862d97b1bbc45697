//! What a change of a key looks like to those who watch.

use bytes::Bytes;
use mini_etcd_proto::mvccpb::KeyValue;
use prost::Message as _;

use super::RowId;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was written.
    Put,
    /// It was removed.
    Delete,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The version that the change made.
    pub id: RowId,
    /// What happened.
    pub kind: EventKind,
    /// The key; shares its bytes with `kv`.
    pub key: Bytes,
    /// The encoded `mvccpb.KeyValue` of the event: all of it for a put, key and revision for a removal.
    pub kv: Bytes,
    /// The version that stood before this revision; none for a put that created the key.
    pub prev: Option<RowId>,
}

impl Event {
    /// The lease that the key hangs on now; 0 for none.
    pub(crate) fn lease(&self) -> i64 {
        // What was just encoded can be decoded.
        KeyValue::decode(self.kv.clone()).map_or(0, |kv| kv.lease)
    }
}

//! What a watch asks for, and why it may not get it.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::WatchCreateRequest;
use mini_etcd_proto::etcdserverpb::watch_create_request::FilterType;
use mini_etcd_shared::types::KeyRange;

use crate::error::RequestError;
use crate::limits;
use crate::mvcc::EventKind;

/// Which events, in which form. Watches of one spec share their events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) range: KeyRange,
    pub(crate) puts: bool,
    pub(crate) deletes: bool,
    /// With the version before each change.
    pub(crate) prev_kv: bool,
}

impl Spec {
    /// The spec of a request; an empty key means the least one.
    pub(crate) fn of(request: &WatchCreateRequest) -> Self {
        let key =
            if request.key.is_empty() { Bytes::from_static(&[0]) } else { request.key.clone() };
        let drops = |kind: FilterType| request.filters.contains(&i32::from(kind));
        Self {
            range: KeyRange::new(owned(&key), owned(&request.range_end)),
            puts: !drops(FilterType::Noput),
            deletes: !drops(FilterType::Nodelete),
            prev_kv: request.prev_kv,
        }
    }

    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        match kind {
            EventKind::Put => self.puts,
            EventKind::Delete => self.deletes,
        }
    }
}

/// A watch outlives its request by far: it must not keep the receive buffer that the request came in.
fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Why a watch is not created. The words are etcd's, except where etcd has no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchRefusal {
    /// A start before all history.
    #[error("{}", RequestError::Compacted)]
    NegativeStart,
    /// Who asks may not read the range, or is not known.
    #[error("{}", .0.as_go())]
    Denied(RequestError),
    /// The end of the range is not above its key.
    #[error("mvcc: watcher range is empty")]
    EmptyRange,
    /// The number is taken on this stream.
    #[error("mvcc: duplicate watch ID provided on the WatchStream")]
    DuplicateId,
    /// The stream has all the watches it may have.
    #[error(
        "etcdserver: too many watches on one stream: the limit is {}",
        limits::WATCHES_PER_STREAM_MAX
    )]
    TooMany,
}

//! Answers a range request piece by piece, all pieces at one revision.

use bytes::{Bytes, BytesMut};
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse};
use mini_etcd_shared::types::KeyRange;
use prost::Message;

use super::View;
use super::range::read;
use crate::error::RequestError;
use crate::limits::REQUEST_BYTES_MAX;

/// Keys of the first piece; later ones grow and shrink towards [`REQUEST_BYTES_MAX`].
const FIRST_KEYS: usize = 10;

/// A range read piece by piece; yields answers without header, of which only the last has `count` and `more`.
pub struct RangeChunks {
    view: View,
    request: RangeRequest,
    /// Revision that every piece reads, or why none can be.
    at: Result<i64, RequestError>,
    /// What is left of the range.
    range: KeyRange,
    sent: usize,
    keys: usize,
    done: bool,
}

impl RangeChunks {
    pub(super) fn new(view: View, request: &RangeRequest) -> Self {
        let at = check_stream(request).and_then(|()| view.resolve(request.revision));
        Self {
            view,
            at,
            range: KeyRange::new(request.key.clone(), request.range_end.clone()),
            request: request.clone(),
            sent: 0,
            keys: FIRST_KEYS,
            done: false,
        }
    }

    /// Keys that may still be sent.
    fn allowance(&self) -> usize {
        match usize::try_from(self.request.limit) {
            Ok(limit) if limit > 0 => limit - self.sent.min(limit),
            _ => usize::MAX,
        }
    }

    fn piece(&mut self) -> Result<RangeResponse, RequestError> {
        let at = self.at.clone()?;
        let mut answer = RangeResponse::default();
        if self.request.count_only {
            self.done = true;
            answer.count = self.view.count(&self.range, at);
            return self.view.kept(at, Ok(answer));
        }
        let keys_only = self.request.keys_only;
        let take = self.keys.min(self.allowance());
        let mut picks = self.view.source(at).picks(&self.range, take.saturating_add(1), keys_only);
        let whole = picks.len() <= take;
        picks.truncate(take);
        let kvs = read(&self.view, &picks, keys_only, |_| true);
        answer.kvs = self.view.kept(at, kvs)?;
        self.sent += picks.len();
        if let (Some(last), false) = (answer.kvs.last(), whole) {
            self.range = KeyRange::new(after(&last.key), self.request.range_end.clone());
        }
        self.done = whole || self.allowance() == 0;
        if self.done {
            let left = if whole { 0 } else { self.view.count(&self.range, at) };
            answer.count = i64::try_from(self.sent).unwrap_or(i64::MAX).saturating_add(left);
            answer.more = left > 0;
        }
        self.pace(answer.encoded_len());
        self.view.kept(at, Ok(answer))
    }

    /// Sizes the next piece by the last one.
    fn pace(&mut self, bytes: usize) {
        if bytes < REQUEST_BYTES_MAX / 2 {
            self.keys = self.keys.saturating_mul(2);
        } else if bytes > REQUEST_BYTES_MAX {
            self.keys = (self.keys / 2).max(1);
        }
    }
}

impl Iterator for RangeChunks {
    type Item = Result<RangeResponse, RequestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let piece = self.piece();
        self.done |= piece.is_err();
        Some(piece)
    }
}

/// Pieces come in key order and unfiltered, or not at all.
///
/// # Errors
/// An order that is not that of the keys, or a filter.
pub fn check_stream(request: &RangeRequest) -> Result<(), RequestError> {
    // What means the order of keys, in etcd's reading: a target without an order is none.
    let by_key = match SortOrder::try_from(request.sort_order) {
        Ok(SortOrder::None) => true,
        Ok(SortOrder::Ascend) => request.sort_target == SortTarget::Key as i32,
        _ => false,
    };
    if !by_key {
        return Err(RequestError::StreamSorted);
    }
    let filters = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    if filters == [0; 4] { Ok(()) } else { Err(RequestError::StreamFiltered) }
}

/// The lowest key above `key`.
fn after(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.extend_from_slice(&[0]);
    next.freeze()
}

//! Answers range requests (etcd-v3 semantics: every option, and the quirks clients rely on).

use std::cmp::Reverse;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::KeyRange;
use prost::Message;

use super::RowId;
use super::index::Index;
use crate::error::RequestError;

/// Where the content of versions comes from.
pub(super) trait Values {
    /// The encoded version `id`, which the index named.
    fn value(&self, id: RowId) -> Result<Bytes, RequestError>;
}

/// The keys at one revision.
pub(super) struct Source<'a> {
    pub(super) index: &'a Index,
    pub(super) values: &'a dyn Values,
    /// Revision that is read.
    pub(super) at: i64,
    /// Bytes that a result may have.
    pub(super) bytes_max: usize,
}

/// A request in terms of what has to be done.
struct Plan<'a> {
    request: &'a RangeRequest,
    range: KeyRange,
    /// 0 for none.
    limit: usize,
    order: SortOrder,
    target: SortTarget,
    /// Some keys are to be left out, so that the limit counts only what is left.
    filtered: bool,
}

impl<'a> Plan<'a> {
    fn new(request: &'a RangeRequest) -> Self {
        let target = request.sort_target();
        let filtered = request.min_mod_revision != 0
            || request.max_mod_revision != 0
            || request.min_create_revision != 0
            || request.max_create_revision != 0;
        Self {
            request,
            range: KeyRange::new(request.key.clone(), request.range_end.clone()),
            limit: usize::try_from(request.limit.max(0)).unwrap_or(usize::MAX),
            order: request.sort_order(),
            target,
            filtered,
        }
    }

    /// Keys to take from the index. A target without an order takes the first by key and sorts those: a quirk
    /// that etcd keeps and so do we.
    fn fetch_max(&self) -> usize {
        let by_key = self.order == SortOrder::Ascend && self.target == SortTarget::Key;
        let limited = self.limit > 0 && !self.filtered;
        if limited && (self.order == SortOrder::None || by_key) {
            return self.limit.saturating_add(1);
        }
        usize::MAX
    }

    /// The direction to sort in, none when key order will do.
    fn sort(&self) -> Option<SortOrder> {
        match (self.order, self.target) {
            (SortOrder::None | SortOrder::Ascend, SortTarget::Key) => None,
            (SortOrder::None, _) => Some(SortOrder::Ascend),
            (order, _) => Some(order),
        }
    }

    /// Whether keys can be left out and sorted by their ids alone.
    fn ids_suffice(&self) -> bool {
        let create = self.request.min_create_revision != 0 || self.request.max_create_revision != 0;
        !create && matches!(self.target, SortTarget::Key | SortTarget::Mod)
    }

    fn keeps_id(&self, id: &RowId) -> bool {
        within(id.revision.0, self.request.min_mod_revision, self.request.max_mod_revision)
    }

    fn keeps_kv(&self, kv: &KeyValue) -> bool {
        let request = self.request;
        within(kv.create_revision, request.min_create_revision, request.max_create_revision)
    }

    /// Cuts to the limit; true when something was cut off.
    fn cut<T>(&self, items: &mut Vec<T>) -> bool {
        let more = self.limit > 0 && items.len() > self.limit;
        if more {
            items.truncate(self.limit);
        }
        more
    }
}

/// Bounds are inclusive, 0 stands for none, and a negative one is taken at its word.
fn within(revision: i64, min: i64, max: i64) -> bool {
    (min == 0 || revision >= min) && (max == 0 || revision <= max)
}

impl Source<'_> {
    /// The answer, without header. The revision must have been checked.
    pub(super) fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        let plan = Plan::new(request);
        if request.count_only {
            let count = self.count(&plan.range);
            return Ok(RangeResponse { count, ..RangeResponse::default() });
        }
        let fetch_max = plan.fetch_max();
        let mut ids = self.ids(&plan.range, fetch_max);
        let whole = ids.len() < fetch_max;
        let count = if whole {
            i64::try_from(ids.len()).unwrap_or(i64::MAX)
        } else {
            self.count(&plan.range)
        };
        ids.retain(|id| plan.keeps_id(id));
        let (kvs, more) = if plan.ids_suffice() {
            sort_ids(&plan, &mut ids);
            let more = plan.cut(&mut ids);
            (self.fetch(&ids, request.keys_only, |_| true)?, more)
        } else {
            let strip = request.keys_only && plan.target != SortTarget::Value;
            let mut kvs = self.fetch(&ids, strip, |kv| plan.keeps_kv(kv))?;
            sort_kvs(&plan, &mut kvs);
            let more = plan.cut(&mut kvs);
            if request.keys_only {
                for kv in &mut kvs {
                    kv.value = Bytes::new();
                }
            }
            (kvs, more)
        };
        Ok(RangeResponse { header: None, kvs, more, count })
    }

    fn count(&self, range: &KeyRange) -> i64 {
        i64::try_from(self.index.count(range, self.at)).unwrap_or(i64::MAX)
    }

    /// Ids of the keys that exist, in key order.
    pub(super) fn ids(&self, range: &KeyRange, max: usize) -> Vec<RowId> {
        if range.is_single() {
            let stamp = self.index.at(range.start(), self.at);
            return stamp.filter(|stamp| !stamp.tombstone).map(|s| s.id).into_iter().collect();
        }
        self.index.ids(range, self.at, max)
    }

    /// The versions named by `ids` that `keep` accepts.
    pub(super) fn fetch(
        &self,
        ids: &[RowId],
        strip: bool,
        keep: impl Fn(&KeyValue) -> bool,
    ) -> Result<Vec<KeyValue>, RequestError> {
        let mut kvs = Vec::with_capacity(ids.len());
        let mut bytes = 0_usize;
        for id in ids {
            let mut kv = decode(self.values.value(*id)?)?;
            if strip {
                kv.value = Bytes::new();
            }
            if keep(&kv) {
                bytes = bytes.saturating_add(kv.encoded_len());
                if bytes > self.bytes_max {
                    return Err(RequestError::ResultTooLarge { bytes, limit: self.bytes_max });
                }
                kvs.push(kv);
            }
        }
        Ok(kvs)
    }
}

/// An encoded version as a message; key and value share its bytes.
pub(super) fn decode(kv: Bytes) -> Result<KeyValue, RequestError> {
    KeyValue::decode(kv)
        .map_err(|error| RequestError::Storage(format!("a row is damaged: {error}")))
}

fn sort_ids(plan: &Plan<'_>, ids: &mut [RowId]) {
    match (plan.sort(), plan.target) {
        (Some(SortOrder::Descend), SortTarget::Key) => ids.reverse(),
        (Some(SortOrder::Descend), _) => ids.sort_by_key(|id| Reverse(id.revision)),
        (Some(_), _) => ids.sort_by_key(|id| id.revision),
        (None, _) => {}
    }
}

fn sort_kvs(plan: &Plan<'_>, kvs: &mut [KeyValue]) {
    let Some(order) = plan.sort() else { return };
    kvs.sort_by(|a, b| {
        let ascending = match plan.target {
            SortTarget::Key => a.key.cmp(&b.key),
            SortTarget::Version => a.version.cmp(&b.version),
            SortTarget::Create => a.create_revision.cmp(&b.create_revision),
            SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
            SortTarget::Value => a.value.cmp(&b.value),
        };
        if order == SortOrder::Descend { ascending.reverse() } else { ascending }
    });
}

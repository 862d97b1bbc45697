//! Answers range requests (etcd-v3 semantics: every option, and the quirks clients rely on).

use std::cmp::Reverse;
use std::ops::ControlFlow;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse, ResponseHeader};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::{KeyRange, Revision};
use prost::Message;

use super::index::{Index, Life, Stamp};
use super::pieces::Pieces;
use super::store::NOW;
use super::{RowId, View};
use crate::error::RequestError;
use crate::limits::RESULT_BYTES_MAX;

/// A version that an answer is going to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pick {
    revision: i64,
    sub: u32,
    /// Bytes of the answer that it takes at most.
    bytes: u32,
}

/// What a message adds to one of its fields that is a message.
pub(super) const FIELD_BYTES: usize = 6;
/// What an encoded version has beside key and value.
const FRAME_BYTES: usize = 64;

impl Pick {
    /// The whole version.
    pub(super) fn whole(stamp: Stamp) -> Self {
        Self::new(stamp, &[], false)
    }

    /// The version of `key`, without its value if `strip`.
    fn new(stamp: Stamp, key: &[u8], strip: bool) -> Self {
        let bytes = if strip { key.len() + FRAME_BYTES } else { stamp.size.bytes() };
        let bytes = u32::try_from(bytes + FIELD_BYTES).unwrap_or(u32::MAX);
        Self { revision: stamp.revision(), sub: stamp.id.sub, bytes }
    }

    pub(super) fn id(self) -> RowId {
        RowId { revision: Revision(self.revision), sub: self.sub }
    }

    /// Bytes of an answer that these take at most.
    pub(super) fn sum(picks: &[Self]) -> usize {
        picks.iter().fold(0, |sum, pick| sum.saturating_add(pick.bytes as usize))
    }
}

/// What an answer can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bound {
    /// Bytes of the answer.
    pub(super) bytes: usize,
    /// Memory while it is built.
    pub(super) space: usize,
}

impl Bound {
    pub(super) fn of(rows: usize, bytes: usize, copies: usize) -> Self {
        let names = rows.saturating_mul(size_of::<Pick>());
        Self { bytes, space: bytes.saturating_mul(copies).saturating_add(names) }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            space: self.space.saturating_add(other.space),
        }
    }
}

/// The keys at one revision, by name.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) index: &'a Index,
    /// Revision that is read.
    pub(super) at: i64,
}

/// What a range takes, by name: its rows are read when they are sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selection {
    request: RangeRequest,
    picks: Vec<Pick>,
    count: i64,
    /// Something was cut off already.
    more: bool,
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

    /// Whether no value is looked at.
    fn strips(&self) -> bool {
        self.request.keys_only && self.target != SortTarget::Value
    }

    /// Whether the rows go into the answer one by one, as they are stored.
    fn is_plain(&self) -> bool {
        !self.request.keys_only && self.ids_suffice()
    }

    /// How often the rows are in memory while the answer is built.
    fn copies(&self) -> usize {
        if self.is_plain() { 1 } else { 2 }
    }

    /// Whether keys can be left out and sorted by their ids alone.
    fn ids_suffice(&self) -> bool {
        let create = self.request.min_create_revision != 0 || self.request.max_create_revision != 0;
        !create && matches!(self.target, SortTarget::Key | SortTarget::Mod)
    }

    fn keeps_id(&self, id: &RowId) -> bool {
        within(id.revision.0, self.request.min_mod_revision, self.request.max_mod_revision)
    }

    fn keeps_created(&self, revision: i64) -> bool {
        let request = self.request;
        within(revision, request.min_create_revision, request.max_create_revision)
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
    /// What the range takes. The revision must have been checked.
    pub(super) fn select(self, request: &RangeRequest) -> Selection {
        let plan = Plan::new(request);
        let mut selection =
            Selection { request: request.clone(), picks: Vec::new(), count: 0, more: false };
        if request.count_only {
            selection.count = self.count(&plan.range);
            return selection;
        }
        let fetch_max = plan.fetch_max();
        let mut picks = self.picks(&plan.range, fetch_max, plan.strips());
        let whole = picks.len() < fetch_max;
        selection.count = if whole {
            i64::try_from(picks.len()).unwrap_or(i64::MAX)
        } else {
            self.count(&plan.range)
        };
        picks.retain(|pick| plan.keeps_id(&pick.id()));
        if plan.ids_suffice() {
            sort_picks(&plan, &mut picks);
            selection.more = plan.cut(&mut picks);
        }
        selection.picks = picks;
        selection
    }

    /// What the answer to a range can take at most, whatever its transaction removes before.
    pub(super) fn bound(self, request: &RangeRequest, removes: bool) -> Bound {
        let plan = Plan::new(request);
        if request.count_only {
            return Bound::default();
        }
        // A removal lets keys from behind the limit move up.
        let fetch_max = if removes { usize::MAX } else { plan.fetch_max() };
        let (mut rows, mut bytes, mut largest) = (0_usize, 0_usize, 0_usize);
        self.each(&plan.range, fetch_max, plan.strips(), |pick, life| {
            // How the life began that stood in the past, the index does not know.
            let created = self.at != NOW || plan.keeps_created(life.create);
            if created && plan.keeps_id(&pick.id()) {
                rows += 1;
                bytes = bytes.saturating_add(pick.bytes as usize);
                largest = largest.max(pick.bytes as usize);
            }
        });
        // What is sorted by its content is read as a whole.
        if plan.limit > 0 && plan.ids_suffice() {
            rows = rows.min(plan.limit);
            bytes = bytes.min(plan.limit.saturating_mul(largest));
        }
        Bound::of(rows, bytes, plan.copies())
    }

    fn count(self, range: &KeyRange) -> i64 {
        i64::try_from(self.index.count(range, self.at)).unwrap_or(i64::MAX)
    }

    /// The first `max` keys that exist, in key order.
    pub(super) fn picks(self, range: &KeyRange, max: usize, strip: bool) -> Vec<Pick> {
        let mut picks = Vec::new();
        if range.is_single() {
            let key = range.start();
            let stamp = self.index.at(key, self.at).filter(|stamp| !stamp.tombstone);
            picks.extend(stamp.map(|stamp| Pick::new(stamp, key, strip)));
        } else {
            self.each(range, max, strip, |pick, _| picks.push(pick));
        }
        picks
    }

    fn each(self, range: &KeyRange, max: usize, strip: bool, mut visit: impl FnMut(Pick, Life)) {
        let mut left = max;
        self.index.visit(range, self.at, |key, stamp, life| {
            visit(Pick::new(stamp, key, strip), life);
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
}

impl Selection {
    /// Bytes of rows that are in the answer, at least about.
    pub(super) fn sure_bytes(&self) -> usize {
        if Plan::new(&self.request).is_plain() { Pick::sum(&self.picks) } else { 0 }
    }

    /// Memory that it takes to build the answer, at most.
    pub(super) fn space(&self) -> usize {
        let copies = Plan::new(&self.request).copies();
        Bound::of(self.picks.len(), Pick::sum(&self.picks), copies).space
    }

    /// The rows that the answer has.
    pub(super) fn picks(&self) -> &[Pick] {
        &self.picks
    }

    /// Adds the answer, with `header`, to the message `pieces`.
    pub(super) fn encode(
        &self,
        header: Option<&ResponseHeader>,
        view: &View,
        mut pieces: Pieces,
    ) -> Result<Pieces, RequestError> {
        pieces.message(1, header);
        let mut more = self.more;
        if Plan::new(&self.request).is_plain() {
            pieces.rows(2, view, &self.picks)?;
        } else {
            let (kvs, cut) = self.read_content(view)?;
            more |= cut;
            for kv in kvs {
                pieces.message(2, Some(&kv));
            }
        }
        pieces.number(3, more.into());
        pieces.number(4, self.count.cast_unsigned());
        Ok(pieces)
    }

    /// The answer, without header.
    pub(super) fn read(&self, view: &View) -> Result<RangeResponse, RequestError> {
        let (kvs, cut) = self.read_content(view)?;
        Ok(RangeResponse { header: None, kvs, more: self.more || cut, count: self.count })
    }

    /// The rows, and whether the limit cut any of them off.
    fn read_content(&self, view: &View) -> Result<(Vec<KeyValue>, bool), RequestError> {
        let plan = Plan::new(&self.request);
        let strips = plan.strips();
        if plan.ids_suffice() {
            return Ok((read(view, &self.picks, strips, |_| true)?, false));
        }
        let kept = |kv: &KeyValue| plan.keeps_created(kv.create_revision);
        let mut kvs = read(view, &self.picks, strips, kept)?;
        sort_kvs(&plan, &mut kvs);
        let more = plan.cut(&mut kvs);
        if self.request.keys_only {
            for kv in &mut kvs {
                kv.value = Bytes::new();
            }
        }
        Ok((kvs, more))
    }
}

/// The versions named by `picks` that `keep` accepts.
pub(super) fn read(
    view: &View,
    picks: &[Pick],
    strip: bool,
    keep: impl Fn(&KeyValue) -> bool,
) -> Result<Vec<KeyValue>, RequestError> {
    let mut kvs = Vec::new();
    let mut bytes = 0_usize;
    view.rows(picks, &mut |row| {
        let mut kv = decode(row)?;
        if strip {
            kv.value = Bytes::new();
        }
        if keep(&kv) {
            bytes = bytes.saturating_add(kv.encoded_len());
            check_size(bytes)?;
            kvs.push(kv);
        }
        Ok(())
    })?;
    Ok(kvs)
}

/// Refuses a result of more than [`RESULT_BYTES_MAX`].
pub(super) fn check_size(bytes: usize) -> Result<(), RequestError> {
    if bytes > RESULT_BYTES_MAX {
        return Err(RequestError::ResultTooLarge { bytes, limit: RESULT_BYTES_MAX });
    }
    Ok(())
}

/// An encoded version as a message; key and value share its bytes.
pub(super) fn decode(kv: Bytes) -> Result<KeyValue, RequestError> {
    KeyValue::decode(kv)
        .map_err(|error| RequestError::Storage(format!("a row is damaged: {error}")))
}

fn sort_picks(plan: &Plan<'_>, picks: &mut [Pick]) {
    match (plan.sort(), plan.target) {
        (Some(SortOrder::Descend), SortTarget::Key) => picks.reverse(),
        (Some(SortOrder::Descend), _) => picks.sort_by_key(|pick| Reverse(pick.revision)),
        (Some(_), _) => picks.sort_by_key(|pick| pick.revision),
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

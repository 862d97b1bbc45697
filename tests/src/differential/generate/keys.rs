//! Keys, values, revisions, and the requests of KV that need no transaction.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest,
};

use super::Generator;
use crate::differential::names::{AHEAD, BACK, DRAWN};
use crate::differential::step::Step;

/// Keys that most requests are for.
const OFTEN: &[&[u8]] = &[
    b"a",
    b"a0",
    b"a1",
    b"a2",
    b"ab",
    b"b",
    b"b/1",
    b"b/2",
    b"b/3",
    b"b/3/x",
    b"c",
    b"d/\x00",
    b"d/\xff",
    b"\x00",
    b"\x00\x00",
    b"\xff",
    b"\xff\xff",
    b"\xc3\x28",
    b"k",
    b"lock/1",
    b"election/2",
];
/// Bytes that other keys are made of.
const LETTERS: &[u8] = b"abcd/0\x00\xff";
/// Leases that clients name.
const LEASES: &[i64] = &[1, 2, 3, 4, 5, 0x7b, -3, i64::MAX];

impl Generator {
    /// A key; seldom an empty one.
    pub(super) fn key(&mut self) -> Bytes {
        match self.rng.below(200) {
            0 => Bytes::new(),
            1..150 => Bytes::from_static(self.rng.pick(OFTEN).copied().unwrap_or_default()),
            _ => {
                let length = self.rng.between(1, 3);
                let letters: Vec<u8> =
                    (0..length).filter_map(|_| self.rng.pick(LETTERS).copied()).collect();
                letters.into()
            }
        }
    }

    /// The end of a range from `key` on.
    pub(super) fn end(&mut self, key: &[u8]) -> Bytes {
        match self.rng.below(20) {
            0..7 => Bytes::new(),
            7..12 => after_prefix(key),
            12..15 => Bytes::from_static(b"\0"),
            15 => [key, b"\0"].concat().into(),
            _ => self.key(),
        }
    }

    /// A range that is not one key only, as often as not everything.
    fn wide(&mut self) -> (Bytes, Bytes) {
        if self.rng.chance(250) {
            return (Bytes::from_static(b"\0"), Bytes::from_static(b"\0"));
        }
        let key = self.key();
        let end = self.end(&key);
        (key, end)
    }

    /// A value; seldom a large one, more seldom one that is too large.
    pub(super) fn value(&mut self) -> Bytes {
        let length = match self.rng.below(8000) {
            0 => 1 << 20,
            1 => (3 << 19) + 10,
            2 => (1 << 21) + 1000,
            3..20 => self.rng.between(1000, 100_000),
            20..1500 => 0,
            _ => self.rng.between(1, 12),
        };
        let letter = b'm' + u8::try_from(self.rng.below(8)).unwrap_or(0);
        vec![letter; usize::try_from(length).unwrap_or(0)].into()
    }

    /// A lease that there may be; often none.
    pub(super) fn some_lease(&mut self) -> i64 {
        match self.rng.below(20) {
            0..12 => 0,
            12..18 => self.rng.pick(LEASES).copied().unwrap_or(1),
            _ => {
                let back = self.rng.below(4);
                DRAWN + i64::try_from(back).unwrap_or(0)
            }
        }
    }

    /// A revision that a change took, mostly a new one.
    pub(super) fn change(&mut self) -> i64 {
        let most = if self.rng.chance(800) { 30 } else { 3000 };
        BACK + i64::try_from(self.rng.below(most)).unwrap_or(0)
    }

    /// A revision to read at: mostly none, or one of the past.
    pub(super) fn revision(&mut self) -> i64 {
        match self.rng.below(40) {
            0..24 => 0,
            24..36 => self.change(),
            36 => AHEAD + 1,
            37 => AHEAD + 1000,
            38 => self.odd_number(),
            _ => 1,
        }
    }

    /// A number at an edge.
    pub(super) fn odd_number(&mut self) -> i64 {
        const ODD: &[i64] = &[-1, -2, -1000, 1, i64::MAX, i64::MIN, 0];
        self.rng.pick(ODD).copied().unwrap_or(0)
    }

    fn bound(&mut self) -> i64 {
        match self.rng.below(20) {
            0..2 => self.change(),
            2 if self.rng.chance(300) => -1,
            _ => 0,
        }
    }

    /// A range with any of its options.
    pub(super) fn range_request(&mut self) -> RangeRequest {
        let (key, range_end) = self.wide();
        let is_plain = self.rng.chance(350);
        let mut request = RangeRequest { key, range_end, ..RangeRequest::default() };
        if is_plain {
            return request;
        }
        request.revision = self.revision();
        request.limit = match self.rng.below(20) {
            0..8 => 0,
            8..18 => i64::try_from(self.rng.between(1, 6)).unwrap_or(1),
            18 => 1000,
            _ => self.odd_number(),
        };
        if self.rng.chance(500) {
            request.sort_order = i32::try_from(self.rng.below(3)).unwrap_or(0);
            request.sort_target = i32::try_from(self.rng.below(5)).unwrap_or(0);
        }
        if self.rng.chance(10) {
            request.sort_order = 7;
        }
        if self.rng.chance(10) {
            request.sort_target = if self.rng.chance(500) { 5 } else { -1 };
        }
        request.serializable = self.rng.chance(300);
        request.keys_only = self.rng.chance(150);
        request.count_only = self.rng.chance(100);
        request.min_mod_revision = self.bound();
        request.max_mod_revision = self.bound();
        request.min_create_revision = self.bound();
        request.max_create_revision = self.bound();
        request
    }

    pub(super) fn range(&mut self) -> Step {
        Step::call("/etcdserverpb.KV/Range", &self.range_request())
    }

    pub(super) fn range_stream(&mut self) -> Step {
        let mut request = self.range_request();
        if self.rng.chance(700) {
            request = RangeRequest {
                sort_order: 0,
                sort_target: 0,
                min_mod_revision: 0,
                max_mod_revision: 0,
                min_create_revision: 0,
                max_create_revision: 0,
                ..request
            };
        }
        Step::call("/etcdserverpb.KV/RangeStream", &request)
    }

    pub(super) fn put_request(&mut self) -> PutRequest {
        let key = self.key();
        let ignore_value = self.rng.chance(60);
        let ignore_lease = self.rng.chance(60);
        let value = if ignore_value && self.rng.chance(800) { Bytes::new() } else { self.value() };
        let lease = if ignore_lease && self.rng.chance(800) { 0 } else { self.some_lease() };
        PutRequest { key, value, lease, prev_kv: self.rng.chance(250), ignore_value, ignore_lease }
    }

    pub(super) fn put(&mut self) -> Step {
        Step::call("/etcdserverpb.KV/Put", &self.put_request())
    }

    pub(super) fn delete_request(&mut self) -> DeleteRangeRequest {
        let key = self.key();
        let range_end = self.end(&key);
        DeleteRangeRequest { key, range_end, prev_kv: self.rng.chance(300) }
    }

    pub(super) fn delete(&mut self) -> Step {
        Step::call("/etcdserverpb.KV/DeleteRange", &self.delete_request())
    }

    pub(super) fn compaction(&mut self) -> Step {
        let revision = match self.rng.below(10) {
            0..7 => BACK + i64::try_from(self.rng.below(20)).unwrap_or(0),
            7 => self.change(),
            8 => AHEAD + 1,
            _ => self.odd_number(),
        };
        let request = CompactionRequest { revision, physical: self.rng.chance(300) };
        Step::call("/etcdserverpb.KV/Compact", &request)
    }
}

/// Where the keys with this prefix end.
pub(super) fn after_prefix(prefix: &[u8]) -> Bytes {
    let Some(place) = prefix.iter().rposition(|byte| *byte != 0xff) else {
        return Bytes::from_static(b"\0");
    };
    let mut end = prefix.get(..=place).unwrap_or_default().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

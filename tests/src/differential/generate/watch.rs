//! Requests on streams of watches.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest,
};
use prost::Message as _;

use super::Generator;
use crate::differential::names::AHEAD;
use crate::differential::step::Step;

/// Streams that are open at a time.
const STREAMS: u64 = 3;
/// Added for a watch of which nothing is ever seen.
const NEVER: i64 = 1 << 30;

impl Generator {
    pub(super) fn watch(&mut self) -> Step {
        let stream = u8::try_from(self.rng.below(STREAMS)).unwrap_or(0);
        let union = match self.rng.below(100) {
            0..45 => RequestUnion::CreateRequest(self.create()),
            45..80 => {
                let watch_id = self.watch_id();
                RequestUnion::CancelRequest(WatchCancelRequest { watch_id })
            }
            80..86 => RequestUnion::ProgressRequest(WatchProgressRequest {}),
            86..90 => return Step::Close { stream },
            90..99 => return Step::Compare,
            _ => {
                let message = WatchRequest { request_union: None }.encode_to_vec().into();
                return Step::Watch { stream, message, user: "" };
            }
        };
        let message = WatchRequest { request_union: Some(union) }.encode_to_vec().into();
        Step::Watch { stream, message, user: "" }
    }

    fn watch_id(&mut self) -> i64 {
        match self.rng.below(12) {
            0 => -7,
            1 => i64::MAX,
            _ => i64::try_from(self.rng.below(10)).unwrap_or(0),
        }
    }

    fn create(&mut self) -> WatchCreateRequest {
        let key = if self.rng.chance(200) { Bytes::from_static(b"\0") } else { self.key() };
        let range_end = self.end(&key);
        let start_revision = match self.rng.below(30) {
            0..18 => 0,
            18..22 => self.change(),
            22 => 1,
            23..27 => AHEAD + 1,
            27 => AHEAD + NEVER,
            28 => -1,
            _ => self.odd_number().min(1 << 40),
        };
        let mut filters = Vec::new();
        if self.rng.chance(200) {
            filters.push(i32::try_from(self.rng.below(2)).unwrap_or(0));
        }
        if self.rng.chance(20) {
            filters.push(i32::try_from(self.rng.below(4)).unwrap_or(0));
        }
        WatchCreateRequest {
            key,
            range_end,
            start_revision,
            progress_notify: self.rng.chance(200),
            filters,
            prev_kv: self.rng.chance(400),
            watch_id: if self.rng.chance(300) { self.watch_id() } else { 0 },
            fragment: self.rng.chance(200),
        }
    }
}

//! Transactions, nested ones too.

use mini_etcd_proto::etcdserverpb::compare::TargetUnion;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{Compare, RequestOp, TxnRequest};

use super::Generator;
use crate::differential::names::DRAWN;
use crate::differential::step::Step;

/// No request names so large a lease but by a symbol, or to name the largest.
const DRAWN_OR_LARGER: i64 = DRAWN - 1;

impl Generator {
    fn compare(&mut self) -> Compare {
        let key = self.key();
        let range_end = if self.rng.chance(250) { self.end(&key) } else { Vec::new().into() };
        let target = i32::try_from(self.rng.below(5)).unwrap_or(0);
        let result = i32::try_from(self.rng.below(4)).unwrap_or(0);
        let of = if self.rng.chance(980) {
            target
        } else {
            i32::try_from(self.rng.below(6)).unwrap_or(0)
        };
        let number = if self.rng.chance(50) { self.odd_number() } else { 0 };
        let target_union = match of {
            0 => Some(TargetUnion::Version(match self.rng.below(3) {
                0 => number,
                more => i64::try_from(more).unwrap_or(1),
            })),
            1 | 2 => {
                let revision = if self.rng.chance(400) { number } else { self.change() };
                let create = TargetUnion::CreateRevision(revision);
                Some(if of == 1 { create } else { TargetUnion::ModRevision(revision) })
            }
            3 => Some(TargetUnion::Value(self.value())),
            4 => Some(TargetUnion::Lease(self.some_lease())),
            _ => None,
        };
        // What is drawn can be the same number or another, but no server's is the larger one.
        let is_drawn =
            matches!(target_union, Some(TargetUnion::Lease(lease)) if lease > DRAWN_OR_LARGER);
        let result = if is_drawn { 3 * (result % 2) } else { result };
        let unknown = |is: bool, value: i32| if is { 9 } else { value };
        Compare {
            result: unknown(!is_drawn && self.rng.chance(10), result),
            target: unknown(self.rng.chance(10), target),
            key,
            range_end,
            target_union,
        }
    }

    fn op(&mut self, depth: u64) -> RequestOp {
        let request = match self.rng.below(100) {
            30..65 => Some(Request::RequestPut(self.put_request())),
            65..82 => Some(Request::RequestDeleteRange(self.delete_request())),
            82..99 if depth < 4 => Some(Request::RequestTxn(self.txn(depth + 1))),
            99 => None,
            _ => Some(Request::RequestRange(self.range_request())),
        };
        RequestOp { request }
    }

    fn ops(&mut self, depth: u64) -> Vec<RequestOp> {
        let most = if depth == 0 { 5 } else { 3 };
        let count = self.rng.below(most);
        // Ranges alone make a transaction that only reads.
        if self.rng.chance(200) {
            let range = |it: &mut Self| Some(Request::RequestRange(it.range_request()));
            return (0..count).map(|_| RequestOp { request: range(self) }).collect();
        }
        (0..count).map(|_| self.op(depth)).collect()
    }

    fn txn(&mut self, depth: u64) -> TxnRequest {
        let compares = self.rng.below(3);
        TxnRequest {
            compare: (0..compares).map(|_| self.compare()).collect(),
            success: self.ops(depth),
            failure: self.ops(depth),
        }
    }

    pub(super) fn transaction(&mut self) -> Step {
        let mut txn = self.txn(0);
        if self.rng.chance(5) {
            // At the most operations that there may be, or one more.
            let count = if self.rng.chance(500) { 128 } else { 129 };
            let op = RequestOp { request: Some(Request::RequestRange(self.range_request())) };
            txn.success = vec![op; count];
        }
        Step::call("/etcdserverpb.KV/Txn", &txn)
    }
}

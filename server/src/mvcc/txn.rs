//! Transactions: compare, then operate, nested as deep as they come.
//!
//! Everything that can refuse does so before the first write, so that an error leaves no trace: the path is chosen
//! against the state before the transaction, then the operations on it are checked, then the size of what they are
//! going to return is bounded. Only then do they run, each seeing the writes of those before it.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, RangeRequest, RangeResponse, RequestOp, ResponseHeader,
    ResponseOp, TxnRequest, TxnResponse,
};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::KeyRange;
use prost::Message;

use super::RowId;
use super::index::{Life, Stamp};
use super::range::{Values, decode};
use super::store::{NOW, Store, check_lease};
use crate::error::RequestError;

/// The transactions on the path that is taken, outermost first, each with its verdict.
type Verdicts = Vec<bool>;

/// The operations on the path, in order, without the nesting.
struct Path<'a> {
    verdicts: Verdicts,
    ops: Vec<&'a Request>,
}

impl Store {
    /// Runs a transaction.
    pub(crate) fn txn(
        &mut self,
        request: &TxnRequest,
        lease_exists: &dyn Fn(i64) -> bool,
    ) -> Result<TxnResponse, RequestError> {
        let mut path = Path { verdicts: Vec::new(), ops: Vec::new() };
        self.choose(request, &mut path)?;
        self.check(&path, lease_exists)?;
        let mut bytes_left = Self::bytes_max();
        if path.ops.iter().any(|op| writes(op)) {
            self.measure(&path, bytes_left)?;
            bytes_left = usize::MAX;
        }
        let mut answer = self.run(request, &mut path.verdicts.iter().copied(), &mut bytes_left)?;
        answer.header = Some(self.header());
        Ok(answer)
    }

    /// Evaluates every compare there is on the way, all against the state before the transaction.
    fn choose<'a>(&self, txn: &'a TxnRequest, path: &mut Path<'a>) -> Result<(), RequestError> {
        let mut succeeded = true;
        for compare in &txn.compare {
            if !self.holds(compare)? {
                succeeded = false;
                break;
            }
        }
        path.verdicts.push(succeeded);
        for op in branch(txn, succeeded).iter().filter_map(|op| op.request.as_ref()) {
            match op {
                Request::RequestTxn(nested) => self.choose(nested, path)?,
                op => path.ops.push(op),
            }
        }
        Ok(())
    }

    /// Whether a condition holds, for every key of its range.
    fn holds(&self, compare: &Compare) -> Result<bool, RequestError> {
        let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
        let mut verdict = Ok(true);
        let mut empty = true;
        self.shared.index.visit(&range, NOW, |_, stamp, life| {
            empty = false;
            verdict = self.stored(compare, stamp, life).map(|kv| matches(compare, &kv));
            if matches!(verdict, Ok(true)) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        if empty {
            let is_value = compare.target == CompareTarget::Value as i32;
            return Ok(!is_value && matches(compare, &KeyValue::default()));
        }
        verdict
    }

    /// As much of a stored version as a condition looks at: most need no row.
    fn stored(
        &self,
        compare: &Compare,
        stamp: Stamp,
        life: Life,
    ) -> Result<KeyValue, RequestError> {
        match CompareTarget::try_from(compare.target) {
            Ok(CompareTarget::Value | CompareTarget::Lease) => decode(self.value(stamp.id)?),
            _ => Ok(KeyValue {
                create_revision: life.create,
                mod_revision: stamp.revision(),
                version: life.version,
                ..KeyValue::default()
            }),
        }
    }

    /// Checks the operations on the path against the state before the transaction: puts first, as etcd does.
    fn check(
        &self,
        path: &Path<'_>,
        lease_exists: &dyn Fn(i64) -> bool,
    ) -> Result<(), RequestError> {
        for op in &path.ops {
            if let Request::RequestPut(put) = op {
                // The other way round than for a put alone, as in etcd.
                self.check_key(put)?;
                check_lease(put, lease_exists)?;
            }
        }
        for op in &path.ops {
            match op {
                Request::RequestRange(range) if range.revision > self.standing.revision => {
                    return Err(RequestError::FutureRevision);
                }
                Request::RequestRange(range)
                    if range.revision != 0 && range.revision < self.standing.compacted =>
                {
                    return Err(RequestError::Compacted);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses a path that could return more than `bytes_max`: what each operation would return now, and what the
    /// transaction's own puts could add to each.
    fn measure(&self, path: &Path<'_>, bytes_max: usize) -> Result<(), RequestError> {
        let put_bytes = path.ops.iter().map(|op| match op {
            Request::RequestPut(put) => put.encoded_len() + 64,
            _ => 0,
        });
        let put_bytes: usize = put_bytes.sum();
        let removes = path.ops.iter().any(|op| matches!(op, Request::RequestDeleteRange(_)));
        let mut bytes = 0_usize;
        for op in &path.ops {
            let left = bytes_max - bytes;
            let returned = match op {
                Request::RequestRange(range) if !range.count_only => {
                    // A removal lets keys from behind the limit move up.
                    let limit = if removes { 0 } else { range.limit };
                    self.read(&RangeRequest { limit, ..range.clone() }, left)?.encoded_len()
                }
                Request::RequestPut(put) if put.prev_kv => self.size(&put.key, &[], left)?,
                Request::RequestDeleteRange(delete) if delete.prev_kv => {
                    self.size(&delete.key, &delete.range_end, left)?
                }
                _ => continue,
            };
            bytes = bytes.saturating_add(returned).saturating_add(put_bytes);
            if bytes > bytes_max {
                return Err(RequestError::ResultTooLarge { bytes, limit: bytes_max });
            }
        }
        Ok(())
    }

    fn size(&self, key: &[u8], range_end: &[u8], bytes_max: usize) -> Result<usize, RequestError> {
        let range = KeyRange::new(key.to_vec().into(), range_end.to_vec().into());
        let source = self.source(NOW, bytes_max);
        let ids: Vec<RowId> = source.ids(&range, usize::MAX);
        Ok(source.fetch(&ids, false, |_| true)?.iter().map(Message::encoded_len).sum())
    }

    /// A range as an operation: revision 0, and -1 where it passed the check, read what is newest.
    fn read(&self, range: &RangeRequest, bytes_max: usize) -> Result<RangeResponse, RequestError> {
        let at = if range.revision > 0 { range.revision } else { NOW };
        self.source(at, bytes_max).range(range)
    }

    fn run(
        &mut self,
        txn: &TxnRequest,
        verdicts: &mut impl Iterator<Item = bool>,
        bytes_left: &mut usize,
    ) -> Result<TxnResponse, RequestError> {
        let succeeded = verdicts.next().unwrap_or_default();
        let ops = branch(txn, succeeded);
        let mut responses = Vec::with_capacity(ops.len());
        for op in ops.iter().filter_map(|op| op.request.as_ref()) {
            let response = match op {
                Request::RequestRange(range) => {
                    let mut answer = self.read(range, *bytes_left)?;
                    answer.header = Some(self.header());
                    *bytes_left = bytes_left.saturating_sub(answer.encoded_len());
                    Response::ResponseRange(answer)
                }
                Request::RequestPut(put) => Response::ResponsePut(self.put_checked(put)?),
                Request::RequestDeleteRange(delete) => {
                    Response::ResponseDeleteRange(self.delete_range(delete, *bytes_left)?)
                }
                Request::RequestTxn(nested) => {
                    let mut answer = self.run(nested, verdicts, bytes_left)?;
                    answer.header = Some(ResponseHeader::default()); // there, and empty
                    Response::ResponseTxn(answer)
                }
            };
            responses.push(ResponseOp { response: Some(response) });
        }
        Ok(TxnResponse { header: None, succeeded, responses })
    }
}

fn branch(txn: &TxnRequest, succeeded: bool) -> &[RequestOp] {
    if succeeded { &txn.success } else { &txn.failure }
}

fn writes(op: &Request) -> bool {
    match op {
        Request::RequestPut(_) | Request::RequestDeleteRange(DeleteRangeRequest { .. }) => true,
        Request::RequestRange(_) | Request::RequestTxn(_) => false,
    }
}

/// Whether a stored version satisfies a condition. What a condition leaves open counts as 0 or empty, a target
/// that does not exist as equal, a result that does not exist as satisfied.
pub(crate) fn matches(compare: &Compare, kv: &KeyValue) -> bool {
    let given = compare.target_union.as_ref();
    let number = |stored: i64, given: Option<i64>| stored.cmp(&given.unwrap_or_default());
    let order = match CompareTarget::try_from(compare.target) {
        Ok(CompareTarget::Version) => number(
            kv.version,
            match given {
                Some(TargetUnion::Version(version)) => Some(*version),
                _ => None,
            },
        ),
        Ok(CompareTarget::Create) => number(
            kv.create_revision,
            match given {
                Some(TargetUnion::CreateRevision(revision)) => Some(*revision),
                _ => None,
            },
        ),
        Ok(CompareTarget::Mod) => number(
            kv.mod_revision,
            match given {
                Some(TargetUnion::ModRevision(revision)) => Some(*revision),
                _ => None,
            },
        ),
        Ok(CompareTarget::Lease) => number(
            kv.lease,
            match given {
                Some(TargetUnion::Lease(lease)) => Some(*lease),
                _ => None,
            },
        ),
        Ok(CompareTarget::Value) => kv.value.as_ref().cmp(match given {
            Some(TargetUnion::Value(value)) => value.as_ref(),
            _ => &[],
        }),
        Err(_) => Ordering::Equal,
    };
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => order.is_eq(),
        Ok(CompareResult::NotEqual) => order.is_ne(),
        Ok(CompareResult::Greater) => order.is_gt(),
        Ok(CompareResult::Less) => order.is_lt(),
        Err(_) => true,
    }
}

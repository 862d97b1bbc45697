//! Transactions: compare, then operate, nested as deep as they come.
//!
//! Everything that can refuse does so before the first write, so that an error leaves no trace: the path is chosen
//! against the state before the transaction, then the operations on it are checked, then the size of what they are
//! going to return is bounded, by the sizes that the index knows. Only then do they run, each seeing the writes of
//! those before it. The rows of the answer are read later, where they are wanted (`answer`).

use std::cmp::Ordering;
use std::ops::ControlFlow;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{Compare, RangeRequest, RequestOp, ResponseHeader, TxnRequest};
use mini_etcd_proto::internalpb::command;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::KeyRange;
use prost::Message;

use super::View;
use super::answer::{Answer, Body};
use super::index::{Life, Stamp};
use super::range::{Bound, Pick, Source, check_size, decode};
use super::store::{NOW, Store, previous};
use crate::error::RequestError;
use crate::lease::Leases;
use crate::metrics::Counts;

/// What a version has beside what its put has.
const PUT_BYTES: usize = 64;

/// The transactions on the path that is taken, outermost first, each with its verdict.
type Verdicts = Vec<bool>;

/// The operations on the path, in order, without the nesting.
struct Path<'a> {
    verdicts: Verdicts,
    ops: Vec<&'a Request>,
}

impl Store {
    /// Runs a transaction. Its answer has the rows of its operations only if it is `wanted` here.
    pub(crate) fn txn(
        &mut self,
        request: &TxnRequest,
        wanted: bool,
        leases: &Leases,
    ) -> Result<Answer, RequestError> {
        let mut path = Path { verdicts: Vec::new(), ops: Vec::new() };
        let mut ranges = self.choose(request, &mut path)?;
        let checked = self.check(&path, leases, &mut ranges);
        self.count(Counts { ranges, ..Counts::default() });
        self.end_access();
        checked?;
        check_size(self.source(NOW).bound_all(&path.ops).bytes)?;
        let mut body = self.run(request, &mut path.verdicts.iter().copied(), wanted)?;
        if let Body::Txn(header, _, _) = &mut body {
            *header = Some(self.header());
        }
        Ok(Answer::uncommitted(body))
    }

    /// Evaluates every compare there is on the way, all against the state before the transaction. Answers how many.
    fn choose<'a>(&self, txn: &'a TxnRequest, path: &mut Path<'a>) -> Result<u64, RequestError> {
        let (mut succeeded, mut compares) = (true, 0);
        for compare in &txn.compare {
            compares += 1;
            if !self.holds(compare)? {
                succeeded = false;
                break;
            }
        }
        path.verdicts.push(succeeded);
        for op in branch(txn, succeeded).iter().filter_map(|op| op.request.as_ref()) {
            match op {
                Request::RequestTxn(nested) => compares += self.choose(nested, path)?,
                op => path.ops.push(op),
            }
        }
        Ok(compares)
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
        if empty { Ok(missing_holds(compare)) } else { verdict }
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

    /// Checks the operations on the path against the state before the transaction, in their order: the first that cannot
    /// be is the error, as in etcd since 3.6. Adds the keys that it looks at.
    fn check(
        &self,
        path: &Path<'_>,
        leases: &Leases,
        ranges: &mut u64,
    ) -> Result<(), RequestError> {
        for op in &path.ops {
            *ranges += u64::from(keeps(op));
            match op {
                Request::RequestPut(put) => {
                    leases.check(put.lease)?;
                    self.check_key(put)?;
                }
                Request::RequestRange(range) => {
                    check_revision(range, self.standing.revision, self.standing.compacted)?;
                }
                _ => (),
            }
        }
        Ok(())
    }

    fn run(
        &mut self,
        txn: &TxnRequest,
        verdicts: &mut impl Iterator<Item = bool>,
        wanted: bool,
    ) -> Result<Body, RequestError> {
        let succeeded = verdicts.next().unwrap_or_default();
        let mut bodies = Vec::new();
        for op in branch(txn, succeeded).iter().filter_map(|op| op.request.as_ref()) {
            if matches!(op, Request::RequestRange(_)) {
                self.count(Counts::of_ranges(1));
            }
            let body = match op {
                Request::RequestRange(_) if !wanted => continue,
                Request::RequestRange(range) => {
                    let selection = self.source(read_at(range)).select(range);
                    Body::Range(Some(self.header()), selection)
                }
                Request::RequestPut(put) => self.put_checked(put)?,
                Request::RequestDeleteRange(delete) => self.delete_checked(delete),
                Request::RequestTxn(nested) => {
                    let mut body = self.run(nested, verdicts, wanted)?;
                    if let Body::Txn(header, _, _) = &mut body {
                        *header = Some(ResponseHeader::default()); // there, and empty
                    }
                    body
                }
            };
            if wanted {
                bodies.push(body);
            }
        }
        Ok(Body::Txn(None, succeeded, bodies))
    }
}

impl Source<'_> {
    /// What the answers to `ops`, one after the other, can take at most: what each would have now, and what the
    /// transaction's own puts could add to each. Looks at the index alone.
    fn bound_all(self, ops: &[&Request]) -> Bound {
        let put_bytes = ops.iter().map(|op| match op {
            Request::RequestPut(put) => put.encoded_len() + PUT_BYTES,
            _ => 0,
        });
        let put_bytes: usize = put_bytes.sum();
        let own = Bound { bytes: put_bytes, space: put_bytes };
        let removes = ops.iter().any(|op| matches!(op, Request::RequestDeleteRange(_)));
        let bounds = ops.iter().map(|op| match op {
            Request::RequestRange(range) if !range.count_only => {
                Self { at: read_at(range), ..self }.bound(range, removes).and(own)
            }
            Request::RequestPut(put) if put.prev_kv => self.previous(&put.key).and(own),
            Request::RequestDeleteRange(delete) if delete.prev_kv => {
                self.bound(&previous(delete), removes).and(own)
            }
            _ => Bound::default(),
        });
        bounds.fold(Bound::default(), Bound::and)
    }

    /// The same for a transaction of which it is not known what it will do: of each transaction in it the branch
    /// with the larger bound, or that with the `smaller` one.
    fn bound_txn(self, txn: &TxnRequest, smaller: bool) -> Bound {
        let bound = |ops: &[RequestOp]| {
            let requests: Vec<&Request> = ops.iter().filter_map(|op| op.request.as_ref()).collect();
            let nested = requests.iter().map(|op| match op {
                Request::RequestTxn(nested) => self.bound_txn(nested, smaller),
                _ => Bound::default(),
            });
            nested.fold(self.bound_all(&requests), Bound::and)
        };
        let success = bound(&txn.success);
        if txn.compare.is_empty() {
            return success;
        }
        let failure = bound(&txn.failure);
        if (success.bytes < failure.bytes) == smaller { success } else { failure }
    }

    fn previous(self, key: &Bytes) -> Bound {
        let picks = self.picks(&KeyRange::single(key.clone()), 1, false);
        Bound::of(picks.len(), Pick::sum(&picks), 1)
    }
}

/// What the answer to a write may take. An estimate, because its entry may find another state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of the answer, if a transaction takes the path with the smallest.
    pub least_bytes: usize,
    /// Memory while it is built, if a transaction takes the path with the largest answer.
    pub space: usize,
}

impl View {
    /// What the answer to a write may take, by the sizes that the index knows.
    #[must_use]
    pub fn estimate(&self, request: &command::Request) -> Estimate {
        let source = self.source(self.revision);
        let (least, most) = match request {
            command::Request::Put(put) if put.prev_kv => {
                let bound = source.previous(&put.key);
                (bound, bound)
            }
            command::Request::DeleteRange(delete) if delete.prev_kv => {
                let bound = source.bound(&previous(delete), false);
                (bound, bound)
            }
            command::Request::Txn(txn) => {
                (source.bound_txn(txn, true), source.bound_txn(txn, false))
            }
            _ => (Bound::default(), Bound::default()),
        };
        Estimate { least_bytes: least.bytes, space: most.space }
    }

    /// Whether a condition holds here, for every key of its range.
    ///
    /// # Errors
    /// A compaction passed this view; a failing disk.
    pub fn holds(&self, compare: &Compare) -> Result<bool, RequestError> {
        let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
        let picks = self.source(self.revision).picks(&range, usize::MAX, false);
        let picks = self.kept(self.revision, Ok(picks))?;
        for pick in &picks {
            if !matches(compare, &decode(self.value(pick.id())?)?) {
                return Ok(false);
            }
        }
        Ok(!picks.is_empty() || missing_holds(compare))
    }

    /// Answers a transaction of ranges, its rows by name and its header with the revision alone, and counts them.
    ///
    /// # Errors
    /// A revision that is compacted or not there yet, an answer over the limit, a failing disk.
    pub fn read_txn(&self, request: &TxnRequest) -> Result<(Answer, Counts), RequestError> {
        let (mut succeeded, mut compares) = (true, 0);
        for compare in &request.compare {
            compares += 1;
            succeeded = self.holds(compare)?;
            if !succeeded {
                break;
            }
        }
        let ranges = || {
            branch(request, succeeded).iter().filter_map(|op| match &op.request {
                Some(Request::RequestRange(range)) => Some(range),
                _ => None,
            })
        };
        for range in ranges() {
            check_revision(range, self.revision, self.compacted)?;
        }
        let header = ResponseHeader { revision: self.revision, ..ResponseHeader::default() };
        let mut bodies = Vec::new();
        let mut bytes = 0_usize;
        for range in ranges() {
            let selection = self.selection(range)?;
            bytes = bytes.saturating_add(selection.sure_bytes());
            check_size(bytes)?;
            bodies.push(Body::Range(Some(header), selection));
        }
        let counts = Counts::of_ranges(compares + bodies.len() as u64);
        let body = Body::Txn(Some(header), succeeded, bodies);
        Ok((Answer { body, view: Some(self.unpinned()) }, counts))
    }
}

/// A transaction's own rule: 0 is now, and below the compacted revision is refused, negative numbers too. A plain
/// range reads every negative revision as now.
fn check_revision(range: &RangeRequest, now: i64, compacted: i64) -> Result<(), RequestError> {
    if range.revision > now {
        return Err(RequestError::FutureRevision);
    }
    if range.revision != 0 && range.revision < compacted {
        return Err(RequestError::Compacted);
    }
    Ok(())
}

/// What a range as an operation reads: with revision 0, and -1 where it passed the check, what is newest.
fn read_at(range: &RangeRequest) -> i64 {
    if range.revision > 0 { range.revision } else { NOW }
}

/// Whether a condition holds for a key that is not there: it counts as one of zeroes, except for values, of which
/// it has none.
fn missing_holds(compare: &Compare) -> bool {
    compare.target != CompareTarget::Value as i32 && matches(compare, &KeyValue::default())
}

/// Whether an operation is a put that keeps something of the version before.
fn keeps(op: &Request) -> bool {
    matches!(op, Request::RequestPut(put) if put.ignore_value || put.ignore_lease)
}

fn branch(txn: &TxnRequest, succeeded: bool) -> &[RequestOp] {
    if succeeded { &txn.success } else { &txn.failure }
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

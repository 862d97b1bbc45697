//! The keys as a map for each revision: what mvcc must agree with.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::response_op::Response as OpResponse;
use mini_etcd_proto::etcdserverpb::{
    CompactionResponse, Compare, DeleteRangeRequest, DeleteRangeResponse, LeaseGrantRequest,
    LeaseGrantResponse, LeaseRevokeResponse, PutRequest, PutResponse, RangeRequest, RangeResponse,
    ResponseHeader, ResponseOp, TxnRequest, TxnResponse,
};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::KeyRange;

use super::fixture::Response;
use crate::error::RequestError;

type Keys = BTreeMap<Bytes, KeyValue>;

/// A change as a watcher sees it: revision, sub, version, the version before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) revision: i64,
    pub(super) sub: u32,
    pub(super) tombstone: bool,
    pub(super) kv: KeyValue,
    pub(super) prev: Option<KeyValue>,
}

/// Every state there was.
pub(super) struct Model {
    pub(super) states: BTreeMap<i64, Keys>,
    pub(super) changes: Vec<Change>,
    pub(super) compacted: i64,
    /// Leases that there are.
    pub(super) leases: BTreeSet<i64>,
    revision: i64,
    /// What the present entry made of the keys.
    now: Keys,
    main: i64,
    sub: u32,
}

/// A transaction with its branches chosen.
struct Path<'a> {
    succeeded: bool,
    ops: Vec<Step<'a>>,
}

enum Step<'a> {
    Op(&'a Op),
    Nested(Path<'a>),
}

fn header(revision: i64) -> ResponseHeader {
    ResponseHeader { revision, ..ResponseHeader::default() }
}

impl Model {
    pub(super) fn new(revision: i64) -> Self {
        let states = BTreeMap::from([(revision, Keys::new())]);
        let (changes, now) = (Vec::new(), Keys::new());
        let leases = BTreeSet::new();
        Self { states, changes, compacted: -1, leases, revision, now, main: 0, sub: 0 }
    }

    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    fn at(&self, revision: i64) -> &Keys {
        self.states.range(..=revision).next_back().unwrap().1
    }

    /// Applies the entry at `index`.
    pub(super) fn apply(
        &mut self,
        index: i64,
        request: &Request,
    ) -> Result<Response, RequestError> {
        (self.main, self.sub) = (index, 0);
        let response = match request {
            Request::Put(put) => {
                self.check_put(put)?;
                Response::Put(self.put(put))
            }
            Request::DeleteRange(delete) => Response::DeleteRange(self.delete(delete)),
            Request::Txn(txn) => {
                let path = self.choose(txn);
                self.check(&path)?;
                let mut answer = self.run(&path);
                answer.header = Some(header(self.seen()));
                Response::Txn(answer)
            }
            Request::Compaction(compaction) => {
                if compaction.revision <= self.compacted {
                    return Err(RequestError::Compacted);
                }
                if compaction.revision > self.revision {
                    return Err(RequestError::FutureRevision);
                }
                self.compacted = compaction.revision;
                Response::Compaction(CompactionResponse { header: Some(header(self.revision)) })
            }
            Request::LeaseGrant(grant) => {
                if !self.leases.insert(grant.id) {
                    return Err(RequestError::LeaseExist);
                }
                let LeaseGrantRequest { id, ttl } = *grant;
                let (header, error) = (Some(header(self.revision)), String::new());
                Response::LeaseGranted(LeaseGrantResponse { header, id, ttl, error })
            }
            Request::LeaseRevoke(revoke) => {
                if !self.leases.remove(&revoke.id) {
                    return Err(RequestError::LeaseNotFound);
                }
                for key in self.keys_of(revoke.id) {
                    let mod_revision = self.main;
                    self.change(KeyValue { key, mod_revision, ..KeyValue::default() }, true);
                }
                Response::LeaseRevoked(LeaseRevokeResponse { header: Some(header(self.seen())) })
            }
            _ => unreachable!("not part of the model"),
        };
        if self.sub > 0 {
            self.revision = self.main;
            self.states.insert(self.main, self.now.clone());
        }
        Ok(response)
    }

    /// The keys that hang on a lease, in order.
    pub(super) fn keys_of(&self, lease: i64) -> Vec<Bytes> {
        let keys = self.now.values().filter(|kv| kv.lease == lease);
        keys.map(|kv| kv.key.clone()).collect()
    }

    fn seen(&self) -> i64 {
        if self.sub > 0 { self.main } else { self.revision }
    }

    fn change(&mut self, kv: KeyValue, tombstone: bool) {
        let prev = self.at(self.revision).get(&kv.key).cloned();
        let created = kv.create_revision == self.main;
        let prev = prev.filter(|_| tombstone || !created);
        if tombstone {
            self.now.remove(&kv.key);
        } else {
            self.now.insert(kv.key.clone(), kv.clone());
        }
        self.changes.push(Change { revision: self.main, sub: self.sub, tombstone, kv, prev });
        self.sub += 1;
    }

    fn check_put(&self, put: &PutRequest) -> Result<(), RequestError> {
        let keeps = put.ignore_value || put.ignore_lease;
        let no_key = keeps && !self.now.contains_key(&put.key);
        match (put.lease != 0 && !self.leases.contains(&put.lease), no_key) {
            (true, _) => Err(RequestError::LeaseNotFound),
            (false, true) => Err(RequestError::KeyNotFound),
            (false, false) => Ok(()),
        }
    }

    fn put(&mut self, put: &PutRequest) -> PutResponse {
        let old = self.now.get(&put.key).cloned();
        let kv = KeyValue {
            key: put.key.clone(),
            create_revision: old.as_ref().map_or(self.main, |old| old.create_revision),
            mod_revision: self.main,
            version: old.as_ref().map_or(0, |old| old.version) + 1,
            value: match &old {
                Some(old) if put.ignore_value => old.value.clone(),
                _ => put.value.clone(),
            },
            lease: match &old {
                Some(old) if put.ignore_lease => old.lease,
                _ => put.lease,
            },
        };
        self.change(kv, false);
        PutResponse { header: Some(header(self.main)), prev_kv: old.filter(|_| put.prev_kv) }
    }

    fn delete(&mut self, delete: &DeleteRangeRequest) -> DeleteRangeResponse {
        let range = KeyRange::new(delete.key.clone(), delete.range_end.clone());
        let doomed: Vec<KeyValue> =
            self.now.values().filter(|kv| range.contains(&kv.key)).cloned().collect();
        for kv in &doomed {
            let (key, mod_revision) = (kv.key.clone(), self.main);
            self.change(KeyValue { key, mod_revision, ..KeyValue::default() }, true);
        }
        let deleted = i64::try_from(doomed.len()).unwrap();
        let prev_kvs = if delete.prev_kv { doomed } else { Vec::new() };
        DeleteRangeResponse { header: Some(header(self.seen())), deleted, prev_kvs }
    }

    fn choose<'a>(&self, txn: &'a TxnRequest) -> Path<'a> {
        let succeeded = txn.compare.iter().all(|compare| self.holds(compare));
        let branch = if succeeded { &txn.success } else { &txn.failure };
        let ops = branch.iter().map(|op| match op.request.as_ref().unwrap() {
            Op::RequestTxn(nested) => Step::Nested(self.choose(nested)),
            op => Step::Op(op),
        });
        Path { succeeded, ops: ops.collect() }
    }

    fn holds(&self, compare: &Compare) -> bool {
        let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
        let mut kvs = self.now.values().filter(|kv| range.contains(&kv.key)).peekable();
        if kvs.peek().is_none() {
            let zero = KeyValue::default();
            return compare.target() != CompareTarget::Value && satisfied(compare, &zero);
        }
        kvs.all(|kv| satisfied(compare, kv))
    }

    fn check(&self, path: &Path<'_>) -> Result<(), RequestError> {
        for step in &path.ops {
            match step {
                Step::Nested(nested) => self.check(nested)?,
                Step::Op(Op::RequestPut(put)) => self.check_put(put)?,
                Step::Op(Op::RequestRange(range)) if range.revision > self.revision => {
                    return Err(RequestError::FutureRevision);
                }
                Step::Op(Op::RequestRange(range))
                    if range.revision != 0 && range.revision < self.compacted =>
                {
                    return Err(RequestError::Compacted);
                }
                Step::Op(_) => {}
            }
        }
        Ok(())
    }

    fn run(&mut self, path: &Path<'_>) -> TxnResponse {
        let mut responses = Vec::new();
        for step in &path.ops {
            let response = match step {
                Step::Nested(nested) => {
                    let header = Some(ResponseHeader::default());
                    OpResponse::ResponseTxn(TxnResponse { header, ..self.run(nested) })
                }
                Step::Op(Op::RequestRange(range)) => {
                    let old = (range.revision > 0).then(|| self.at(range.revision));
                    let header = Some(header(self.seen()));
                    let answer = select(old.unwrap_or(&self.now), range);
                    OpResponse::ResponseRange(RangeResponse { header, ..answer })
                }
                Step::Op(Op::RequestPut(put)) => OpResponse::ResponsePut(self.put(put)),
                Step::Op(Op::RequestDeleteRange(delete)) => {
                    OpResponse::ResponseDeleteRange(self.delete(delete))
                }
                Step::Op(Op::RequestTxn(_)) => unreachable!("a nested path"),
            };
            responses.push(ResponseOp { response: Some(response) });
        }
        TxnResponse { header: None, succeeded: path.succeeded, responses }
    }

    /// A plain range.
    pub(super) fn range(&self, request: &RangeRequest) -> Result<RangeResponse, RequestError> {
        let revision = if request.revision <= 0 { self.revision } else { request.revision };
        if revision > self.revision {
            return Err(RequestError::FutureRevision);
        }
        if revision < self.compacted && request.revision > 0 {
            return Err(RequestError::Compacted);
        }
        Ok(select(self.at(revision), request))
    }
}

/// A range over one state, the slow way.
fn select(keys: &Keys, request: &RangeRequest) -> RangeResponse {
    let range = KeyRange::new(request.key.clone(), request.range_end.clone());
    let mut kvs: Vec<KeyValue> =
        keys.values().filter(|kv| range.contains(&kv.key)).cloned().collect();
    let count = i64::try_from(kvs.len()).unwrap();
    if request.count_only {
        return RangeResponse { count, ..RangeResponse::default() };
    }
    let limit = usize::try_from(request.limit).unwrap_or(0);
    let bounds = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    if limit > 0 && bounds == [0; 4] && request.sort_order() == SortOrder::None {
        kvs.truncate(limit + 1);
    }
    let [min_mod, max_mod, min_create, max_create] = bounds;
    kvs.retain(|kv| max_mod == 0 || kv.mod_revision <= max_mod);
    kvs.retain(|kv| min_mod == 0 || kv.mod_revision >= min_mod);
    kvs.retain(|kv| max_create == 0 || kv.create_revision <= max_create);
    kvs.retain(|kv| min_create == 0 || kv.create_revision >= min_create);
    let compare = |a: &KeyValue, b: &KeyValue| match request.sort_target() {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    };
    match request.sort_order() {
        SortOrder::Descend => kvs.sort_by(|a, b| compare(b, a)),
        _ => kvs.sort_by(compare),
    }
    let more = limit > 0 && kvs.len() > limit;
    if more {
        kvs.truncate(limit);
    }
    if request.keys_only {
        for kv in &mut kvs {
            kv.value.clear();
        }
    }
    RangeResponse { header: None, kvs, more, count }
}

fn satisfied(compare: &Compare, kv: &KeyValue) -> bool {
    let order = match (compare.target(), compare.target_union.as_ref().unwrap()) {
        (CompareTarget::Version, TargetUnion::Version(given)) => kv.version.cmp(given),
        (CompareTarget::Create, TargetUnion::CreateRevision(given)) => {
            kv.create_revision.cmp(given)
        }
        (CompareTarget::Mod, TargetUnion::ModRevision(given)) => kv.mod_revision.cmp(given),
        (CompareTarget::Value, TargetUnion::Value(given)) => kv.value.cmp(given),
        (CompareTarget::Lease, TargetUnion::Lease(given)) => kv.lease.cmp(given),
        _ => unreachable!("target and value fit"),
    };
    match compare.result() {
        CompareResult::Equal => order == Ordering::Equal,
        CompareResult::NotEqual => order != Ordering::Equal,
        CompareResult::Greater => order == Ordering::Greater,
        CompareResult::Less => order == Ordering::Less,
    }
}

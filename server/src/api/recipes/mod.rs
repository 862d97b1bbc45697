//! Locks and elections: `v3lockpb.Lock` and `v3electionpb.Election`, from keys, leases and watches as etcd makes them.
//!
//! ```text
//! name/ ─┬─ lease of the first   whose key was created first owns the lock, or leads
//!        ├─ lease of the next    waits until the one before it is gone
//!        └─ ...
//! ```
//!
//! - I1: a key is created by one transaction that finds it missing, so its revision is its place in the queue, on every
//!   member. Where a member's state has the own key and none before it, no later state has one.
//! - I2: who stops waiting leaves the queue: a call that is cancelled at any moment, or fails, removes its key, if it is
//!   still the same. A key that it found there is its own to remove only while it waits behind another. One that was
//!   perhaps created, by a write without a result, is left to its lease.
//! - I3: what goes wrong inside has the code Unknown and the words of the inner error, as in etcd, where both services are
//!   clients of the member.

mod election;
mod lock;
mod watching;

use std::sync::Arc;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::watch_create_request::FilterType;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, PutRequest, RangeRequest, RequestOp,
    ResponseHeader, TxnRequest, TxnResponse,
};
use mini_etcd_proto::internalpb::command;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::prefix_end;
use prost::Message as _;
use tokio::runtime::Handle;
use tonic::Status;

use self::watching::KeyWatch;
use super::caller::Client;
use super::host::{is_late, mismatch};
use super::lease::granted;
use super::results::elsewhere;
use super::{Host, quota, validate};
use crate::apply::{EntryResponse, Published};
use crate::error::RequestError;
use crate::limits::TXN_OPS_MAX;

pub use election::ElectionService;
pub use lock::LockService;

/// Seconds that a lease lives which is made for a call without one, as in etcd. Nobody renews it.
const SESSION_TTL: i64 = 60;

/// I3.
fn unknown(error: &RequestError) -> Status {
    Status::unknown(error.to_string())
}

/// The lease of a call: a new one where it names none.
async fn session(client: &Client, lease: i64) -> Result<i64, RequestError> {
    if lease != 0 {
        return Ok(lease);
    }
    quota::check(&client.host, quota::LEASE_COST).await?;
    let shortest = client.host.timing().lease_ttl_min();
    let request = granted(LeaseGrantRequest { id: 0, ttl: SESSION_TTL }, shortest)?;
    let request = command::Request::LeaseGrant(request);
    match client.host.write(&client.caller, request).await? {
        EntryResponse::LeaseGranted(answer) => Ok(answer.id),
        _ => Err(mismatch()),
    }
}

/// A write that happens only if the key was created at `created`; 0 where it must not exist.
fn if_created(key: &[u8], created: i64, then: Op) -> TxnRequest {
    let compare = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.to_vec().into(),
        target_union: Some(TargetUnion::CreateRevision(created)),
        ..Compare::default()
    };
    let success = vec![RequestOp { request: Some(then) }];
    TxnRequest { compare: vec![compare], success, failure: Vec::new() }
}

fn put(key: &[u8], value: Bytes, lease: i64) -> Op {
    Op::RequestPut(PutRequest { key: key.to_vec().into(), value, lease, ..PutRequest::default() })
}

fn delete(key: &[u8]) -> Op {
    let key = key.to_vec().into();
    Op::RequestDeleteRange(DeleteRangeRequest { key, ..DeleteRangeRequest::default() })
}

/// Carries a transaction out: the header of its answer, and whether its condition held.
async fn commit(client: &Client, txn: TxnRequest) -> Result<(ResponseHeader, bool), RequestError> {
    let Client { host, caller } = client;
    quota::check(host, quota::of_txn(&txn)).await?;
    validate::txn(&txn, TXN_OPS_MAX)?;
    let EntryResponse::Write(answer) = host.write(caller, command::Request::Txn(txn)).await? else {
        return Err(mismatch());
    };
    let answer = TxnResponse::decode(answer.encode()?).map_err(|_| mismatch())?;
    Ok((host.complete(answer.header.as_ref()), answer.succeeded))
}

/// The keys below a name, in the order of their creation.
#[derive(Clone)]
struct Queue {
    client: Client,
    /// The name and a slash.
    prefix: Bytes,
}

/// A key in a queue.
struct Place {
    key: Bytes,
    /// Revision of its creation.
    created: i64,
    /// Of the write that created it, or found it there.
    header: ResponseHeader,
    /// What was there before; none when it was created now.
    before: Option<KeyValue>,
    leaving: Leaving,
}

impl Queue {
    fn new(client: &Client, name: &[u8]) -> Self {
        Self { client: client.clone(), prefix: [name, b"/"].concat().into() }
    }

    /// Takes the place of a lease in the queue, or finds it taken.
    async fn join(&self, lease: i64, value: Bytes) -> Result<Place, RequestError> {
        // Before a key is there that would only have to go again.
        let (first, end) = self.range();
        let state = self.client.host.published();
        self.client.host.permit(&self.client.caller, &state)?.read(&first, &end)?;
        // IMPORTANT: on a task of its own, for a call may be cancelled when its key is there and it does not know it yet (I2).
        let queue = self.clone();
        let place = tokio::spawn(async move { queue.take_place(lease, value).await });
        // The tasks of a runtime that stops are dropped.
        place.await.unwrap_or(Err(RequestError::Stopped))
    }

    async fn take_place(&self, lease: i64, value: Bytes) -> Result<Place, RequestError> {
        let key = Bytes::from([&*self.prefix, format!("{lease:x}").as_bytes()].concat());
        loop {
            let txn = if_created(&key, 0, put(&key, value.clone(), lease));
            let (header, is_new) = commit(&self.client, txn).await?;
            if is_new {
                return Ok(self.place(key, header, None));
            }
            // It may have gone since: then it is created after all.
            let range = RangeRequest { key: key.clone(), ..RangeRequest::default() };
            if let Some(before) =
                first_of(&self.client, self.client.host.published(), range).await?
            {
                return Ok(self.place(key, header, Some(before)));
            }
        }
    }

    fn place(&self, key: Bytes, header: ResponseHeader, before: Option<KeyValue>) -> Place {
        let created = before.as_ref().map_or(header.revision, |before| before.create_revision);
        let (host, is_due) = (self.client.host.clone(), before.is_none());
        let leaving = Leaving { host, key: key.clone(), created, is_due };
        Place { key, created, header, before, leaving }
    }

    /// Waits until no key is left that was created before `place`; whether there was one.
    async fn wait_for_turn(&self, place: &mut Place) -> Result<bool, RequestError> {
        let mut waited = false;
        loop {
            let state = self.client.host.published();
            let from = state.view.revision().0 + 1;
            let before = RangeRequest {
                max_create_revision: place.created - 1,
                sort_order: SortOrder::Descend.into(),
                ..self.by_creation()
            };
            let Some(before) = first_of(&self.client, state, before).await? else {
                return Ok(waited);
            };
            waited = true;
            place.leaving.is_due = true;
            let key = (before.key, Bytes::new());
            let watch = KeyWatch::new(&self.client, key, from, Some(FilterType::Noput))?;
            watch.next().await?;
        }
    }

    /// The first key of the queue, and the state that has it.
    async fn first(&self) -> Result<(Arc<Published>, Option<KeyValue>), RequestError> {
        let state = self.client.host.barrier().await?;
        let first = first_of(&self.client, Arc::clone(&state), self.by_creation()).await?;
        Ok((state, first))
    }

    /// Asks for one key, the first one created.
    fn by_creation(&self) -> RangeRequest {
        let (key, range_end) = self.range();
        RangeRequest {
            key,
            range_end,
            limit: 1,
            sort_target: SortTarget::Create.into(),
            sort_order: SortOrder::Ascend.into(),
            ..RangeRequest::default()
        }
    }

    /// All keys of the queue.
    fn range(&self) -> (Bytes, Bytes) {
        (self.prefix.clone(), prefix_end(&self.prefix))
    }
}

/// The first key that a range takes, if its caller may read the range.
async fn first_of(
    client: &Client,
    state: Arc<Published>,
    range: RangeRequest,
) -> Result<Option<KeyValue>, RequestError> {
    client.host.permit(&client.caller, &state)?.range(&range)?;
    // Sorting looks at every key of the range.
    elsewhere(move || Ok(state.view.range(&range)?.kvs.into_iter().next())).await
}

/// Takes a key out of its queue when it is dropped while that is due, for nobody waits for its turn any more.
struct Leaving {
    host: Host,
    key: Bytes,
    created: i64,
    is_due: bool,
}

impl Leaving {
    /// The key stays.
    fn keep(mut self) {
        self.is_due = false;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // Without a runtime the member stops; then the lease sees to it.
        let Some(runtime) = Handle::try_current().ok().filter(|_| self.is_due) else { return };
        let txn = if_created(&self.key, self.created, delete(&self.key));
        // The member's own, for the caller's token may have ended while it waited: what goes is what this call put.
        let (host, removal) = (self.host.clone(), command::Request::Txn(txn));
        runtime.spawn(async move {
            while let Err(error) = host.write_as_member(removal.clone()).await {
                tracing::debug!(%error, "a key that nobody waits with is not removed");
                // Where its outcome is not known it goes again: carried out twice it removes nothing else.
                if !is_late(&error) {
                    break;
                }
            }
        });
    }
}

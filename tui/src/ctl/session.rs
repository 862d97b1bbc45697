//! [`Session`]: a lease that is kept alive, and a place in the line of those who wait for a name.
//!
//! The recipe is that of etcd's clients, so that they and we wait for each other: who wants the name puts a key
//! `NAME/LEASE`, and has the name once every key below `NAME/` that was created before is gone.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest,
    RangeResponse, RequestOp, TxnRequest, WatchCreateRequest,
};
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_shared::client::{Client, Outcome, WatchItem};
use mini_etcd_shared::command::Got;
use mini_etcd_shared::failure::{Failure, done, exit, words_of};
use mini_etcd_shared::format::{Style, render};
use mini_etcd_shared::types::prefix_end;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::console::out;

/// Renewals within the time to live.
const RENEWALS: u32 = 3;
/// Pause after a renewal that failed.
const RENEWAL_PAUSE: Duration = Duration::from_millis(500);

/// A lease of this process, kept alive by whoever polls [`lost`](Session::lost).
pub(super) struct Session {
    client: Client,
    lease: i64,
    lost: Pin<Box<dyn Future<Output = ()> + Send>>,
    held: Option<Held>,
}

/// A name that is held.
#[derive(Clone)]
pub(super) struct Held {
    pub key: Bytes,
    /// The revision that created the key.
    place: i64,
    /// Revision of the store when the name was had.
    pub revision: i64,
}

impl Session {
    /// Grants a lease of so many seconds.
    pub(super) async fn start(client: &Client, ttl: i64) -> Result<Self, Failure> {
        let granted = done(client.lease_grant(LeaseGrantRequest { id: 0, ttl }).await)?;
        let (client, lease) = (client.clone(), granted.id);
        let ttl = Duration::from_secs(u64::try_from(granted.ttl).unwrap_or(1).max(1));
        let lost = Box::pin(until_lost(client.clone(), lease, ttl));
        Ok(Self { client, lease, lost, held: None })
    }

    /// Keeps the lease alive; comes back when it is lost.
    pub(super) async fn lost(&mut self) {
        (&mut self.lost).await;
    }

    /// Waits for the name, keeping the lease alive meanwhile. A place in the line is given up by [`end`](Self::end).
    ///
    /// # Errors
    /// When a server refuses, or the lease is lost.
    pub(super) async fn acquire(&mut self, name: &Bytes, value: &Bytes) -> Result<Held, Failure> {
        let line = Line { client: self.client.clone(), prefix: [name.as_ref(), b"/"].concat() };
        let held = tokio::select! {
            held = line.acquire(self.lease, value) => held?,
            () = &mut self.lost => return Err(Failure::new(exit::ERROR, "session expired")),
        };
        self.held = Some(held.clone());
        Ok(held)
    }

    /// Gives up the lease, and with it the name or the place in the line.
    pub(super) async fn end(self) {
        // Somebody may have put the key without its lease.
        if let Some(held) = &self.held {
            let _ = self.client.txn(delete_if_created(held.place, &held.key)).await;
        }
        // It ends by itself where this fails.
        let _ = self.client.lease_revoke(LeaseRevokeRequest { id: self.lease }).await;
    }
}

async fn until_lost(client: Client, lease: i64, ttl: Duration) {
    let mut ends = Instant::now() + ttl;
    let mut pause = ttl / RENEWALS;
    loop {
        tokio::time::sleep_until((Instant::now() + pause).min(ends)).await;
        let asked = Instant::now();
        match tokio::time::timeout_at(ends, client.lease_renew(lease)).await {
            Ok(Outcome::Ok(renewed)) if renewed.ttl > 0 => {
                (ends, pause) = (asked + ttl, ttl / RENEWALS);
            }
            Ok(Outcome::Ok(_)) | Err(_) => return,
            Ok(_) if Instant::now() >= ends => return,
            Ok(_) => pause = RENEWAL_PAUSE,
        }
    }
}

/// Those who wait for one name.
struct Line {
    client: Client,
    prefix: Vec<u8>,
}

impl Line {
    async fn acquire(&self, lease: i64, value: &Bytes) -> Result<Held, Failure> {
        let hex = match lease {
            0.. => format!("{lease:x}"),
            _ => format!("-{:x}", lease.unsigned_abs()),
        };
        let key = Bytes::from([self.prefix.as_slice(), hex.as_bytes()].concat());
        let (place, revision) = self.stand(&key, lease, value).await?;
        let waited = self.wait(place).await?;
        if !waited {
            return Ok(Held { key, place, revision });
        }
        let own = done(self.client.range(only(&key)).await)?;
        if own.kvs.is_empty() {
            return Err(Failure::new(exit::ERROR, "mutex: session is expired"));
        }
        Ok(Held { key, place, revision: own.header.map_or(0, |header| header.revision) })
    }

    /// Puts the key once; answers the revision that created it, and that of the store.
    async fn stand(&self, key: &Bytes, lease: i64, value: &Bytes) -> Result<(i64, i64), Failure> {
        let put =
            PutRequest { key: key.clone(), value: value.clone(), lease, ..PutRequest::default() };
        let operation = |request| vec![RequestOp { request: Some(request) }];
        let request = TxnRequest {
            compare: vec![created(0, key)],
            success: operation(Request::RequestPut(put)),
            failure: operation(Request::RequestRange(only(key))),
        };
        let answer = match self.client.txn(request.clone()).await {
            // No other has this key: to ask again is to ask whether it was done.
            Outcome::Unknown(_) => done(self.client.txn(request).await)?,
            known => done(known)?,
        };
        let revision = answer.header.map_or(0, |header| header.revision);
        let there = answer.responses.first().and_then(|one| match &one.response {
            Some(Response::ResponseRange(range)) => range.kvs.first(),
            _ => None,
        });
        Ok((there.map_or(revision, |kv| kv.create_revision), revision))
    }

    /// Waits until nobody stands before `place`; answers whether somebody did.
    async fn wait(&self, place: i64) -> Result<bool, Failure> {
        let mut waited = false;
        loop {
            let before = RangeRequest {
                max_create_revision: place - 1,
                ..first(&self.prefix, SortOrder::Descend)
            };
            let answer = done(self.client.range(before).await)?;
            let Some(last) = answer.kvs.first() else { return Ok(waited) };
            waited = true;
            let now = answer.header.map_or(0, |header| header.revision);
            gone(&self.client, &last.key, now + 1).await?;
        }
    }
}

/// Waits until a key that was there before `revision` is deleted, or may be.
async fn gone(client: &Client, key: &Bytes, revision: i64) -> Result<(), Failure> {
    let request = WatchCreateRequest {
        key: key.clone(),
        start_revision: revision,
        ..WatchCreateRequest::default()
    };
    let mut stream = client.watch(request).require_leader();
    while let Some(item) = stream.next().await {
        match item {
            WatchItem::Events(answer)
                if answer.events.iter().any(|event| event.r#type() == EventType::Delete) =>
            {
                return Ok(());
            }
            // Whoever waits looks again.
            WatchItem::Canceled(answer) if answer.compact_revision != 0 => return Ok(()),
            WatchItem::Canceled(answer) => {
                return Err(Failure::new(exit::ERROR, answer.cancel_reason));
            }
            WatchItem::Refused(error) => {
                return Err(Failure::new(exit::ERROR, words_of(&error)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the key was created at this revision; 0 for a key that is not there.
fn created(revision: i64, key: &Bytes) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key: key.clone(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..Compare::default()
    }
}

/// Deletes the key if it is still the one that was created at this revision.
fn delete_if_created(revision: i64, key: &Bytes) -> TxnRequest {
    let delete = DeleteRangeRequest { key: key.clone(), ..DeleteRangeRequest::default() };
    let request = Some(Request::RequestDeleteRange(delete));
    TxnRequest {
        compare: vec![created(revision, key)],
        success: vec![RequestOp { request }],
        failure: Vec::new(),
    }
}

/// A key alone.
pub(super) fn only(key: &Bytes) -> RangeRequest {
    RangeRequest { key: key.clone(), ..RangeRequest::default() }
}

/// The key below `prefix` that was created first, or last.
pub(super) fn first(prefix: &[u8], order: SortOrder) -> RangeRequest {
    RangeRequest {
        key: Bytes::copy_from_slice(prefix),
        range_end: prefix_end(prefix),
        limit: 1,
        sort_order: order.into(),
        sort_target: SortTarget::Create.into(),
        ..RangeRequest::default()
    }
}

/// Prints keys as `get` does.
pub(super) fn show(response: RangeResponse, style: Style) -> Result<(), Failure> {
    out(&render(&Got { response, ..Got::default() }, style, "")?.out);
    Ok(())
}

/// SIGINT and SIGTERM, which end what is held.
pub(super) struct Stop(Signal, Signal);

impl Stop {
    pub(super) fn new() -> Result<Self, Failure> {
        let take = |kind| {
            signal(kind).map_err(|error| Failure::new(exit::ERROR, format!("signals: {error}")))
        };
        Ok(Self(take(SignalKind::interrupt())?, take(SignalKind::terminate())?))
    }

    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// How a wait ends that was given up.
pub(super) fn given_up() -> Failure {
    Failure::new(exit::ERROR, "context canceled")
}

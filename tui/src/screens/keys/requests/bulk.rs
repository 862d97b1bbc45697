//! Changes of many keys, in transactions that compare first.
//!
//! ```text
//! Bulk ─▶ check (reads only) ─▶ transaction by transaction ─▶ Changed: which batch, at which revision
//!                                     └─ somebody was faster ─▶ what was done is taken back
//! ```
//!
//! * I1: nothing that was made or changed after it was looked at is overwritten or deleted: every key of a
//!   transaction is compared in it.
//! * I2: what takes back (`exact`, `TakeAway`) is done for all keys or for none. A key that is already as it would be
//!   made is passed over, so that one that was interrupted goes on when it is asked for again.
//! * I3: a transaction has at most [`KEYS_PER_TXN`] keys and about [`BYTES_PER_TXN`] of values.
//!
//! It refuses to promise more than etcd has: between two transactions somebody may be faster, and sees some of it.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, TxnResponse,
};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::client::{Client, Outcome};
use mini_etcd_shared::error::ClientError;

use super::preview::too_many;
use super::read::{bounds, value};
use super::scan::pinned;
use super::write::lease_gone;
use super::{history, outcome};
use crate::console::KEYS_PER_TXN;
use crate::engine::fault;
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::Doing;
use crate::screens::keys::model::{BULK_KEYS_MAX, Batch, Bulk, Changed, Stop, Target};

/// Values of one transaction: etcd takes requests of 1.5 MiB by default, and a larger value goes alone.
const BYTES_PER_TXN: usize = 1 << 20;
/// Keys whose values are read first; more when they are short.
const KEYS_READ_FIRST: usize = 8;
/// Names that are read at once.
const NAMES_PER_READ: usize = 500;

/// Changes many keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMany {
    /// The change.
    pub bulk: Bulk,
    /// What it is, in words.
    pub doing: Doing,
    /// How often it was asked about.
    pub asked: u32,
    /// A revision of the history in which the keys were seen.
    pub seen: i64,
}

impl Request for ChangeMany {
    type Answer = Changed;

    async fn run(self, clients: Clients, _: Parts<Changed>) -> Result<Changed, Trouble> {
        Ok(change(&clients.client, self.bulk, self.seen).await)
    }
}

/// Does it, as far as it can be done.
async fn change(client: &Client, bulk: Bulk, seen: i64) -> Changed {
    let mut changed = Changed::default();
    let first = first(&bulk).map(bounds);
    if let Some((key, _)) = first
        && let Err(trouble) = outcome(history::check(client, key, seen).await)
    {
        changed.stopped = Some(failed(trouble));
        return changed;
    }
    let ended = match &bulk {
        Bulk::Delete { targets, seen } => delete(client, targets, *seen, &mut changed).await,
        Bulk::PutBack { batches, exact, leaseless } => {
            let how = How { exact: *exact, leaseless: *leaseless };
            let ended = put_back(client, batches, how, &mut changed).await;
            match ended {
                Err(stop) if *exact => Err(undone(client, stop, &mut changed, true).await),
                ended => ended,
            }
        }
        Bulk::TakeAway(batches) => match take_away(client, batches, &mut changed).await {
            Err(stop) => Err(undone(client, stop, &mut changed, false).await),
            ended => ended,
        },
    };
    changed.stopped = ended.err();
    changed
}

/// The first of the keys that it changes.
fn first(bulk: &Bulk) -> Option<&Target> {
    match bulk {
        Bulk::Delete { targets, .. } => targets.first(),
        Bulk::PutBack { batches, .. } | Bulk::TakeAway(batches) => {
            batches.iter().find_map(|batch| batch.targets.first())
        }
    }
}

/// I2: takes back what was done before somebody was faster; answers why it ended.
async fn undone(client: &Client, stop: Stop, changed: &mut Changed, put: bool) -> Stop {
    // A connection that is lost takes nothing back either: it goes on where it ended, when it is asked for again.
    if changed.batches.is_empty() || matches!(stop, Stop::Failed { .. }) {
        return stop;
    }
    let mut back = Changed::default();
    let ended = if put {
        take_away(client, &changed.batches, &mut back).await
    } else {
        let how = How { exact: true, leaseless: false };
        put_back(client, &before(&changed.batches), how, &mut back).await
    };
    if ended.is_ok() {
        *changed = Changed::default();
        return stop;
    }
    let why = format!(
        "somebody was faster, twice: {} of it was done",
        crate::widget::counted(changed.count.saturating_sub(back.count), "key")
    );
    let next = "look at what is there: r reads the keys anew".to_owned();
    Stop::Failed { trouble: Trouble { place: String::new(), why, next }, unknown: true }
}

/// The same keys before the changes that are named.
fn before(batches: &[Batch]) -> Vec<Batch> {
    let before =
        |batch: &Batch| Batch { revision: batch.revision.saturating_sub(1), ..batch.clone() };
    batches.iter().map(before).collect()
}

fn failed(trouble: Trouble) -> Stop {
    Stop::Failed { trouble, unknown: false }
}

/// Deletes these, if nothing among them is newer than revision `seen`. I1
async fn delete(
    client: &Client,
    targets: &[Target],
    seen: i64,
    changed: &mut Changed,
) -> Result<(), Stop> {
    let compare = |target: &Target| {
        let (key, range_end) = bounds(target);
        Compare {
            result: CompareResult::Less.into(),
            target: CompareTarget::Mod.into(),
            key,
            range_end,
            target_union: Some(TargetUnion::ModRevision(seen.saturating_add(1))),
        }
    };
    // Somebody who was faster is found before anything is deleted, as far as that can be.
    let chunks = || targets.chunks(KEYS_PER_TXN);
    if chunks().len() > 1 {
        for chunk in chunks() {
            let compare = chunk.iter().map(compare).collect();
            let txn = TxnRequest { compare, ..TxnRequest::default() };
            if !outcome(client.txn(txn).await).map_err(failed)?.succeeded {
                return Err(Stop::Changed(targets.to_vec()));
            }
        }
    }
    let mut left = targets;
    for chunk in chunks() {
        let compare = chunk.iter().map(compare).collect();
        let delete = |target| {
            let (key, range_end) = bounds(target);
            op(Op::RequestDeleteRange(DeleteRangeRequest { key, range_end, prev_kv: false }))
        };
        let success = chunk.iter().map(delete).collect();
        let answer = commit(client, compare, success).await?;
        if !answer.succeeded {
            return Err(Stop::Changed(left.to_vec()));
        }
        let gone = deleted(&answer);
        if gone > 0 {
            changed.count += gone;
            changed.batches.push(Batch { targets: chunk.to_vec(), revision: revision(&answer) });
        }
        left = left.get(chunk.len()..).unwrap_or(&[]);
    }
    Ok(())
}

fn deleted(answer: &TxnResponse) -> u64 {
    let one = |response: &Option<Response>| match response {
        Some(Response::ResponseDeleteRange(range)) => u64::try_from(range.deleted).unwrap_or(0),
        _ => 0,
    };
    answer.responses.iter().map(|op| one(&op.response)).sum()
}

/// How keys are put back.
#[derive(Clone, Copy)]
struct How {
    exact: bool,
    leaseless: bool,
}

/// Puts keys back that are not there.
async fn put_back(
    client: &Client,
    batches: &[Batch],
    how: How,
    changed: &mut Changed,
) -> Result<(), Stop> {
    if how.exact {
        check(client, batches).await?;
    }
    for batch in batches {
        let mut old = Old::new(batch, Read::Values);
        while let Some(chunk) = old.next(client).await.map_err(failed)? {
            for few in fitting(chunk) {
                put_chunk(client, few, how, changed).await?;
            }
            if changed.count > BULK_KEYS_MAX {
                return Err(failed(too_many()));
            }
        }
    }
    Ok(())
}

/// I2: whether all of them can be put back, by reads alone.
async fn check(client: &Client, batches: &[Batch]) -> Result<(), Stop> {
    let mut count = 0;
    for batch in batches {
        let mut old = Old::new(batch, Read::Names);
        while let Some(chunk) = old.next(client).await.map_err(failed)? {
            count += u64::try_from(chunk.len()).unwrap_or(0);
            if count > BULK_KEYS_MAX {
                return Err(failed(too_many()));
            }
            let keys: Vec<Bytes> = chunk.into_iter().map(|kv| kv.key).collect();
            let there = present(client, &keys).await.map_err(failed)?;
            for (key, _) in keys.into_iter().zip(there).filter(|(_, there)| there.is_some()) {
                let was = value(client, key.clone(), batch.revision).await.map_err(failed)?;
                let now = value(client, key.clone(), 0).await.map_err(failed)?;
                let same = was.zip(now).is_none_or(|(was, now)| {
                    (was.value, was.meta.lease) == (now.value, now.meta.lease)
                });
                if !same {
                    return Err(Stop::Changed(vec![Target::Key(key)]));
                }
            }
        }
    }
    Ok(())
}

/// I3: parts of it that a transaction takes.
fn fitting(kvs: Vec<KeyValue>) -> Vec<Vec<KeyValue>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for kv in kvs {
        let size = kv.key.len() + kv.value.len();
        let Some(part) = parts.last_mut() else { break };
        if !part.is_empty() && (bytes + size > BYTES_PER_TXN || part.len() >= KEYS_PER_TXN) {
            bytes = size;
            parts.push(vec![kv]);
            continue;
        }
        bytes += size;
        part.push(kv);
    }
    parts
}

/// Puts a few keys back in one transaction.
async fn put_chunk(
    client: &Client,
    mut chunk: Vec<KeyValue>,
    how: How,
    changed: &mut Changed,
) -> Result<(), Stop> {
    // Each round that fails has found a key that is there, and passes over it.
    while !chunk.is_empty() {
        let absent = |kv: &KeyValue| equal(kv.key.clone(), TargetUnion::Version(0));
        let compare = chunk.iter().map(absent).collect();
        let success = chunk.iter().map(|kv| put(kv, kv.lease)).collect();
        let answer = match client.txn(TxnRequest { compare, success, ..Default::default() }).await {
            Outcome::Ok(answer) => answer,
            Outcome::Failed(error) if lease_gone(&error) => {
                return put_one_by_one(client, chunk, how, changed).await;
            }
            other => unfinished(other)?,
        };
        if answer.succeeded {
            note(changed, chunk.into_iter().map(|kv| kv.key), &answer);
            return Ok(());
        }
        let keys: Vec<Bytes> = chunk.iter().map(|kv| kv.key.clone()).collect();
        let there = present(client, &keys).await.map_err(failed)?;
        let mut absent = Vec::new();
        for (kv, there) in chunk.into_iter().zip(there) {
            if there.is_none() {
                absent.push(kv);
                continue;
            }
            let now = value(client, kv.key.clone(), 0).await.map_err(failed)?;
            let same = now.is_some_and(|now| now.value == kv.value && now.meta.lease == kv.lease);
            if how.exact && !same {
                return Err(Stop::Changed(vec![Target::Key(kv.key)]));
            }
            changed.kept += 1;
        }
        chunk = absent;
    }
    Ok(())
}

/// Puts keys back of which one has a lease that is gone.
async fn put_one_by_one(
    client: &Client,
    chunk: Vec<KeyValue>,
    how: How,
    changed: &mut Changed,
) -> Result<(), Stop> {
    for kv in chunk {
        let txn = |lease| TxnRequest {
            compare: vec![equal(kv.key.clone(), TargetUnion::Version(0))],
            success: vec![put(&kv, lease)],
            ..TxnRequest::default()
        };
        let mut answer = client.txn(txn(kv.lease)).await;
        if let Outcome::Failed(error) = &answer
            && lease_gone(error)
        {
            if !how.leaseless {
                return Err(Stop::LeaseGone(kv.key));
            }
            answer = client.txn(txn(0)).await;
        }
        let answer = unfinished(answer)?;
        if answer.succeeded {
            note(changed, [kv.key], &answer);
        } else if how.exact {
            return Err(Stop::Changed(vec![Target::Key(kv.key)]));
        } else {
            changed.kept += 1;
        }
    }
    Ok(())
}

/// Deletes keys that are still as these batches made them.
async fn take_away(client: &Client, batches: &[Batch], changed: &mut Changed) -> Result<(), Stop> {
    // I2: all are looked at before any is deleted.
    let mut rounds = Vec::new();
    for batch in batches {
        for chunk in batch.targets.chunks(KEYS_PER_TXN) {
            let keys: Vec<Bytes> = chunk.iter().map(|target| bounds(target).0).collect();
            let there = present(client, &keys).await.map_err(failed)?;
            let mut left = Vec::new();
            for (key, revision) in keys.into_iter().zip(there) {
                match revision {
                    None => {}
                    Some(revision) if revision == batch.revision => left.push(key),
                    Some(_) => return Err(Stop::Changed(vec![Target::Key(key)])),
                }
            }
            rounds.push((left, batch.revision));
        }
    }
    for (keys, made) in rounds.into_iter().filter(|(keys, _)| !keys.is_empty()) {
        let compare = |key: &Bytes| equal(key.clone(), TargetUnion::ModRevision(made));
        let delete = |key: &Bytes| {
            let key = key.clone();
            op(Op::RequestDeleteRange(DeleteRangeRequest { key, ..Default::default() }))
        };
        let success = keys.iter().map(delete).collect();
        let answer = commit(client, keys.iter().map(compare).collect(), success).await?;
        if !answer.succeeded {
            return Err(Stop::Changed(keys.into_iter().map(Target::Key).collect()));
        }
        note(changed, keys, &answer);
    }
    Ok(())
}

fn note(changed: &mut Changed, keys: impl IntoIterator<Item = Bytes>, answer: &TxnResponse) {
    let targets: Vec<Target> = keys.into_iter().map(Target::Key).collect();
    changed.count += u64::try_from(targets.len()).unwrap_or(0);
    changed.batches.push(Batch { targets, revision: revision(answer) });
}

fn revision(answer: &TxnResponse) -> i64 {
    answer.header.map_or(0, |header| header.revision)
}

fn op(request: Op) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn put(kv: &KeyValue, lease: i64) -> RequestOp {
    let (key, value) = (kv.key.clone(), kv.value.clone());
    op(Op::RequestPut(PutRequest { key, value, lease, ..PutRequest::default() }))
}

fn equal(key: Bytes, union: TargetUnion) -> Compare {
    let target = match union {
        TargetUnion::ModRevision(_) => CompareTarget::Mod,
        _ => CompareTarget::Version,
    };
    Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key,
        target_union: Some(union),
        ..Compare::default()
    }
}

async fn commit(
    client: &Client,
    compare: Vec<Compare>,
    success: Vec<RequestOp>,
) -> Result<TxnResponse, Stop> {
    unfinished(client.txn(TxnRequest { compare, success, ..TxnRequest::default() }).await)
}

fn unfinished(outcome: Outcome<TxnResponse>) -> Result<TxnResponse, Stop> {
    let stop = |error: ClientError, unknown| {
        Err(Stop::Failed { trouble: fault::of_client(&error, unknown), unknown })
    };
    match outcome {
        Outcome::Ok(answer) => Ok(answer),
        Outcome::Failed(error) => stop(error, false),
        Outcome::Unknown(error) => stop(error, true),
    }
}

/// For each key, the revision of its last change; `None` when it is not there.
pub(crate) async fn present(client: &Client, keys: &[Bytes]) -> Result<Vec<Option<i64>>, Trouble> {
    let mut found = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(KEYS_PER_TXN) {
        let answer = read(client, chunk, 0, Read::Names).await?;
        found.extend(answer.into_iter().map(|kv| kv.map(|kv| kv.mod_revision)));
    }
    Ok(found)
}

/// Single keys at a revision (0: now), all of the same one.
async fn read(
    client: &Client,
    keys: &[Bytes],
    revision: i64,
    what: Read,
) -> Result<Vec<Option<KeyValue>>, Trouble> {
    let range = |key: &Bytes| {
        let (key, keys_only) = (key.clone(), what == Read::Names);
        op(Op::RequestRange(RangeRequest { key, revision, keys_only, ..Default::default() }))
    };
    let success = keys.iter().map(range).collect();
    let answer = outcome(client.txn(TxnRequest { success, ..TxnRequest::default() }).await)?;
    let first = |response| match response {
        Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
        _ => None,
    };
    Ok(answer.responses.into_iter().map(|op| first(op.response)).collect())
}

/// What of keys is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// Without their values.
    Names,
    /// With their values.
    Values,
}

/// The keys of a batch as they were at its revision, a few at a time.
pub(crate) struct Old<'a> {
    targets: &'a [Target],
    revision: i64,
    what: Read,
    /// Where the first of the targets goes on.
    from: Option<Bytes>,
    /// Keys of the next read.
    limit: usize,
}

impl<'a> Old<'a> {
    pub(crate) fn new(batch: &'a Batch, what: Read) -> Self {
        let limit = if what == Read::Names { NAMES_PER_READ } else { KEYS_READ_FIRST };
        Self { targets: &batch.targets, revision: batch.revision, what, from: None, limit }
    }

    /// The next few that fit a transaction; none after the last one. I3
    pub(crate) async fn next(&mut self, client: &Client) -> Result<Option<Vec<KeyValue>>, Trouble> {
        while let [first, rest @ ..] = self.targets {
            let kvs = match first {
                Target::Key(_) => self.keys(client).await?,
                Target::Prefix(prefix) => {
                    let (key, range_end) = bounds(first);
                    let request = RangeRequest {
                        key: self.from.take().unwrap_or(key),
                        range_end,
                        limit: i64::try_from(self.limit).unwrap_or(1),
                        revision: self.revision,
                        keys_only: self.what == Read::Names,
                        ..RangeRequest::default()
                    };
                    debug_assert!(request.key.starts_with(prefix) || prefix.is_empty());
                    let answer = pinned(client, request).await?;
                    match answer.kvs.last().filter(|_| answer.more) {
                        Some(last) => self.from = Some([&last.key[..], &[0]].concat().into()),
                        None => self.targets = rest,
                    }
                    answer.kvs
                }
            };
            self.fit(&kvs);
            if !kvs.is_empty() {
                return Ok(Some(kvs));
            }
        }
        Ok(None)
    }

    /// The single keys that come next.
    async fn keys(&mut self, client: &Client) -> Result<Vec<KeyValue>, Trouble> {
        let single = |target: &&Target| matches!(target, Target::Key(_));
        let keys = self.targets.iter().take_while(single).take(self.limit.min(KEYS_PER_TXN));
        let keys: Vec<Bytes> = keys.map(|target| bounds(target).0).collect();
        self.targets = self.targets.get(keys.len()..).unwrap_or(&[]);
        let found = read(client, &keys, self.revision, self.what).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// I3: reads as many the next time as fit.
    fn fit(&mut self, kvs: &[KeyValue]) {
        if self.what == Read::Names || kvs.is_empty() {
            return;
        }
        let bytes: usize = kvs.iter().map(|kv| kv.key.len() + kv.value.len()).sum();
        let each = (bytes / kvs.len()).max(1);
        let twice = self.limit.saturating_mul(2);
        self.limit = (BYTES_PER_TXN / each).clamp(1, KEYS_PER_TXN).min(twice);
    }
}

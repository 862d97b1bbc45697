//! Clients: one request at a time, and what they were told.

use anyhow::{Result, ensure};
use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, LeaseGrantRequest, PutRequest, RangeRequest,
    RequestOp, TxnRequest,
};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{AuthChange, RevokeLease};
use mini_etcd_server::apply::Published;
use mini_etcd_shared::types::Term;

use super::model::Model;
use super::rng::Rng;
use super::users;

/// Number of keys; few, so that clients meet.
const KEYS: u64 = 6;

/// What a client waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The result of a write.
    Write,
    /// A linearizable read of a key.
    Read(Bytes),
    /// The confirmation of a renewal.
    Renewal(Renewal),
}

/// A lease that was renewed by a member that led then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The lease.
    pub lease: i64,
    /// Its time to live in seconds.
    pub ttl: i64,
    /// When.
    pub at: u64,
    /// The term in which the member led.
    pub term: Term,
}

/// A request under way.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where it was sent.
    pub member: u64,
    /// Its number there; also of a read.
    pub number: u64,
    /// What for.
    pub wants: Wants,
    /// What was finished before it began.
    pub floor: Floor,
}

/// What later requests must see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// Highest index of a write that was answered.
    pub index: u64,
    /// Highest revision that a read has shown.
    pub revision: i64,
}

/// What the clients were told, all together.
#[derive(Debug, Default)]
pub struct Told {
    /// Present floor.
    pub floor: Floor,
    /// Answered writes: member, number, index.
    pub writes: Vec<(u64, u64, u64)>,
    /// Writes that were refused before anything happened: member, number.
    pub refused: Vec<(u64, u64)>,
    /// Finished reads.
    pub reads: u64,
    /// Requests whose outcome is not known.
    pub unknown: u64,
    /// Values made so far.
    values: u64,
    /// Changes of users made so far.
    changes: u64,
}

impl Told {
    /// The next request; none for a read.
    pub fn next_request(&mut self, rng: &mut Rng) -> Option<Request> {
        let key = key(rng.below(KEYS));
        self.values += 1;
        let value = Bytes::from(format!("v{}", self.values));
        let put = PutRequest { key: key.clone(), value, ..PutRequest::default() };
        let kind = rng.below(1000);
        match kind {
            0..300 => Some(Request::Put(put)),
            300..450 => Some(Request::Put(PutRequest { lease: lease(rng), ..put })),
            450..550 => {
                Some(Request::DeleteRange(DeleteRangeRequest { key, ..Default::default() }))
            }
            550..740 => Some(Request::Txn(self.transaction(rng, key, put))),
            740..750 => {
                let revision = self.floor.revision;
                Some(Request::Compaction(CompactionRequest { revision, physical: false }))
            }
            750..830 => {
                let (id, ttl) = (lease(rng), i64::try_from(rng.between(1, 5)).unwrap_or(1));
                Some(Request::LeaseGrant(LeaseGrantRequest { id, ttl }))
            }
            830..840 => {
                let id = lease(rng);
                Some(Request::LeaseRevoke(RevokeLease { id, ..RevokeLease::default() }))
            }
            840..900 => {
                let change = Some(users::change(self.changes, rng));
                self.changes += 1;
                Some(Request::Auth(AuthChange { change }))
            }
            _ => None,
        }
    }

    /// Writes if the key is at a revision that it may have.
    fn transaction(&self, rng: &mut Rng, key: Bytes, put: PutRequest) -> TxnRequest {
        let guess = if rng.chance(300) { 0 } else { self.floor.revision };
        let compare = Compare {
            result: CompareResult::Equal as i32,
            target: CompareTarget::Mod as i32,
            key: key.clone(),
            target_union: Some(TargetUnion::ModRevision(guess)),
            ..Compare::default()
        };
        let range = RangeRequest { key, ..RangeRequest::default() };
        let twin = PutRequest { key: Bytes::from_static(b"twin"), ..put.clone() };
        let op = |request| RequestOp { request: Some(request) };
        TxnRequest {
            compare: vec![compare],
            success: vec![op(Op::RequestPut(put)), op(Op::RequestPut(twin))],
            failure: vec![op(Op::RequestRange(range))],
        }
    }

    /// A write was answered.
    ///
    /// # Errors
    /// When it went back in time.
    pub fn wrote(&mut self, pending: &Pending, index: u64) -> Result<()> {
        ensure!(
            index > pending.floor.index && i64::try_from(index)? > pending.floor.revision,
            "a write at {index} began after {:?} was seen",
            pending.floor
        );
        self.writes.push((pending.member, pending.number, index));
        self.floor.index = self.floor.index.max(index);
        Ok(())
    }

    /// A read was answered from `published`.
    ///
    /// # Errors
    /// When it missed what was there before it began, or saw what never was.
    pub fn read(
        &mut self,
        pending: &Pending,
        key: &Bytes,
        published: &Published,
        model: &Model,
    ) -> Result<()> {
        let revision = published.view.revision().0;
        ensure!(
            published.applied.0 >= pending.floor.index && revision >= pending.floor.revision,
            "a read at index {} and revision {revision} began after {:?} was seen",
            published.applied,
            pending.floor
        );
        let answer =
            published.view.range(&RangeRequest { key: key.clone(), ..RangeRequest::default() })?;
        let seen = answer.kvs.first().map(|kv| (kv.value.clone(), kv.mod_revision));
        let wanted = model.at(key, revision);
        ensure!(seen == wanted, "{key:?} at {revision} is {wanted:?}, and a read saw {seen:?}");
        self.floor.revision = self.floor.revision.max(revision);
        self.reads += 1;
        Ok(())
    }

    /// At the end: every answered write is where it was said to be, and no refused one is anywhere.
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&self, model: &Model) -> Result<()> {
        for &(member, number, index) in &self.writes {
            ensure!(
                model.place_of(member, number) == Some(index),
                "the write {number} of n{member}, answered at {index}, is lost"
            );
        }
        for &(member, number) in &self.refused {
            ensure!(
                model.place_of(member, number).is_none(),
                "the write {number} of n{member} was refused and committed"
            );
        }
        Ok(())
    }
}

/// Key number `number`.
#[must_use]
pub fn key(number: u64) -> Bytes {
    Bytes::from(format!("k{number}"))
}

/// Some lease, of few, which need not be there.
pub fn lease(rng: &mut Rng) -> i64 {
    i64::try_from(rng.between(1, 3)).unwrap_or(1)
}

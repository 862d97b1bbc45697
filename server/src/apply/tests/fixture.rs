//! A member without Raft: requests become entries, entries are applied.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{
    AlarmResponse, CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse,
    LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeResponse, PutRequest, PutResponse,
    RangeRequest, TxnResponse,
};
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::{Command, ConfState, Entry, EntryKind, Member, RevokeLease};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Term};
use prost::Message;

use crate::apply::{
    self, Applied, Applier, ApplyError, ApplyTask, Birth, EntryResult, Identity, Published,
};
use crate::error::RequestError;
use crate::mvcc::View;
use crate::storage::{Batch, Durability, Engine, Reader, SimDisk, SimEngine, Space, StorageError};

pub(super) type Table = BTreeMap<(Space, Vec<u8>), Bytes>;

/// A simulated disk that remembers what was committed.
#[derive(Clone, Default)]
pub(super) struct Disk {
    sim: SimDisk,
    commits: Arc<Mutex<Vec<Batch>>>,
}

impl Disk {
    pub(super) fn open(&self) -> Emit {
        Emit { engine: self.sim.open(), commits: Arc::clone(&self.commits) }
    }

    /// The commits since the last call.
    pub(super) fn take_commits(&self) -> Vec<Batch> {
        std::mem::take(&mut self.commits.lock().unwrap())
    }

    /// Changes what stands there behind the program's back.
    pub(super) fn tamper(&self, batch: Batch) {
        self.sim.open().commit(batch, Durability::Synced).unwrap();
    }
}

/// An engine whose commits can be read.
pub(super) struct Emit {
    engine: SimEngine,
    commits: Arc<Mutex<Vec<Batch>>>,
}

impl Engine for Emit {
    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        self.commits.lock().unwrap().push(batch.clone());
        self.engine.commit(batch, durability)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.engine.sync()
    }

    fn is_synced(&self) -> bool {
        self.engine.is_synced()
    }

    fn discard_below(&mut self, space: Space, key: &[u8]) -> Result<(), StorageError> {
        self.engine.discard_below(space, key)
    }

    fn reader(&mut self) -> Arc<dyn Reader> {
        self.engine.reader()
    }

    fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    fn table_bytes(&self) -> u64 {
        self.engine.table_bytes()
    }
}

/// An answer as the client gets it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Response {
    Put(PutResponse),
    DeleteRange(DeleteRangeResponse),
    Txn(TxnResponse),
    Compaction(CompactionResponse),
    Alarm(AlarmResponse),
    LeaseGranted(LeaseGrantResponse),
    LeaseRevoked(LeaseRevokeResponse),
    LeaseCheckpointed,
    /// With the token of a login.
    Auth(String),
    Published,
    Members,
}

/// What the client of `request` gets.
pub(super) fn read(request: &Request, response: apply::EntryResponse) -> Response {
    let answer = match response {
        apply::EntryResponse::Write(answer) => answer,
        apply::EntryResponse::Compaction(answer) => return Response::Compaction(answer),
        apply::EntryResponse::Alarm(answer) => return Response::Alarm(answer),
        apply::EntryResponse::LeaseGranted(answer) => return Response::LeaseGranted(answer),
        apply::EntryResponse::LeaseRevoked(answer) => return Response::LeaseRevoked(answer),
        apply::EntryResponse::LeaseCheckpointed => return Response::LeaseCheckpointed,
        apply::EntryResponse::Auth(answer) => return Response::Auth(answer.token),
        apply::EntryResponse::Published => return Response::Published,
        apply::EntryResponse::Members(_) => return Response::Members,
    };
    let bytes = answer.encode().unwrap();
    assert!(bytes.len() <= answer.space(), "{request:?}: {} of {}", bytes.len(), answer.space());
    match request {
        Request::Put(_) => Response::Put(PutResponse::decode(bytes).unwrap()),
        Request::DeleteRange(_) => {
            Response::DeleteRange(DeleteRangeResponse::decode(bytes).unwrap())
        }
        _ => Response::Txn(TxnResponse::decode(bytes).unwrap()),
    }
}

/// All that `reader` shows.
pub(super) fn table(reader: &dyn Reader) -> Table {
    let mut table = Table::new();
    for space in [Space::Rows, Space::System, Space::Meta] {
        let visit = &mut |key: &[u8], value: &[u8]| {
            table.insert((space, key.to_vec()), Bytes::copy_from_slice(value));
            ControlFlow::Continue(())
        };
        reader.scan(space, (Bound::Unbounded, Bound::Unbounded), visit).unwrap();
    }
    table
}

pub(super) const IDENTITY: Identity = Identity { cluster_id: ClusterId(7), member_id: MemberId(1) };

pub(super) fn birth() -> Birth {
    Birth {
        index: LogIndex::BIRTH,
        term: Term(1),
        conf_state: ConfState { voters: vec![1], ..ConfState::default() },
        members: vec![Member { id: 1, name: "n1".to_owned(), ..Member::default() }],
    }
}

/// A member, its log and its disk.
pub(super) struct Node {
    pub(super) applier: Applier<Emit>,
    pub(super) disk: Disk,
    pub(super) log: Vec<Entry>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self::born(&birth())
    }

    /// A member whose first entry has the index behind that of `birth`.
    pub(super) fn born(birth: &Birth) -> Self {
        let disk = Disk::default();
        let applier = Applier::create(disk.open(), IDENTITY, birth).unwrap();
        Self { applier, disk, log: Vec::new() }
    }

    pub(super) fn published(&self) -> Arc<Published> {
        self.applier.published()
    }

    pub(super) fn view(&self) -> View {
        self.published().view.clone()
    }

    /// Index of the entry to come.
    pub(super) fn next(&self) -> u64 {
        self.log.last().map_or(self.published().applied.0, |entry| entry.index) + 1
    }

    /// The entry that carries `request`; none for one that changes nothing.
    pub(super) fn entry(&self, request: Option<Request>) -> Entry {
        let index = self.next();
        let command = Command { origin: 1, sequence: index, incarnation: 1, request, asker: None };
        let data = if command.request.is_none() { Vec::new() } else { command.encode_to_vec() };
        Entry { kind: EntryKind::Normal as i32, term: 1, index, data: data.into() }
    }

    pub(super) fn append(&mut self, request: Option<Request>) -> Entry {
        let entry = self.entry(request);
        self.log.push(entry.clone());
        entry
    }

    pub(super) fn apply(&mut self, entries: Vec<Entry>) -> Result<Applied, ApplyError> {
        self.applier.apply(&ApplyTask { entries, conf_states: Vec::new() })
    }

    /// Applies one request as a turn of its own.
    pub(super) fn run(&mut self, request: Request) -> Result<Response, RequestError> {
        let asked = request.clone();
        let entry = self.append(Some(request));
        let mut applied = self.apply(vec![entry]).unwrap();
        let EntryResult { outcome, .. } = applied.results.pop().unwrap();
        outcome.map(|response| read(&asked, response))
    }

    /// Collects until nothing is left.
    pub(super) fn collect_all(&mut self) {
        while self.applier.collect(3).unwrap() {}
    }

    /// Stops the member and starts it.
    pub(super) fn restart(&mut self) {
        self.applier = Applier::open(self.disk.open(), IDENTITY).unwrap();
        let applied = self.published().applied.0;
        let rest = self.log.iter().filter(|entry| entry.index > applied).cloned().collect();
        self.apply(rest).unwrap();
    }

    /// Cuts the power, keeping some of the unsynced commits, and starts the member: the log brings back the rest.
    /// Answers how many commits were lost.
    pub(super) fn crash(&mut self, number: u64) -> usize {
        let (_, lost) = self.disk.sim.crash(number);
        self.restart();
        lost
    }

    /// All that stands on disk.
    pub(super) fn table(&self) -> Table {
        table(self.view().reader())
    }
}

pub(super) fn put(key: &str, value: &str) -> Request {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    Request::Put(PutRequest { key, value, ..PutRequest::default() })
}

pub(super) fn delete(key: &str, range_end: &str) -> Request {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    Request::DeleteRange(DeleteRangeRequest { key, range_end, prev_kv: false })
}

pub(super) fn compact(revision: i64) -> Request {
    Request::Compaction(CompactionRequest { revision, physical: false })
}

pub(super) fn range(key: &str, range_end: &str, revision: i64) -> RangeRequest {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    RangeRequest { key, range_end, revision, ..RangeRequest::default() }
}

pub(super) fn grant(id: i64, ttl: i64) -> Request {
    Request::LeaseGrant(LeaseGrantRequest { id, ttl })
}

pub(super) fn revoke(id: i64) -> Request {
    Request::LeaseRevoke(RevokeLease { id, ..RevokeLease::default() })
}

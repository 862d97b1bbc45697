//! Clients that change and read a few keys as fast as they are answered, and record it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::request_op::Request as OpRequest;
use mini_etcd_proto::etcdserverpb::response_op::Response as OpResponse;
use mini_etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RangeResponse, RequestOp,
    ResponseHeader, TxnRequest,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Request as Call, Status};

use crate::history::{Answer, Operation, Outcome, Request, Version};

/// Longest an operation waits; past it the outcome is unknown.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause of a client after an error, so that a dead member is not hammered.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(5);

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Clients at the same time.
    pub clients: usize,
    /// Keys they share.
    pub keys: u64,
    /// Answered operations after which they stop.
    pub operations: u64,
    /// Seed of their choices; also the beginning of every value, so that runs of different seeds on one cluster
    /// stay apart.
    pub seed: u64,
}

/// What all clients of a run share.
struct Run {
    start: Instant,
    left: AtomicU64,
    stop: AtomicBool,
    values: AtomicU64,
    workload: Workload,
}

/// A handle that ends the run early.
#[derive(Clone)]
pub struct Stop(Arc<Run>);

impl Stop {
    /// Ends the run after the operations under way.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }

    /// Operations answered so far, and those under way.
    #[must_use]
    pub fn answered(&self) -> u64 {
        let total = self.0.workload.operations;
        total.saturating_sub(self.0.left.load(Ordering::Relaxed).min(total))
    }
}

impl Workload {
    /// Starts the clients, spread over `channels`; times count from `start`, so that several runs on one cluster
    /// make one history. It is complete when all handles have ended.
    #[must_use]
    pub fn start(
        self,
        start: Instant,
        channels: &[Channel],
    ) -> (Stop, Vec<JoinHandle<Vec<Operation>>>) {
        let run = Arc::new(Run {
            start,
            left: AtomicU64::new(self.operations),
            stop: AtomicBool::new(false),
            values: AtomicU64::new(0),
            workload: self,
        });
        let handles = (0..self.clients)
            .zip(channels.iter().cycle())
            .map(|(client, channel)| {
                let client = Client::new(client, channel.clone(), Arc::clone(&run));
                tokio::spawn(client.run())
            })
            .collect();
        (Stop(run), handles)
    }
}

/// One client.
struct Client {
    number: usize,
    kv: KvClient<Channel>,
    rng: StdRng,
    run: Arc<Run>,
    last_seen: i64,
    history: Vec<Operation>,
}

impl Client {
    fn new(number: usize, channel: Channel, run: Arc<Run>) -> Self {
        let seed = run.workload.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
        let rng = StdRng::seed_from_u64(seed);
        Self { number, kv: KvClient::new(channel), rng, run, last_seen: 0, history: Vec::new() }
    }

    async fn run(mut self) -> Vec<Operation> {
        while !self.run.stop.load(Ordering::Relaxed) && self.take() {
            let request = self.choose();
            let invoked = self.run.start.elapsed();
            let outcome = match tokio::time::timeout(OPERATION_TIMEOUT, self.call(&request)).await {
                Ok(Ok((answer, revision))) => Outcome::Ok(answer, revision),
                Ok(Err(status)) => Outcome::Unknown(status.to_string()),
                Err(_) => Outcome::Unknown("no answer in time".to_owned()),
            };
            let returned = self.run.start.elapsed();
            let failed = matches!(outcome, Outcome::Unknown(_));
            self.history.push(Operation {
                client: self.number,
                invoked,
                returned,
                request,
                outcome,
            });
            if failed {
                self.run.left.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
        self.history
    }

    fn take(&self) -> bool {
        self.run
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }

    fn choose(&mut self) -> Request {
        let key = Bytes::from(format!("k{:03}", self.rng.random_range(0..self.run.workload.keys)));
        match self.rng.random_range(0..100) {
            0..40 => Request::Put(key, self.unique()),
            40..70 => Request::Get(key),
            70..75 => Request::GetStale(key),
            75..82 => Request::Delete(key),
            _ => {
                let value = self.unique();
                Request::CompareAndPut(key, self.last_seen, value)
            }
        }
    }

    fn unique(&self) -> Bytes {
        Bytes::from(format!(
            "{}-{}",
            self.run.workload.seed,
            self.run.values.fetch_add(1, Ordering::Relaxed)
        ))
    }

    async fn call(&mut self, request: &Request) -> Result<(Answer, i64), Status> {
        match request {
            Request::Put(key, value) => {
                let put =
                    PutRequest { key: key.clone(), value: value.clone(), ..PutRequest::default() };
                let answer = self.kv.put(Call::new(put)).await?.into_inner();
                Ok((Answer::Put, revision(answer.header)?))
            }
            Request::Get(key) | Request::GetStale(key) => {
                let serializable = matches!(request, Request::GetStale(_));
                let range =
                    RangeRequest { key: key.clone(), serializable, ..RangeRequest::default() };
                let answer = self.kv.range(Call::new(range)).await?.into_inner();
                let revision = revision(answer.header)?;
                let found = version(answer);
                self.last_seen = found.as_ref().map_or(0, |version| version.mod_revision);
                Ok((Answer::Got(found), revision))
            }
            Request::Delete(key) => {
                let delete =
                    DeleteRangeRequest { key: key.clone(), ..DeleteRangeRequest::default() };
                let answer = self.kv.delete_range(Call::new(delete)).await?.into_inner();
                Ok((Answer::Deleted(answer.deleted), revision(answer.header)?))
            }
            Request::CompareAndPut(key, expected, value) => {
                let answer =
                    self.kv.txn(Call::new(swap(key, *expected, value))).await?.into_inner();
                let revision = revision(answer.header)?;
                if answer.succeeded {
                    return Ok((Answer::Swapped, revision));
                }
                match answer.responses.into_iter().next().and_then(|op| op.response) {
                    Some(OpResponse::ResponseRange(range)) => {
                        Ok((Answer::NotSwapped(version(range)), revision))
                    }
                    other => Err(Status::internal(format!("a read was asked for, not {other:?}"))),
                }
            }
        }
    }
}

fn swap(key: &Bytes, expected: i64, value: &Bytes) -> TxnRequest {
    let compare = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Mod.into(),
        key: key.clone(),
        range_end: Bytes::new(),
        target_union: Some(TargetUnion::ModRevision(expected)),
    };
    let put = PutRequest { key: key.clone(), value: value.clone(), ..PutRequest::default() };
    let get = RangeRequest { key: key.clone(), ..RangeRequest::default() };
    TxnRequest {
        compare: vec![compare],
        success: vec![RequestOp { request: Some(OpRequest::RequestPut(put)) }],
        failure: vec![RequestOp { request: Some(OpRequest::RequestRange(get)) }],
    }
}

fn revision(header: Option<ResponseHeader>) -> Result<i64, Status> {
    header
        .map(|header| header.revision)
        .ok_or_else(|| Status::internal("an answer without a header"))
}

fn version(range: RangeResponse) -> Option<Version> {
    range.kvs.into_iter().next().map(|kv| Version {
        value: kv.value,
        create_revision: kv.create_revision,
        mod_revision: kv.mod_revision,
        version: kv.version,
    })
}

//! One member: its admin stream, or its `Status` and its page of metrics again and again; and whether it answers reads.

use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::adminpb::WatchStatusRequest;
use mini_etcd_proto::adminpb::admin_client::AdminClient;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{RangeRequest, StatusRequest, StatusResponse};
use mini_etcd_shared::client::{Connection, Endpoint, OneCluster};
use mini_etcd_shared::clock::Clock;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::Code;

use super::metrics::Metrics;
use super::sample::{Fault, Proof};
use super::{ANSWER_WITHIN, Shared, dial, fault, metrics, sampler};

/// Time between two attempts to connect: the first, and the longest.
const RETRY_FIRST: Duration = Duration::from_millis(150);
const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// Time between two measurements of the round trip beside a stream.
const RTT_EVERY: Duration = Duration::from_secs(2);
/// Pause before a linearizable read is asked again after one that failed.
const PROOF_AGAIN: Duration = Duration::from_millis(300);
/// The key that etcdctl reads to see whether a member is healthy; it need not exist.
const HEALTH_KEY: &[u8] = b"health";
/// A stream may miss this many turns before it is called dead.
const TURNS_MISSED_MAX: u32 = 6;

/// How a conversation ended.
enum End {
    /// The server has no such stream.
    NotOffered,
    /// It should be asked in another rhythm.
    Pace,
    /// It failed.
    Fault(Fault),
}

/// Follows a member until the task is aborted.
pub(crate) async fn run(shared: Shared, cluster: u64, id: u64, endpoint: Endpoint) {
    let mut wait = RETRY_FIRST;
    loop {
        let lost = match dial(&endpoint, &shared.tls, OneCluster::of(cluster)).await {
            Ok(connection) => {
                wait = RETRY_FIRST;
                tokio::select! {
                    lost = talk(&shared, (cluster, id), &endpoint, connection.clone()) => lost,
                    never = prove(&shared, id, connection) => match never {},
                }
            }
            Err(error) => fault::of_dial(&error),
        };
        shared.inbox.lost(id, lost);
        sleep(wait).await;
        wait = (wait * 2).min(RETRY_LONGEST);
    }
}

/// Talks over one connection until it fails.
async fn talk(
    shared: &Shared,
    (cluster, id): (u64, u64),
    endpoint: &Endpoint,
    connection: Connection,
) -> Fault {
    loop {
        match stream(shared, (cluster, id), endpoint, connection.clone()).await {
            End::Fault(fault) => return fault,
            End::Pace => {}
            End::NotOffered => return poll(shared, id, endpoint, connection).await,
        }
    }
}

async fn stream(
    shared: &Shared,
    (cluster, id): (u64, u64),
    endpoint: &Endpoint,
    connection: Connection,
) -> End {
    let mut pace = shared.pace.clone();
    let interval = pace.borrow_and_update().stream();
    let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
    let opened = shared.access.call(&connection, |wire| async move {
        AdminClient::new(wire).watch(WatchStatusRequest { interval_ms }).await
    });
    let mut stream = match timeout(ANSWER_WITHIN, opened).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(status)) if status.code() == Code::Unimplemented => return End::NotOffered,
        Ok(Err(status)) => return End::Fault(fault::of_status(&status)),
        Err(_) => return End::Fault(fault::no_answer()),
    };
    let patience = interval * TURNS_MISSED_MAX + ANSWER_WITHIN;
    let mut heard = Instant::now();
    let mut measure = Instant::now();
    loop {
        tokio::select! {
            // What has come counts, however late it is looked at: after a pause of this process everything is late.
            biased;
            message = stream.message() => match message {
                // Its answers have no header that the connection would read.
                Ok(Some(status)) if status.cluster_id != cluster => {
                    return End::Fault(fault::other_cluster());
                }
                Ok(Some(status)) if status.member_id != id => {
                    shared.fronts.note(endpoint);
                    return End::Fault(fault::front());
                }
                Ok(Some(status)) => {
                    heard = Instant::now();
                    shared.inbox.sample(id, sampler::of_admin(status, shared.clock.now()));
                }
                Ok(None) => return End::Fault(fault::ended()),
                Err(status) if status.code() == Code::Unimplemented => return End::NotOffered,
                Err(status) => return End::Fault(fault::of_status(&status)),
            },
            () = sleep_until(measure) => {
                // A measurement that fails says nothing: the stream tells whether the member lives.
                let _unheard = status(shared, id, &connection).await;
                measure = Instant::now() + RTT_EVERY;
            }
            () = sleep_until(heard + patience) => return End::Fault(fault::no_answer()),
            changed = pace.changed() => match changed {
                Ok(()) => return End::Pace,
                Err(_) => return End::Fault(fault::ended()),
            },
        }
    }
}

async fn poll(shared: &Shared, id: u64, endpoint: &Endpoint, connection: Connection) -> Fault {
    let mut pace = shared.pace.clone();
    let mut told = Page::default();
    // Members are asked at different moments, so that the questions are no beat of their own.
    sleep(Duration::from_millis(id % 250)).await;
    loop {
        // Beside each other: neither waits for the other's answer, and the status alone tells whether it lives.
        let (answer, ()) =
            tokio::join!(status(shared, id, &connection), told.look(shared, endpoint));
        match answer {
            Ok(answer) => {
                let of = answer.header.as_ref().map_or(id, |header| header.member_id);
                if of != id {
                    shared.fronts.note(endpoint);
                    return fault::front();
                }
                let sample = sampler::of_status(answer, shared.clock.now());
                let known = told.last.as_ref();
                let sample = match known {
                    Some(metrics) => sampler::with_metrics(sample, metrics),
                    None => sample,
                };
                shared.inbox.sample(id, sample);
            }
            Err(fault) => return fault,
        }
        let interval = pace.borrow_and_update().poll();
        tokio::select! {
            () = sleep(interval) => {}
            changed = pace.changed() => if changed.is_err() { return fault::ended() },
        }
    }
}

/// The page of metrics of a member, read from time to time.
#[derive(Default)]
struct Page {
    last: Option<Metrics>,
    due: Option<Instant>,
}

impl Page {
    async fn look(&mut self, shared: &Shared, endpoint: &Endpoint) {
        if self.due.is_some_and(|due| Instant::now() < due) {
            return;
        }
        let before = self.last.take();
        let wait = if before.is_some() { metrics::LOOK_EVERY } else { metrics::LOOK_AGAIN };
        self.due = Some(Instant::now() + wait);
        let page = metrics::fetch(endpoint, &shared.tls, shared.clock.now()).await;
        self.last = page.map(|page| page.since(before.as_ref()));
    }
}

/// Asks for a linearizable read again and again: an answer shows that a quorum stands behind the member.
async fn prove(shared: &Shared, id: u64, connection: Connection) -> std::convert::Infallible {
    let pace = shared.pace.clone();
    loop {
        let asked = shared.clock.now();
        let read = shared.access.call(&connection, |wire| async move {
            let read = RangeRequest {
                key: Bytes::from_static(HEALTH_KEY),
                keys_only: true,
                limit: 1,
                ..RangeRequest::default()
            };
            KvClient::new(wire).range(read).await
        });
        let (term, refused) = match timeout(ANSWER_WITHIN, read).await {
            Ok(Ok(answer)) => (answer.header.map(|header| header.raft_term), None),
            Ok(Err(status)) => (None, fault::refusal(&status)),
            Err(_) => (None, None),
        };
        let wait = if term.is_some() || refused.is_some() {
            shared.inbox.proof(id, Proof { asked, term, refused });
            pace.borrow().proof()
        } else {
            PROOF_AGAIN
        };
        sleep(wait).await;
    }
}

/// Asks for the status and notes how long it took.
async fn status(
    shared: &Shared,
    id: u64,
    connection: &Connection,
) -> Result<StatusResponse, Fault> {
    let asked = shared.clock.now();
    let question = shared.access.call(connection, |wire| async move {
        MaintenanceClient::new(wire).status(StatusRequest {}).await
    });
    match timeout(ANSWER_WITHIN, question).await {
        Ok(Ok(answer)) => {
            let now = shared.clock.now();
            shared.inbox.rtt(id, now, now.since(asked));
            Ok(answer)
        }
        Ok(Err(status)) => Err(fault::of_status(&status)),
        Err(_) => Err(fault::no_answer()),
    }
}

//! Members with few descriptors and many connections: what clients hold never costs the disk, a peer or a probe theirs.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::channel::mpsc::{UnboundedSender, unbounded};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    PutRequest, RangeRequest, WatchCreateRequest, WatchRequest, WatchResponse,
};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::page;
use mini_etcd_tests::wait::eventually;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tonic::Streaming;

/// Idle connections to each member, where `IDLE_CONNECTIONS` does not say how many.
const IDLE: usize = 1500;

/// Descriptors of this test beside idle connections.
const OWN_DESCRIPTORS: usize = 512;

/// Time for anything to go on. A connection that has spoken keeps its place for two seconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a client of HTTP/2 says first: the preface and empty settings.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Held by the test that has all descriptors of this process.
static DESCRIPTORS: Mutex<()> = Mutex::const_new(());

/// Idle connections for each of three members, as many as this process may have.
fn idle_count() -> anyhow::Result<usize> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let wanted = match std::env::var("IDLE_CONNECTIONS") {
        Ok(count) => count.parse().context("IDLE_CONNECTIONS")?,
        Err(_) => IDLE,
    };
    let most = maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    Ok(wanted.min(most.saturating_sub(OWN_DESCRIPTORS) / 3))
}

/// Opens connections to a member that then do nothing: half of them say nothing at all, half open HTTP/2.
async fn idle(address: &str, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let mut open = Vec::new();
    for number in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        if number % 2 == 0 {
            // It may be closed again by now.
            let _ = stream.write_all(OPENING).await;
        }
        open.push(stream);
    }
    Ok(open)
}

/// A write and a linearizable read on a new connection. Right after a flood the places may be taken for a moment.
async fn serves(cluster: &Cluster, index: usize) -> anyhow::Result<()> {
    eventually(&format!("a write through member {index}"), DEADLINE, || async {
        let mut kv = KvClient::new(cluster.channel(index)?);
        let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
        kv.put(put).await?;
        let range = RangeRequest { key: "k".into(), ..RangeRequest::default() };
        ensure!(kv.range(range).await?.into_inner().count == 1);
        Ok(())
    })
    .await
}

async fn is_healthy(cluster: &Cluster, index: usize) -> anyhow::Result<()> {
    let address = &cluster.member(index)?.address;
    eventually(&format!("health of member {index}"), DEADLINE, || async {
        let answer = page::answer(address, "/health").await?;
        ensure!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        Ok(())
    })
    .await
}

async fn all_go_on(cluster: &mut Cluster) -> anyhow::Result<()> {
    for index in 0..cluster.size() {
        let went = async {
            serves(cluster, index).await?;
            is_healthy(cluster, index).await
        };
        let went = went.await;
        let errors = cluster.member(index)?.errors();
        went.with_context(|| format!("member {index} says:\n{errors}"))?;
        ensure!(cluster.is_running(index) && !errors.contains("Too many open files"), "{errors}");
    }
    Ok(())
}

async fn idle_connections_keep_nobody_out(limit: u32) -> anyhow::Result<()> {
    let _alone = DESCRIPTORS.lock().await;
    let count = idle_count()?;
    let mut cluster = Cluster::start_with_descriptors(3, limit).await?;
    let mut held = Vec::new();
    for index in 0..3 {
        held.push(idle(&cluster.member(index)?.address, count).await?);
    }
    all_go_on(&mut cluster).await?;
    // A follower and then the leader start again, and the others' idle connections stay.
    let leader = cluster.leader().await?;
    for index in [(leader + 1) % 3, leader] {
        cluster.kill(index)?;
        cluster.restart(index)?;
        all_go_on(&mut cluster).await?;
        // In the place of those that ended with the process, whose descriptors are given back before.
        let place = held.get_mut(index).context("a member")?;
        place.clear();
        *place = idle(&cluster.member(index)?.address, count).await?;
        all_go_on(&mut cluster).await?;
    }
    Ok(())
}

/// Goal: idle connections cost a member nothing but themselves. Method: three members with 64 descriptors each, silent
/// and quiet connections to all of them, then writes, reads, health, and restarts of a follower and the leader.
#[tokio::test]
async fn idle_connections_keep_nobody_out_at_sixty_four_descriptors() -> anyhow::Result<()> {
    idle_connections_keep_nobody_out(64).await
}

#[tokio::test]
async fn idle_connections_keep_nobody_out_at_a_thousand_descriptors() -> anyhow::Result<()> {
    idle_connections_keep_nobody_out(1024).await
}

/// A watch on a connection of its own, which holds its place until both halves go.
struct Watch {
    _requests: UnboundedSender<WatchRequest>,
    answers: Streaming<WatchResponse>,
}

async fn watch(cluster: &Cluster, index: usize) -> anyhow::Result<Watch> {
    let create = WatchCreateRequest { key: "k".into(), ..WatchCreateRequest::default() };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let (requests, stream) = unbounded();
    requests.unbounded_send(create)?;
    let mut client = WatchClient::new(cluster.channel(index)?);
    let mut answers = client.watch(stream).await?.into_inner();
    answers.message().await?.context("an answer")?;
    Ok(Watch { _requests: requests, answers })
}

/// Goal: peers and probes have places that no client can take. Method: watches take every place of a member with 64
/// descriptors, until one is refused; then both other members start again and need it for their quorum.
#[tokio::test]
async fn peers_and_health_have_places_that_clients_cannot_take() -> anyhow::Result<()> {
    let mut cluster = Cluster::start_with_descriptors(3, 64).await?;
    let leader = cluster.leader().await?;
    let mut held = Vec::new();
    let refused = loop {
        match watch(&cluster, leader).await {
            Ok(stream) => held.push(stream),
            Err(refused) => break refused,
        }
        ensure!(held.len() < 64, "there is no bound");
    };
    ensure!(held.len() > 4, "{} watches: {refused:?}", held.len());
    is_healthy(&cluster, leader).await?;
    for index in [(leader + 1) % 3, (leader + 2) % 3] {
        cluster.kill(index)?;
        cluster.restart(index)?;
        serves(&cluster, index).await?;
        is_healthy(&cluster, index).await?;
    }
    is_healthy(&cluster, leader).await?;
    let errors = cluster.member(leader)?.errors();
    ensure!(cluster.is_running(leader), "{errors}");
    // Their places are free again, and the watches saw what was written.
    ensure!(held[0].answers.message().await?.is_some_and(|seen| !seen.events.is_empty()));
    drop(held);
    all_go_on(&mut cluster).await
}

/// Goal: a limit that is too low for a member is an error at its start and no surprise later.
#[tokio::test]
async fn too_low_a_limit_is_refused_at_the_start_by_name() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    cluster.kill(0)?;
    cluster.limit_descriptors(24);
    cluster.restart(0)?;
    let status = cluster.wait_exit(0, DEADLINE)?;
    let errors = cluster.member(0)?.errors();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("the limit of open files is 24 and at least 5"), "{errors}");
    Ok(())
}

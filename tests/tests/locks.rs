//! Locks and elections, held against etcd by one script for both.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest, RangeRequest, ResponseHeader,
};
use mini_etcd_proto::v3electionpb::election_client::ElectionClient;
use mini_etcd_proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest, ResignRequest,
};
use mini_etcd_proto::v3lockpb::lock_client::LockClient;
use mini_etcd_proto::v3lockpb::{LockRequest, UnlockRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::page;
use mini_etcd_tests::wait::eventually;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;
use tonic::transport::Channel;

/// Time for anything that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(60);

async fn grant(channel: &Channel, id: i64) -> anyhow::Result<()> {
    let request = LeaseGrantRequest { id, ttl: 600 };
    LeaseClient::new(channel.clone()).lease_grant(request).await?;
    Ok(())
}

async fn revoke(channel: &Channel, id: i64) -> anyhow::Result<()> {
    LeaseClient::new(channel.clone()).lease_revoke(LeaseRevokeRequest { id }).await?;
    Ok(())
}

/// The answer to a call: what it says, or code and words of the refusal.
fn told<T: std::fmt::Display>(answer: Result<T, Status>) -> String {
    answer.map_or_else(|no| format!("{:?}: {}", no.code(), no.message()), |yes| yes.to_string())
}

/// The key of the lock, and whether the header is of the revision that created it.
async fn lock(channel: Channel, name: &str, lease: i64) -> Result<String, Status> {
    let request = LockRequest { name: name.to_owned().into(), lease };
    let answer = LockClient::new(channel.clone()).lock(request).await?.into_inner();
    let created = created(&channel, &answer.key).await?;
    let at = if revision(answer.header.as_ref()) == created { "created" } else { "later" };
    Ok(format!("{} {at}", String::from_utf8_lossy(&answer.key)))
}

async fn unlock(channel: &Channel, key: &str) -> Result<String, Status> {
    let request = UnlockRequest { key: key.to_owned().into() };
    let answer = LockClient::new(channel.clone()).unlock(request).await?.into_inner();
    Ok(format!("unlocked, header: {}", revision(answer.header.as_ref()) > 0))
}

fn revision(header: Option<&ResponseHeader>) -> i64 {
    header
        .filter(|header| header.cluster_id != 0 && header.member_id != 0)
        .map_or(0, |it| it.revision)
}

/// Revision at which a key was created; 0 where it is not there.
async fn created(channel: &Channel, key: &[u8]) -> Result<i64, Status> {
    let request = RangeRequest { key: key.to_vec().into(), ..RangeRequest::default() };
    let found = KvClient::new(channel.clone()).range(request).await?.into_inner();
    Ok(found.kvs.first().map_or(0, |kv| kv.create_revision))
}

/// Waits until a key is there, or is not.
async fn until(channel: &Channel, key: &str, is_there: bool) -> anyhow::Result<()> {
    eventually(&format!("{key}: {is_there}"), DEADLINE, || async {
        ensure!((created(channel, key.as_bytes()).await? > 0) == is_there);
        Ok(())
    })
    .await
}

/// Locks as the script of both: what each step was told.
async fn locks(channel: &Channel) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    said.push(told(lock(channel.clone(), "a", 77).await));
    for lease in 1..=4 {
        grant(channel, lease).await?;
    }
    said.push(told(lock(channel.clone(), "a", 1).await));
    said.push(told(lock(channel.clone(), "a", 1).await));
    let second = tokio::spawn(lock(channel.clone(), "a", 2));
    until(channel, "a/2", true).await?;
    let third = tokio::spawn(lock(channel.clone(), "a", 3));
    until(channel, "a/3", true).await?;
    let fourth = tokio::spawn(lock(channel.clone(), "a", 4));
    until(channel, "a/4", true).await?;
    // Who hangs up leaves the queue.
    third.abort();
    until(channel, "a/3", false).await?;
    // A lease that goes takes its place with it, which shows when it is its turn.
    revoke(channel, 4).await?;
    until(channel, "a/4", false).await?;
    ensure!(!second.is_finished() && !fourth.is_finished(), "somebody has the lock that is held");
    said.push(told(unlock(channel, "a/1").await));
    said.push(told(timeout(DEADLINE, second).await??));
    said.push(told(unlock(channel, "a/2").await));
    said.push(told(timeout(DEADLINE, fourth).await??));
    said.push(told(unlock(channel, "unknown").await));
    said.push(told(unlock(channel, "").await));
    said.push(told(lock(channel.clone(), "", 1).await));
    // Without a lease it has one of a minute.
    let own = lock(channel.clone(), "own", 0).await?;
    let id = own.split(['/', ' ']).nth(1).context("a lease")?;
    let id = i64::from_str_radix(id, 16)?;
    let request = LeaseTimeToLiveRequest { id, keys: false };
    let left = LeaseClient::new(channel.clone()).lease_time_to_live(request).await?.into_inner();
    said.push(format!("own {} {}", left.granted_ttl, own.ends_with(" created")));
    revoke(channel, id).await?;
    Ok(said)
}

const LOCKS: &[&str] = &[
    "Unknown: etcdserver: requested lease not found",
    "a/1 created",
    "a/1 created",
    "unlocked, header: true",
    "a/2 later",
    "unlocked, header: true",
    "Unknown: mutex: session is expired",
    "unlocked, header: true",
    "Unknown: etcdserver: key is not provided",
    "/1 created",
    "own 60 true",
];

async fn campaign(
    channel: Channel,
    name: &str,
    lease: i64,
    value: &str,
) -> Result<LeaderKey, Status> {
    let request =
        CampaignRequest { name: name.to_owned().into(), lease, value: value.to_owned().into() };
    let answer = ElectionClient::new(channel).campaign(request).await?.into_inner();
    let has_header = revision(answer.header.as_ref()) > 0;
    answer.leader.filter(|_| has_header).ok_or_else(|| Status::internal("no leader, or no header"))
}

fn words(leader: &LeaderKey) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{} {} {}", text(&leader.name), text(&leader.key), leader.lease)
}

fn led(answer: &LeaderResponse) -> anyhow::Result<String> {
    let kv = answer.kv.as_ref().context("a leader")?;
    ensure!(revision(answer.header.as_ref()) >= kv.mod_revision, "{answer:?}");
    Ok(format!("{}={}", String::from_utf8_lossy(&kv.key), String::from_utf8_lossy(&kv.value)))
}

async fn leader(channel: &Channel, name: &str) -> anyhow::Result<String> {
    let request = LeaderRequest { name: name.to_owned().into() };
    match ElectionClient::new(channel.clone()).leader(request).await {
        Ok(answer) => led(answer.get_ref()),
        Err(no) => Ok(told::<String>(Err(no))),
    }
}

async fn proclaim(channel: &Channel, leader: Option<LeaderKey>, value: &str) -> String {
    let request = ProclaimRequest { leader, value: value.to_owned().into() };
    let answer = ElectionClient::new(channel.clone()).proclaim(request).await;
    told(answer.map(|answer| revision(answer.get_ref().header.as_ref()) > 0))
}

async fn resign(channel: &Channel, leader: Option<LeaderKey>) -> String {
    let answer = ElectionClient::new(channel.clone()).resign(ResignRequest { leader }).await;
    told(answer.map(|answer| revision(answer.get_ref().header.as_ref()) > 0))
}

/// What an observer sees, from when it is asked for on: etcd says nothing, not even that it observes, before somebody leads.
fn observe(channel: &Channel, name: &str) -> mpsc::UnboundedReceiver<anyhow::Result<String>> {
    let request = LeaderRequest { name: name.to_owned().into() };
    let (mut client, (tell, seen)) =
        (ElectionClient::new(channel.clone()), mpsc::unbounded_channel());
    tokio::spawn(async move {
        let mut leaders = client.observe(request).await?.into_inner();
        while let Some(leader) = leaders.message().await? {
            tell.send(led(&leader))?;
        }
        anyhow::Ok(())
    });
    seen
}

async fn seen(
    observer: &mut mpsc::UnboundedReceiver<anyhow::Result<String>>,
) -> anyhow::Result<String> {
    timeout(DEADLINE, observer.recv()).await?.context("the stream ended")?
}

/// Elections as the script of both.
async fn elections(channel: &Channel) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    for lease in 1..=3 {
        grant(channel, lease).await?;
    }
    said.push(leader(channel, "e").await?);
    said.push(proclaim(channel, None, "v").await);
    said.push(resign(channel, None).await);
    said.push(told(campaign(channel.clone(), "e", 77, "v").await.map(|_| "leads")));
    let mut early = observe(channel, "e");
    let first = campaign(channel.clone(), "e", 1, "v1").await?;
    said.push(words(&first));
    said.push(seen(&mut early).await?);
    said.push(leader(channel, "e").await?);
    // Who leads may say something else, by a campaign too.
    let again = campaign(channel.clone(), "e", 1, "v2").await?;
    ensure!(again == first, "{again:?}");
    said.push(seen(&mut early).await?);
    said.push(proclaim(channel, Some(first.clone()), "v3").await);
    said.push(seen(&mut early).await?);
    let stale = LeaderKey { rev: first.rev + 1, ..first.clone() };
    said.push(proclaim(channel, Some(stale.clone()), "v4").await);
    said.push(resign(channel, Some(stale)).await);
    let second = tokio::spawn(campaign(channel.clone(), "e", 2, "w"));
    until(channel, "e/2", true).await?;
    let third = tokio::spawn(campaign(channel.clone(), "e", 3, "x"));
    until(channel, "e/3", true).await?;
    third.abort();
    until(channel, "e/3", false).await?;
    ensure!(!second.is_finished(), "two lead");
    let mut late = observe(channel, "e");
    said.push(seen(&mut late).await?);
    said.push(resign(channel, Some(first)).await);
    said.push(words(&timeout(DEADLINE, second).await???));
    for stream in [&mut early, &mut late] {
        said.push(seen(stream).await?);
    }
    said.push(leader(channel, "e").await?);
    Ok(said)
}

const ELECTIONS: &[&str] = &[
    "Unknown: election: no leader",
    "Unknown: \"leader\" field must be provided",
    "Unknown: \"leader\" field must be provided",
    "Unknown: etcdserver: requested lease not found",
    "e e/1 1",
    "e/1=v1",
    "e/1=v1",
    "e/1=v2",
    "true",
    "e/1=v3",
    "Unknown: election: not leader",
    "true",
    "e/1=v3",
    "true",
    "e e/2 2",
    "e/2=w",
    "e/2=w",
    "e/2=w",
];

async fn scripts(flavor: Flavor, size: usize) -> anyhow::Result<()> {
    let cluster = Cluster::start(flavor, size).await?;
    for index in 0..size {
        let channel = cluster.channel(index)?;
        assert_eq!(locks(&channel).await?, LOCKS, "member {index}");
        let everything =
            RangeRequest { key: "\0".into(), range_end: "\0".into(), ..RangeRequest::default() };
        ensure!(KvClient::new(channel.clone()).range(everything).await?.into_inner().count > 0);
        for lease in 1..=3 {
            revoke(&channel, lease).await?;
        }
        assert_eq!(elections(&channel).await?, ELECTIONS, "member {index}");
        for lease in 1..=3 {
            revoke(&channel, lease).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn locks_and_elections_are_told_the_same_on_every_member() -> anyhow::Result<()> {
    scripts(Flavor::Mini, 3).await
}

#[cfg(feature = "oracle")]
#[tokio::test]
async fn etcd_tells_the_same_of_locks_and_elections() -> anyhow::Result<()> {
    scripts(Flavor::Etcd, 1).await
}

/// Goal: a lock changes hands through the kill of the leader, and never has two holders. Method: clients at both followers,
/// the leader killed while one waits; then the holder gives up.
#[tokio::test]
async fn a_waiter_outlives_the_leader() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let leader = cluster.leader().await?;
    let mut others = (0..3).filter(|index| *index != leader);
    let (Some(one), Some(two)) = (others.next(), others.next()) else { bail!("three members") };
    let (one, two) = (cluster.channel(one)?, cluster.channel(two)?);
    for lease in 1..=2 {
        grant(&one, lease).await?;
    }
    assert_eq!(lock(one.clone(), "a", 1).await?, "a/1 created");
    let waiter = tokio::spawn(lock(two.clone(), "a", 2));
    until(&one, "a/2", true).await?;
    cluster.kill(leader)?;
    eventually("another member leads", DEADLINE, || async {
        // Also that what comes next is not before it.
        ensure!(created(&two, b"a/2").await? > 0);
        ensure!(!waiter.is_finished(), "two hold the lock");
        Ok(())
    })
    .await?;
    assert_eq!(told(unlock(&one, "a/1").await), "unlocked, header: true");
    assert_eq!(timeout(DEADLINE, waiter).await???, "a/2 later");
    Ok(())
}

/// Goal: who gives up leaves the queue, at whatever moment. Method: calls for a lock that is held, each given up a little
/// later than the one before, so that some of them end while their key is being created; then only the holder's is left.
#[tokio::test]
async fn a_call_given_up_at_any_moment_leaves_no_key() -> anyhow::Result<()> {
    const CALLS: i64 = 200;
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let channel = cluster.channel(0)?;
    for lease in 1..=CALLS + 1 {
        grant(&channel, lease).await?;
    }
    assert_eq!(lock(channel.clone(), "a", 1).await?, "a/1 created");
    for call in 1..=CALLS {
        let patience = Duration::from_micros(50 * call.unsigned_abs());
        let given_up = timeout(patience, lock(channel.clone(), "a", call + 1)).await;
        ensure!(given_up.is_err(), "{given_up:?}");
    }
    let all = RangeRequest { key: "a/".into(), range_end: "a0".into(), ..RangeRequest::default() };
    eventually("only the holder's key", DEADLINE, || async {
        let left = KvClient::new(channel.clone()).range(all.clone()).await?.into_inner().kvs;
        ensure!(left.len() == 1, "{} keys", left.len());
        Ok(())
    })
    .await?;
    // Who has the lock and asks for it once more keeps it, however soon it gives that up.
    for call in 0..40 {
        let patience = Duration::from_micros(50 * call);
        let _ = timeout(patience, lock(channel.clone(), "a", 1)).await;
    }
    assert_eq!(lock(channel.clone(), "a", 1).await?, "a/1 later");
    Ok(())
}

/// Goal: who gives up while nobody leads leaves the queue all the same. Method: a waiter at a follower gives up after both
/// other members were killed, and they start again after the follower has counted the removal as lost.
#[tokio::test]
async fn a_call_given_up_without_a_leader_leaves_no_key() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let me = (cluster.leader().await? + 1) % 3;
    let (channel, address) = (cluster.channel(me)?, cluster.member(me)?.address.clone());
    for lease in 1..=2 {
        grant(&channel, lease).await?;
    }
    assert_eq!(lock(channel.clone(), "a", 1).await?, "a/1 created");
    let waiter = tokio::spawn(lock(channel.clone(), "a", 2));
    until(&channel, "a/2", true).await?;
    let lost = || async {
        let page = page::get(&address, "/metrics").await?;
        let name = "etcd_server_proposals_failed_total ";
        let lost = page.lines().find_map(|line| line.strip_prefix(name));
        anyhow::Ok(lost.context("no such metric")?.parse::<f64>()?)
    };
    let before = lost().await?;
    let others = [(me + 1) % 3, (me + 2) % 3];
    for other in others {
        cluster.kill(other)?;
    }
    waiter.abort();
    eventually("the removal is lost", DEADLINE, || async {
        ensure!(lost().await? > before, "not yet");
        Ok(())
    })
    .await?;
    for other in others {
        cluster.restart(other)?;
    }
    until(&channel, "a/2", false).await
}

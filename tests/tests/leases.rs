//! Leases on real members: they end when nobody renews them, and only then, whoever leads.
//!
//! Time is told by leases: one that nobody renews says when so much of it has passed.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures::StreamExt as _;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseRevokeRequest, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, PutRequest, RangeRequest,
    WatchCreateRequest, WatchRequest, WatchResponse,
};
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};

/// Time for anything that is sure to happen.
const DEADLINE: Duration = Duration::from_secs(60);

async fn grant(channel: Channel, id: i64, ttl: i64) -> anyhow::Result<i64> {
    let answer = LeaseClient::new(channel).lease_grant(LeaseGrantRequest { id, ttl }).await?;
    Ok(answer.into_inner().id)
}

async fn put(channel: Channel, key: &str, lease: i64) -> anyhow::Result<()> {
    let key = key.to_owned().into();
    KvClient::new(channel).put(PutRequest { key, lease, ..PutRequest::default() }).await?;
    Ok(())
}

/// One renewal: the time to live, 0 where the lease is gone.
async fn renew(channel: Channel, id: i64) -> anyhow::Result<i64> {
    let requests = futures::stream::iter([LeaseKeepAliveRequest { id }]);
    let mut answers = LeaseClient::new(channel).lease_keep_alive(requests).await?.into_inner();
    let answer = answers.message().await?.context("an answer")?;
    ensure!(answer.id == id, "{answer:?}");
    ensure!(answers.message().await?.is_none(), "the stream ends with its requests");
    Ok(answer.ttl)
}

async fn left(channel: Channel, id: i64) -> anyhow::Result<LeaseTimeToLiveResponse> {
    let request = LeaseTimeToLiveRequest { id, keys: true };
    Ok(LeaseClient::new(channel).lease_time_to_live(request).await?.into_inner())
}

/// Whether a member has a key now, by its own state.
async fn has(channel: Channel, key: &str) -> anyhow::Result<bool> {
    let key = key.to_owned().into();
    let request = RangeRequest { key, serializable: true, ..RangeRequest::default() };
    Ok(KvClient::new(channel).range(request).await?.into_inner().count > 0)
}

async fn watch(channel: Channel, key: &str, end: &str) -> anyhow::Result<Streaming<WatchResponse>> {
    let create = WatchCreateRequest {
        key: key.to_owned().into(),
        range_end: end.to_owned().into(),
        start_revision: 1,
        prev_kv: true,
        ..WatchCreateRequest::default()
    };
    let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let requests = futures::stream::iter([request]).chain(futures::stream::pending());
    Ok(WatchClient::new(channel).watch(requests).await?.into_inner())
}

/// The next response of a watch with a removal: key, revision and value before of each.
async fn removals(
    watch: &mut Streaming<WatchResponse>,
) -> anyhow::Result<Vec<(String, i64, String)>> {
    let next = async {
        loop {
            let response = watch.message().await?.context("the watch ended")?;
            let removed = response.events.iter().filter(|it| it.r#type() == EventType::Delete);
            let removed: Vec<_> = removed
                .map(|event| {
                    let (kv, prev) = (event.kv.clone(), event.prev_kv.clone().unwrap_or_default());
                    let kv = kv.unwrap_or_default();
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    (text(&kv.key), kv.mod_revision, text(&prev.key))
                })
                .collect();
            if !removed.is_empty() {
                return Ok(removed);
            }
        }
    };
    tokio::time::timeout(DEADLINE, next).await.context("no removal")?
}

/// Renews a lease through some members in turn until a key is gone, which another lease takes with it. Answers how often.
async fn renew_until_gone(
    channels: &[Channel],
    lease: i64,
    (on, key): (&Channel, &str),
) -> anyhow::Result<usize> {
    let renewing = async {
        for round in 0.. {
            let channel = channels.get(round % channels.len()).context("a member")?;
            let ttl = renew(channel.clone(), lease).await?;
            ensure!(ttl > 0, "the lease is gone after {round} renewals");
            if !has(on.clone(), key).await? {
                return Ok(round);
            }
        }
        bail!("not reached")
    };
    tokio::time::timeout(DEADLINE, renewing).await.context("the other lease goes on")?
}

/// Goal: the keys of a lease that nobody renews go together, on all members at the same revision, each with an event that
/// knows the value before; what does not hang on it stays.
#[tokio::test]
async fn keys_of_an_expired_lease_vanish_on_every_member_at_one_revision() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 3).await?;
    let lease = grant(cluster.channel(0)?, 0, 2).await?;
    put(cluster.channel(1)?, "leased/b", lease).await?;
    put(cluster.channel(2)?, "leased/a", lease).await?;
    put(cluster.channel(0)?, "leased/c", lease).await?;
    put(cluster.channel(1)?, "leased/c", 0).await?;
    let mut seen = Vec::new();
    for index in 0..3 {
        let mut watch = watch(cluster.channel(index)?, "leased/", "leased0").await?;
        seen.push(removals(&mut watch).await?);
    }
    let revision = seen[0][0].1;
    let of = |key: &str| (key.to_owned(), revision, key.to_owned());
    for member in &seen {
        assert_eq!(member, &[of("leased/a"), of("leased/b")]);
    }
    assert!(has(cluster.channel(2)?, "leased/c").await?, "it was put again without the lease");
    for index in 0..3 {
        let gone = left(cluster.channel(index)?, lease).await?;
        assert_eq!((gone.ttl, gone.granted_ttl, gone.keys.len()), (-1, 0, 0));
        assert_eq!(renew(cluster.channel(index)?, lease).await?, 0);
    }
    Ok(())
}

/// Goal: times to live and numbers at their bounds are taken or refused as by etcd, and nothing overflows (etcd #9374). Method: one
/// list for both.
async fn boundaries(flavor: Flavor) -> anyhow::Result<()> {
    let cluster = Cluster::start(flavor, 1).await?;
    let channel = cluster.channel(0)?;
    for (id, ttl, wanted) in [
        (0, 0, "2"),
        (0, -1, "2"),
        (0, i64::MIN, "2"),
        (0, 1, "2"),
        (0, 9_000_000_000, "9000000000"),
        (0, 9_000_000_001, "etcdserver: too large lease TTL"),
        (0, i64::MAX, "etcdserver: too large lease TTL"),
        (7, 60, "60"),
        (7, 60, "etcdserver: lease already exists"),
        (-7, 60, "60"),
        (i64::MIN, 60, "60"),
        (i64::MAX, 60, "60"),
    ] {
        let request = LeaseGrantRequest { id, ttl };
        let said = match LeaseClient::new(channel.clone()).lease_grant(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                ensure!(id == 0 || answer.id == id, "{answer:?}");
                let left = left(channel.clone(), answer.id).await?;
                ensure!(left.granted_ttl == answer.ttl && left.ttl <= answer.ttl, "{left:?}");
                answer.ttl.to_string()
            }
            Err(status) => status.message().to_owned(),
        };
        ensure!(said == wanted, "a grant of {id} for {ttl}: {said}, and not {wanted}");
    }
    put(channel.clone(), "k", i64::MIN).await?;
    let request = LeaseRevokeRequest { id: i64::MIN };
    LeaseClient::new(channel.clone()).lease_revoke(request).await?;
    ensure!(!has(channel.clone(), "k").await?, "it outlives its lease");
    let late = put(channel, "k", i64::MIN).await.err().context("a put to a lease that is gone")?;
    ensure!(format!("{late:#}").contains("requested lease not found"), "{late:#}");
    Ok(())
}

#[tokio::test]
async fn grants_at_the_bounds_are_taken_or_refused() -> anyhow::Result<()> {
    boundaries(Flavor::Mini).await
}

#[cfg(feature = "oracle")]
#[tokio::test]
async fn etcd_takes_and_refuses_the_same_grants() -> anyhow::Result<()> {
    boundaries(Flavor::Etcd).await
}

/// Goal: whoever is asked renews a lease, and it ends once nobody does.
#[tokio::test]
async fn a_lease_is_kept_alive_through_any_member() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 3).await?;
    let channels: Vec<_> = (0..3).map(|index| cluster.channel(index)).collect::<Result<_, _>>()?;
    let kept = grant(channels[0].clone(), 7, 2).await?;
    let clock = grant(channels[1].clone(), 0, 6).await?;
    put(channels[0].clone(), "kept", kept).await?;
    put(channels[0].clone(), "clock", clock).await?;
    let renewals = renew_until_gone(&channels, kept, (&channels[2], "clock")).await?;
    assert!(renewals > 10, "{renewals} renewals in three times its life");
    for channel in &channels {
        let answer = left(channel.clone(), kept).await?;
        assert_eq!((answer.granted_ttl, answer.keys), (2, vec!["kept".into()]));
    }
    let mut watch = watch(channels[1].clone(), "kept", "").await?;
    assert_eq!(removals(&mut watch).await?[0].0, "kept");
    assert_eq!(renew(channels[2].clone(), kept).await?, 0);
    Ok(())
}

/// Goal: a stream carries the renewals of many leases, answered in order, unknown ones by a time to live of 0.
#[tokio::test]
async fn a_stream_renews_many_leases_in_order() -> anyhow::Result<()> {
    const LEASES: i64 = 300;
    let cluster = Cluster::start(Flavor::Mini, 3).await?;
    let follower = (cluster.leader().await? + 1) % 3;
    for id in (1..=LEASES).filter(|id| id % 3 != 0) {
        grant(cluster.channel(follower)?, id, 60).await?;
    }
    let requests = futures::stream::iter((1..=LEASES).map(|id| LeaseKeepAliveRequest { id }));
    let channel = cluster.channel(follower)?;
    let mut answers = LeaseClient::new(channel).lease_keep_alive(requests).await?.into_inner();
    for id in 1..=LEASES {
        let answer = answers.message().await?.context("an answer")?;
        assert_eq!((answer.id, answer.ttl), (id, if id % 3 == 0 { 0 } else { 60 }));
        assert!(answer.header.is_some_and(|header| header.member_id != 0));
    }
    assert!(answers.message().await?.is_none());
    for index in 0..3 {
        let mut client = LeaseClient::new(cluster.channel(index)?);
        let list = client.lease_leases(LeaseLeasesRequest {}).await?.into_inner();
        assert_eq!(list.leases.len(), 200);
    }
    Ok(())
}

/// Goal: a leader that dies takes no lease with it, and makes none last for ever; nor does the restart of all members.
#[tokio::test]
async fn a_lease_outlives_its_leader_and_a_restart_of_all_and_still_ends() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let (short, long) =
        (grant(cluster.channel(0)?, 0, 4).await?, grant(cluster.channel(0)?, 0, 600).await?);
    put(cluster.channel(0)?, "short", short).await?;
    put(cluster.channel(0)?, "long", long).await?;
    let leader = cluster.leader().await?;
    cluster.kill(leader)?;
    let other = (leader + 1) % 3;
    let answer = left(cluster.channel(other)?, long).await?;
    assert_eq!((answer.granted_ttl, answer.keys), (600, vec!["long".into()]));
    assert_eq!(renew(cluster.channel(other)?, short).await?, 4, "its new leader knows it");
    let mut watch = watch(cluster.channel(other)?, "short", "").await?;
    assert_eq!(removals(&mut watch).await?[0].0, "short");
    for index in (0..3).filter(|index| *index != leader) {
        cluster.kill(index)?;
    }
    for index in 0..3 {
        cluster.restart(index)?;
    }
    cluster.wait_ready().await?;
    for index in 0..3 {
        let answer = left(cluster.channel(index)?, long).await?;
        assert_eq!((answer.granted_ttl, answer.keys), (600, vec!["long".into()]));
        assert_eq!(left(cluster.channel(index)?, short).await?.ttl, -1);
        eventually("the keys are as they were", DEADLINE, || async {
            let channel = || cluster.channel(index);
            ensure!(has(channel()?, "long").await? && !has(channel()?, "short").await?);
            Ok(())
        })
        .await?;
    }
    LeaseClient::new(cluster.channel(0)?).lease_revoke(LeaseRevokeRequest { id: long }).await?;
    assert!(!has(cluster.channel(0)?, "long").await?);
    Ok(())
}

/// Goal: a leader that stands still for longer than a lease lives does not end it when it goes on, for its successor has
/// renewed it (etcd #12528, #15247). Method: it is stopped, and another member renews until a lease of twice the time is over;
/// then it goes on, follows, and the same again.
#[tokio::test]
async fn a_paused_leader_ends_no_lease_that_its_successor_keeps() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 3).await?;
    let leader = cluster.leader().await?;
    let others: Vec<_> = (0..3).filter(|index| *index != leader).collect();
    let kept = grant(cluster.channel(leader)?, 0, 3).await?;
    put(cluster.channel(leader)?, "kept", kept).await?;
    let channel = cluster.channel(others[0])?;
    cluster.signal(leader, Signal::STOP)?;
    // A renewal on its way waits for the next leader, and must not come too late.
    ensure!(renew(channel.clone(), kept).await? == 3, "the lease is gone with its leader");
    for (key, goes_on) in [("clock/1", true), ("clock/2", false)] {
        let clock = grant(channel.clone(), 0, 6).await?;
        put(channel.clone(), key, clock).await?;
        let channels = [channel.clone(), cluster.channel(others[1])?];
        renew_until_gone(&channels, kept, (&channel, key)).await?;
        if goes_on {
            cluster.signal(leader, Signal::CONT)?;
        }
    }
    assert!(has(channel.clone(), "kept").await?);
    let back = cluster.channel(leader)?;
    assert_eq!(renew(back.clone(), kept).await?, 3, "it asks who leads now");
    let mut watch = watch(back, "kept", "").await?;
    assert_eq!(removals(&mut watch).await?[0].0, "kept", "and it ends as any other");
    Ok(())
}

/// Goal: without a quorum nothing is renewed, and nothing is said to be. Method: the leader alone is left.
#[tokio::test]
async fn a_leader_without_a_quorum_renews_nothing() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let leader = cluster.leader().await?;
    let lease = grant(cluster.channel(leader)?, 0, 600).await?;
    for index in (0..3).filter(|index| *index != leader) {
        cluster.kill(index)?;
    }
    let requests = futures::stream::iter([LeaseKeepAliveRequest { id: lease }]);
    let mut client = LeaseClient::new(cluster.channel(leader)?);
    let mut answers = client.lease_keep_alive(requests).await?.into_inner();
    let status = answers.message().await.err().context("a renewal without a quorum")?;
    assert_eq!(status.code(), Code::Unavailable);
    let texts = ["etcdserver: no leader", "etcdserver: request timed out"];
    assert!(texts.contains(&status.message()), "{status:?}");
    Ok(())
}

/// Goal: a client that asks for a leader hears that there is none though it says nothing itself. Method: a stream of
/// renewals with `hasleader` whose requests are over for now; the leader is left alone.
#[tokio::test]
async fn a_silent_stream_of_renewals_hears_that_there_is_no_leader() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let leader = cluster.leader().await?;
    let id = grant(cluster.channel(leader)?, 0, 600).await?;
    let silent = || {
        let first = futures::stream::iter([LeaseKeepAliveRequest { id }]);
        Request::new(first.chain(futures::stream::pending()))
    };
    let mut client = LeaseClient::new(cluster.channel(leader)?);
    let mut asks = silent();
    asks.metadata_mut().insert("hasleader", "true".parse()?);
    let mut asks = client.lease_keep_alive(asks).await?.into_inner();
    let mut other = client.lease_keep_alive(silent()).await?.into_inner();
    for answers in [&mut asks, &mut other] {
        assert_eq!(answers.message().await?.context("a renewal")?.ttl, 600);
    }
    for index in (0..3).filter(|index| *index != leader) {
        cluster.kill(index)?;
    }
    let ended = tokio::time::timeout(DEADLINE, asks.message()).await?;
    let status = ended.err().context("an end without a leader")?;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "etcdserver: no leader"));
    assert!(futures::poll!(std::pin::pin!(other.message())).is_pending(), "it did not ask");
    Ok(())
}

/// Goal: tens of thousands of leases that end at once hold up no write. Method: one key each; while they go, a client
/// writes, and each write is answered before they are all gone.
#[tokio::test]
async fn leases_that_end_at_once_leave_room_for_writes() -> anyhow::Result<()> {
    const LEASES: i64 = 2000;
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let channel = cluster.channel(0)?;
    let grants = futures::stream::iter(1..=LEASES).map(|id| {
        let channel = channel.clone();
        async move {
            grant(channel.clone(), id, 5).await?;
            put(channel, &format!("leased/{id}"), id).await
        }
    });
    let done: Vec<_> = grants.buffer_unordered(200).collect().await;
    done.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
    let count = || async {
        let request = RangeRequest {
            key: "leased/".into(),
            range_end: "leased0".into(),
            count_only: true,
            ..RangeRequest::default()
        };
        anyhow::Ok(KvClient::new(channel.clone()).range(request).await?.into_inner().count)
    };
    eventually("the first are gone", DEADLINE, || async {
        ensure!(count().await? < LEASES, "all are there");
        Ok(())
    })
    .await?;
    let mut writes = 0;
    while count().await? > 0 {
        put(channel.clone(), "other", 0).await?;
        writes += 1;
    }
    assert!(writes > 3, "{writes} writes while they went");
    Ok(())
}

/// Goal: a client that renews thousands of leases in one go keeps its connection, as Go's client does that sends what is due and reads
/// meanwhile. Method: requests that nobody reads the answers of until all are sent, on one member and through a follower of three.
#[tokio::test]
async fn thousands_are_renewed_in_one_go_on_one_stream() -> anyhow::Result<()> {
    const RENEWALS: i64 = 10_000;
    for size in [1, 3] {
        let cluster = Cluster::start(Flavor::Mini, size).await?;
        let leader = cluster.leader().await?;
        let mut wire = cluster.dial((leader + 1) % size)?.wire().await?;
        let method = wire.method("/etcdserverpb.Lease/LeaseKeepAlive")?;
        let mut stream = wire.open(&method, &LeaseKeepAliveRequest { id: 1 }, false).await?;
        for id in 2..=RENEWALS {
            stream.send(&LeaseKeepAliveRequest { id })?;
        }
        for id in 1..=RENEWALS {
            let answer: Option<LeaseKeepAliveResponse> = stream.message().await?;
            ensure!(answer.as_ref().is_some_and(|it| it.id == id), "{id}: {answer:?}");
        }
    }
    Ok(())
}

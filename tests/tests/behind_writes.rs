//! Who has the answer to a write sees it everywhere: in a watch that begins behind it, and in lists.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::channel::mpsc;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    AlarmRequest, LeaseGrantRequest, LeaseLeasesRequest, PutRequest, StatusRequest,
    WatchCreateRequest, WatchRequest,
};
use mini_etcd_proto::v3electionpb::CampaignRequest;
use mini_etcd_proto::v3electionpb::election_client::ElectionClient;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use tokio::time::timeout;

/// Time for one response.
const DEADLINE: Duration = Duration::from_secs(30);
/// Writes; each meets the race anew.
const ROUNDS: i64 = 400;

// A watch that began at the revision before got the event of a write that its client had the answer to.
#[tokio::test]
async fn a_watch_begins_behind_the_writes_that_were_answered() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let mut writer = KvClient::new(cluster.channel(0)?);
    let mut watcher = WatchClient::new(cluster.channel(0)?);
    let (asked, requests) = mpsc::unbounded();
    // Ignored, but answers begin when something was asked.
    asked.unbounded_send(WatchRequest { request_union: None })?;
    let mut answers = watcher.watch(requests).await?.into_inner();
    for round in 0..ROUNDS {
        // One that no watch before sees.
        let key = Bytes::from(format!("k{round}"));
        let put = PutRequest { key: key.clone(), ..PutRequest::default() };
        let put = writer.put(put).await?.into_inner().header.context("a header")?;
        let create = WatchCreateRequest { key, ..WatchCreateRequest::default() };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        asked.unbounded_send(create)?;
        let created = timeout(DEADLINE, answers.message()).await??.context("an answer")?;
        let begun = created.header.context("a header")?.revision;
        ensure!(begun >= put.revision, "put at {}, watch begun at {begun}", put.revision);
    }
    Ok(())
}

#[tokio::test]
async fn a_lease_is_listed_once_its_grant_was_answered() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let (mut granter, mut lister) =
        (LeaseClient::new(cluster.channel(0)?), LeaseClient::new(cluster.channel(0)?));
    for id in 1..=ROUNDS {
        granter.lease_grant(LeaseGrantRequest { id, ttl: 1000 }).await?;
        let all = lister.lease_leases(LeaseLeasesRequest {}).await?.into_inner().leases;
        ensure!(all.iter().any(|lease| lease.id == id), "{id} is not among {}", all.len());
    }
    Ok(())
}

// Both as etcd, whose clients may take them for what they are there.
#[tokio::test]
async fn a_campaign_and_an_alarm_are_told_as_by_etcd() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let channel = cluster.channel(0)?;
    LeaseClient::new(channel.clone()).lease_grant(LeaseGrantRequest { id: 1, ttl: 1000 }).await?;
    let mut election = ElectionClient::new(channel.clone());
    let mut revisions = Vec::new();
    for value in ["first", "second"] {
        let request = CampaignRequest { name: "e".into(), lease: 1, value: value.into() };
        let won = election.campaign(request).await?.into_inner();
        revisions.push(won.header.context("a header")?.revision);
    }
    ensure!(revisions.first() == revisions.last(), "of the value put before: {revisions:?}");
    let mut maintenance = MaintenanceClient::new(channel);
    maintenance.alarm(AlarmRequest { action: 1, member_id: 0, alarm: 1 }).await?;
    let errors = maintenance.status(StatusRequest {}).await?.into_inner().errors;
    ensure!(errors == ["alarm:NOSPACE"], "{errors:?}");
    Ok(())
}

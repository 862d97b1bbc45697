//! Flags whose effect a client sees.

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use futures::stream::{iter, pending};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::lease_client::LeaseClient;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    LeaseGrantRequest, PutRequest, RequestOp, TxnRequest, WatchCreateRequest, WatchRequest,
};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use tokio::time::timeout;
use tonic::Code;

use super::launch::DEADLINE;

/// Goal: an idle watch hears as often as the flag says, and a transaction has as many operations. Method: both programs
/// with other values than the defaults, by which a watch would wait for ten minutes.
#[tokio::test]
async fn watches_hear_and_transactions_hold_as_the_flags_say() -> anyhow::Result<()> {
    let flags = ["--experimental-watch-progress-notify-interval=200ms", "--max-txn-ops=1"];
    let flags: Vec<_> = flags.map(str::to_owned).into();
    for flavor in [Flavor::Etcd, Flavor::Mini] {
        let cluster = Cluster::start_of_with_flags(flavor, 1, &flags).await?;
        let put = |key: &'static str| RequestOp {
            request: Some(Request::RequestPut(PutRequest {
                key: key.into(),
                ..PutRequest::default()
            })),
        };
        let txn = |success| TxnRequest { success, ..TxnRequest::default() };
        let mut kv = KvClient::new(cluster.channel(0)?);
        kv.txn(txn(vec![put("a")])).await?;
        let refused = kv.txn(txn(vec![put("a"), put("b")])).await.err().context("two are many")?;
        ensure!(refused.message().contains("too many operations"), "{refused}");
        let create = WatchCreateRequest {
            key: "idle".into(),
            progress_notify: true,
            ..WatchCreateRequest::default()
        };
        let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let requests = iter([create]).chain(pending());
        let mut answers = WatchClient::new(cluster.channel(0)?).watch(requests).await?.into_inner();
        let created = timeout(DEADLINE, answers.message()).await??.context("an answer")?;
        ensure!(created.created, "{created:?}");
        let progress = timeout(DEADLINE, answers.message()).await??.context("a message")?;
        ensure!(progress.events.is_empty() && !progress.canceled, "{progress:?}");
    }
    Ok(())
}

/// Goal: requests may be as large as the flag says, whichever member is asked, and are refused beyond in etcd's words.
/// Method: three members of ours, one of which leads, beside one of etcd.
#[tokio::test]
async fn requests_are_as_large_as_the_flag_says() -> anyhow::Result<()> {
    const MOST: usize = 4 << 20;
    let flags = [format!("--max-request-bytes={MOST}")];
    for (flavor, members) in [(Flavor::Etcd, 1), (Flavor::Mini, 3)] {
        let cluster = Cluster::start_of_with_flags(flavor, members, &flags).await?;
        for member in 0..members {
            let mut kv = KvClient::new(cluster.channel(member)?);
            let put = |bytes: usize| PutRequest {
                key: "large".into(),
                value: vec![7; bytes].into(),
                ..PutRequest::default()
            };
            kv.put(put(MOST - 1024)).await?;
            let refused = kv.put(put(MOST)).await.err().context("over the request limit")?;
            ensure!(refused.code() == Code::InvalidArgument, "{refused}");
            ensure!(refused.message() == "etcdserver: request is too large", "{refused}");
            let refused = kv.put(put(2 * MOST)).await.err().context("over the message limit")?;
            ensure!(refused.code() == Code::ResourceExhausted, "{refused}");
            ensure!(refused.message().ends_with(" vs. 4718592)"), "{refused}");
        }
    }
    Ok(())
}

/// Goal: what follows from the election timeout follows from the flag. Method: the shortest lease on both programs.
#[tokio::test]
async fn leases_live_at_least_as_long_as_an_election_takes() -> anyhow::Result<()> {
    let flags = ["--heartbeat-interval=500", "--election-timeout=3500"].map(str::to_owned);
    for flavor in [Flavor::Etcd, Flavor::Mini] {
        let cluster = Cluster::start_of_with_flags(flavor, 1, &flags).await?;
        let mut leases = LeaseClient::new(cluster.channel(0)?);
        let granted = leases.lease_grant(LeaseGrantRequest { id: 7, ttl: 1 }).await?.into_inner();
        ensure!(granted.ttl == 5, "{granted:?}");
    }
    Ok(())
}

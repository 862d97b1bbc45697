//! Flags whose effect a client sees.

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use futures::stream::{iter, pending};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    PutRequest, RequestOp, TxnRequest, WatchCreateRequest, WatchRequest,
};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use tokio::time::timeout;

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

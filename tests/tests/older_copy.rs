//! A member whose directory is an older copy of itself: what it answers to its clients is about their own requests.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::{PutRequest, RangeRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor, connect_lazily};
use mini_etcd_tests::page;
use mini_etcd_tests::process::copy_directory;
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;

/// Writes through the member between the copy and its return.
const FORGOTTEN: usize = 400;

/// Writes of each client after the return.
const WRITES: usize = 25;

/// Clients that write at one time after the return.
const CLIENTS: usize = 16;

/// Time for anything to happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// Puts, and says at which revision the answer claims that it happened.
async fn put(address: &str, key: String) -> anyhow::Result<i64> {
    let mut kv = KvClient::new(connect_lazily(address)?);
    let put = PutRequest { key: key.into(), value: "v".into(), ..PutRequest::default() };
    Ok(kv.put(put).await?.into_inner().header.context("a header")?.revision)
}

/// Writes some keys of a client's own. A put that failed may still happen, so each try has another key.
async fn writes(address: &str, client: usize) -> anyhow::Result<Vec<(String, i64)>> {
    let mut told = Vec::new();
    for number in 0..WRITES {
        let mut tries = 0;
        let put = eventually("a put", DEADLINE, || {
            tries += 1;
            let key = format!("new/{client}/{number}/{tries}");
            async move { Ok((key.clone(), put(address, key).await?)) }
        });
        told.push(put.await?);
    }
    Ok(told)
}

/// Waits until every client waits for an answer.
async fn all_wait(address: &str) -> anyhow::Result<()> {
    eventually("puts that wait", DEADLINE, || async {
        let page = page::get(address, "/metrics").await?;
        let mut lines = page.lines();
        let pending = lines.find_map(|line| line.strip_prefix("etcd_server_proposals_pending "));
        let pending: usize = pending.context("the metric")?.parse()?;
        ensure!(pending >= CLIENTS, "{pending} wait");
        Ok(())
    })
    .await
}

/// Goal: no put is acknowledged with the revision of another. Method: a member is copied while it is stopped, serves
/// writes, and is put back as it was in the copy. Its clients wait for their puts when the others start and it learns from
/// them the commands that it had forwarded and forgotten: each put must have happened where its answer says.
#[tokio::test]
async fn no_put_is_acknowledged_with_anothers_revision_after_an_older_copy_came_back()
-> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let member = (cluster.leader().await? + 1) % 3;
    let (data, address) = (cluster.member(member)?.data.clone(), cluster.addresses());
    let address = address.get(member).context("its address")?.as_str();
    let aside = cluster.dir().join("copy");
    cluster.signal(member, Signal::TERM)?;
    cluster.wait_exit(member, DEADLINE)?;
    copy_directory(&data, &aside)?;
    cluster.restart(member)?;
    cluster.wait_ready().await?;
    for number in 0..FORGOTTEN {
        put(address, format!("forgotten/{number}")).await?;
    }
    for index in 0..3 {
        cluster.kill(index)?;
    }
    std::fs::remove_dir_all(&data)?;
    copy_directory(&aside, &data)?;
    cluster.restart(member)?;
    let others = async {
        all_wait(address).await?;
        cluster.restart((member + 1) % 3)?;
        cluster.restart((member + 2) % 3)
    };
    let clients = try_join_all((0..CLIENTS).map(|client| writes(address, client)));
    let ((), told) = futures::try_join!(others, clients)?;
    let mut kv = KvClient::new(connect_lazily(address)?);
    for (key, revision) in told.into_iter().flatten() {
        let range = RangeRequest { key: key.clone().into(), ..RangeRequest::default() };
        let found = kv.range(range).await?.into_inner().kvs;
        let written = found.first().with_context(|| format!("{key} is not there"))?.mod_revision;
        ensure!(written == revision, "{key} was written at {written}, the answer said {revision}");
    }
    Ok(())
}

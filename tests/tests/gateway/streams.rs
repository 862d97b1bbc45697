//! Streams: many objects in one body, many lines in one answer.

use anyhow::ensure;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::page;

use crate::http::{Duplex, call, lines, post};

/// Goal: a watch over the gateway is one as over gRPC. Method: create, event, progress and cancel on one body that stays open.
#[tokio::test]
async fn a_watch_is_steered_by_further_objects_of_its_body() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    let mut watch = Duplex::open(address, "/v3/watch").await?;
    watch.send(r#"{"create_request":{"key":"Zm9v","prev"#).await?;
    watch.send(r#"_kv":true}}"#).await?;
    watch.says(r#""created":true}}"#).await?;
    call(address, "/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#).await?;
    watch.says(r#""value":"YmFy"}}]}}"#).await?;
    call(address, "/v3/kv/deleterange", r#"{"key":"Zm9v"}"#).await?;
    watch.says(r#""type":"DELETE""#).await?;
    watch.says(r#""prev_kv":{"key":"Zm9v""#).await?;
    watch.send(r#" {"progress_request":{}} {"cancel_request":{}}"#).await?;
    watch.says(r#""watch_id":"-1""#).await?;
    watch.says(r#""canceled":true}}"#).await
}

/// What is wrong later on ends the requests, not the answers, as in etcd.
#[tokio::test]
async fn a_watch_goes_on_behind_the_end_of_its_body() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    let create = r#"{"create_request":{"key":"Zm9v"}}"#;
    for after in ["", "x", r#"{"create_request":5}"#] {
        let mut watch = Duplex::open(address, "/v3/watch").await?;
        watch.send(&format!("{create}{after}")).await?;
        watch.finish().await?;
        watch.says(r#""created":true"#).await?;
        call(address, "/v3/kv/put", r#"{"key":"Zm9v","value":"YmFy"}"#).await?;
        watch.says(r#""value":"YmFy""#).await?;
    }
    Ok(())
}

#[tokio::test]
async fn leases_are_kept_alive_as_often_as_the_body_says() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    call(address, "/v3/lease/grant", r#"{"ID":"77","TTL":"600"}"#).await?;
    let mut alive = Duplex::open(address, "/v3/lease/keepalive").await?;
    alive.send(r#"{"ID":"77"}"#).await?;
    alive.says(r#""ID":"77","TTL":"600"}}"#).await?;
    alive.send(r#"{"ID":78}"#).await?;
    alive.says(r#""ID":"78"}}"#).await?;
    alive.finish().await?;
    // The chunk that ends the answer.
    alive.says("\r\n0\r\n").await?;
    let whole = post(address, "/v3/lease/keepalive", &[], "").await?;
    ensure!((whole.status, whole.body.as_str()) == (200, ""), "{whole:?}");
    Ok(())
}

/// Goal: the end of a call's time is said in the stream, and a backup is one of lines. Method: as it says.
#[tokio::test]
async fn streams_end_with_their_time_or_their_last_line() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    let create = r#"{"create_request":{"key":"Zm9v"}}"#;
    let ended = post(address, "/v3/watch", &["grpc-timeout: 200m"], create).await?;
    let last = ended.body.lines().last().unwrap_or_default();
    let error = r#"{"error":{"grpc_code":4,"http_code":504,"message":"context deadline exceeded","http_status":"Gateway Timeout","code":4}}"#;
    ensure!(ended.status == 200 && last == error, "{ended:?}");
    let backup = post(address, "/v3/maintenance/snapshot", &[], "").await?;
    ensure!(backup.body.lines().all(|line| line.starts_with(r#"{"result":{"#)), "{backup:?}");
    ensure!(backup.body.contains(r#""blob":""#) && backup.body.ends_with("}}\n"), "{backup:?}");
    // Counted as the call that it is.
    let metrics = page::get(address, "/metrics").await?;
    let counted = r#"grpc_service="etcdserverpb.Maintenance",grpc_method="Snapshot",grpc_type="server_stream",grpc_code="OK"} 1"#;
    ensure!(metrics.contains(counted), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn an_observer_sees_the_leader_of_an_election() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let address = &cluster.member(0)?.address;
    call(address, "/v3/lease/grant", r#"{"ID":"77","TTL":"600"}"#).await?;
    call(address, "/v3/election/campaign", r#"{"name":"ZQ==","lease":"77","value":"dg=="}"#)
        .await?;
    let seen = lines(address, "/v3/election/observe", &[], r#"{"name":"ZQ=="}"#, 1).await?;
    ensure!(seen.body.contains(r#""value":"dg==""#), "{seen:?}");
    Ok(())
}

//! One number line: the revision of a write, the revision in its watch event and the index of its log entry.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, HashRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest, WatchCreateRequest, WatchRequest, WatchResponse, request_op,
};
use mini_etcd_proto::internalpb::command;
use mini_etcd_tests::cluster::{Cluster, Flavor, connect_lazily};
use mini_etcd_tests::dump::agreed_log;
use mini_etcd_tests::process::{Process, free_ports, workspace_binary};
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;
use tonic::Streaming;
use tonic::transport::Channel;

/// Time for one answer.
const DEADLINE: Duration = Duration::from_secs(20);

async fn watch_all(
    channel: Channel,
    start_revision: i64,
) -> anyhow::Result<Streaming<WatchResponse>> {
    let create = WatchCreateRequest {
        key: vec![0].into(),
        range_end: vec![0].into(),
        start_revision,
        ..WatchCreateRequest::default()
    };
    let request = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    // The stream of requests stays open behind the first one.
    let requests = futures::StreamExt::chain(
        futures::stream::iter([request]),
        futures::stream::pending::<WatchRequest>(),
    );
    let mut responses = WatchClient::new(channel).watch(requests).await?.into_inner();
    let created =
        tokio::time::timeout(DEADLINE, responses.message()).await??.context("a created message")?;
    ensure!(created.created && !created.canceled, "not created: {created:?}");
    Ok(responses)
}

/// Revisions of the events of a watch, in order, until `last` came.
async fn events_until(watch: &mut Streaming<WatchResponse>, last: i64) -> anyhow::Result<Vec<i64>> {
    let mut revisions = Vec::new();
    while revisions.last() != Some(&last) {
        let response = tokio::time::timeout(DEADLINE, watch.message())
            .await
            .with_context(|| format!("no event {last} after {revisions:?}"))??
            .context("the stream ended")?;
        revisions
            .extend(response.events.iter().filter_map(|e| e.kv.as_ref()).map(|kv| kv.mod_revision));
    }
    Ok(revisions)
}

fn put_of(key: String) -> PutRequest {
    PutRequest { key: key.into(), value: "v".into(), ..PutRequest::default() }
}

/// Goal: response revision == mod_revision in the watch event == Raft index of the entry, for every kind of write,
/// through every member. Method: writes through the members in turn, a watch on another one, the log pages of all.
async fn one_number_line(size: usize) -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, size).await?;
    let mut watch = watch_all(cluster.channel(size - 1)?, 2).await?;
    let mut answered = Vec::new();
    for round in 0..30 {
        let mut kv = KvClient::new(cluster.channel(round % size)?);
        let revision = match round % 3 {
            0 => kv.put(put_of(format!("k{round}"))).await?.into_inner().header,
            1 => {
                let put = request_op::Request::RequestPut(put_of(format!("k{round}")));
                let success = vec![RequestOp { request: Some(put) }];
                kv.txn(TxnRequest { success, ..TxnRequest::default() }).await?.into_inner().header
            }
            _ => {
                let key = format!("k{}", round - 1).into();
                let delete = DeleteRangeRequest { key, ..DeleteRangeRequest::default() };
                let answer = kv.delete_range(delete).await?.into_inner();
                ensure!(answer.deleted == 1, "{answer:?}");
                answer.header
            }
        };
        answered.push(revision.context("a header")?.revision);
    }
    let last = *answered.last().context("a write")?;
    let mut seen = events_until(&mut watch, last).await?;
    let mut indexes: Vec<i64> = agreed_log(&cluster)
        .await?
        .iter()
        .filter(|entry| {
            let request = entry.command.as_ref().and_then(|command| command.request.as_ref());
            matches!(
                request,
                Some(
                    command::Request::Put(_)
                        | command::Request::Txn(_)
                        | command::Request::DeleteRange(_)
                )
            )
        })
        .filter_map(|entry| i64::try_from(entry.index).ok())
        .collect();
    // The harness itself wrote a key through each member before.
    for revisions in [&mut seen, &mut indexes] {
        revisions.retain(|revision| answered.first().is_some_and(|first| revision >= first));
    }
    assert_eq!(answered, seen, "revisions answered and revisions watched");
    assert_eq!(answered, indexes, "revisions answered and indexes in the log");
    Ok(())
}

#[tokio::test]
async fn revision_event_and_index_are_one_number_on_one_member() -> anyhow::Result<()> {
    one_number_line(1).await
}

#[tokio::test]
async fn revision_event_and_index_are_one_number_on_three_members() -> anyhow::Result<()> {
    one_number_line(3).await
}

/// Goal: the revision never goes down, also when the row that carried it is compacted away and the member is killed.
#[tokio::test]
async fn the_revision_survives_the_compaction_of_its_row_and_a_kill() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    kv.put(put_of("gone".to_owned())).await?;
    let delete = DeleteRangeRequest { key: "gone".into(), ..DeleteRangeRequest::default() };
    let revision = kv.delete_range(delete).await?.into_inner().header.context("a header")?.revision;
    kv.compact(CompactionRequest { revision, physical: true }).await?;
    cluster.kill(0)?;
    cluster.restart(0)?;
    let channel = cluster.channel(0)?;
    let header = eventually("a read after the restart", DEADLINE, || {
        let mut kv = KvClient::new(channel.clone());
        async move {
            let range = RangeRequest { key: "gone".into(), ..RangeRequest::default() };
            kv.range(range).await?.into_inner().header.context("a header")
        }
    })
    .await?;
    assert_eq!(header.revision, revision);
    Ok(())
}

/// What Maintenance.Hash says.
async fn hash(cluster: &Cluster) -> anyhow::Result<u32> {
    let mut maintenance = MaintenanceClient::new(cluster.channel(0)?);
    Ok(maintenance.hash(HashRequest {}).await?.into_inner().hash)
}

/// Goal: Hash of a member changes with its keys alone. Method: what changes none, and a restart in order and by a kill.
#[tokio::test]
async fn the_hash_of_a_member_stays_over_restarts_and_changes_with_a_put() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 1).await?;
    let mut kv = KvClient::new(cluster.channel(0)?);
    kv.put(put_of("hashed".to_owned())).await?;
    let before = hash(&cluster).await?;
    let delete = DeleteRangeRequest { key: "none".into(), ..DeleteRangeRequest::default() };
    kv.delete_range(delete).await?;
    ensure!(hash(&cluster).await? == before, "a delete of nothing changed it");
    for is_killed in [false, true] {
        if is_killed {
            cluster.kill(0)?;
        } else {
            cluster.signal(0, Signal::TERM)?;
            cluster.wait_exit(0, Duration::from_secs(20))?;
        }
        cluster.restart(0)?;
        eventually("the same hash again", Duration::from_secs(20), || async {
            let now = hash(&cluster).await?;
            ensure!(now == before, "{now} is not {before}");
            Ok(())
        })
        .await?;
    }
    KvClient::new(cluster.channel(0)?).put(put_of("hashed".to_owned())).await?;
    ensure!(hash(&cluster).await? != before, "a put did not change it");
    Ok(())
}

/// Goal: a member whose directory was wiped is no new member: it refuses with exit code 71 and the others go on.
#[tokio::test]
async fn a_wiped_member_refuses_to_start_and_the_others_go_on() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    cluster.kill(1)?;
    std::fs::remove_dir_all(&cluster.member(1)?.data)?;
    cluster.restart(1)?;
    let status = cluster.wait_exit(1, DEADLINE)?;
    let errors = cluster.member(1)?.errors();
    assert_eq!(status.code(), Some(71), "{errors}");
    assert!(errors.contains("n2"), "the message names the member: {errors}");
    for index in [0, 2] {
        KvClient::new(cluster.channel(index)?).put(put_of("after".to_owned())).await?;
    }
    Ok(())
}

/// Goal: data of two beginnings of one cluster never mix. Method: a majority is wiped and begins anew while the third is
/// down. The third ends with an exit code of its own and a line that names it; its data stays, and the others go on.
#[tokio::test]
async fn a_member_whose_cluster_began_anew_without_it_says_so_and_ends() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    for round in 0..100 {
        KvClient::new(cluster.channel(2)?).put(put_of(format!("old{round}"))).await?;
    }
    for index in 0..3 {
        cluster.kill(index)?;
    }
    for index in [0, 1] {
        std::fs::remove_dir_all(&cluster.member(index)?.data)?;
        cluster.restart(index)?;
    }
    cluster.wait_ready().await?;
    for _ in 0..2 {
        cluster.restart(2)?;
        let status = cluster.wait_exit(2, DEADLINE)?;
        let errors = cluster.member(2)?.errors();
        assert_eq!(status.code(), Some(74), "{errors}");
        assert!(errors.contains("began anew without the data of n3"), "{errors}");
    }
    for index in [0, 1] {
        KvClient::new(cluster.channel(index)?).put(put_of("after".to_owned())).await?;
        let range = RangeRequest { key: "old0".into(), ..RangeRequest::default() };
        let old = KvClient::new(cluster.channel(index)?).range(range).await?.into_inner();
        assert!(old.kvs.is_empty(), "{old:?}");
    }
    Ok(())
}

/// Goal: SIGTERM to the leader hands leadership over; clients of the others see neither an error nor a long gap.
#[tokio::test]
async fn a_terminated_leader_hands_leadership_over_and_exits_with_zero() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let leader = cluster.leader().await?;
    cluster.signal(leader, Signal::TERM)?;
    let other = (leader + 1) % 3;
    for round in 0..50 {
        KvClient::new(cluster.channel(other)?).put(put_of(format!("k{round}"))).await?;
    }
    let status = cluster.wait_exit(leader, Duration::from_secs(5))?;
    assert_eq!(status.code(), Some(0), "{}", cluster.member(leader)?.errors());
    Ok(())
}

/// Runs `mini-etcd` with `arguments` to its end; exit code and standard error.
fn run_to_end(dir: &std::path::Path, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let mut command = Command::new(workspace_binary("mini-etcd")?);
    command.args(arguments);
    let mut process = Process::start("mini-etcd", &mut command, &dir.join("stderr"))?;
    let status = process.wait(DEADLINE)?;
    Ok((status.code(), process.errors()))
}

/// Goal: what an operator gets wrong is named, with the exit code of the contract. One row each.
#[tokio::test]
async fn wrong_starts_say_what_is_wrong() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    let busy = format!("--listen={}", cluster.member(0)?.address);
    let locked = format!("--data={}", cluster.member(0)?.data.display());
    let damaged_dir = tempfile::tempdir()?;
    std::fs::write(damaged_dir.path().join("guard"), b"not a guard")?;
    let damaged = format!("--data={}", damaged_dir.path().display());
    let dir = tempfile::tempdir()?;
    let fresh = format!("--data={}", dir.path().join("d").display());
    let any = "--listen=127.0.0.1:0";
    let rows: &[(&[&str], i32, &[&str])] = &[
        (&["--no-such-flag"], 2, &["--no-such-flag"]),
        (&[&fresh, "--listen=nonsense:port:x"], 2, &["nonsense:port:x"]),
        (&[&fresh, &busy], 1, &["in use"]),
        (&[&locked, any], 1, &["in use by another process"]),
        (&[&damaged, any], 72, &["damaged", "member"]),
        (&[&fresh, any, "--name=n9", "--peers=n1=127.0.0.1:1,n2=127.0.0.1:2"], 2, &["n9"]),
        (&[&fresh, any, "--config=/no/such/file.toml"], 1, &["/no/such/file.toml"]),
    ];
    for (arguments, code, words) in rows {
        let (exit, errors) = run_to_end(dir.path(), arguments)?;
        assert_eq!(exit, Some(*code), "{arguments:?}: {errors}");
        for word in *words {
            assert!(errors.contains(word), "{arguments:?} does not say {word:?}: {errors}");
        }
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
        std::fs::remove_file(dir.path().join("stderr"))?;
    }
    Ok(())
}

/// Goal: a server whose port was asked of the system says which one it got, and answers there.
#[tokio::test]
async fn a_server_prints_where_it_answers() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(workspace_binary("mini-etcd")?);
    command.arg(format!("--data={}", dir.path().join("d").display())).arg("--listen=127.0.0.1:0");
    let process = Process::start("mini-etcd", &mut command, &dir.path().join("stderr"))?;
    let line = process.line(DEADLINE)?;
    let address = line.rsplit("http://").next().context("a client URL")?.trim().to_owned();
    let mut kv = KvClient::new(connect_lazily(&address)?);
    kv.put(put_of("k".to_owned())).await.with_context(|| line.clone())?;
    Ok(())
}

/// Goal: a member that cannot reach its peers goes on trying, says so, and serves stale reads.
#[tokio::test]
async fn a_member_without_peers_keeps_trying() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let ports = free_ports(3)?;
    let peers =
        format!("n1=127.0.0.1:{},n2=127.0.0.1:{},n3=127.0.0.1:{}", ports[0], ports[1], ports[2]);
    let mut command = Command::new(workspace_binary("mini-etcd")?);
    command
        .arg(format!("--data={}", dir.path().join("n1").display()))
        .arg(format!("--listen=127.0.0.1:{}", ports[0]))
        .arg(format!("--peers={peers}"))
        .arg("--name=n1");
    let mut process = Process::start("n1", &mut command, &dir.path().join("stderr"))?;
    let address = format!("127.0.0.1:{}", ports[0]);
    let channel = connect_lazily(&address)?;
    eventually("a stale read", DEADLINE, || {
        let mut kv = KvClient::new(channel.clone());
        async move {
            let range =
                RangeRequest { key: "k".into(), serializable: true, ..RangeRequest::default() };
            Ok(kv.range(range).await?)
        }
    })
    .await?;
    assert!(process.is_running(), "{}", process.errors());
    Ok(())
}

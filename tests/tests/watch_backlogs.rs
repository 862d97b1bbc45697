//! Watches that have much to catch up on, or are not read for a while: every event once, in order, on one member and
//! through each of three.

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _};
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{PutRequest, WatchCreateRequest, WatchRequest, WatchResponse};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use tokio::time::timeout;
use tonic::Streaming;

/// Time for one response.
const DEADLINE: Duration = Duration::from_secs(30);

/// Sizes of the values of a backlog, and how many puts are under way at one time: small ones, those that the fault was
/// found with, and large ones all at once.
const PUTS: [(usize, usize, usize); 3] =
    [(3000, 1 << 10, 64), (60, 100 << 10, 1), (24, 1 << 20, 24)];

/// What a put of the backlog was: its key and its revision.
type Put = (String, i64);

/// A watch of one member.
struct Watched {
    about: String,
    responses: Streaming<WatchResponse>,
}

async fn watch(
    cluster: &Cluster,
    index: usize,
    start_revision: i64,
    fragment: bool,
) -> anyhow::Result<Watched> {
    let create = WatchCreateRequest {
        key: "backlog/".into(),
        range_end: "backlog0".into(),
        start_revision,
        fragment,
        ..WatchCreateRequest::default()
    };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    // The stream of requests stays open behind the first one.
    let requests = stream::iter([create]).chain(stream::pending());
    let client = WatchClient::new(cluster.channel(index)?);
    let mut client = client.max_decoding_message_size(usize::MAX);
    let mut responses = client.watch(requests).await?.into_inner();
    let created = timeout(DEADLINE, responses.message()).await??.context("an answer")?;
    ensure!(created.created, "{created:?}");
    let name = &cluster.member(index)?.name;
    let about = format!("{name} of {}, from {start_revision}, {fragment}", cluster.size());
    Ok(Watched { about, responses })
}

impl Watched {
    /// Reads until `wanted` was seen whole: every event once, in order, and nothing else.
    async fn reads(&mut self, wanted: &[Put]) -> anyhow::Result<()> {
        let mut seen = 0;
        while seen < wanted.len() {
            let response = timeout(DEADLINE, self.responses.message()).await;
            let response = response
                .with_context(|| format!("{}: silent after {seen} events", self.about))??
                .context("the stream ended")?;
            ensure!(!response.canceled, "{}: {response:?}", self.about);
            for event in response.events {
                let kv = event.kv.context("a key")?;
                let (key, revision) = wanted.get(seen).context("an event too many")?;
                let is_next = kv.key == *key.as_bytes() && kv.mod_revision == *revision;
                ensure!(is_next, "{}: event {seen} is {:?}", self.about, kv.key);
                seen += 1;
            }
        }
        Ok(())
    }
}

async fn put(
    kv: KvClient<tonic::transport::Channel>,
    key: String,
    bytes: usize,
) -> anyhow::Result<Put> {
    let value = vec![b'v'; bytes].into();
    let put = PutRequest { key: key.clone().into(), value, ..PutRequest::default() };
    let header = kv.clone().put(put).await?.into_inner().header.context("a header")?;
    Ok((key, header.revision))
}

/// Writes the backlog through the members in turn; what was put, by revision.
async fn write(cluster: &Cluster) -> anyhow::Result<Vec<Put>> {
    let clients = (0..cluster.size())
        .map(|index| Ok(KvClient::new(cluster.channel(index)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut all = Vec::new();
    for (count, bytes, at_once) in PUTS {
        let puts = clients
            .iter()
            .cycle()
            .take(count)
            .enumerate()
            .map(|(number, kv)| put(kv.clone(), format!("backlog/{bytes}/{number}"), bytes));
        let done: Vec<_> = stream::iter(puts).buffer_unordered(at_once).collect().await;
        all.extend(done.into_iter().collect::<anyhow::Result<Vec<_>>>()?);
    }
    all.sort_by_key(|(_, revision)| *revision);
    Ok(all)
}

/// Goal: a watch delivers every event once and in order, however much there is. Method: on each member watches that are
/// not read while 33 MB are written, and watches that begin in the past of that, with and without fragments. What comes
/// after that arrives too.
async fn every_event_arrives(size: usize) -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, size).await?;
    let kinds = || (0..size).flat_map(|index| [(index, false), (index, true)]);
    let unread = kinds().map(|(index, fragment)| watch(&cluster, index, 0, fragment));
    let mut watches = try_join_all(unread).await?;
    let mut wanted = write(&cluster).await?;
    let first = wanted.first().context("a put")?.1;
    let past = kinds().map(|(index, fragment)| watch(&cluster, index, first, fragment));
    watches.extend(try_join_all(past).await?);
    try_join_all(watches.iter_mut().map(|watch| watch.reads(&wanted))).await?;
    wanted = vec![put(KvClient::new(cluster.channel(0)?), "backlog/last".to_owned(), 1).await?];
    try_join_all(watches.iter_mut().map(|watch| watch.reads(&wanted))).await?;
    Ok(())
}

#[tokio::test]
async fn every_event_of_a_backlog_arrives_once_and_in_order_on_one_member() -> anyhow::Result<()> {
    every_event_arrives(1).await
}

#[tokio::test]
async fn every_event_of_a_backlog_arrives_once_and_in_order_through_each_of_three()
-> anyhow::Result<()> {
    every_event_arrives(3).await
}

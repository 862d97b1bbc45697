//! A member, and what a client does there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use anyhow::{Context, ensure};
use futures::StreamExt;
use futures::channel::mpsc;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, ResponseHeader, TxnRequest,
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest,
};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::page;
use mini_etcd_tests::wait::eventually;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::DEADLINE;
use crate::samples::Samples;

/// A member and the one client that it has.
pub struct Side {
    cluster: Cluster,
    pub channel: Channel,
    /// Revisions of the writes, in order.
    pub written: Vec<i64>,
    streams: Vec<Stream>,
}

/// A stream of watches, read as fast as it comes.
struct Stream {
    requests: mpsc::UnboundedSender<WatchRequest>,
    responses: Arc<AtomicUsize>,
    events: Arc<AtomicUsize>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Side {
    pub async fn start(flavor: Flavor) -> anyhow::Result<Self> {
        // Else etcd does not say how long calls take.
        let extensive = (flavor == Flavor::Etcd).then(|| "--metrics=extensive".to_owned());
        let cluster = Cluster::start_of_with_flags(flavor, 1, extensive.as_slice()).await?;
        let channel = cluster.channel(0)?;
        let address = cluster.member(0)?.address.clone();
        // etcd decides on its version seconds after its start, by an entry of the log.
        eventually("a version of the cluster", DEADLINE, || async {
            let version = page::get(&address, "/version").await?;
            ensure!(version.contains("etcdcluster\":\"3."), "{version}");
            Ok(())
        })
        .await?;
        Ok(Self { cluster, channel, written: Vec::new(), streams: Vec::new() })
    }

    /// The body of a page.
    pub async fn page(&self, path: &str) -> anyhow::Result<String> {
        page::get(&self.cluster.member(0)?.address, path).await
    }

    pub async fn samples(&self) -> anyhow::Result<Samples> {
        Ok(Samples::parse(&self.page("/metrics").await?))
    }

    /// The revision of the last write but `back`.
    pub fn revision(&self, back: usize) -> i64 {
        self.written.iter().rev().nth(back).copied().unwrap_or_default()
    }

    fn note(&mut self, header: Option<&ResponseHeader>) {
        let revision = header.map_or(0, |header| header.revision);
        if revision > self.revision(0) {
            self.written.push(revision);
        }
    }

    pub async fn put(&mut self, request: PutRequest) -> String {
        let answer = KvClient::new(self.channel.clone()).put(request).await;
        self.note(answer.as_ref().ok().and_then(|answer| answer.get_ref().header.as_ref()));
        said(answer)
    }

    pub async fn range(&mut self, request: RangeRequest) -> String {
        said(KvClient::new(self.channel.clone()).range(request).await)
    }

    pub async fn delete(&mut self, request: DeleteRangeRequest) -> String {
        let answer = KvClient::new(self.channel.clone()).delete_range(request).await;
        self.note(answer.as_ref().ok().and_then(|answer| answer.get_ref().header.as_ref()));
        said(answer)
    }

    pub async fn txn(&mut self, request: TxnRequest) -> String {
        let answer = KvClient::new(self.channel.clone()).txn(request).await;
        self.note(answer.as_ref().ok().and_then(|answer| answer.get_ref().header.as_ref()));
        said(answer)
    }

    pub async fn compact(&mut self, revision: i64, physical: bool) -> String {
        let request = CompactionRequest { revision, physical };
        said(KvClient::new(self.channel.clone()).compact(request).await)
    }

    /// Opens a stream. etcd answers nothing before the first request.
    pub fn open(&mut self) {
        let (requests, sent) = mpsc::unbounded();
        let mut client = WatchClient::new(self.channel.clone());
        let (responses, events) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&responses), Arc::clone(&events));
        let reader = tokio::spawn(async move {
            let Ok(answers) = client.watch(sent).await else { return };
            let mut answers = answers.into_inner();
            while let Some(Ok(answer)) = answers.next().await {
                counts.1.fetch_add(answer.events.len(), SeqCst);
                counts.0.fetch_add(1, SeqCst);
            }
        });
        self.streams.push(Stream { requests, responses, events, reader });
    }

    /// Drops the stream that was opened last.
    pub fn close(&mut self) {
        self.streams.pop();
    }

    /// Sends a request on the stream that was opened last, and waits for its answer.
    async fn ask(&mut self, request: RequestUnion) -> anyhow::Result<String> {
        let stream = self.streams.last().context("a stream")?;
        let before = stream.responses.load(SeqCst);
        stream.requests.unbounded_send(WatchRequest { request_union: Some(request) })?;
        eventually("an answer", DEADLINE, || async {
            ensure!(stream.responses.load(SeqCst) > before, "none");
            Ok(())
        })
        .await?;
        Ok("answered".to_owned())
    }

    pub async fn watch(&mut self, request: WatchCreateRequest) -> anyhow::Result<String> {
        self.ask(RequestUnion::CreateRequest(request)).await
    }

    pub async fn cancel(&mut self, watch_id: i64) -> anyhow::Result<String> {
        self.ask(RequestUnion::CancelRequest(WatchCancelRequest { watch_id })).await
    }

    pub async fn progress(&mut self) -> anyhow::Result<String> {
        self.ask(RequestUnion::ProgressRequest(WatchProgressRequest {})).await
    }

    /// Waits until the streams have got so many events since their start.
    pub async fn events(&self, count: usize) -> anyhow::Result<String> {
        let all = || self.streams.iter().map(|stream| stream.events.load(SeqCst)).sum::<usize>();
        eventually("events", DEADLINE, || async {
            ensure!(all() == count, "{} of {count}", all());
            Ok(())
        })
        .await?;
        Ok(format!("{count} events"))
    }
}

/// What a client is told: whether it went well, or the code.
pub fn said<T>(answer: Result<Response<T>, Status>) -> String {
    match answer {
        Ok(_) => "OK".to_owned(),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

//! [`SnapshotSender`] and [`Staging`]: a snapshot on a connection of its own, from one member's state to another's disk.
//!
//! The sender reads a chunk when the connection can take one, the receiver takes one when its disk has the one before: each
//! holds a few chunks, and a slow side slows the other down. While somebody writes the sender rests in between ([`Pace`]). A
//! snapshot that breaks off is begun anew.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use futures::stream::{self, Stream, StreamExt as _};
use mini_etcd_proto::peerpb::{
    Snapshot, SnapshotChunk, SnapshotHead, SnapshotPart, SnapshotStaged,
};
use mini_etcd_shared::clock::SystemClock;
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::client::{Connector, DialError};
use super::hello::Hellos;
use super::pace::{Pace, Reached};
use super::table::Dialing;
use crate::apply::{Identity, SnapshotError, SnapshotSink, SnapshotSource};
use crate::config::PeerAddress;
use crate::limits::{
    PEER_HELLO_TIMEOUT, SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNKS_WAITING_MAX, SNAPSHOT_STALL_TIMEOUT,
};
use crate::metrics::Metrics;
use crate::node::{Inbox, Shown};
use crate::raft::{Input, StagedSnapshot};
use crate::storage::{Home as _, StateDirs, stand_back};

/// Where snapshots for peers are ordered.
#[derive(Clone)]
pub(crate) struct SnapshotOrders(mpsc::UnboundedSender<MemberId>);

impl SnapshotOrders {
    /// Orders one, of the state as it is or later. The driver has one on its way at a time, which bounds the queue.
    pub fn send(&self, to: MemberId) {
        // Nobody takes it any more once the member stops.
        let _ = self.0.send(to);
    }
}

/// Sends what is ordered, one snapshot after the other.
pub(crate) struct SnapshotSender {
    connector: Connector,
    hellos: Arc<Hellos>,
    shown: Arc<Shown>,
    inbox: Arc<Inbox>,
    metrics: Metrics,
    ordered: mpsc::UnboundedReceiver<MemberId>,
}

impl SnapshotSender {
    /// A sender that sends what `shown` publishes, and where to order from it.
    pub fn new(dialing: &Dialing, shown: Arc<Shown>) -> (SnapshotOrders, Self) {
        let Dialing { connector, hellos, inbox, metrics, .. } = dialing;
        let (orders, ordered) = mpsc::unbounded_channel();
        let sender = Self {
            connector: connector.clone(),
            hellos: hellos.clone(),
            shown,
            inbox: inbox.clone(),
            metrics: metrics.clone(),
            ordered,
        };
        (SnapshotOrders(orders), sender)
    }

    /// Runs until nobody can order any more. Every order is answered in the inbox.
    pub async fn run(mut self) {
        while let Some(to) = self.ordered.recv().await {
            let sent = self.send(to).await;
            match &sent {
                Ok(index) => {
                    self.metrics.snapshots_sent.inc();
                    tracing::info!(%to, %index, "a snapshot is on the disk of a member");
                }
                Err(problem) => {
                    self.metrics.snapshots_failed.inc();
                    tracing::warn!(%to, "a snapshot did not reach a member: {problem}");
                }
            }
            self.inbox.control(Input::SnapshotSent { to, done: sent.is_ok() });
        }
    }

    async fn send(&self, to: MemberId) -> Result<LogIndex, DialError> {
        let published = self.shown.published.load_full();
        let index = published.applied;
        let member = published.members.by_id.get(&to.0);
        let address = member
            .and_then(|member| member.peer_urls.iter().find_map(|url| PeerAddress::of_url(url)));
        let address = address.ok_or(DialError::Silent)?;
        let connecting = timeout(PEER_HELLO_TIMEOUT, self.connector.connect(&address));
        let (mut client, _driving) = connecting.await.map_err(|_| DialError::Silent)??;
        let source = SnapshotSource::new(published);
        let (shown, metrics) = (Arc::clone(&self.shown), self.metrics.clone());
        let reading = Reading { source, shown, metrics };
        let head = SnapshotHead {
            hello: Some(self.hellos.to(to)),
            to: to.0,
            snapshot: Some(reading.source.snapshot()),
        };
        let taken = Arc::<AtomicU64>::default();
        let parts = parts(head, reading, Arc::clone(&taken));
        let call = async {
            let mut answers = client.install(parts).await.map_err(Box::new)?.into_inner();
            answers.message().await.map_err(Box::new)?.ok_or(DialError::Ended)
        };
        let mut call = pin!(call);
        let mut before = 0;
        loop {
            if let Ok(answer) = timeout(SNAPSHOT_STALL_TIMEOUT, &mut call).await {
                return answer.map(|SnapshotStaged {}| index);
            }
            let now = taken.load(Ordering::Relaxed);
            if std::mem::replace(&mut before, now) == now {
                return Err(DialError::Silent);
            }
        }
    }
}

/// What is sent: the head, then chunks as they are taken, which `taken` counts.
fn parts(
    head: SnapshotHead,
    reading: Reading,
    taken: Arc<AtomicU64>,
) -> impl Stream<Item = SnapshotPart> + Send + 'static {
    let (chunks, waiting) = mpsc::channel(SNAPSHOT_CHUNKS_WAITING_MAX);
    spawn_blocking(move || reading.run(&chunks));
    let chunks = stream::unfold((waiting, taken), |(mut waiting, taken)| async move {
        let chunk = waiting.recv().await?;
        taken.fetch_add(1, Ordering::Relaxed);
        Some((SnapshotPart { head: None, chunk: Some(chunk) }, (waiting, taken)))
    });
    stream::once(async move { SnapshotPart { head: Some(head), chunk: None } }).chain(chunks)
}

/// A state that is read, and what is applied meanwhile.
struct Reading {
    source: SnapshotSource,
    shown: Arc<Shown>,
    metrics: Metrics,
}

impl Reading {
    /// Reads chunks, at the pace that lets others write, until there are no more or nobody takes them. One that cannot be read
    /// ends the stream before its last chunk, which the receiver notices.
    fn run(self, chunks: &mpsc::Sender<SnapshotChunk>) {
        let mut pace = Pace::new(SystemClock::new(), self.reached());
        let read = self.source.read(SNAPSHOT_CHUNK_BYTES, &mut |chunk| {
            if chunks.blocking_send(chunk).is_err() {
                return ControlFlow::Break(());
            }
            let now = self.reached();
            thread::sleep(pace.rest(now));
            pace.go_on(now);
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            tracing::warn!(%error, "the state cannot be read for a snapshot");
        }
    }

    fn reached(&self) -> Reached {
        let applied = self.shown.published.load().applied;
        Reached { applied, log_bytes: self.metrics.log_disk_bytes.get() }
    }
}

/// Where snapshots of peers are staged, one at a time.
#[derive(Clone)]
pub(crate) struct Staging {
    dirs: StateDirs,
    place: Arc<Semaphore>,
}

impl Staging {
    /// Beside the state in `dirs`.
    pub fn new(dirs: StateDirs) -> Self {
        Self { dirs, place: Arc::new(Semaphore::new(1)) }
    }

    /// Stages what comes after the head, and puts it into the inbox.
    pub(super) async fn receive(
        self,
        identity: Identity,
        snapshot: Snapshot,
        mut parts: Streaming<SnapshotPart>,
        inbox: Arc<Inbox>,
    ) -> Result<SnapshotStaged, Status> {
        let place = Arc::clone(&self.place).try_acquire_owned();
        let place = place.map_err(|_| Status::unavailable("another snapshot is staged there"))?;
        let (chunks, taken) = mpsc::channel(SNAPSHOT_CHUNKS_WAITING_MAX);
        let wanted = snapshot.clone();
        let (outcome, staged) = oneshot::channel();
        let staging = move || {
            // Nobody waits for this member, and others may be on the same machine.
            stand_back();
            // The place goes along: it is free again only when nothing is written any more.
            let staged = stage(&self.dirs, identity, wanted, taken).map(|()| place);
            let _ = outcome.send(staged);
        };
        thread::Builder::new()
            .name("stage".to_owned())
            .spawn(staging)
            .map_err(|error| Status::unavailable(error.to_string()))?;
        loop {
            let part = timeout(SNAPSHOT_STALL_TIMEOUT, parts.message()).await;
            let part = part.map_err(|_| Status::deadline_exceeded("no chunk came for long"))??;
            let Some(chunk) = part.and_then(|part| part.chunk) else { break };
            if chunks.send(chunk).await.is_err() {
                // It was the last, or could not be taken, which the outcome tells.
                break;
            }
        }
        drop(chunks);
        let staged = staged.await.map_err(|_| Status::internal("staging a snapshot panicked"))?;
        let place = staged.map_err(|error| {
            tracing::warn!(%error, "a snapshot cannot be staged");
            Status::aborted(error.to_string())
        })?;
        let Snapshot { index, term, conf_state } = snapshot;
        inbox.control(Input::Snapshot(StagedSnapshot {
            index: LogIndex(index),
            term: Term(term),
            conf_state: conf_state.unwrap_or_default(),
            hold: Box::new(place),
        }));
        Ok(SnapshotStaged {})
    }
}

/// Writes chunks until the last one; the database is durable and closed then.
fn stage(
    dirs: &StateDirs,
    identity: Identity,
    snapshot: Snapshot,
    mut chunks: mpsc::Receiver<SnapshotChunk>,
) -> Result<(), SnapshotError> {
    let mut sink = SnapshotSink::new(dirs.stage()?, identity, snapshot);
    while let Some(chunk) = chunks.blocking_recv() {
        if sink.take(&chunk)? {
            return Ok(());
        }
    }
    Err(SnapshotError::Ended)
}

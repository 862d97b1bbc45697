//! The receiving end: streams of peers into the inbox.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, Stream, StreamExt as _};
use mini_etcd_proto::peerpb::message::Body;
use mini_etcd_proto::peerpb::peer_server::{Peer, PeerServer};
use mini_etcd_proto::peerpb::{
    Batch, Hello, MembersAnswer, MembersRequest, SnapshotPart, SnapshotStaged,
};
use mini_etcd_shared::types::MemberId;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tonic::{Request, Response, Status, Streaming};

use super::hello::{Hellos, PROTOCOL, news};
use super::refused::HelloRefused;
use super::snapshot::Staging;
use crate::apply::Members;
use crate::limits::{PEER_BATCH_BYTES_MAX, PEER_HELLO_TIMEOUT, PEER_REMOVED_LINGER};
use crate::metrics::{Metrics, PeerMetrics};
use crate::node::Inbox;
use crate::repeats::{Say, TimedRepeats};

/// Told when a connection turns out to be a peer's: a request for the peers' service brings it along.
#[derive(Clone)]
pub(crate) struct Proven(Arc<dyn Fn() + Send + Sync>);

impl Proven {
    pub fn new(tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

/// Takes what a peer says that is not for the inbox, and gives back the rest.
pub(crate) type Aside = Arc<dyn Fn(MemberId, Body) -> Option<Body> + Send + Sync>;

/// The service that peers call.
#[derive(Clone)]
pub(crate) struct PeerService {
    shared: Arc<StreamListener>,
}

struct StreamListener {
    hellos: Arc<Hellos>,
    inbox: Arc<Inbox>,
    aside: Aside,
    staging: Staging,
    metrics: Metrics,
    /// The newest connection of each peer: older ones are not listened to any more (I2).
    newest: Mutex<BTreeMap<MemberId, Newest>>,
    /// A refused peer comes again and again, and who it says it is comes from outside.
    refused: TimedRepeats<(MemberId, HelloRefused)>,
}

/// A connection that is listened to.
struct Newest {
    number: u64,
    /// Goes away when a newer one begins. The old one ends then, so that whoever speaks there notices, and does not go on
    /// into the void.
    _replaced: oneshot::Sender<()>,
}

impl PeerService {
    pub fn new(
        hellos: Arc<Hellos>,
        inbox: Arc<Inbox>,
        aside: Aside,
        staging: Staging,
        metrics: Metrics,
    ) -> Self {
        let (newest, refused) = (Mutex::default(), TimedRepeats::default());
        let shared = StreamListener { hellos, inbox, aside, staging, metrics, newest, refused };
        Self { shared: Arc::new(shared) }
    }

    /// Ends the streams of those that are members no more; runs until it is dropped. They come again, and are told.
    pub async fn follow(self, mut members: watch::Receiver<Arc<Members>>) {
        while members.changed().await.is_ok() {
            // Whoever is removed may have an answer to give first.
            sleep(PEER_REMOVED_LINGER).await;
            let now = members.borrow_and_update().clone();
            let mut newest = self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.hellos.know(&now);
            newest.retain(|id, _| self.shared.hellos.is_peer(*id));
        }
        // Apply ended, and the member with it.
        std::future::pending::<()>().await;
    }

    /// The service with the sizes that peers may use.
    pub fn into_server(self) -> PeerServer<Self> {
        PeerServer::new(self).max_decoding_message_size(PEER_BATCH_BYTES_MAX)
    }
}

/// The first message of a call, which says who speaks; a peer has it ready. The answer to one that has not is `missing`.
async fn first_of<T>(
    messages: &mut Streaming<T>,
    missing: &'static str,
) -> Result<Option<T>, Status> {
    let first = timeout(PEER_HELLO_TIMEOUT, messages.message()).await;
    first.map_err(|_| Status::deadline_exceeded(missing))?
}

#[tonic::async_trait]
impl Peer for PeerService {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<Hello, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<Batch>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let proven = request.extensions().get::<Proven>().cloned();
        let mut frames = request.into_inner();
        let first = first_of(&mut frames, "no hello came").await?;
        let hello = first.and_then(|batch| batch.hello);
        let hello =
            hello.ok_or_else(|| Status::invalid_argument("a stream begins with a hello"))?;
        let from = self.shared.admit(&hello)?;
        if !self.shared.hellos.meet(from, &hello) {
            return Err(Status::failed_precondition(
                HelloRefused::Unknown { found: from }.to_string(),
            ));
        }
        if let Some(Proven(tell)) = proven {
            tell();
        }
        let answer = self.shared.hellos.to(from);
        let (over, ended) = oneshot::channel::<()>();
        tokio::spawn(self.shared.clone().listen(from, hello, frames, over));
        let rest = stream::once(ended).filter_map(|_| async { None });
        Ok(Response::new(stream::once(async move { Ok(answer) }).chain(rest).boxed()))
    }

    async fn members(
        &self,
        request: Request<MembersRequest>,
    ) -> Result<Response<MembersAnswer>, Status> {
        let found = request.into_inner().protocol;
        if found != PROTOCOL {
            return Err(Status::failed_precondition(HelloRefused::Protocol { found }.to_string()));
        }
        let (hellos, members) = (&self.shared.hellos, self.shared.hellos.members());
        Ok(Response::new(MembersAnswer {
            cluster_id: hellos.identity().cluster_id.0,
            members: members.by_id.values().cloned().collect(),
        }))
    }

    type InstallStream = Pin<Box<dyn Stream<Item = Result<SnapshotStaged, Status>> + Send>>;

    async fn install(
        &self,
        request: Request<Streaming<SnapshotPart>>,
    ) -> Result<Response<Self::InstallStream>, Status> {
        let proven = request.extensions().get::<Proven>().cloned();
        let mut parts = request.into_inner();
        let first = first_of(&mut parts, "no head came").await?;
        let head = first.and_then(|part| part.head).unwrap_or_default();
        let (Some(hello), Some(snapshot)) = (head.hello, head.snapshot) else {
            return Err(Status::invalid_argument("a snapshot begins with a head"));
        };
        self.shared.admit(&hello)?;
        let identity = self.shared.hellos.identity();
        if head.to != identity.member_id.0 {
            let (me, to) = (identity.member_id, MemberId(head.to));
            let refused = format!("this is member {me}, the snapshot is for {to}");
            return Err(Status::failed_precondition(refused));
        }
        if let Some(Proven(tell)) = proven {
            tell();
        }
        let inbox = self.shared.inbox.clone();
        let received = self.shared.staging.clone().receive(identity, snapshot, parts, inbox);
        Ok(Response::new(stream::once(received).boxed()))
    }
}

impl StreamListener {
    /// Who says this hello, if he is listened to.
    fn admit(&self, hello: &Hello) -> Result<MemberId, Status> {
        self.hellos.check(hello, None).map_err(|refused| {
            refused.end_if_wrong_here();
            self.refuse(MemberId(hello.member_id), &refused);
            let mut status = Status::failed_precondition(refused.to_string());
            // A member whose own address stands under another name too speaks to itself.
            let me = self.hellos.identity().member_id;
            if let Some((verdict, whom)) = refused.verdict()
                && whom != me
                && let Ok(whom) = whom.to_string().parse()
            {
                status.metadata_mut().insert(verdict.key(), whom);
            }
            status
        })
    }

    fn refuse(&self, peer: MemberId, why: &HelloRefused) {
        if let Some(Say { more }) = self.refused.say((peer, why.clone())) {
            tracing::warn!(%peer, more, "peer refused: {why}");
        }
    }

    /// Brings what the peer says into the inbox until the stream ends or a newer one begins. The caller learns of
    /// the end by `_over` going away.
    async fn listen(
        self: Arc<Self>,
        from: MemberId,
        hello: Hello,
        frames: Streaming<Batch>,
        _over: oneshot::Sender<()>,
    ) {
        self.hear(from, hello, frames).await;
        self.hellos.stirred(from);
    }

    async fn hear(&self, from: MemberId, hello: Hello, mut frames: Streaming<Batch>) {
        let (connection, mut replaced) = self.begin(from);
        // It may have been removed since its hello was checked.
        if !self.hellos.is_peer(from) {
            return;
        }
        self.inbox.control(news(from, self.hellos.identity().member_id, &hello));
        self.hellos.stirred(from);
        let metrics = self.metrics.peer(from);
        loop {
            let message = tokio::select! {
                biased;
                _ = &mut replaced => return,
                message = frames.message() => message,
            };
            match message {
                Ok(Some(batch)) if self.is_newest(from, connection) => {
                    if let Some(hello) = &batch.hello
                        && let Err(refused) = self.hellos.check(hello, Some(from))
                    {
                        refused.end_if_wrong_here();
                        return self.refuse(from, &refused);
                    }
                    self.take(from, batch, &metrics);
                }
                Ok(_) => return,
                Err(_) => {
                    metrics.receive_failures.inc();
                    return;
                }
            }
        }
    }

    fn take(&self, from: MemberId, batch: Batch, metrics: &PeerMetrics) {
        metrics.received_bytes.inc_by(prost::Message::encoded_len(&batch) as u64);
        let bodies = batch.messages.into_iter().filter_map(|message| message.body);
        let bodies = bodies.filter_map(|body| (self.aside)(from, body));
        let dropped = self.inbox.messages(from, bodies);
        metrics.receive_failures.inc_by(dropped);
    }

    fn begin(&self, from: MemberId) -> (u64, oneshot::Receiver<()>) {
        let (replaced, is_replaced) = oneshot::channel();
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let number = newest.get(&from).map_or(1, |old| old.number + 1);
        newest.insert(from, Newest { number, _replaced: replaced });
        (number, is_replaced)
    }

    fn is_newest(&self, from: MemberId, connection: u64) -> bool {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.get(&from).is_some_and(|newest| newest.number == connection)
    }
}

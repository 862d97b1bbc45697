//! A server that says what a test wants it to say, and fails as it is told: the few methods the engine calls.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::Stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use mini_etcd_proto::adminpb::admin_server::{Admin, AdminServer};
use mini_etcd_proto::adminpb::{
    DeletedRequest, DeletedResponse, KeyHistoryRequest, KeyHistoryResponse, LogRequest,
    LogResponse, MemberStatus, Progress, RevisionHistogramRequest, RevisionHistogramResponse,
    WatchStatusRequest,
};
use mini_etcd_proto::etcdserverpb::cluster_server::{Cluster, ClusterServer};
use mini_etcd_proto::etcdserverpb::kv_server::{Kv, KvServer};
use mini_etcd_proto::etcdserverpb::maintenance_server::{Maintenance, MaintenanceServer};
use mini_etcd_proto::etcdserverpb::watch_server::{Watch, WatchServer};
use mini_etcd_proto::etcdserverpb::*;
use mini_etcd_shared::port::HeldPort;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::{Request, Response, Status};

type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a fake server is.
#[derive(Clone)]
pub struct Fake {
    inner: Arc<Inner>,
}

struct Inner {
    id: u64,
    cluster: u64,
    members: Mutex<Vec<Member>>,
    mood: AtomicU8,
    shown: Mutex<Shown>,
    /// Looks at its page of metrics.
    looks: AtomicU32,
    /// Interval of the last admin stream that was opened.
    interval: AtomicU32,
    /// What each watch that is opened says, in turn; without one a watch says nothing.
    watches: Mutex<VecDeque<Vec<Step>>>,
    /// What the watches asked for.
    watched: Mutex<Vec<WatchCreateRequest>>,
    /// Reads and changes of keys that it took, but for those that ask whether it is healthy.
    keys: AtomicU32,
}

/// What it says of itself and of its cluster.
#[derive(Clone)]
pub struct Shown {
    /// Who leads; 0 for nobody.
    pub leader: u64,
    pub version: String,
    /// What its status complains of.
    pub errors: Vec<String>,
    /// Bytes in use, on disk, and allowed.
    pub sizes: (i64, i64, i64),
    /// Whether linearizable reads are answered.
    pub reads: bool,
    /// Its page of metrics; `GROWS` stands for a number that grows from look to look.
    pub metrics: Option<String>,
    /// Whether keys are kept from who has not logged in, and whether the member list and the status are.
    pub locked: bool,
    pub list_locked: bool,
    /// What it hears of its followers, in the admin stream.
    pub progress: Vec<Progress>,
}

/// A step of a watch; after the last one it says nothing more.
#[derive(Clone)]
pub enum Step {
    /// Says this.
    Say(Box<WatchResponse>),
    /// Ends with this.
    Fail(Status),
    /// Answers a request for progress with this revision, when one comes.
    Progress(i64),
}

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    /// As mini-etcd.
    Mini = 0,
    /// As etcd: no admin stream.
    Stock = 1,
    /// As a learner of etcd, which tells no members.
    Learner = 4,
    /// Takes questions and never answers.
    Stalls = 2,
    /// Refuses everything.
    Denies = 3,
}

/// A fake server that runs; ends when dropped.
pub struct Running {
    pub fake: Fake,
    pub address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Running {
    /// Ends it, with all its connections.
    pub async fn vanish(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Fake {
    pub async fn start(id: u64, cluster: u64, mood: Mood) -> Running {
        let listener = TcpListener::bind(HeldPort::new().unwrap().for_good()).await.unwrap();
        Self::serve(id, cluster, mood, listener)
    }

    pub fn serve(id: u64, cluster: u64, mood: Mood, listener: TcpListener) -> Running {
        let address = listener.local_addr().unwrap();
        let member = Member {
            id,
            name: format!("n{id}"),
            client_ur_ls: vec![format!("http://{address}")],
            ..Member::default()
        };
        let inner = Inner {
            id,
            cluster,
            members: Mutex::new(vec![member]),
            mood: AtomicU8::new(mood as u8),
            shown: Mutex::new(Shown {
                leader: id,
                version: "3.5.1".into(),
                errors: Vec::new(),
                sizes: (0, 4096, 0),
                reads: true,
                metrics: None,
                locked: false,
                list_locked: false,
                progress: Vec::new(),
            }),
            looks: AtomicU32::new(0),
            interval: AtomicU32::new(0),
            watches: Mutex::default(),
            watched: Mutex::default(),
            keys: AtomicU32::new(0),
        };
        let fake = Self { inner: Arc::new(inner) };
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(fake.clone(), listener));
        Running { fake, address, tasks }
    }

    pub fn set_members(&self, members: Vec<Member>) {
        *self.inner.members.lock().unwrap() = members;
    }

    /// Changes what it says.
    pub fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.inner.shown.lock().unwrap());
    }

    fn shown(&self) -> Shown {
        self.inner.shown.lock().unwrap().clone()
    }

    pub fn members(&self) -> Vec<Member> {
        self.inner.members.lock().unwrap().clone()
    }

    /// Says what the next watch says.
    pub fn expect_watch(&self, steps: Vec<Step>) {
        self.inner.watches.lock().unwrap().push_back(steps);
    }

    /// What watches asked for so far.
    pub fn watched(&self) -> Vec<WatchCreateRequest> {
        self.inner.watched.lock().unwrap().clone()
    }

    /// Reads and changes of keys that it took.
    pub fn keys(&self) -> u32 {
        self.inner.keys.load(Ordering::SeqCst)
    }

    pub fn interval(&self) -> u32 {
        self.inner.interval.load(Ordering::SeqCst)
    }

    /// As etcd does with users enabled.
    fn let_in<T>(request: &Request<T>, locked: bool) -> Result<(), Status> {
        match request.metadata().get("token") {
            Some(token) if token == TOKEN => Ok(()),
            Some(_) if locked => Err(Status::unauthenticated("etcdserver: invalid auth token")),
            None if locked => Err(Status::invalid_argument("etcdserver: user name is empty")),
            _ => Ok(()),
        }
    }

    async fn mind(&self) -> Result<(), Status> {
        match self.inner.mood.load(Ordering::SeqCst) {
            2 => std::future::pending().await,
            3 => Err(Status::permission_denied("etcdserver: permission denied")),
            _ => Ok(()),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a field of a message")]
    fn header(&self) -> Option<ResponseHeader> {
        let inner = &self.inner;
        Some(ResponseHeader {
            cluster_id: inner.cluster,
            member_id: inner.id,
            revision: 5,
            raft_term: 2,
        })
    }
}

async fn accept(fake: Fake, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let fake = fake.clone();
        connections.spawn(async move {
            let service = tower_fn(fake);
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn tower_fn(
    fake: Fake,
) -> TowerToHyperService<
    impl tower::Service<
        http::Request<hyper::body::Incoming>,
        Response = http::Response<Body>,
        Error = std::convert::Infallible,
        Future = impl Send,
    > + Clone
    + Send,
> {
    TowerToHyperService::new(tower::service_fn(
        move |request: http::Request<hyper::body::Incoming>| {
            let fake = fake.clone();
            async move {
                use tower::Service;
                let path = request.uri().path().to_owned();
                if path == "/metrics" {
                    let looks = fake.inner.looks.fetch_add(1, Ordering::SeqCst);
                    let grown = (120 * (looks + 1)).to_string();
                    return Ok(page(
                        fake.shown().metrics.map(|page| page.replace("GROWS", &grown)),
                    ));
                }
                if path == "/etcdserverpb.Auth/Authenticate" {
                    let mut grpc = tonic::server::Grpc::new(tonic_prost::ProstCodec::default());
                    return Ok(grpc.unary(Authenticate, request).await);
                }
                match path.split('/').nth(1).unwrap_or("") {
                    "minietcd.admin.v1.Admin" => AdminServer::new(fake).call(request).await,
                    "etcdserverpb.KV" => KvServer::new(fake).call(request).await,
                    "etcdserverpb.Watch" => WatchServer::new(fake).call(request).await,
                    "etcdserverpb.Cluster" => ClusterServer::new(fake).call(request).await,
                    _ => MaintenanceServer::new(fake).call(request).await,
                }
            }
        },
    ))
}

fn page(text: Option<String>) -> http::Response<Body> {
    let status = if text.is_some() { 200 } else { 404 };
    let body = http_body_util::Full::new(bytes::Bytes::from(text.unwrap_or_default()));
    http::Response::builder().status(status).body(Body::new(body)).unwrap()
}

/// The token of whoever knows the password.
const TOKEN: &str = "root.7";

/// The one call of the service of users that is made here.
struct Authenticate;

impl tonic::server::UnaryService<AuthenticateRequest> for Authenticate {
    type Response = AuthenticateResponse;
    type Future = std::future::Ready<Result<Response<AuthenticateResponse>, Status>>;

    fn call(&mut self, request: Request<AuthenticateRequest>) -> Self::Future {
        let request = request.into_inner();
        std::future::ready(
            if (request.name.as_str(), request.password.as_str()) == ("root", "right") {
                Ok(Response::new(AuthenticateResponse { header: None, token: TOKEN.to_owned() }))
            } else {
                let words = "etcdserver: authentication failed, invalid user ID or password";
                Err(Status::invalid_argument(words))
            },
        )
    }
}

#[tonic::async_trait]
impl Admin for Fake {
    type WatchStream = Streaming<MemberStatus>;

    async fn watch(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.mind().await?;
        if self.inner.mood.load(Ordering::SeqCst) == Mood::Stock as u8 {
            return Err(Status::unimplemented("unknown service minietcd.admin.v1.Admin"));
        }
        let interval_ms = request.into_inner().interval_ms;
        self.inner.interval.store(interval_ms, Ordering::SeqCst);
        let shown = self.shown();
        let status = MemberStatus {
            cluster_id: self.inner.cluster,
            member_id: self.inner.id,
            role: if shown.leader == self.inner.id { 3 } else { 1 },
            leader: shown.leader,
            progress: shown.progress,
            version: "0.1.0".into(),
            term: 2,
            commit_index: 7,
            applied_index: 7,
            ..MemberStatus::default()
        };
        let stream = futures::stream::unfold(0_u64, move |said| {
            let status = MemberStatus { keys: said, ..status.clone() };
            async move {
                if said > 0 {
                    tokio::time::sleep(Duration::from_millis(interval_ms.into())).await;
                }
                Some((Ok(status), said + 1))
            }
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn log(&self, _: Request<LogRequest>) -> Result<Response<LogResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn key_history(
        &self,
        _: Request<KeyHistoryRequest>,
    ) -> Result<Response<KeyHistoryResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revision_histogram(
        &self,
        _: Request<RevisionHistogramRequest>,
    ) -> Result<Response<RevisionHistogramResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn deleted(
        &self,
        _: Request<DeletedRequest>,
    ) -> Result<Response<DeletedResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl Kv for Fake {
    type RangeStreamStream = Streaming<RangeStreamResponse>;

    async fn range_stream(
        &self,
        _: Request<RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        if request.get_ref().key != "health" {
            self.inner.keys.fetch_add(1, Ordering::SeqCst);
        }
        self.mind().await?;
        if !request.get_ref().serializable && !self.shown().reads {
            return std::future::pending().await;
        }
        Self::let_in(&request, self.shown().locked)?;
        Ok(Response::new(RangeResponse { header: self.header(), ..RangeResponse::default() }))
    }

    async fn put(&self, _: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_range(
        &self,
        _: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn txn(&self, _: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        self.inner.keys.fetch_add(1, Ordering::SeqCst);
        Err(Status::unimplemented(""))
    }

    async fn compact(
        &self,
        _: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl Watch for Fake {
    type WatchStream = Streaming<WatchResponse>;

    async fn watch(
        &self,
        request: Request<tonic::Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.mind().await?;
        let mut requests = request.into_inner();
        let create = match requests.message().await?.and_then(|request| request.request_union) {
            Some(watch_request::RequestUnion::CreateRequest(create)) => create,
            other => return Err(Status::invalid_argument(format!("{other:?}"))),
        };
        self.inner.watched.lock().unwrap().push(create);
        let steps = self.inner.watches.lock().unwrap().pop_front().unwrap_or_default();
        let header = self.header();
        let stream = futures::stream::unfold(
            (requests, VecDeque::from(steps)),
            move |(mut requests, mut steps)| async move {
                let answer = match steps.pop_front() {
                    None => std::future::pending().await,
                    Some(Step::Say(response)) => Ok(*response),
                    Some(Step::Fail(status)) => Err(status),
                    Some(Step::Progress(revision)) => {
                        let _asked = requests.message().await;
                        let header = header.map(|header| ResponseHeader { revision, ..header });
                        Ok(WatchResponse { header, watch_id: -1, ..WatchResponse::default() })
                    }
                };
                Some((answer, (requests, steps)))
            },
        );
        Ok(Response::new(Box::pin(stream)))
    }
}

#[tonic::async_trait]
impl Cluster for Fake {
    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        self.mind().await?;
        if self.inner.mood.load(Ordering::SeqCst) == Mood::Learner as u8 {
            let words = "etcdserver: rpc not supported for learner";
            return Err(Status::failed_precondition(words));
        }
        Self::let_in(&request, self.shown().list_locked)?;
        Ok(Response::new(MemberListResponse { header: self.header(), members: self.members() }))
    }

    async fn member_add(
        &self,
        _: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn member_remove(
        &self,
        _: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn member_update(
        &self,
        _: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn member_promote(
        &self,
        _: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl Maintenance for Fake {
    type SnapshotStream = Streaming<SnapshotResponse>;

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        self.mind().await?;
        let shown = self.shown();
        Self::let_in(&request, shown.list_locked)?;
        Ok(Response::new(StatusResponse {
            header: self.header(),
            version: shown.version,
            db_size_in_use: shown.sizes.0,
            db_size: shown.sizes.1,
            db_size_quota: shown.sizes.2,
            leader: shown.leader,
            errors: shown.errors,
            raft_index: 7,
            raft_term: 2,
            raft_applied_index: 7,
            ..StatusResponse::default()
        }))
    }

    async fn alarm(&self, _: Request<AlarmRequest>) -> Result<Response<AlarmResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn defragment(
        &self,
        _: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn hash(&self, _: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn hash_kv(&self, _: Request<HashKvRequest>) -> Result<Response<HashKvResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn snapshot(
        &self,
        _: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn move_leader(
        &self,
        _: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn downgrade(
        &self,
        _: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

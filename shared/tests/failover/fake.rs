//! Servers that behave, and servers that do not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::pending;
use http::{HeaderMap, Response};
use mini_etcd_proto::etcdserverpb::{
    Member, MemberListResponse, PutResponse, RangeResponse, ResponseHeader, StatusResponse,
    WatchResponse,
};
use mini_etcd_shared::client::Endpoint;
use mini_etcd_shared::port::HeldPort;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The cluster that members are of, unless it is said otherwise.
pub const CLUSTER: u64 = 77;

/// A socket that is served until it is dropped.
pub struct Served {
    pub address: SocketAddr,
    task: AbortHandle,
    /// Connections that fill the queue of one that is not accepted from.
    queue: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
        for filler in &self.queue {
            filler.abort();
        }
    }
}

impl Served {
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&self.address.to_string()).unwrap()
    }

    async fn with<F, Fut>(each: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let address = HeldPort::new().unwrap().for_good();
        let listener = TcpListener::bind(address).await.unwrap();
        let task = tokio::spawn(async move {
            // Connections end with their server.
            let mut under_way = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                under_way.spawn(each(stream));
            }
        });
        Self { address, task: task.abort_handle(), queue: Vec::new() }
    }

    /// Takes connections and says nothing.
    pub async fn silent() -> Self {
        Self::with(|stream| async move {
            pending::<()>().await;
            drop(stream);
        })
        .await
    }

    /// Takes connections and closes them.
    pub async fn closing() -> Self {
        Self::with(|stream| async move { drop(stream) }).await
    }

    /// Answers the first bytes with these, and closes.
    pub async fn saying(words: &'static [u8]) -> Self {
        Self::with(move |mut stream| async move {
            let mut head = [0; 24];
            if stream.read_exact(&mut head).await.is_ok() {
                let _ = stream.write_all(words).await;
            }
        })
        .await
    }

    /// Ends what is no TLS without a word, and answers what is with an alert, as Go's servers do.
    pub async fn tls() -> Self {
        Self::with(|mut stream| async move {
            let mut head = [0; 5];
            if stream.read_exact(&mut head).await.is_ok() && head[0] == 0x16 {
                let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]).await;
            }
        })
        .await
    }

    /// Never answers an attempt to connect: nobody accepts, and the queue is full.
    pub fn black_hole() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let full = Arc::new(tokio::sync::Notify::new());
        let mut queue = Vec::new();
        // The kernel takes one or two; the others wait for an answer to their SYN.
        for _ in 0..4 {
            queue.push(tokio::spawn(async move {
                let _filler = TcpStream::connect(address).await;
                pending::<()>().await;
            }));
        }
        full.notify_one();
        let task = tokio::spawn(async move {
            pending::<()>().await;
            drop(listener);
        });
        Self { address, task: task.abort_handle(), queue }
    }

    /// Speaks HTTP/2, and answers the first request of a connection with these frames; then closes.
    pub async fn answering(frames: &'static [u8]) -> Self {
        Self::with(move |stream| async move {
            let _ = answer_first(stream, frames).await;
        })
        .await
    }
}

/// RST_STREAM of stream 1 with REFUSED_STREAM.
pub const REFUSED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
/// RST_STREAM of stream 1 with INTERNAL_ERROR.
pub const RESET: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2];
/// GOAWAY without an error, before stream 1.
pub const GOES_AWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// GOAWAY with an error, after stream 1.
pub const GOES_AWAY_AFTER: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];

async fn answer_first(mut stream: TcpStream, frames: &[u8]) -> std::io::Result<()> {
    const HEADERS: u8 = 1;
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        if head[3] == HEADERS {
            stream.write_all(frames).await?;
            stream.shutdown().await?;
            // What the client still sends is taken, so that the frames are not lost to a reset.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            return Ok(());
        }
    }
}

/// A member of an etcd cluster.
pub struct Live {
    pub served: Served,
    state: Arc<State>,
}

struct State {
    id: u64,
    cluster: AtomicU64,
    paths: Mutex<Vec<String>>,
    list: Mutex<Vec<Member>>,
    stopped: watch::Sender<bool>,
}

impl Live {
    pub async fn start(id: u64) -> Self {
        let (stopped, _) = watch::channel(false);
        let state = Arc::new(State {
            id,
            cluster: AtomicU64::new(CLUSTER),
            paths: Mutex::default(),
            list: Mutex::default(),
            stopped,
        });
        let shared = Arc::clone(&state);
        let served = Served::with(move |stream| serve(stream, Arc::clone(&shared))).await;
        Self { served, state }
    }

    pub fn endpoint(&self) -> Endpoint {
        self.served.endpoint()
    }

    /// What it says of the cluster: members by number, and where they are.
    pub fn lists(&self, members: &[(u64, &str)]) {
        let member = |(id, url): &(u64, &str)| Member {
            id: *id,
            client_ur_ls: vec![(*url).to_owned()],
            ..Member::default()
        };
        *self.state.list.lock().unwrap() = members.iter().map(member).collect();
    }

    /// Says from now on, also on connections that stand, that it is of this cluster.
    pub fn is_of(&self, cluster: u64) {
        self.state.cluster.store(cluster, Ordering::SeqCst);
    }

    /// How many requests for this method were processed.
    pub fn count(&self, method: &str) -> usize {
        self.state.paths.lock().unwrap().iter().filter(|path| path.ends_with(method)).count()
    }

    /// Stops or goes on, as by SIGSTOP and SIGCONT: its connections stand.
    pub fn stop(&self, stopped: bool) {
        self.state.stopped.send_replace(stopped);
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut stopped = state.stopped.subscribe();
    loop {
        if stopped.wait_for(|stopped| !stopped).await.is_err() {
            return;
        }
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => continue,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let path = request.uri().path().to_owned();
        tokio::spawn(answer(path, request.into_body(), respond, Arc::clone(&state)));
    }
}

async fn answer(
    path: String,
    mut body: h2::RecvStream,
    mut respond: h2::server::SendResponse<Bytes>,
    state: Arc<State>,
) {
    // The first message is what is asked.
    let Some(Ok(_)) = body.data().await else { return };
    state.paths.lock().unwrap().push(path.clone());
    let cluster_id = state.cluster.load(Ordering::SeqCst);
    let header = ResponseHeader { cluster_id, member_id: state.id, ..Default::default() };
    let message = match path.rsplit('/').next().unwrap() {
        "Put" => PutResponse { header: Some(header), ..Default::default() }.encode_to_vec(),
        "Range" => {
            RangeResponse { header: Some(header), count: 1, ..Default::default() }.encode_to_vec()
        }
        "Watch" => WatchResponse { header: Some(header), created: true, ..Default::default() }
            .encode_to_vec(),
        "MemberList" => {
            let members = state.list.lock().unwrap().clone();
            MemberListResponse { header: Some(header), members }.encode_to_vec()
        }
        "Status" => StatusResponse { header: Some(header), ..Default::default() }.encode_to_vec(),
        other => panic!("{other}"),
    };
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut send) = respond.send_response(head, false) else { return };
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().unwrap());
    frame.extend_from_slice(&message);
    let _ = send.send_data(frame.freeze(), false);
    if path.ends_with("Watch") {
        // It stands until the client has gone.
        while let Some(Ok(_)) = body.data().await {}
        return;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let _ = send.send_trailers(trailers);
}

/// An address where nobody listens.
pub fn dead() -> Endpoint {
    Endpoint::parse(&HeldPort::new().unwrap().for_good().to_string()).unwrap()
}

//! Calls with messages that are encoded elsewhere, and what each method is.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use http::uri::PathAndQuery;
use mini_etcd_proto::CLIENT_DESCRIPTORS;
use mini_etcd_server::http::Raw;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

/// Longest that a server may take for an answer.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// What a call ends with that took longer.
pub const SILENCE: &str = "no answer in time";

/// The messages of a method at `/package.Service/Method`; nothing when there is no such method.
///
/// # Panics
/// The descriptors that are compiled in are none.
#[must_use]
#[expect(clippy::expect_used, reason = "the descriptors are compiled in")]
pub fn messages(path: &str) -> Option<(MessageDescriptor, MessageDescriptor)> {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL
        .get_or_init(|| DescriptorPool::decode(CLIENT_DESCRIPTORS).expect("our own descriptors"));
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = pool.get_service_by_name(service)?;
    let method = service.methods().find(|it| it.name() == method)?;
    Some((method.input(), method.output()))
}

/// Whether a call of the method changes nothing, so that several may be asked at once.
#[must_use]
pub fn only_reads(path: &str) -> bool {
    matches!(
        path.rsplit('/').next().unwrap_or_default(),
        "Range"
            | "RangeStream"
            | "LeaseTimeToLive"
            | "LeaseLeases"
            | "MemberList"
            | "Status"
            | "HashKV"
            | "Hash"
            | "AuthStatus"
            | "UserGet"
            | "UserList"
            | "RoleGet"
            | "RoleList"
            | "Leader"
    )
}

/// What a call gave: the messages of its answer, and how it ended.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its messages.
    pub messages: Vec<Bytes>,
    /// Its end.
    pub status: Status,
}

/// A connection to one server; clones share it.
#[derive(Clone, Debug)]
pub struct Caller {
    grpc: Grpc<Channel>,
}

impl Caller {
    /// Calls by `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        let grpc = Grpc::new(channel);
        Self { grpc: grpc.max_decoding_message_size(usize::MAX) }
    }

    /// Calls a method with all messages at once, and reads the answer to its end, or its `most` first messages.
    pub async fn call(&self, path: &str, messages: Vec<Bytes>, token: &str, most: usize) -> Answer {
        let read = async {
            let mut answer = Answer { messages: Vec::new(), status: Status::new(Code::Ok, "") };
            let requests = futures::stream::iter(messages);
            let opened = self.open(path, requests, token).await;
            let mut stream = match opened {
                Ok(stream) => stream,
                Err(status) => return Answer { status, ..answer },
            };
            while answer.messages.len() < most {
                match stream.message().await {
                    Ok(Some(message)) => answer.messages.push(message),
                    Ok(None) => break,
                    Err(status) => return Answer { status, ..answer },
                }
            }
            answer
        };
        tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| Answer {
            messages: Vec::new(),
            status: Status::new(Code::Unknown, SILENCE),
        })
    }

    /// Opens a call whose messages come one by one; all that it answers goes to the receiver, an error last.
    #[must_use]
    pub fn open_watch(
        &self,
        token: &str,
    ) -> (mpsc::UnboundedSender<Bytes>, mpsc::UnboundedReceiver<Result<Bytes, Status>>) {
        let (requests, to_send) = mpsc::unbounded();
        let (answers, received) = mpsc::unbounded();
        let (caller, token) = (self.clone(), token.to_owned());
        tokio::spawn(async move {
            let opened = caller.open("/etcdserverpb.Watch/Watch", to_send, &token).await;
            let mut stream = match opened {
                Ok(stream) => stream,
                Err(status) => return drop(answers.unbounded_send(Err(status))),
            };
            loop {
                let next = stream.message().await.transpose();
                let Some(next) = next else { return };
                let is_over = next.is_err();
                if answers.unbounded_send(next).is_err() || is_over {
                    return;
                }
            }
        });
        (requests, received)
    }

    async fn open(
        &self,
        path: &str,
        messages: impl futures::Stream<Item = Bytes> + Send + 'static,
        token: &str,
    ) -> Result<Streaming<Bytes>, Status> {
        let mut grpc = self.grpc.clone();
        let unready = |error| Status::unavailable(format!("connection: {error}"));
        grpc.ready().await.map_err(unready)?;
        let path =
            PathAndQuery::try_from(path).map_err(|error| Status::internal(error.to_string()))?;
        let mut request = Request::new(messages);
        if !token.is_empty() {
            let token = token.parse().map_err(|_| Status::internal("a token that is none"))?;
            request.metadata_mut().insert("token", token);
        }
        Ok(grpc.streaming(request, path, Raw).await?.into_inner())
    }
}

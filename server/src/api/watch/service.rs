//! The service that a router takes.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{Empty, empty};
use http_body::Body as HttpBody;
use mini_etcd_proto::etcdserverpb::WatchRequest;
use mini_etcd_proto::internalpb::Asker;
use mini_etcd_shared::types::Term;
use rand::RngExt as _;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Request, Status, Streaming};
use tower::Service;

use crate::api::Caller;
use crate::api::leader::requires_leader;
use crate::apply::Identity;
use crate::error::RequestError;
use crate::watch::Hub;

use super::Responses;
use super::body::{Sender, WatchBody};
use super::codec::RequestCodec;

const METHOD: &str = "/etcdserverpb.Watch/Watch";

/// The member's term now.
pub type CurrentTerm = Arc<dyn Fn() -> Term + Send + Sync>;

/// On whose behalf a caller's requests are taken now.
pub type AskedBy = Arc<dyn Fn(&Caller) -> Result<Asker, RequestError> + Send + Sync>;

/// `etcdserverpb.Watch`. Clones serve the same hub.
#[derive(Clone)]
pub struct WatchService {
    hub: Hub,
    identity: Identity,
    term: CurrentTerm,
    asked_by: AskedBy,
    progress: Duration,
}

impl WatchService {
    /// A service for the watches of `hub`; progress messages come about every `progress`.
    #[must_use]
    pub fn new(
        hub: Hub,
        identity: Identity,
        term: CurrentTerm,
        asked_by: AskedBy,
        progress: Duration,
    ) -> Self {
        Self { hub, identity, term, asked_by, progress }
    }

    /// Takes a call. The router has looked at its metadata already; what remains is that a stream which asks
    /// for a leader goes on needing one.
    fn open(&self, request: Request<Streaming<WatchRequest>>) -> Result<Responses, RequestError> {
        let caller = Caller::of(&request);
        let (metadata, _, requests) = request.into_parts();
        let stream = self.hub.open_stream(requires_leader(&metadata))?;
        let asker = (caller, Arc::clone(&self.asked_by));
        Ok(Responses::new(requests, stream, asker, jittered(self.progress)))
    }

    fn sender(&self) -> Sender {
        Sender { identity: self.identity, term: Arc::clone(&self.term) }
    }
}

/// One call, as tonic's server sees it: that looks at the head of the request, decodes its messages, and makes the head
/// of the answer. The answer itself is put aside for a body that does not copy it, and tonic is given an empty one.
struct Opening<'a> {
    service: &'a WatchService,
    opened: &'a mut Option<Responses>,
}

/// Up to a tenth more, so that the streams of a restarted server do not stay in step.
fn jittered(period: Duration) -> Duration {
    period.mul_f64(rand::rng().random_range(1.0..1.1))
}

impl StreamingService<WatchRequest> for Opening<'_> {
    type Response = Infallible;
    type ResponseStream = Empty<Result<Infallible, Status>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<WatchRequest>>) -> Self::Future {
        let opened = self.service.open(request).map(|responses| *self.opened = Some(responses));
        ready(opened.map(|()| tonic::Response::new(empty())).map_err(Status::from))
    }
}

impl<B> Service<http::Request<B>> for WatchService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != METHOD {
                return Ok(Status::unimplemented("").into_http());
            }
            let limit = service.hub.message_bytes_max();
            let mut grpc = Grpc::new(RequestCodec).max_decoding_message_size(limit);
            let mut opened = None;
            let opening = Opening { service: &service, opened: &mut opened };
            let response = grpc.streaming(opening, request).await;
            Ok(match opened {
                Some(responses) => {
                    response.map(|_| Body::new(WatchBody::new(responses, service.sender())))
                }
                None => response,
            })
        })
    }
}

impl NamedService for WatchService {
    const NAME: &'static str = "etcdserverpb.Watch";
}

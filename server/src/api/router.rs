//! From the path of a call to its service, and what every call has in common: its metadata, its time, its
//! count, the wording of its status.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Extensions, HeaderMap, HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

use super::body::{Built, BuiltBody, Counted, Framed, Held, Streamed, answered};
use super::caller::{CallGate, Caller};
use super::messages::{Begun, Messages};
use super::methods::{Kind, PEERS, Rule, SERVICES};
use super::request_log::{Called, Note, RequestLog, Start};
use super::statuses::{timeout, translate_headers};
use super::unread::{Share, Unread};
use crate::config::Serving;
use crate::error::RequestError;
use crate::limits;
use crate::metrics::{self, Metrics};

/// Whether the member knows a leader now.
pub type HasLeader = Arc<dyn Fn() -> bool + Send + Sync>;

/// What the calls of a member hold together, whichever thread serves them.
#[derive(Clone, Default)]
pub struct InFlight {
    request_bytes: Arc<AtomicUsize>,
    json_bytes: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

/// The gRPC services of a member, by path.
pub struct Router {
    routes: BTreeMap<&'static str, Vec<Route>>,
    handlers: BTreeMap<&'static str, Box<dyn Handler>>,
    has_leader: HasLeader,
    /// Whether this member is a learner, which answers little.
    is_learner: HasLeader,
    gate: Arc<dyn CallGate>,
    stop: watch::Receiver<bool>,
    metrics: Metrics,
    in_flight: InFlight,
    message_bytes_max: usize,
    request_log: Option<Arc<RequestLog>>,
}

#[derive(Clone)]
struct Route {
    called: Called,
    kind: Kind,
    rule: Rule,
    /// Not a service that members offer each other.
    is_clients: bool,
    /// A learner answers it.
    by_learners: bool,
    metrics: metrics::Method,
}

/// A service that may be called from several connections.
trait Handler: Send + Sync {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;
}

impl<S> Handler for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync,
    S::Future: Send + 'static,
{
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let response = Service::call(&mut self.clone(), request);
        Box::pin(response.map(|result| match result {
            Ok(response) => response,
            Err(never) => match never {},
        }))
    }
}

impl Router {
    /// A router without services, whose calls `gate` judges. Streams end once `stop` turns true.
    #[must_use]
    pub fn new(
        metrics: Metrics,
        has_leader: HasLeader,
        gate: Arc<dyn CallGate>,
        stop: watch::Receiver<bool>,
        in_flight: &InFlight,
    ) -> Self {
        let routes = SERVICES
            .iter()
            .map(|(service, methods)| {
                let routes = methods.iter().map(|method| Route {
                    called: Called {
                        service,
                        method: method.name,
                        is_write: method.writes,
                        is_unary: method.kind == Kind::Unary,
                    },
                    kind: method.kind,
                    rule: method.rule,
                    is_clients: *service != PEERS,
                    by_learners: is_by_learners(service, method.name),
                    metrics: metrics.method(service, method.name, method.kind.name()),
                });
                (*service, routes.collect())
            })
            .collect();
        Self {
            routes,
            handlers: BTreeMap::new(),
            has_leader,
            is_learner: Arc::new(|| false),
            gate,
            stop,
            metrics,
            in_flight: in_flight.clone(),
            message_bytes_max: Serving::default().message_bytes_max(),
            request_log: None,
        }
    }

    /// Refuses what a learner does not answer while `is_learner`.
    #[must_use]
    pub fn refusing_for_learners(self, is_learner: HasLeader) -> Self {
        Self { is_learner, ..self }
    }

    /// Says how large the services let a message of a client be, for who makes messages of something else.
    #[must_use]
    pub fn with_message_bytes_max(self, message_bytes_max: usize) -> Self {
        Self { message_bytes_max, ..self }
    }

    /// Writes requests of clients down where `log` is one.
    #[must_use]
    pub fn with_request_log(self, request_log: Option<Arc<RequestLog>>) -> Self {
        Self { request_log, ..self }
    }

    /// Bytes of a client's message, at the most.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// Adds a generated service under its own name.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.handlers.insert(S::NAME, Box::new(service));
        self
    }

    /// What a request occupies before [`Self::call`] has it, of
    /// [`REQUEST_BYTES_IN_FLIGHT_MAX`](limits::REQUEST_BYTES_IN_FLIGHT_MAX).
    #[must_use]
    pub fn holds_request(&self) -> Held {
        Held::none(&self.in_flight.request_bytes)
    }

    /// What an answer occupies after [`Self::call`] gave it, of [`JSON_BYTES_IN_FLIGHT_MAX`](limits::JSON_BYTES_IN_FLIGHT_MAX).
    #[must_use]
    pub fn holds_answer(&self) -> Held {
        Held::none(&self.in_flight.json_bytes)
    }

    /// Whether callers are users, who may do what their roles allow.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.gate.has_users()
    }

    /// Carries a call out. Never fails: what goes wrong is a status.
    pub async fn call<B>(&self, mut request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (route, handler) = match self.find(request.uri().path()) {
            Ok(found) => found,
            Err(status) => return status.into_http(),
        };
        let (call, limit, begun) = match self.begin(&route, request.headers()) {
            Ok(call) => call,
            // Looked at before a call is counted, as in etcd.
            Err(status) => return status.into_http(),
        };
        let caller = Caller::read(request.headers(), request.extensions());
        let admitted = self.admit(route.rule, &caller).await;
        let note = self.note(&route, &caller, request.extensions());
        if let Err(error) = admitted {
            let refused = Status::from(error);
            if let Some(note) = note {
                note.refused(refused.code(), None);
            }
            route.metrics.started.inc();
            route.metrics.handled(refused.code(), Duration::ZERO);
            return refused.into_http();
        }
        request.extensions_mut().insert(caller);
        if route.kind != Kind::Unary {
            begun.begin();
        }
        let answer = {
            let start = note.as_ref().map(|note| note.start());
            handler.call(self.counted(&route, request, &begun, start))
        };
        let answered = match limit {
            Some(limit) => tokio::time::timeout(limit, answer).await,
            None => Ok(answer.await),
        };
        if let Ok(response) = answered {
            let response = self.finish(route, call, &begun, response);
            return match note {
                Some(note) => note.answered(begun.since(), response),
                None => response,
            };
        }
        if let Some(note) = note {
            note.refused(Code::DeadlineExceeded, begun.since());
        }
        if let Some(since) = begun.since() {
            route.metrics.handled(Code::DeadlineExceeded, since.elapsed());
        }
        Status::deadline_exceeded("context deadline exceeded").into_http()
    }

    fn find(&self, path: &str) -> Result<(Route, &dyn Handler), Status> {
        let Some((service, method)) = path.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'))
        else {
            return Err(Status::unimplemented(format!("malformed method name: {path:?}")));
        };
        let Some(routes) = self.routes.get(service) else {
            return Err(Status::unimplemented(format!("unknown service {service}")));
        };
        let route = routes.iter().find(|route| route.called.method == method);
        match (route, self.handlers.get(service)) {
            (Some(route), Some(handler)) => Ok((route.clone(), handler.as_ref())),
            _ => {
                Err(Status::unimplemented(format!("unknown method {method} for service {service}")))
            }
        }
    }

    /// A note of the call, where one is to be made.
    fn note(&self, route: &Route, caller: &Caller, extensions: &Extensions) -> Option<Box<Note>> {
        let log = self.request_log.as_ref().filter(|_| route.is_clients)?;
        log.note(route.called, || {
            let peer = extensions.get::<Arc<Unread>>().and_then(|unread| unread.peer());
            (self.gate.user(caller), peer)
        })
    }

    /// Whether a method of that rule may be called. A token that this member cannot know yet is waited for.
    async fn admit(&self, rule: Rule, caller: &Caller) -> Result<(), RequestError> {
        if let Some(judged) = self.gate.judge(caller, rule) {
            return judged;
        }
        self.gate.catch_up().await?;
        self.gate.judge(caller, rule).unwrap_or(Err(RequestError::InvalidAuthToken))
    }

    /// Checks what the metadata says.
    fn begin(
        &self,
        route: &Route,
        headers: &HeaderMap,
    ) -> Result<(Held, Option<Duration>, Begun), Status> {
        let mut call = Held::none(&self.in_flight.calls);
        if !call.add(1, limits::CALLS_IN_FLIGHT_MAX) {
            let refused = Status::from(RequestError::TooManyRequests);
            route.metrics.started.inc();
            route.metrics.handled(refused.code(), Duration::ZERO);
            return Err(refused);
        }
        let version = match headers.get("client-api-version") {
            None => "unknown",
            Some(value) => std::str::from_utf8(value.as_bytes())
                .map_err(|_| RequestError::InvalidClientApiVersion)?,
        };
        let requests = self.metrics.client(route.kind != Kind::Unary, version);
        let wants_leader = headers.get("hasleader").is_some_and(|value| value == "true");
        if wants_leader && !(self.has_leader)() {
            return Err(RequestError::NoLeader.into());
        }
        if !route.by_learners && (self.is_learner)() {
            return Err(RequestError::NotForLearner.into());
        }
        Ok((call, timeout(headers)?, Begun::not_yet(&route.metrics, requests)))
    }

    fn counted<B>(
        &self,
        route: &Route,
        request: Request<B>,
        begun: &Begun,
        start: Option<Start>,
    ) -> Request<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let unary = (route.kind == Kind::Unary)
            .then(|| (Held::none(&self.in_flight.request_bytes), begun.clone()));
        let messages = Messages::received(&route.metrics, &self.metrics, route.is_clients);
        request.map(|inner| Body::new(Counted { inner, messages, unary, start }))
    }

    fn finish(
        &self,
        route: Route,
        call: Held,
        begun: &Begun,
        mut response: Response<Body>,
    ) -> Response<Body> {
        let code = translate_headers(response.headers_mut());
        let messages = Messages::sent(&route.metrics, &self.metrics, route.is_clients);
        if route.kind == Kind::Unary {
            if let Some(since) = begun.since() {
                route.metrics.handled(code.unwrap_or(Code::Ok), since.elapsed());
            }
            let share = response.extensions_mut().remove::<Share>();
            let built = response.extensions_mut().remove::<Built>();
            let framed = response.extensions_mut().remove::<Framed>();
            return response.map(|inner| {
                let inner = built.map_or(inner, |built| Body::new(BuiltBody::new(built)));
                let inner = framed.map_or(inner, Framed::body);
                answered(inner, messages, (call, share))
            });
        }
        let since = begun.since().unwrap_or_else(Instant::now);
        if let Some(code) = code {
            route.metrics.handled(code, since.elapsed());
            return response;
        }
        let mut stop = self.stop.clone();
        let stop = async move { stopped(&mut stop).await };
        let metrics = route.metrics;
        response.map(|inner| {
            Body::new(Streamed {
                inner,
                stop: Box::pin(stop),
                messages,
                metrics,
                since,
                _call: call,
                code: None,
            })
        })
    }
}

/// Whether a learner answers a method, as in etcd; what is ours it answers too. Ranges are looked at when they are read.
fn is_by_learners(service: &str, method: &str) -> bool {
    let etcds = ["etcdserverpb.", "v3lockpb.", "v3electionpb.", "grpc.health."];
    !etcds.iter().any(|prefix| service.starts_with(prefix))
        || matches!(
            (service, method),
            ("etcdserverpb.KV", "Range") | ("etcdserverpb.Maintenance", "Status" | "Snapshot")
        )
}

/// Whether a request means gRPC rather than a page.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// Returns once the server stops.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means that the server is.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

//! [`Gateway`]: a request as the gRPC call that it stands for, through the same router.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};
use tower::service_fn;

use super::super::site::{PLAIN, TextPage};
use super::answer::{error_line, failed, good, sent_in_pieces, stream_failed};
use super::json;
use super::objects::Objects;
use super::raw::Raw;
use super::routes::{Route, find};
use crate::api::{CertificateName, Held, Router, Unread, timeout};
use crate::error::RequestError;
use crate::limits::{INLINE_RESULT_BYTES_MAX, JSON_BYTES_IN_FLIGHT_MAX, JSON_REQUEST_TIMES};

/// How long a call may take, in gRPC's notation.
const TIMEOUT: &str = "grpc-timeout";

/// What precedes the name of a header that is meant for the call.
const METADATA: &str = "grpc-metadata-";

/// Around each message of a stream.
const LINE: (&str, &str) = ("{\"result\":", "}\n");

/// Ends with the time that a client gives its call.
type Expiry = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Messages of requests, encoded.
type Inputs = BoxStream<'static, Bytes>;

/// A call that failed, and in which shape that is said.
struct Failure {
    status: Status,
    of_stream: bool,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { status, of_stream: false }
    }
}

/// Answers JSON by the services of `router`.
pub(in crate::http) struct Gateway {
    router: Arc<Router>,
}

impl Gateway {
    pub(in crate::http) fn new(router: Arc<Router>) -> Self {
        Self { router }
    }

    /// Answers a request below the gateway's prefixes.
    pub(in crate::http) async fn call(&self, request: Request<Incoming>) -> Response<Body> {
        if request.extensions().get::<CertificateName>().is_some() && self.router.has_users() {
            return certificate_refused();
        }
        match self.answer(request).await {
            Ok(response) => response,
            Err(Failure { status, of_stream: true }) => stream_failed(&status),
            Err(Failure { status, .. }) => failed(&status),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let route = find(request.uri().path()).ok_or_else(|| Status::not_found("Not Found"))?;
        if request.method() != Method::POST {
            return Err(Status::unimplemented("Method Not Allowed").into());
        }
        let mut expiry = expiry(request.headers())?;
        let (mut answers, first) = tokio::select! {
            begun = self.begin(route, request) => begun?,
            () = &mut expiry => return Err(expired().into()),
        };
        let held = self.router.holds_answer();
        if route.gives_many {
            return Ok(lines(route, first, (answers, held, expiry)).await?);
        }
        let message = first.ok_or_else(|| Status::internal("the call ended without an answer"))?;
        // What follows is the status.
        answers.message().await?;
        Ok(single(route, message, (answers, held)).await?)
    }

    /// Sends the call through the router, and waits for its first answer. Every kind of method is a stream on both sides here:
    /// an answer that stays open holds what its bytes are counted by until they are sent.
    async fn begin(
        &self,
        route: &'static Route,
        request: Request<Incoming>,
    ) -> Result<(Streaming<Bytes>, Option<Bytes>), Failure> {
        let (parts, body) = request.into_parts();
        let most = JSON_REQUEST_TIMES * self.router.message_bytes_max();
        let objects = Objects::new(body, self.router.holds_request(), most);
        let inputs = inputs(route, objects).await?;
        let metadata = metadata(&parts.headers);
        let mut call = tonic::Request::from_parts(metadata, http::Extensions::new(), inputs);
        if let Some(unread) = parts.extensions.get::<Arc<Unread>>() {
            call.extensions_mut().insert(Arc::clone(unread));
        }
        let router = Arc::clone(&self.router);
        let service = service_fn(move |request: Request<Body>| {
            let router = Arc::clone(&router);
            async move { Ok::<_, Infallible>(router.call(request).await) }.boxed()
        });
        let mut client = Grpc::new(service).max_decoding_message_size(usize::MAX);
        let begun = async {
            let answers = client.streaming(call, route.path.clone(), Raw).await?;
            let mut answers = answers.into_inner();
            let first = answers.message().await?;
            Ok((answers, first))
        };
        begun.await.map_err(|status| Failure { status, of_stream: route.gives_many })
    }
}

/// The messages of a request: the first is waited for, since it tells whether this is a call at all. A stream of them ends
/// where one is wrong, as in etcd.
async fn inputs(route: &'static Route, mut objects: Objects<Incoming>) -> Result<Inputs, Status> {
    let first = match objects.next().await {
        None => None,
        Some(object) => Some(json::read(&route.input, object?).await.map_err(|status| {
            if route.takes_many { Status::unknown(status.message()) } else { status }
        })?),
    };
    if !route.takes_many {
        return Ok(stream::iter([first.unwrap_or_default()]).boxed());
    }
    let rest = stream::unfold(objects, |mut objects| async {
        let object = objects.next().await?.ok()?;
        let message = json::read(&route.input, object).await.ok()?;
        Some((message, objects))
    });
    Ok(stream::iter(first).chain(rest).boxed())
}

/// The answer of a method that has one. `answers` is kept as long as it.
async fn single(
    route: &Route,
    message: Bytes,
    (answers, mut held): (Streaming<Bytes>, Held),
) -> Result<Response<Body>, Status> {
    let is_large = hold(&mut held, &message)?;
    let text = json::write(&route.output, message, ("", "")).await?;
    if is_large {
        return Ok(sent_in_pieces(text, (answers, held)));
    }
    let length = HeaderValue::from(text.len());
    let body = Full::new(text).map_frame(move |frame| {
        let _held = &answers;
        frame
    });
    let mut response = good(Body::new(body));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    Ok(response)
}

type Lines = (Streaming<Bytes>, Held, Expiry);

/// The answers of a method that may have several, each a line.
async fn lines(
    route: &'static Route,
    first: Option<Bytes>,
    answers: Lines,
) -> Result<Response<Body>, Status> {
    let Some(first) = first else { return Ok(good(Body::empty())) };
    let first = json::write(&route.output, first, LINE).await?;
    let rest = stream::unfold(Some(answers), |answers| async {
        let mut answers = answers?;
        match next_line(route, &mut answers).await {
            Ok(line) => Some((line?, Some(answers))),
            Err(status) => Some((error_line(&status).into(), None)),
        }
    });
    let frames =
        stream::iter([first]).chain(rest).map(|line| Ok::<_, Infallible>(Frame::data(line)));
    Ok(good(Body::new(StreamBody::new(frames))))
}

async fn next_line(
    route: &Route,
    (answers, held, expiry): &mut Lines,
) -> Result<Option<Bytes>, Status> {
    // The line before was taken.
    held.release();
    let message = tokio::select! {
        message = answers.message() => message?,
        () = expiry => return Err(expired()),
    };
    let Some(message) = message else { return Ok(None) };
    hold(held, &message)?;
    json::write(&route.output, message, LINE).await.map(Some)
}

/// Counts a message and its JSON; false where they are small.
fn hold(held: &mut Held, message: &Bytes) -> Result<bool, Status> {
    let is_large = message.len() > INLINE_RESULT_BYTES_MAX;
    if is_large && !held.add(message.len() * 2, JSON_BYTES_IN_FLIGHT_MAX) {
        return Err(RequestError::TooManyRequests.into());
    }
    Ok(is_large)
}

/// What a call has from the headers of its request.
fn metadata(headers: &HeaderMap) -> MetadataMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let plain = [header::AUTHORIZATION.as_str(), TIMEOUT].contains(&name.as_str());
        let name = if plain { Some(name.clone()) } else { meant_for_the_call(name) };
        if let Some(name) = name {
            kept.append(name, value.clone());
        }
    }
    MetadataMap::from_headers(kept)
}

fn meant_for_the_call(name: &HeaderName) -> Option<HeaderName> {
    name.as_str().strip_prefix(METADATA)?.parse().ok()
}

/// Ends with the time that the headers give the call; never where they give none.
fn expiry(headers: &HeaderMap) -> Result<Expiry, Status> {
    let limit = timeout(headers).map_err(|_| {
        let value = headers.get(TIMEOUT).map(HeaderValue::as_bytes).unwrap_or_default();
        Status::invalid_argument(format!("invalid grpc-timeout: {}", value.escape_ascii()))
    })?;
    Ok(match limit {
        Some(limit) => tokio::time::sleep(limit).boxed(),
        None => pending().boxed(),
    })
}

fn expired() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

/// A certificate names a user, but not here: etcd refuses rather than to let somebody believe so.
fn certificate_refused() -> Response<Body> {
    let text = "CommonName of client sending a request against gateway will be ignored and not used as expected\n";
    TextPage { status: StatusCode::BAD_REQUEST, content_type: PLAIN, text: text.to_owned() }.into()
}

//! [`Site`]: everything behind the port. gRPC calls go to the router, JSON to the gateway, other requests to a handler with a
//! table of routes.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tonic::body::Body;

use super::cors;
use super::gateway::{Gateway, is_gateway};
use super::pace::{Asked, Underway};
use crate::api::{Router, is_grpc};
use crate::config::Origins;

/// Answers requests that are no gRPC calls.
pub trait HttpHandler: Send + Sync {
    /// The answer to a request, which may stream its body.
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>>;
}

/// A line of a table of routes.
pub(super) struct Route<S> {
    /// The path, or, when it ends in `/`, what the path begins with.
    pub(super) path: &'static str,
    pub(super) method: Method,
    pub(super) page: Page<S>,
}

/// What answers at a route, with the state of the handler; none where there is no such page.
pub(super) type Page<S> = fn(&S, Request<Incoming>) -> Option<BoxFuture<'static, Response<Body>>>;

/// Answers a request by a table of routes.
pub(super) fn route<S>(
    table: &[Route<S>],
    state: &S,
    request: Request<Incoming>,
) -> BoxFuture<'static, Response<Body>> {
    let (path, method) = (request.uri().path(), request.method().clone());
    let fits = |route: &&Route<S>| {
        path == route.path || route.path.ends_with('/') && path.starts_with(route.path)
    };
    let found = table.iter().find(fits);
    let Some((allowed, page)) =
        found.and_then(|route| Some((&route.method, (route.page)(state, request)?)))
    else {
        return ready(refusal(StatusCode::NOT_FOUND, "404 page not found\n")).boxed();
    };
    if method != *allowed {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
        if let Ok(allow) = HeaderValue::from_str(allowed.as_str()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        return ready(response).boxed();
    }
    page
}

/// Text for a person or a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextPage {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) text: String,
}

impl From<TextPage> for Response<Body> {
    fn from(page: TextPage) -> Self {
        let mut response = Self::new(Body::new(http_body_util::Full::from(page.text)));
        *response.status_mut() = page.status;
        let content_type = HeaderValue::from_static(page.content_type);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

/// Plain text, as Go's servers declare it.
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

/// Everything behind the port.
pub struct Site {
    router: Arc<Router>,
    gateway: Gateway,
    pages: Arc<dyn HttpHandler>,
    origins: Arc<Origins>,
}

impl Site {
    /// A site of these.
    #[must_use]
    pub fn new(router: Router, pages: Arc<dyn HttpHandler>, origins: Arc<Origins>) -> Self {
        let router = Arc::new(router);
        Self { gateway: Gateway::new(Arc::clone(&router)), router, pages, origins }
    }

    /// Answers a request; without `admits_clients` only pages.
    pub(super) async fn call(
        &self,
        request: Request<Incoming>,
        underway: &Arc<Underway>,
        admits_clients: bool,
    ) -> Response<Body> {
        if request.version() == http::Version::HTTP_2 && is_grpc(request.headers()) {
            return self.router.call(request.map(|body| Asked::new(body, underway))).await;
        }
        if !admits_clients {
            return self.pages.call(request).await;
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let mut response = if request.method() == Method::OPTIONS {
            Response::new(Body::empty())
        } else if is_gateway(request.uri().path()) {
            self.gateway.call(request).await
        } else {
            self.pages.call(request).await
        };
        cors::allow(&self.origins, origin.as_ref(), response.headers_mut());
        response
    }
}

fn refusal(status: StatusCode, words: &str) -> Response<Body> {
    let page = TextPage { status, content_type: PLAIN, text: words.to_owned() };
    let mut response = Response::from(page);
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

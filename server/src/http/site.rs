//! Everything behind the port: gRPC calls go to the router, the rest are pages.

use std::sync::Arc;

use futures::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tonic::body::Body;

use crate::api::{Router, is_grpc};

/// What answers requests that are no gRPC calls.
pub trait Pages: Send + Sync {
    /// Answers a request by its path and query; `None` when there is no such page.
    fn get<'a>(&'a self, path: &'a str, query: &'a str) -> Option<BoxFuture<'a, Page>>;
}

/// An answer for a person or a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Status.
    pub status: StatusCode,
    /// Type of the text.
    pub content_type: &'static str,
    /// The text.
    pub text: String,
}

/// Plain text, as Go's servers declare it.
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

/// Everything behind the port.
pub struct Site {
    router: Router,
    pages: Arc<dyn Pages>,
}

impl Site {
    /// A site of both.
    #[must_use]
    pub fn new(router: Router, pages: Arc<dyn Pages>) -> Self {
        Self { router, pages }
    }

    /// Answers a request.
    pub async fn call(&self, request: Request<Incoming>) -> Response<Body> {
        if request.version() == http::Version::HTTP_2 && is_grpc(request.headers()) {
            return self.router.call(request).await;
        }
        let uri = request.uri();
        let Some(page) = self.pages.get(uri.path(), uri.query().unwrap_or_default()) else {
            return refusal(StatusCode::NOT_FOUND, "404 page not found\n");
        };
        if request.method() != Method::GET {
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
            return response;
        }
        let page = page.await;
        text(page.status, page.content_type, page.text)
    }
}

fn refusal(status: StatusCode, words: &str) -> Response<Body> {
    let mut response = text(status, PLAIN, words.to_owned());
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

fn text(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::from(text)));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

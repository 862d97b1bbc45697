//! Answers in HTTP: statuses as the gateway's errors, messages as bodies.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::limits::RESULT_STALL_TIMEOUT;

/// Bytes of a large answer that are sent at once.
const PIECE_BYTES: usize = 64 << 10;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A successful answer, marked as etcd marks it.
pub(super) fn good(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert("grpc-metadata-content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// A call that failed: the keys that etcd up to 3.5 and from 3.6 on has for it.
pub(super) fn failed(status: &Status) -> Response<Body> {
    let words = serde_json::Value::from(status.message());
    let code = i32::from(status.code());
    refused(status, format!(r#"{{"error":{words},"code":{code},"message":{words}}}"#))
}

/// A stream that failed before its first message.
pub(super) fn stream_failed(status: &Status) -> Response<Body> {
    refused(status, error_line(status))
}

/// The last line of a stream that fails, likewise with the keys of both.
pub(super) fn error_line(status: &Status) -> String {
    let (code, http) = (i32::from(status.code()), http_status(status.code()));
    let number = http.as_u16();
    let words = serde_json::Value::from(status.message());
    let reason =
        serde_json::Value::from(http.canonical_reason().unwrap_or("Client Closed Request"));
    format!(
        "{{\"error\":{{\"grpc_code\":{code},\"http_code\":{number},\"message\":{words},\"http_status\":{reason},\"code\":{code}}}}}\n"
    )
}

fn refused(status: &Status, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(text)));
    *response.status_mut() = http_status(status.code());
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    if status.code() == Code::Unauthenticated
        && let Ok(words) = HeaderValue::from_str(status.message())
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, words);
    }
    response
}

/// Sends `text` in pieces, with `held` until the last is taken. A client that takes none for [`RESULT_STALL_TIMEOUT`] loses
/// the rest, and the length that was announced tells it so.
pub(super) fn sent_in_pieces<H: Send + 'static>(mut text: Bytes, held: H) -> Response<Body> {
    let length = HeaderValue::from(text.len());
    let (pieces, taken) = mpsc::channel(1);
    tokio::spawn(async move {
        let _held = held;
        while !text.is_empty() {
            let piece = text.split_to(text.len().min(PIECE_BYTES));
            let sent = pieces.send(Ok::<_, Infallible>(Frame::data(piece)));
            if !matches!(timeout(RESULT_STALL_TIMEOUT, sent).await, Ok(Ok(()))) {
                return;
            }
        }
    });
    let mut response = good(Body::new(StreamBody::new(ReceiverStream::new(taken))));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

/// The status of HTTP that stands for one of gRPC.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // Nginx's "client closed request", which has no name in the standard.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

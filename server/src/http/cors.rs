//! Tells browsers which pages may read an answer, in etcd's headers.

use http::{HeaderMap, HeaderValue, header};

use crate::config::Origins;

/// Marks the answer to a request from `origin`.
pub(super) fn allow(origins: &Origins, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let Some(allowed) = origins.answer(origin) else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    let methods = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let names = HeaderValue::from_static("accept, content-type, authorization");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
}

//! [`Objects`]: the JSON objects in the body of a request, one after the other, each as soon as it is there.

use bytes::{Bytes, BytesMut};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use tonic::Status;

use crate::api::Held;
use crate::error::RequestError;
use crate::limits::REQUEST_BYTES_IN_FLIGHT_MAX;

/// Cuts a body into its objects. It only looks for their ends; what is between is judged by who reads them.
pub(super) struct Objects<B> {
    body: B,
    buffer: BytesMut,
    /// What `buffer` occupies of the requests in flight.
    held: Held,
    /// Bytes of one object, at the most.
    most: usize,
    scan: Scan,
    has_ended: bool,
}

/// How far the object at the start of a buffer was looked at.
#[derive(Default)]
struct Scan {
    bytes: usize,
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl<B> Objects<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    pub(super) fn new(body: B, held: Held, most: usize) -> Self {
        let (buffer, scan) = (BytesMut::new(), Scan::default());
        Self { body, buffer, held, most, scan, has_ended: false }
    }

    /// The next object, or what stands where one should; none at the end of the body.
    ///
    /// # Errors
    /// An object over its bound, too much in flight, or a body that broke off. Nothing follows an error.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        loop {
            let end = self.scan.end(&mut self.buffer);
            if let Some(end) = end.or_else(|| self.has_ended.then_some(self.buffer.len())) {
                let object = self.buffer.split_to(end).freeze();
                self.scan = Scan::default();
                if self.buffer.is_empty() {
                    self.held.release();
                }
                return if object.is_empty() { None } else { Some(Ok(object)) };
            }
            if let Err(status) = self.receive().await {
                self.has_ended = true;
                self.buffer.clear();
                self.held.release();
                return Some(Err(status));
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Status> {
        let Some(frame) = self.body.frame().await else {
            self.has_ended = true;
            return Ok(());
        };
        let frame = frame.map_err(|error| Status::cancelled(error.to_string()))?;
        let Ok(data) = frame.into_data() else { return Ok(()) };
        if self.buffer.len() + data.len() > self.most {
            let words = format!("the request is larger than {} bytes", self.most);
            return Err(Status::resource_exhausted(words));
        }
        if !self.held.add(data.len(), REQUEST_BYTES_IN_FLIGHT_MAX) {
            return Err(RequestError::TooManyRequests.into());
        }
        self.buffer.extend_from_slice(&data);
        Ok(())
    }
}

impl Scan {
    /// Bytes of the object at the start of `buffer`, whose leading space is dropped; none while it is not whole.
    fn end(&mut self, buffer: &mut BytesMut) -> Option<usize> {
        if self.bytes == 0 {
            let space = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            drop(buffer.split_to(space));
            // What begins otherwise has no end to look for, and is refused as a whole.
            if buffer.first().is_some_and(|first| *first != b'{') {
                return Some(buffer.len());
            }
        }
        for byte in buffer.iter().skip(self.bytes) {
            self.bytes += 1;
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_text => self.is_escaped = true,
                b'"' => self.in_text = !self.in_text,
                b'{' if !self.in_text => self.depth += 1,
                b'}' if !self.in_text => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth == 0 {
                return Some(self.bytes);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    const MOST: usize = 4 << 20;

    type Read = (Vec<Result<String, String>>, usize);

    /// What comes of a body in pieces of `size`, and what is held at the end.
    async fn objects(text: &[u8], size: usize) -> Read {
        let pieces: Vec<_> = text
            .chunks(size)
            .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        let total = Arc::<AtomicUsize>::default();
        let body = StreamBody::new(futures::stream::iter(pieces));
        let mut objects = Objects::new(body, Held::none(&total), MOST);
        let mut found = Vec::new();
        while let Some(object) = objects.next().await {
            let object = object.map(|object| String::from_utf8(object.to_vec()).unwrap());
            found.push(object.map_err(|status| status.message().to_owned()));
        }
        (found, total.load(Relaxed))
    }

    fn whole(texts: &[&str]) -> Read {
        (texts.iter().map(|text| Ok((*text).to_owned())).collect(), 0)
    }

    #[tokio::test]
    async fn objects_are_cut_at_their_ends_however_they_arrive() {
        let text = br#"  {"a":{"b":"}{\"\\"}}{}
            {"c":[{"d":1}]} "#;
        for size in [1, 2, 3, 7, 1000] {
            let want = whole(&[r#"{"a":{"b":"}{\"\\"}}"#, "{}", r#"{"c":[{"d":1}]}"#]);
            assert_eq!(objects(text, size).await, want, "{size}");
        }
        assert_eq!(objects(b"", 1).await, whole(&[]));
        assert_eq!(objects(b" \n", 1).await, whole(&[]));
    }

    #[tokio::test]
    async fn what_is_no_object_is_handed_on_as_it_is() {
        assert_eq!(objects(b"{\"a", 9).await, whole(&["{\"a"]));
        assert_eq!(objects(b"{} x", 9).await, whole(&["{}", "x"]));
        assert_eq!(objects(b"[1]", 9).await, whole(&["[1]"]));
    }

    #[tokio::test]
    async fn an_object_without_an_end_is_refused_at_its_bound() {
        let text = vec![b'{'; MOST + 1];
        let refused = Err(format!("the request is larger than {MOST} bytes"));
        assert_eq!(objects(&text, 1 << 16).await, (vec![refused], 0));
    }
}

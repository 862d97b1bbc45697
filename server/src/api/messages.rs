//! gRPC messages in the bytes of a body, counted as they pass.

use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use crate::metrics::{Method, Metrics};
use crate::mvcc::PREFIX_BYTES;

/// How far a body is.
#[derive(Default)]
struct Progress {
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of the prefix that have passed.
    prefixed: usize,
    /// Bytes of the message that have not.
    left: usize,
}

impl Progress {
    /// Takes the next bytes, and tells the length of each message that they complete.
    fn pass(&mut self, mut data: &[u8], mut ended: impl FnMut(u64)) {
        while !data.is_empty() {
            if let Some(slot) = self.prefix.get_mut(self.prefixed)
                && let Some((byte, rest)) = data.split_first()
            {
                (*slot, data) = (*byte, rest);
                self.prefixed += 1;
                if self.prefixed == PREFIX_BYTES {
                    self.left = self.length();
                }
            }
            let passing = self.left.min(data.len());
            self.left -= passing;
            data = data.get(passing..).unwrap_or_default();
            if self.prefixed == PREFIX_BYTES && self.left == 0 {
                self.prefixed = 0;
                ended(self.length() as u64);
            }
        }
    }

    fn is_between(&self) -> bool {
        self.prefixed == 0
    }

    fn length(&self) -> usize {
        let [_, length @ ..] = self.prefix;
        u32::from_be_bytes(length) as usize
    }
}

/// The messages of one direction of a call, counted for its method and, if it is a client's, among the bytes of all.
pub(super) struct Messages {
    progress: Progress,
    count: Counter,
    bytes: Option<Counter>,
}

impl Messages {
    /// Those that a call brings.
    pub(super) fn received(method: &Method, metrics: &Metrics, from_client: bool) -> Self {
        let bytes = from_client.then(|| metrics.client_received_bytes.clone());
        Self { progress: Progress::default(), count: method.received.clone(), bytes }
    }

    /// Those that answer it.
    pub(super) fn sent(method: &Method, metrics: &Metrics, to_client: bool) -> Self {
        let bytes = to_client.then(|| metrics.client_sent_bytes.clone());
        Self { progress: Progress::default(), count: method.sent.clone(), bytes }
    }

    /// Counts what the next bytes of the body complete; true when that is any message.
    pub(super) fn pass(&mut self, data: &[u8]) -> bool {
        let Self { progress, count, bytes } = self;
        let mut any = false;
        progress.pass(data, |length| {
            any = true;
            count.inc();
            if let Some(bytes) = bytes {
                bytes.inc_by(length);
            }
        });
        any
    }

    /// Whether what has passed are whole messages.
    pub(super) fn is_between(&self) -> bool {
        self.progress.is_between()
    }
}

/// Whether a call has begun: a unary one does when its message is there, as in etcd. What comes to no message, or to
/// one that is too large, is not counted among the calls.
#[derive(Clone)]
pub(super) struct Begun {
    since: Arc<OnceLock<Instant>>,
    started: Counter,
    requests: Counter,
}

impl Begun {
    /// A call of `method` that also counts among `requests`.
    pub(super) fn not_yet(method: &Method, requests: Counter) -> Self {
        Self { since: Arc::default(), started: method.started.clone(), requests }
    }

    pub(super) fn begin(&self) {
        if self.since.set(Instant::now()).is_ok() {
            self.started.inc();
            self.requests.inc();
        }
    }

    /// When it began.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_their_bytes_are_cut() {
        let mut body = Vec::new();
        for length in [0_u32, 3, 300, 0, 1] {
            body.push(0);
            body.extend_from_slice(&length.to_be_bytes());
            body.extend(vec![7; length as usize]);
        }
        for size in 1..body.len() {
            let (mut progress, mut lengths) = (Progress::default(), Vec::new());
            for piece in body.chunks(size) {
                progress.pass(piece, |length| lengths.push(length));
            }
            assert_eq!(lengths, [0, 3, 300, 0, 1], "pieces of {size}");
            assert!(progress.is_between());
        }
    }

    #[test]
    fn half_a_message_is_none() {
        let (mut progress, mut any) = (Progress::default(), false);
        progress.pass(&[0, 0, 0, 0, 2, 1], |_| any = true);
        assert!(!any && !progress.is_between());
        progress.pass(&[1], |_| any = true);
        assert!(any);
    }
}

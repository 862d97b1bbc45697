//! [`Serving`]: what clients are given at the most, and how often they hear of the member.

use std::time::Duration;

use crate::limits;

/// What a flag may say of connections, calls and watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Bytes of a request, measured on the encoded command; [`limits::REQUEST_BYTES_CEILING`] at the most.
    pub request_bytes_max: usize,
    /// Compares, or operations of one branch, in a transaction.
    pub txn_ops_max: usize,
    /// Calls in progress on one connection; [`limits::CALLS_PER_CONNECTION_MAX`] at the most.
    pub calls_max: u32,
    /// Time between two progress messages of an idle watch that asked for them.
    pub progress_interval: Duration,
    /// Time after which an idle connection is asked whether it lives; none for never.
    pub ping_interval: Option<Duration>,
    /// Time for the answer to that question.
    pub ping_timeout: Duration,
}

impl Serving {
    /// Largest gRPC message taken from a client, in bytes.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        self.request_bytes_max + limits::GRPC_OVERHEAD_BYTES
    }
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            request_bytes_max: limits::REQUEST_BYTES_MAX,
            txn_ops_max: limits::TXN_OPS_MAX,
            calls_max: limits::CALLS_PER_CONNECTION_MAX,
            progress_interval: limits::WATCH_PROGRESS_INTERVAL,
            ping_interval: Some(limits::CONNECTION_PING_INTERVAL),
            ping_timeout: limits::CONNECTION_PING_TIMEOUT,
        }
    }
}

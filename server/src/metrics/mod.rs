//! What Prometheus reads, by etcd's names, and the latencies that the console reads.
//!
//! ```text
//! every thread ─ observe, inc ─▶ Metrics ─┬─▶ GET /metrics (etcd's names and types)
//!                                         └─▶ admin Watch (percentiles of the last interval)
//! ```
//!
//! Handles are resolved once and are atomics, so that a plain thread may touch them on its hot path. Nothing is
//! computed until somebody asks: percentiles come from the difference of two readings of the same buckets.
//!
//! Invariants:
//! - I1: a name of etcd's means here what it means there. What is not measured is not shown, never shown as 0.
//! - I2: no label's set of values grows with what clients send.
//!
//! Tested at the bottom of each file.

mod counts;
mod durations;
mod expose;
mod handles;
mod methods;
mod process;
mod requests;

pub use counts::Counts;
pub use durations::{Durations, Reading, Summary};
pub use expose::Facts;
pub use handles::{Handles, Metrics, PeerMetrics, SLOW, SLOW_READ};
pub use methods::Method;
pub use process::{open_files_max, resident_bytes, start_seconds};

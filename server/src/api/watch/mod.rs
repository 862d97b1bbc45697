//! The Watch service: gRPC around [`watch::Hub`](crate::watch::Hub).
//!
//! ```text
//! client ─▶ WatchCodec ─▶ Responses ─▶ WatchStream::request
//! client ◀─ WatchCodec ◀─ Responses ◀─ WatchStream::poll_next
//! ```
//!
//! Not the generated server: its codec would encode every event anew for every watch. Ours writes the head of a
//! response and copies the shared, already encoded events behind it. (That one copy stays: tonic gathers small
//! messages in one buffer, which serves HTTP/2 better than a frame for each of 300 bytes.)
//!
//! A stream is one poll function, without a task or a channel of its own: it takes requests while answers to
//! earlier ones do not pile up, then hands out what is queued. HTTP/2 flow control is the back-pressure.
//!
//! - I1. The end of the client's half does not end the stream.
//! - I2. A stream that ends says why in its status: no leader, server stopped, a request that cannot be read.

mod codec;
mod responses;
mod service;

pub use codec::WatchCodec;
pub use responses::Responses;
pub use service::{CurrentTerm, WatchService};

#[cfg(test)]
mod tests;

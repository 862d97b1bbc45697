//! The Watch service: gRPC around [`watch::Hub`](crate::watch::Hub).
//!
//! ```text
//! client ─▶ RequestCodec ─▶ Responses ─▶ WatchStream::request
//! client ◀─ WatchBody    ◀─ Responses ◀─ WatchStream::poll_next
//! ```
//!
//! Not the generated server: its codec would encode every event anew for every watch, and hold a whole response for
//! every client that does not read. `WatchBody` writes the head of a response and hands on the shared, already encoded
//! events behind it, copied into one buffer where they are small and as slices where they are large.
//!
//! A stream is one poll function, without a task or a channel of its own: it takes requests while answers to
//! earlier ones do not pile up, then hands out what is queued. HTTP/2 flow control is the back-pressure.
//!
//! - I1. The end of the client's half does not end the stream.
//! - I2. A stream that ends says why in its status: no leader, server stopped, a request that cannot be read.

mod body;
mod codec;
mod responses;
mod service;

pub use responses::Responses;
pub use service::{AskedBy, CurrentTerm, WatchService};

#[cfg(test)]
mod body_tests;
#[cfg(test)]
mod tests;

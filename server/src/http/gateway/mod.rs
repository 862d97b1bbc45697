//! [`Gateway`]: the gRPC methods of clients as JSON over HTTP, etcd's `/v3/...`.
//!
//! ```text
//! body ─▶ objects ─▶ json ─▶ call ─▶ api::Router ─▶ call ─▶ json ─▶ body
//! ```
//!
//! A request becomes the gRPC call that it stands for and goes through the router as any other: the same rules, limits and
//! counts, and no second implementation of anything. What a message is in JSON comes from the descriptors of the `.proto`
//! files (`prost-reflect`), so nothing here names a field.
//!
//! Invariants:
//! - I1: a call of the gateway is admitted by the same router as a gRPC call, with the token that it shows and without the
//!   name of its certificate, which etcd does not let a gateway's caller be either.
//! - I2: what is held for a request is counted before it is a message, and for an answer after: each is bounded over all
//!   connections, and a client that does not read its large answer loses it.
//! - I3: a large message is converted away from the thread that serves other calls.
//!
//! It refuses a method other than POST, an object over [`JSON_REQUEST_TIMES`](crate::limits::JSON_REQUEST_TIMES) the largest message, and
//! JSON that is deeper than 128 levels.
//!
//! Tested at the bottom of each file, and in `tests/tests/gateway`: against raw sockets, and beside etcd.

mod answer;
mod call;
mod json;
mod objects;
mod raw;
mod routes;

pub use raw::Raw;

pub(super) use call::Gateway;
pub(super) use routes::is_gateway;

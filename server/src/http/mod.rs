//! The listener, and what it serves beside gRPC: health, version, metrics.
//!
//! ```text
//! socket ─▶ accept (slots) ─┬───────────────▶ io (first bytes, counts) ─▶ hyper (HTTP/2 or HTTP/1.1) ─▶ site ─┬─▶ api::Router
//!                           └─▶ handshake ──▶                                                                ├─▶ gateway ─▶ api::Router
//!                                                                                                            └─▶ pages
//! ```
//!
//! Invariants:
//! - I1: nothing that a client sends ends the process or another connection: each connection is a task of its own
//!   and whatever goes wrong in it ends that task.
//! - I2: what a connection may hold is bounded: by the time to its first bytes, by HTTP/2's windows and by
//!   [`limits`](crate::limits). How many there may be, and who gives way, is decided in `slots`.
//! - I3: after `stop` nothing new is accepted, every stream ends, and the loop returns within
//!   [`SHUTDOWN_TIMEOUT`](crate::limits::SHUTDOWN_TIMEOUT).
//! - I4: where a side has TLS, none of its calls is answered in plain text, at whatever port, and only who showed a
//!   certificate of the members' authority calls the members' service (`port`). Clients alone are answered in plain text
//!   beside that, at an address whose URL says so.
//!
//! It refuses no `:authority` by itself, but the HTTP/2 library refuses one that is no authority at all
//! (`docs/compat.md`).
//!
//! Tested in `accept_tests` and `tls_tests`, against raw sockets.

mod accept;
#[cfg(test)]
mod accept_tests;
mod cors;
mod gateway;
mod handshake;
mod io;
mod pace;
mod pages;
mod port;
mod probe;
mod site;
mod slots;
mod turn_writer;
mod vars;
mod wire;

pub use accept::{Intake, Spread, accept, bind, connections};
pub use gateway::Raw;
pub use handshake::{Handshakes, handshakes};
pub use pages::MemberPages;
pub use port::{Admits, Listening, Port, Speaks, bind_socket};
pub use site::{HttpHandler, Site};
pub use slots::{Capacity, Slots};

//! The gRPC services: decode, validate, hand on, map errors to statuses.
//!
//! ```text
//! http ─▶ router ─▶ service ─▶ validate ─▶ quota ─▶ node (writes, read barrier) ─▶ View ─▶ results ─▶ http
//! ```
//!
//! Invariants:
//! - I1: what a client sees is etcd's code and etcd's words; the one place where an answer becomes a status is
//!   [`RequestError`](crate::error::RequestError), and the framework's own statuses are reworded in `statuses`.
//! - I2: a method that does not exist answers Unimplemented; nothing pretends.
//! - I3: what calls hold together is bounded: their number, the bytes of their requests, the bytes of their results.
//! - I4: a call that takes long does not hold up the thread that serves the others.
//! - I5: who asks is read once, in the router. Each method has a rule in `methods`, which the router holds it to; where that is
//!   the request's, reads are judged here on the very state that they read, writes when they are applied.
//!
//! It refuses to decide anything that members must decide alike: that is apply's.
//!
//! Tested at the bottom of each file, in `validate::tests`, and over sockets in `http::accept_tests`.

mod admin;
mod auth;
mod backup;
mod body;
mod caller;
mod certificate;
mod cluster;
mod downgrade;
mod health;
mod host;
mod kv;
mod leader;
mod lease;
mod maintenance;
mod messages;
mod methods;
mod passwords;
mod quota;
mod recipes;
mod request_log;
mod results;
mod router;
mod services;
mod statuses;
mod unread;
pub mod validate;
pub mod watch;

pub use admin::AdminService;
pub use auth::AuthService;
pub use body::Held;
pub use caller::{CallGate, Caller};
pub use certificate::CertificateName;
pub use cluster::ClusterService;
pub use health::HealthService;
pub use host::{About, Host};
pub use kv::KvService;
pub use lease::LeaseService;
pub use maintenance::MaintenanceService;
pub use methods::Rule;
pub use recipes::{ElectionService, LockService};
pub use request_log::RequestLog;
pub use router::{HasLeader, InFlight, Router, is_grpc, stopped};
pub use services::services;
pub use statuses::{timeout, translate};
pub use unread::Unread;

//! The Cluster screen: who is in the cluster, how far each member is, and whether the whole can work.
//!
//! ```text
//! Report (engine) ─▶ state (Cluster) ─┬─▶ verdict, leadership, rates, space ─▶ view
//!                                     └─▶ happened ─▶ toasts
//! keys ─▶ actions ─▶ questions (quorum) ─▶ operate (job) ─▶ requests, upkeep (carry_out) ─▶ engine
//! ```
//!
//! * I1: what a server does not offer is `None`, and shown as such.
//! * I2: a number carries its age; an old one is shown as stale.
//! * I3: nothing is done to the cluster without a question, and nothing that would lose its quorum.

pub(crate) mod actions;
mod carry_out;
pub(crate) mod happened;
pub mod job;
pub mod leadership;
pub mod member;
pub mod operate;
mod questions;
pub mod quorum;
pub mod rates;
pub mod requests;
mod sampling;
mod screen;
pub mod space;
mod state;
pub mod upkeep;
pub mod verdict;
pub(crate) mod view;

pub use screen::ClusterScreen;
pub use state::*;

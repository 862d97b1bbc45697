//! The Cluster screen: who is in the cluster, how far each member is, and whether the whole can work.
//!
//! ```text
//! Report (engine) ─▶ state (Cluster) ─┬─▶ verdict, leadership, rates, space ─▶ view
//!                                     └─▶ happened ─▶ toasts
//! ```
//!
//! * I1: what a server does not offer is `None`, and shown as such.
//! * I2: a number carries its age; an old one is shown as stale.

pub(crate) mod actions;
pub(crate) mod happened;
pub mod leadership;
pub mod member;
pub mod rates;
mod sampling;
mod screen;
pub mod space;
mod state;
pub mod verdict;
pub(crate) mod view;

pub use screen::ClusterScreen;
pub use state::*;

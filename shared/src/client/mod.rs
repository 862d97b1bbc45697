//! A client of an etcd cluster: stock etcd 3.4 and later, or mini-etcd.
//!
//! ```text
//! exec, console ─▶ Client ─▶ Member (one channel per endpoint, dialled when first used) ─▶ server
//! ```
//!
//! Invariants:
//! * I1: a request is sent again only when it is a read, or when it provably did not run.
//! * I2: a failure says whether the request may have run: [`Outcome::Failed`] did not, [`Outcome::Unknown`] may.
//! * I3: a [`WatchStream`] delivers each event of its range once and in order, over any number of reconnects,
//!   or ends with the reason; reconnects are reported. What it holds back is one revision at the most.
//!
//! It refuses to guess: a member that answered with an error is not asked again for a write. Tested here, in
//! `tests/` against real servers.

mod admin;
mod calls;
mod config;
mod endpoint;
mod member;
mod outcome;
mod watch;

pub use admin::{Offered, further, older};
pub use calls::Client;
pub use config::ClientConfig;
pub use endpoint::Endpoint;
pub use member::{Headers, Member, Wire};
pub use outcome::{Kind, Outcome};
pub use watch::{Patience, WatchItem, WatchRequester, WatchStream};

//! The console's state and the one function that changes it.
//!
//! ```text
//! terminal, engine ─▶ Msg ─▶ update(&mut State, Msg) ─▶ Vec<Effect> ─▶ engine, terminal
//!                                     │
//!                                     ▼
//!                               view(&State, Frame)
//! ```
//!
//! * I1: [`update()`] is pure: it reads no clock, file or socket; time arrives as [`Msg::Tick`].
//! * I2: a report of an older generation, and the answer to a run nobody waits for, changes nothing.
//! * I3: every list that grows by itself is bounded.
//! * I4: each screen has its own part of the state and of the requests; what another screen does leaves it alone.
//!
//! It refuses nothing: a key without a meaning is ignored. Tested here by tables, in `tests/console/random.rs` by random keys
//! and sizes, and by what the views show of it.

pub mod cluster;
mod cluster_rates;
mod cluster_screen;
mod command_line;
mod deed;
mod happened;
mod json;
pub mod keyspace;
pub mod leadership;
pub mod line;
pub mod member;
mod msg;
pub mod palette;
mod press;
pub mod rates;
pub mod repl;
mod replaced;
pub mod request;
pub mod sample;
pub mod screens;
pub mod space;
mod state;
pub mod tails;
pub mod toast;
mod update;
pub mod verdict;

pub use command_line::CommandLine;
pub use deed::Deed;
pub(crate) use deed::KEYS_PER_TXN;
pub use msg::{Attach, Effect, Ended, Msg, Pace, Report};
pub use state::{Bundled, Confirm, Look, Origin, Overlay, Redraw, Setup, State, Tier};
pub use update::update;

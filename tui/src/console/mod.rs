//! The frame around the screens: [`State`], the one function that changes it, and what lies over and beside a screen.
//!
//! ```text
//! terminal, engine ─▶ Msg ─▶ update(&mut State, Msg) ─▶ Vec<Effect> ─▶ engine, terminal
//!                                     │  └─▶ &mut dyn Screen, &mut Context (screens/)
//!                                     ▼
//!                               view(&mut State, Frame)
//! ```
//!
//! * I1: [`update()`] is pure: it reads no clock, file or socket; time arrives as [`Msg::Tick`].
//! * I2: a report of an older generation, and the answer to a run nobody waits for, changes nothing.
//! * I3: every list that grows by itself is bounded.
//! * I4: a screen sees its own state and the [`Context`]; what another one has to do, it wishes ([`Wish`]).
//! * I5: a question carries what its yes does. One that comes by an answer is asked only while the screen that asked has
//!   the keys, with nothing over it and nothing typed into it: a key that was meant for something else is no yes.
//!
//! It refuses nothing: a key without a meaning is ignored. Tested here by tables, in `tests/console/random.rs` by random keys
//! and sizes, and by what the views show of it.

pub mod action;
mod clipboard;
mod command_line;
pub(crate) mod context;
mod editor;
pub mod event_loop;
mod footer;
mod header;
mod input;
pub mod keymap;
mod mouse;
pub(crate) mod msg;
pub mod overlays;
pub mod palette;
pub(crate) mod press;
pub(crate) mod replaced;
pub(crate) mod replay;
mod signals;
pub mod spec;
pub(crate) mod state;
pub mod terminal;
pub mod toast;
pub(crate) mod update;
pub mod view;
pub(crate) mod watch_line;

pub use command_line::CommandLine;
pub use context::{Bundled, Confirm, Context, Origin, Overlay, Plan, Redraw, Tier, Wish, Yes};
pub use mouse::Mouse;
pub use msg::{Attach, Effect, Msg};
pub(crate) use replay::KEYS_PER_TXN;
pub use replay::Replay;
pub use state::{Setup, State};
pub use update::update;

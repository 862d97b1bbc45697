//! Runs statements of the language: one engine for prompt, scripts, palette and pane.
//!
//! ```text
//! language::Statement ─▶ Session ─▶ command::Request ─▶ Client ─▶ server
//!                           │  ▲
//!                  Sink ◀───┘  └── Host (what only the program around it can do: \q, \e, \kill ...)
//! ```
//!
//! Invariants:
//! * I1: after every command `$status`, `$rev`, `$count` and `$elapsed_ms` speak of it, also when it failed.
//! * I2: a statement that is dropped while it waits leaves the session usable: whoever wants to cancel drops the future.
//! * I3: a background watch stands on a server before its statement ends, so that it sees what the next one does,
//!   and nothing that was acknowledged before it.
//! * I4: no shell runs unless it is allowed.
//! * I5: output goes to the sink only, in the order in which it is made; failures are answered, not printed.
//! * I6: what is kept of a watch, of a file, of a listing or of a history has a bound.
//! * I7: whoever waits for a statement and for something else hears of the other thing, however much there is to run.
//!
//! It refuses to read standard input, to end the process, and to guess what a failed write has done. Tested here without a
//! server where that is possible, and by the scripts of `assets/scripts` against servers.

mod background;
mod commands;
mod engine;
mod evaluate;
mod explain;
mod filter;
mod golden;
mod host;
pub(crate) mod keys;
mod outcome;
mod own_commands;
mod path;
mod settings;
mod shell;
#[cfg(test)]
mod tests;
mod volatile;

pub use background::{Seen, WatchNews};
pub use engine::{Options, Session};
pub use host::{Emitted, Host, NoHost, Ran, Sink};
pub use keys::scope_arguments;
pub use outcome::{CommandOutcome, Failed, Mismatch, Reason};
pub use path::{Missing, path_in};
pub use settings::{given, no_token};
pub use volatile::{Volatile, is_of_cluster};

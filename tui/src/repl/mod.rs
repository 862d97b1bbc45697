//! `mini-etcd-tui repl`: the language at a prompt, or from a pipe.
//!
//! ```text
//! terminal ─▶ editor (a thread with rustyline) ─▶ talk (runtime) ─▶ Session ─▶ servers
//!    ▲            └─ helper ─▶ shared::complete          │
//!    └── screen (answers), printer (a thread: news above the prompt) ◀─┘
//! pipe ─▶ batch ─▶ Session
//! ```
//!
//! Invariants:
//! * I1: the line editor never waits for the cluster but for a completion, and that has a deadline.
//! * I2: news that come while one types stand above the prompt; what is typed stays as it is.
//! * I3: bytes from the cluster reach a terminal only through `format::printable`.
//! * I4: Ctrl-C ends what runs, or drops the line; Ctrl-D leaves, also when it is typed ahead. The terminal is given back
//!   however it ends, and to whatever runs on it meanwhile.
//! * I5: a lost connection is said once, and once that it is back; each command says for itself that it failed.
//! * I6: queues, the history and its file have bounds; news that find no room are counted, and the count is said.
//! * I7: a batch is parsed whole before anything is sent, and without a server it ends with 2.
//!
//! It refuses to start servers unless `--bundled` asks for them. Tested in `tui/tests/repl_pty` in a real terminal, and in
//! `tui/tests/repl_batch.rs` as a plain process.

mod batch;
mod edit;
mod editor;
mod flags;
mod helper;
mod history;
mod host;
mod link;
mod printer;
mod screen;
mod start;
mod talk;
mod tty;

pub use flags::Flags;
pub use start::run;

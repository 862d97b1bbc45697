//! `\record`: what is done, by lines and by keys, as a script that `mini-etcd-tui run` takes, with what came of it as
//! expectations.
//!
//! ```text
//! prompt, palette, pane ─▶ statement, Session ─┬─▶ script (again · expect) ─▶ Recording ─▶ FILE
//! keys of a screen ─▶ console::replay ───────────────┘
//! ```
//!
//! * I1: what is written is accepted by the parser of scripts; what is not becomes a comment, with the reason.
//! * I2: a line is in the file before the next one runs.
//! * I3: a file that is there is never written over.
//! * I4: what was recorded from an empty keyspace on passes on a new cluster: nothing is written that cannot hold again
//!   (revisions, ids and endpoints of this cluster), and no statement goes without an expectation of its own.
//! * I5: no password is written, nor what is set under a name that says that it is a secret.
//!
//! It refuses to guess what a write has done that nobody answered for. Tested in each file, through the prompt in
//! `tests/repl_pty`, and through the console in `tests/console/recording.rs`, where each script is run.

mod again;
mod edits;
mod expect;
mod file;
mod script;

use mini_etcd_shared::text::masked;

pub(crate) use again::{SEEN, seen};
pub(crate) use expect::VALUE_BYTES_MAX;
pub(crate) use file::Recording;
pub(crate) use script::Took;

/// Whether a line names a user, a password or another secret. I5
pub(crate) fn has_secret(line: &str) -> bool {
    masked(line) != line || ["--user", "--password"].iter().any(|flag| line.contains(flag))
}

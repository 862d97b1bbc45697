//! What may stand at the cursor of a line that is being typed: candidates, hints and colours, for prompt, pane and palette.
//!
//! ```text
//! text, cursor ─▶ place (lexer, TABLE) ─▶ Wants ─▶ candidates ◀─ Source (keys, members, leases: asks the cluster)
//!                              └─▶ hint            marks, danger (while typing)
//! ```
//!
//! Invariants:
//! * I1: what is offered comes from the command table and the names of `language`; nothing here knows a command.
//! * I2: what is inserted reads back as the bytes it stands for, whatever they are.
//! * I3: asking the cluster has a deadline and bounds; what came until then is offered.
//! * I4: no text and no cursor makes it panic; a text that does not lex gets fewer answers, never an error.
//!
//! It refuses to write anything, and to ask for values. Tested here with a source that has no server, and in
//! `tui/tests/repl_pty` with one.

mod candidates;
mod hint;
mod marks;
mod place;
mod source;
#[cfg(test)]
mod tests;

pub use candidates::{Candidate, Completion, complete};
pub use hint::{Hint, hint};
pub use marks::{Mark, MarkKind, danger, marks};
pub use place::{Context, Place, Wants, place};
pub use source::{ClientSource, KEYS_MAX, Listed, NoSource, Source, WITHIN};

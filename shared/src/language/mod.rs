//! The language around the commands: what a line means at the prompt, in a script and in the console's palette.
//!
//! ```text
//! bytes ─▶ Lexer (words) ─▶ parse_input, parse_script ─▶ Statement ─▶ session
//!                               ▲
//!              command::TABLE ──┘   (names, flags, arguments)
//! ```
//!
//! It stands beside `command` and not in it, because `mini-etcdctl` takes plain arguments: no variables, no byte prefixes,
//! no operators, and names that etcdctl knows. Everything here rests on that table and adds nothing to it.
//!
//! Invariants:
//! * I1: a word is never split again. What a variable holds, and what is quoted, is never a flag, a keyword or an operator.
//! * I2: operators are whole words without quotes. One that is glued to a word is refused, not taken for a key.
//! * I3: no bytes make lexer or parser panic, and nesting has a bound.
//! * I4: each error has a line, a column and what was expected; `incomplete` tells what more lines could mend from what
//!   they could not.
//! * I5: names, flags and the number of arguments are checked while parsing: a script is wrong before it sends anything.
//! * I6: [`written`] gives a word that reads back as the same bytes.
//!
//! It refuses to run anything, except that [`Word::bytes`] reads the file behind `file:`. Tested in each file, in `tests.rs`
//! beside this one, and by the scripts of `assets/scripts`.

mod ast;
mod check;
mod condition;
mod cursor;
mod expand;
mod lex;
mod names;
mod parse;
mod reference;
mod session_commands;
mod source;
mod statement;
#[cfg(test)]
mod tests;
mod txn;
mod walk;
mod word;

pub use ast::{
    Action, Await, Comparison, Condition, Eventually, Expect, Filter, Golden, Operation, Operator,
    Path, Run, Script, Statement, StatementKind, Step, Subject, Test, Txn,
};
pub(crate) use condition::condition_starts;
pub use expand::{ExpandError, FILE_BYTES_MAX, Variables, path_of};
pub use lex::{Lexer, Line};
pub use names::{ALIASES, FILTERS, KEYWORDS, Names, full_name};
pub use parse::{ERRORS_MAX, check_script, parse_input, parse_script};
pub use reference::{Section, reference};
pub use session_commands::{
    CD, DIFF, EDIT, EXPLAIN, EXTRAS, HISTORY, KILL, LS, METAS, PROFILE, PWD, QUIT, RECORD, RESTART,
    SOURCE, SessionCommand, TIMING, WRITE_OUT, session_command,
};
pub use source::{Position, Span, SyntaxError};
pub use walk::{OWN_VARIABLES, session_commands, unset_variable, unset_variables, uses};
pub use word::{Piece, Word, written};

//! The command language: one table, from which parser, help, completion and reference pages are made.
//!
//! ```text
//! words (argv, or a lexer's) ─▶ parse (against TABLE) ─▶ Parsed ─▶ Command (typed, checked) ─▶ exec
//! TABLE ─▶ help, completion, hints, docs
//! ```
//!
//! Invariants:
//! * I1: what a command takes is said once, in its [`CommandSpec`]; nothing else knows a flag's name or default
//!   but the code that reads its value, and a test compares the two.
//! * I2: arguments are bytes; a key that is not UTF-8 passes unchanged.
//! * I3: every refusal says what was wrong and what is accepted, with etcdctl's words and exit code where it has them.
//!
//! It refuses to touch the network, files or the environment. Tested here and, against etcdctl itself, in
//! `tests/tests/oracle_ctl`.

mod build;
mod go;
mod help;
mod parse;
mod request;
mod spec;
mod table;
mod txn;
mod words;

pub use build::{Command, Get, Scope, Watch};
pub use go::parse_duration;
pub use help::help;
pub use parse::{
    Given, Grammar, Parsed, Target, Values, parse, parse_as, parse_for, parse_within, takes_next,
};
pub(crate) use parse::{SUGGEST_DISTANCE_MAX, distance};
pub use request::{Refusal, exit};
pub use spec::{Arg, ArgKind, CommandSpec, Effect, Flag, Group, ValueKind, Verb};
pub use table::{GLOBAL_FLAGS, GROUPS, TABLE, UNBUILT, command};
pub use txn::{compare_of, op_of_parsed, parse_compare, parse_op};
pub use words::split_words;

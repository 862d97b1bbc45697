//! Carries out commands of the table.
//!
//! ```text
//! Command ─▶ Executor ─▶ Client ─▶ server;  answers ─▶ Report ─▶ format
//! ```
//!
//! Invariants:
//! * I1: an answer is what the servers said, unformatted; how it looks is `format`'s.
//! * I2: a report says all that went wrong, also when something else went well.
//!
//! It refuses to print, to read standard input by itself (see [`Input`]), and to end the process. Watches are
//! streams, so whoever shows them runs them: [`Executor::watch`]. Tested in `tests/tests/oracle_ctl`.

mod answer;
mod endpoints;
mod executor;
mod failure;
mod input;

pub use answer::{Answer, Hashed, Health, Status};
pub use executor::Executor;
pub use failure::{Failure, Report, words_of};
pub use input::{Input, Prompt};

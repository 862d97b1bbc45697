//! Goal: the prompt in a real terminal, against a real server. Method: a pseudo-terminal whose screen a terminal emulator
//! keeps; every step waits for what must be seen, with a deadline.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its deadlines are those of the real clock"
)]

mod commands;
mod completion;
mod keys;
mod lines;
mod prompt;
mod screen;
mod watches;

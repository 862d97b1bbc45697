//! The console without a terminal: state, screens, random keys, and the engine against a fake server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing; the exception for tests does not reach their helpers"
)]

mod auth;
mod copying;
mod demo;
mod doctor;
mod driver;
mod engine;
mod fake;
mod folds;
mod fronts;
mod keys_screen;
mod keyspace;
mod leases;
mod mouse;
mod operating;
mod page;
mod passwords;
mod past;
mod questions;
mod random;
mod random_tails;
mod recording;
mod repl;
mod saving;
mod screens;
#[expect(dead_code, reason = "shared with other suites")]
#[path = "../../../shared/tests/tls/secure.rs"]
mod secure;
mod shown;
mod support;
mod tailing;
mod tails;
mod truth;
mod undo;
mod updates;
mod values;

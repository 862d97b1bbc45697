//! What the programs of mini-etcd have in common.
//!
//! ```text
//! types ─▶ client ─▶ failure ─▶ format ─▶ command (the table: parser, requests, answers, help)
//!                                            ▼
//!               complete ◀─ session ◀─── language (lines, scripts)
//! ```
//!
//! `types`, `clock` and `bbolt` (the files that backups are) are used by the server too, `text` (escapes, and masks of secrets) by everything; everything else serves the
//! programs that speak to a server.

pub mod bbolt;
pub mod client;
pub mod clock;
pub mod command;
pub mod complete;
pub mod error;
pub mod failure;
pub mod format;
pub mod language;
pub mod port;
pub mod session;
pub mod text;
pub mod types;
pub mod version;

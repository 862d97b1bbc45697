//! How answers look.
//!
//! ```text
//! exec's Answer ─▶ render (simple, json, fields, table, protobuf) ─▶ bytes
//! ```
//!
//! Invariants:
//! * I1: the bytes are those of etcdctl 3.5.1.
//! * I2: keys and values are never mangled: raw, in hex, quoted or in base64, each of which can be read back.
//!
//! It refuses formats that a command does not have. Tested by vectors here, by golden files in `golden/` that
//! hold what etcdctl printed, and in `tests/tests/oracle_ctl.rs` against etcdctl itself.

mod fields;
#[cfg(test)]
mod golden;
mod json;
mod protobuf;
mod render;
mod simple;
mod table;
mod texts;

pub use render::{Format, Rendered, Style, render};
pub use texts::{Escaped, duration, size};

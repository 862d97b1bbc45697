//! How answers look.
//!
//! ```text
//! exec's Answer ─▶ render (simple, json, jsonl, fields, table, protobuf) ─▶ bytes
//! ```
//!
//! Invariants:
//! * I1: the bytes are those of etcdctl 3.5.1, but for `jsonl`, which it does not have.
//! * I2: keys and values are never mangled: raw, in hex, quoted or in base64, each of which can be read back.
//!
//! It refuses formats that a command does not have. Tested by vectors here, by golden files in `golden/` that
//! hold what etcdctl printed, and in `tests/tests/oracle_ctl` against etcdctl itself.

mod fields;
#[cfg(test)]
mod golden;
mod json;
mod protobuf;
mod readable;
mod render;
mod simple;
mod table;
mod texts;

pub use readable::{bytes as readable_bytes, document};
pub use render::{Format, Rendered, Style, render};
pub use texts::{Escaped, duration, is_drawn, printable, size};

//! [`render()`]: shows answers in one of six formats.
//!
//! ```text
//! command's Answer (fields, rows, lines) ─▶ render (simple, json, jsonl, fields, table, protobuf) ─▶ bytes
//! ```
//!
//! Invariants:
//! * I1: the bytes are those of etcdctl 3.5.1, but for `jsonl`, which it does not have.
//! * I2: keys and values are never mangled: raw, in hex, quoted or in base64, each of which can be read back.
//! * I3: no format knows a command: what is particular about one is said by its [`Answer`].
//!
//! It refuses formats that a command does not have. Tested by vectors here, by golden files in `golden/` that
//! hold what etcdctl printed, and in `tests/tests/oracle_ctl` against etcdctl itself.

mod answer;
mod fields;
mod json;
mod message;
mod readable;
mod render;
mod simple;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use answer::count_of;
pub use answer::{Answer, Facts, Table};
pub use message::{Field, Message, Value};
pub(crate) use message::{header, header_fields, pair, pairs};
pub use readable::{bytes as readable_bytes, document};
pub(crate) use render::unsupported;
pub use render::{Format, Rendered, Style, render};
pub use simple::Page;

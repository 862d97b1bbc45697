//! Texts that people type and read: [`escape()`] and [`unescape`], by one rule for commands, scripts, forms and filters;
//! numbers, sizes and durations; bytes on a terminal; and passwords, which are masked wherever a line is shown or kept.
//!
//! The rule is that of Go's double-quoted strings, which etcdctl's users know: [`ESCAPES`] lists what may stand behind
//! a backslash. Everything else behind one is refused with its column, never taken as it stands.
//!
//! Invariants:
//! * I1: what [`quote`] and [`escape()`] give reads back as the same bytes.
//! * I2: there is no other reader of escapes in the workspace.
//! * I3: no command line is shown, stored or reported but as [`masked`] gives it.

mod anything;
mod escape;
mod go;
mod mask;
mod texts;

pub use anything::{ANYTHING, masked_columns, replaced};
pub use escape::{BadEscape, ESCAPES, column, escape, quote, read_escape, unescape, unquote};
pub(crate) use go::{parse_bool, parse_int, parse_uint};
pub use go::{parse_duration, words_of_system};
pub use mask::{MASK, is_secret, masked};
pub use texts::{Escaped, duration, is_drawn, lease_hex, printable, size};

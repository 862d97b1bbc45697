//! Lines on standard error.

use std::io::{Write as _, stderr};

/// Writes a line to standard error. A reader that has gone ends nothing: `eprintln!` would panic there.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

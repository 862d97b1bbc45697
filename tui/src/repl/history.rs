//! Where typed lines are kept, and which are not.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Lines that are kept. I6
pub(super) const LINES_MAX: usize = 10_000;
/// Bytes of a line that is kept.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The file, in a directory that only its owner may enter; `None` where there is no place for it.
pub(super) fn file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    let dir = state?.join("mini-etcd");
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).ok()?;
    Some(dir.join("history"))
}

/// Whether a line is to be kept: not what is too long, nor what holds a password.
pub(super) fn keeps(line: &str) -> bool {
    line.len() <= LINE_BYTES_MAX && !crate::record::has_secret(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_books_are_not_kept() {
        assert!(keeps("put k v"));
        assert!(!keeps("get k --user root:secret"));
        assert!(!keeps("set PASSWORD secret") && !keeps("cd /a ; set api_token 'a b'"));
        assert!(keeps("put k $PASSWORD") && keeps("set name value"));
        assert!(!keeps(&"x".repeat(LINE_BYTES_MAX + 1)));
    }
}

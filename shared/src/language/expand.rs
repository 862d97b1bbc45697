//! [`Variables`], and what words stand for once they are known.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Piece, Word};
use crate::text::{quote, words_of_system};

/// Bytes that a file on a command line may have.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// Variables of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, Vec<u8>>);

impl Variables {
    /// Sets one.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// What one holds.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

/// A word that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A variable that is not set.
    #[error("${0} is not set; `set {0} VALUE`, `... -> {0}` or ${{{0}:-VALUE}} give it a value")]
    Unset(String),
    /// A prefix whose text does not follow its rules.
    #[error("{prefix} {text}: {reason}")]
    Encoding {
        /// `hex:` or `b64:`.
        prefix: &'static str,
        /// The text behind it.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("file: {path}: {reason}")]
    File {
        /// Its path.
        path: String,
        /// What the operating system said.
        reason: String,
    },
}

impl Word {
    /// Its bytes, as they stand.
    ///
    /// # Errors
    /// A variable that is not set.
    pub fn text(&self, variables: &Variables) -> Result<Vec<u8>, ExpandError> {
        let mut out = Vec::new();
        push(&self.pieces, variables, &mut out)?;
        Ok(out)
    }

    /// Its bytes as a key or value: `hex:`, `b64:` and `file:` count when they are not quoted.
    ///
    /// # Errors
    /// As for [`text`](Self::text); digits that are none; a file that cannot be read.
    pub fn bytes(&self, variables: &Variables) -> Result<Vec<u8>, ExpandError> {
        let text = self.text(variables)?;
        let start = self.bare_start();
        let behind = |prefix: &str| {
            start.starts_with(prefix.as_bytes()).then(|| text.get(prefix.len()..)).flatten()
        };
        if let Some(digits) = behind("hex:") {
            return hex(digits);
        }
        if let Some(digits) = behind("b64:") {
            return STANDARD.decode(digits).map_err(|error| ExpandError::Encoding {
                prefix: "b64:",
                text: quote(digits),
                reason: format!("{error}; expected base64 with padding"),
            });
        }
        match behind("file:") {
            Some(path) => read(path),
            None => Ok(text),
        }
    }
}

fn push(pieces: &[Piece], variables: &Variables, out: &mut Vec<u8>) -> Result<(), ExpandError> {
    for piece in pieces {
        match piece {
            Piece::Bare(bytes) | Piece::Quoted(bytes) => out.extend_from_slice(bytes),
            Piece::Heredoc(inner) => push(inner, variables, out)?,
            Piece::Variable { name, fallback, .. } => match (variables.get(name), fallback) {
                (Some(value), _) => out.extend_from_slice(value),
                (None, Some(inner)) => push(inner, variables, out)?,
                (None, None) => return Err(ExpandError::Unset(name.clone())),
            },
        }
    }
    Ok(())
}

fn hex(digits: &[u8]) -> Result<Vec<u8>, ExpandError> {
    let pair = |pair: &[u8]| {
        let text = str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
        u8::from_str_radix(text, 16).ok()
    };
    digits.chunks(2).map(pair).collect::<Option<_>>().ok_or_else(|| ExpandError::Encoding {
        prefix: "hex:",
        text: quote(digits),
        reason: "expected pairs of hex digits".to_owned(),
    })
}

fn read(path: &[u8]) -> Result<Vec<u8>, ExpandError> {
    use std::io::Read;
    let path = path_of(path);
    let refuse = |reason: String| ExpandError::File { path: path.display().to_string(), reason };
    let file = std::fs::File::open(&path).map_err(|error| refuse(words_of_system(&error)))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(words_of_system(&error)))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(refuse(format!("more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The path that these bytes are on this system.
#[must_use]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Lexer;

    fn bytes(text: &str) -> Result<Vec<u8>, String> {
        let mut variables = Variables::default();
        variables.set("P", "/a b");
        variables.set("H", "ff00");
        let line = Lexer::new(text.as_bytes()).line().unwrap().unwrap();
        line.words[0].bytes(&variables).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_and_prefixes_are_resolved() {
        for (text, expected) in [
            ("$P/x", &b"/a b/x"[..]),
            ("\"$P/x\"", b"/a b/x"),
            ("'$P'", b"$P"),
            ("${N:-$P}", b"/a b"),
            ("${P:-x}", b"/a b"),
            ("hex:6869", b"hi"),
            ("hex:$H", b"\xff\x00"),
            ("'hex:6869'", b"hex:6869"),
            ("b64:aGk=", b"hi"),
            ("\"b64:aGk=\"", b"b64:aGk="),
        ] {
            assert_eq!(bytes(text).unwrap(), expected, "{text}");
        }
        for (text, words) in [
            ("$N", "$N is not set; `set N VALUE`, `... -> N` or ${N:-VALUE} give it a value"),
            ("hex:6", "hex: \"6\": expected pairs of hex digits"),
            ("hex:+1", "hex: \"+1\": expected pairs of hex digits"),
            ("b64:a", "b64: \"a\": "),
            ("file:/none/such", "file: /none/such: no such file"),
        ] {
            let error = bytes(text).unwrap_err();
            assert!(error.starts_with(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_gives_its_bytes() {
        let path = std::env::temp_dir().join(format!("mini-etcd-expand-{}", std::process::id()));
        std::fs::write(&path, b"\xff\n").unwrap();
        assert_eq!(bytes(&format!("file:{}", path.display())).unwrap(), b"\xff\n");
        std::fs::remove_file(path).unwrap();
    }
}

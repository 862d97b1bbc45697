//! [`Needle`]: a text or a pattern that is looked for in bytes.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Something to find in bytes.
#[derive(Clone, Debug)]
pub struct Needle(Regex);

impl Needle {
    /// Finds text; whatever the case when it has no capitals. `None` when it is too long.
    #[must_use]
    pub fn text(text: &[u8]) -> Option<Self> {
        Self::literal("", text, "")
    }

    /// Finds text between two patterns.
    pub(crate) fn literal(before: &str, text: &[u8], after: &str) -> Option<Self> {
        let fold = !String::from_utf8_lossy(text).chars().any(char::is_uppercase);
        let mut pattern = before.to_owned();
        for chunk in text.utf8_chunks() {
            pattern.push_str(&regex::escape(chunk.valid()));
            pattern.extend(chunk.invalid().iter().map(|byte| format!("(?-u:\\x{byte:02x})")));
        }
        pattern.push_str(after);
        Self::build(&pattern, fold).ok()
    }

    /// Finds a pattern.
    pub(crate) fn build(pattern: &str, fold: bool) -> Result<Self, regex::Error> {
        let regex =
            RegexBuilder::new(pattern).case_insensitive(fold).size_limit(PATTERN_BYTES_MAX).build();
        regex.map(Self)
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }

    /// Where it is.
    pub fn find_in(&self, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
        self.0.find_iter(bytes).map(|found| found.range())
    }
}

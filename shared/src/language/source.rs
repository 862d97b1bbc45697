//! [`Span`], [`Position`] and [`SyntaxError`]: places in a text, and what is wrong there.

#![expect(missing_docs, reason = "names that say all have no comment")]

use std::fmt;

use crate::text::masked;

/// What some editors begin a text with; it is no part of it.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Characters of a line that are shown on each side of an error.
const SHOWN_CHARS_MAX: usize = 100;

/// A run of bytes of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// From the start of this one to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }

    /// The bytes; none when it does not lie in `source`.
    #[must_use]
    pub fn of(self, source: &[u8]) -> &[u8] {
        source.get(self.start..self.end).unwrap_or_default()
    }
}

/// Line and column as people count them: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// Where byte `at` of `source` is.
    #[must_use]
    pub fn of(source: &[u8], at: usize) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let line = before.split(|byte| *byte == b'\n').count();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let text = before.get(start..).unwrap_or_default();
        let text = if start == 0 { unmarked(text) } else { text };
        let text = String::from_utf8_lossy(text);
        Self { line, column: text.chars().count() + 1 }
    }
}

/// A text without the mark at its start.
fn unmarked(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A text that does not follow the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {found}; expected {expected}")]
pub struct SyntaxError {
    pub span: Span,
    pub position: Position,
    /// What stands there, or what is the matter with it.
    pub found: String,
    pub expected: String,
    /// Whether more lines could make it right.
    pub incomplete: bool,
}

impl SyntaxError {
    /// An error at a place of a text.
    pub fn new(
        source: &[u8],
        span: Span,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            span,
            position: Position::of(source, span.start),
            found: found.into(),
            expected: expected.into(),
            incomplete: false,
        }
    }

    /// The text ended too early: `span` is what is still open.
    pub(super) fn incomplete(
        source: &[u8],
        span: Span,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { incomplete: true, ..Self::new(source, span, found, expected) }
    }

    /// The line it is in, with a mark below the column.
    #[must_use]
    pub fn shown(&self, source: &[u8]) -> String {
        let line = unmarked(source).split(|byte| *byte == b'\n').nth(self.position.line - 1);
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let skipped = self.position.column.saturating_sub(SHOWN_CHARS_MAX);
        let start: String = line.chars().take(self.position.column - 1).collect();
        let (line, start) = (masked(&line), masked(&start));
        // Inside of a password the mark stands behind the mask.
        let column = start.chars().count();
        let skipped = skipped.min(column);
        let before: String = start.chars().skip(skipped).collect();
        let behind: String = line.chars().skip(column).take(SHOWN_CHARS_MAX).collect();
        let before = crate::text::printable(before.as_bytes());
        let behind = crate::text::printable(behind.as_bytes());
        format!("{before}{behind}\n{}^", " ".repeat(before.chars().count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let source = "a\né日x\n".as_bytes();
        let at = |at| Position::of(source, at).to_string();
        assert_eq!((at(0), at(1), at(2)), ("1:1".into(), "1:2".into(), "2:1".into()));
        assert_eq!((at(7), at(8), at(99)), ("2:3".into(), "2:4".into(), "3:1".into()));
    }
}

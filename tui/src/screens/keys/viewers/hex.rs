//! Bytes as lines of hex: offset, digits, and what of them is ASCII, in as many columns as there is room for.

use std::fmt::Write;
use std::ops::Range;

/// Bytes that a line always has room for; its length is 1, 2 or 4 times that.
pub const STEP: usize = 8;
/// Columns of the offset and the blank behind it.
const OFFSET: usize = 9;

/// Columns of a line of so many bytes.
const fn columns(bytes: usize) -> usize {
    text_column(bytes) + bytes
}

/// The column at which the ASCII begins.
const fn text_column(bytes: usize) -> usize {
    OFFSET + bytes * 3 + bytes / STEP - 1 + 2
}

/// Bytes on a line of this width: 8, 16 or 32.
#[must_use]
pub fn per_line(width: usize) -> usize {
    let fits = |bytes: &usize| columns(*bytes) <= width;
    [STEP * 4, STEP * 2].into_iter().find(fits).unwrap_or(STEP)
}

/// A line: the bytes that begin at `offset`, in the columns of a line of `per_line` bytes.
#[must_use]
pub fn line(bytes: &[u8], offset: usize, per_line: usize) -> String {
    let mut line = format!("{offset:08x} ");
    for (place, byte) in bytes.iter().enumerate() {
        let gap = if place > 0 && place.is_multiple_of(STEP) { "  " } else { " " };
        // Writing to a string cannot fail.
        let _written = write!(line, "{gap}{byte:02x}");
    }
    let shown =
        |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let text: String = bytes.iter().map(shown).collect();
    format!("{line:<width$}{text}", width = text_column(per_line))
}

/// The columns that stand for the bytes from `from` to `to` of a line: their digits, and their ASCII.
#[must_use]
pub fn marked(from: usize, to: usize, per_line: usize) -> [Range<usize>; 2] {
    let digits = |place: usize| OFFSET + 1 + place * 3 + place / STEP;
    let text = text_column(per_line);
    [digits(from)..digits(to.saturating_sub(1)) + 2, text + from..text + to]
}

/// All lines of bytes, as short as they can be.
pub(super) fn lines(value: &[u8]) -> Vec<String> {
    let chunks = value.chunks(STEP).take(super::LINES_MAX + 1).enumerate();
    chunks.map(|(at, chunk)| line(chunk, at * STEP, STEP)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_there_is_room_for() {
        for (width, bytes) in [(10, 8), (43, 8), (75, 8), (76, 16), (141, 16), (142, 32), (500, 32)]
        {
            assert_eq!(per_line(width), bytes, "{width}");
            let line = line(&vec![b'x'; bytes], 0, bytes);
            assert_eq!(line.len(), columns(bytes));
            assert!(line.len() <= width.max(43), "{width}: {line}");
        }
    }

    #[test]
    fn a_line_shows_offset_digits_and_ascii_in_columns() {
        assert_eq!(line(b"ab\n", 8, 8), "00000008  61 62 0a                 ab.");
        assert_eq!(
            line(b"0123456789", 16, 16),
            "00000010  30 31 32 33 34 35 36 37  38 39                    0123456789"
        );
        assert_eq!(lines(b"012345678").len(), 2);
    }

    #[test]
    fn marked_columns_are_those_of_the_bytes() {
        for per_line in [8, 16, 32] {
            let bytes: Vec<u8> = (b'A'..).take(per_line).collect();
            let line = line(&bytes, 0, per_line);
            for (from, byte) in bytes.iter().enumerate() {
                let [digits, text] = marked(from, from + 1, per_line);
                assert_eq!(line[digits], format!("{byte:02x}"));
                assert_eq!(line[text], char::from(*byte).to_string());
            }
            let [digits, _] = marked(6, 8, per_line);
            assert_eq!(&line[digits], "47 48");
        }
    }
}

//! Escapes in the notation of Go's double-quoted strings.

use std::fmt::Write;

/// What may stand in a text behind a backslash, that included.
pub const ESCAPES: &str = r#"\a \b \f \n \r \t \v \\ \" \xNN \NNN \uNNNN \UNNNNNNNN"#;

/// A backslash with something behind it that is no escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: an unknown escape; accepted are {ESCAPES}")]
pub struct BadEscape {
    /// Where the backslash stands, in characters from 1.
    pub column: usize,
}

/// The column, in characters from 1, of the byte at `at`.
#[must_use]
pub fn column(text: &[u8], at: usize) -> usize {
    String::from_utf8_lossy(text.get(..at).unwrap_or(text)).chars().count() + 1
}

/// `bytes` between double quotes, as `%q` prints them.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    push(&mut out, bytes, true);
    out.push('"');
    out
}

/// `bytes` as one line that [`unescape`] reads back; a double quote stands as it is.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    push(&mut out, bytes, false);
    out
}

fn push(out: &mut String, bytes: &[u8], quoted: bool) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '"' && !quoted {
                out.push(c);
            } else {
                push_quoted(out, c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

fn push_quoted(out: &mut String, c: char) {
    let escape = match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0b' => "\\v",
        _ if is_print(c) => return out.push(c),
        _ => {
            let code = u32::from(c);
            let _ = match code {
                0..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
                0x20..0x1_0000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            return;
        }
    };
    out.push_str(escape);
}

/// Whether the character is shown as itself. Not as the first of its text, where Rust escapes combining marks.
fn is_print(c: char) -> bool {
    if c == '\'' {
        return true;
    }
    let mut text = String::from("a");
    text.push(c);
    let mut shown = text.escape_debug();
    shown.next();
    shown.next() == Some(c)
}

/// Reads one quoted text, between double quotes with escapes or between backquotes without, at the start of
/// `text`; answers it and what follows.
#[must_use]
pub fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    match text.split_first()? {
        (b'`', rest) => {
            let end = rest.iter().position(|byte| *byte == b'`')?;
            Some((rest.get(..end)?.to_vec(), rest.get(end + 1..)?))
        }
        (b'"', rest) => unquote_double(rest),
        _ => None,
    }
}

/// Text whose escapes are resolved.
///
/// # Errors
/// The first backslash with something behind it that is no escape.
pub fn unescape(text: &str) -> Result<Vec<u8>, BadEscape> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        out.extend_from_slice(plain);
        let behind = escaped.get(1..).unwrap_or_default();
        let place = text.len() - escaped.len();
        rest = read_escape(behind, &mut out)
            .ok_or_else(|| BadEscape { column: column(text.as_bytes(), place) })?;
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn unquote_double(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    loop {
        let (byte, tail) = rest.split_first()?;
        match byte {
            b'"' => return Some((out, tail)),
            b'\n' => return None,
            b'\\' => rest = read_escape(tail, &mut out)?,
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Reads what stands behind a backslash; answers what follows, or nothing when it is no escape.
#[must_use]
pub fn read_escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (kind, rest) = text.split_first()?;
    let digits = match kind {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        b'0'..=b'7' => {
            let number = number(text.get(..3)?, 8)?;
            out.push(u8::try_from(number).ok()?);
            return text.get(3..);
        }
        _ => {
            out.push(simple_escape(*kind)?);
            return Some(rest);
        }
    };
    let number = number(rest.get(..digits)?, 16)?;
    if digits == 2 {
        out.push(u8::try_from(number).ok()?);
    } else {
        out.extend_from_slice(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes());
    }
    rest.get(digits..)
}

fn simple_escape(kind: u8) -> Option<u8> {
    Some(match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' => kind,
        _ => return None,
    })
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_gos() {
        for (bytes, shown) in [
            (&b""[..], r#""""#),
            (b"foo 'x'", r#""foo 'x'""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\x00\x01\x1f", r#""\x00\x01\x1f""#),
            (b"\x7f", r#""\x7f""#),
            (b"\xff\xc3(", r#""\xff\xc3(""#),
            ("é\u{301}😀\u{fffd}".as_bytes(), "\"é\u{301}😀\u{fffd}\""),
            ("\u{ad}\u{2028}\u{a0}".as_bytes(), r#""\u00ad\u2028\u00a0""#),
            ("\u{e0001}".as_bytes(), r#""\U000e0001""#),
        ] {
            assert_eq!(quote(bytes), shown);
        }
    }

    #[test]
    fn what_was_quoted_reads_back() {
        let all: Vec<u8> = (0..=255).collect();
        let quoted = quote(&all);
        assert_eq!(unquote(quoted.as_bytes()), Some((all, &b""[..])));
        assert_eq!(unquote(br#""\101\u00e9\x41" rest"#), Some(("AéA".into(), &b" rest"[..])));
        assert_eq!(unquote(b"`a\\n` x"), Some((b"a\\n".to_vec(), &b" x"[..])));
        for bad in [&b"foo"[..], b"\"foo", b"\"\\q\"", b"\"\\x4\"", b"\"\\ud800\"", b"`x", b""] {
            assert_eq!(unquote(bad), None, "{}", quote(bad));
        }
    }

    #[test]
    fn every_escape_is_read_and_what_is_none_is_refused_with_its_column() {
        for (text, bytes) in [
            (r"\a\b\f\n\r\t\v", &b"\x07\x08\x0c\n\r\t\x0b"[..]),
            (r#"\\ \" " ' `"#, b"\\ \" \" ' `"),
            (r"\xff\101\u00e9\U0001f600", b"\xffA\xc3\xa9\xf0\x9f\x98\x80"),
            ("\u{e9}\u{65e5}", "\u{e9}\u{65e5}".as_bytes()),
            ("", b""),
        ] {
            assert_eq!(unescape(text).as_deref(), Ok(bytes), "{text}");
        }
        for (text, column) in [
            (r"a\ b", 2),
            ("\u{e9}\u{65e5}\\q", 3),
            ("\\", 1),
            (r"\n\x4", 3),
            (r"\400", 1),
            (r"\8", 1),
            (r"\'", 1),
            (r"\ud800", 1),
            (r"\u{e9}", 1),
            (r"\x\u{e9}4", 1),
        ] {
            assert_eq!(unescape(text), Err(BadEscape { column }), "{text}");
        }
    }

    #[test]
    fn what_was_escaped_reads_back() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&all[..], "\u{65e5}\t\u{200b}\u{202e}\u{e0001}".as_bytes(), b"\"\\", b""] {
            assert_eq!(unescape(&escape(bytes)).as_deref(), Ok(bytes));
        }
    }
}

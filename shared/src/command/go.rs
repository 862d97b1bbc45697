//! Texts in the notation of Go's standard library, which etcdctl's users type and read.

use std::fmt::Write;
use std::time::Duration;

/// `bytes` between double quotes, as `%q` prints them.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_quoted(&mut out, c);
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
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
                0..0x20 => write!(out, "\\x{code:02x}"),
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

fn unquote_double(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    loop {
        let (byte, tail) = rest.split_first()?;
        match byte {
            b'"' => return Some((out, tail)),
            b'\n' => return None,
            b'\\' => rest = unescape(tail, &mut out)?,
            _ => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Reads what stands behind a backslash; answers what follows.
pub(crate) fn unescape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
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

/// Reads a whole number in the notation of Go's `ParseInt`; radix 0 takes the base from a prefix.
///
/// # Errors
/// What Go says: invalid syntax, or out of range.
pub(super) fn parse_int(text: &str, radix: u32) -> Result<i64, String> {
    let refuse =
        |what: &str| format!("strconv.ParseInt: parsing {}: {what}", quote(text.as_bytes()));
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = match radix {
        0 => base(unsigned),
        _ => (radix, unsigned.to_owned()),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(refuse("invalid syntax"));
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).map_err(|_| refuse("value out of range"))
}

fn base(text: &str) -> (u32, String) {
    let lower = text.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((radix, lower.strip_prefix(prefix)?)));
    let (radix, digits) = match prefixed {
        Some(found) => found,
        None if lower.len() > 1 && lower.starts_with('0') => (8, lower.as_str()),
        None => (10, lower.as_str()),
    };
    (radix, digits.replace('_', ""))
}

/// Reads `true`, `false` and their short forms.
pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text.as_bytes()))),
    }
}

/// Reads a duration such as `1m30s` or `1.5h`; a negative one counts as none.
///
/// # Errors
/// What Go says: an invalid duration, a missing unit, or an unknown one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let shown = quote(text.as_bytes());
    let invalid = || format!("time: invalid duration {shown}");
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "" => return Err(format!("time: missing unit in duration {shown}")),
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => {
                let unit = quote(unit.as_bytes());
                return Err(format!("time: unknown unit {unit} in duration {shown}"));
            }
        };
        seconds += number * scale;
        rest = tail;
    }
    let sign = if text.starts_with('-') { 0.0 } else { 1.0 };
    Duration::try_from_secs_f64(seconds * sign).map_err(|_| invalid())
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
            (b"\x7f", r#""\u007f""#),
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
    fn numbers_and_durations_are_gos() {
        assert_eq!(parse_int("0x10", 0), Ok(16));
        assert_eq!(parse_int("017", 0), Ok(15));
        assert_eq!(parse_int("-5", 10), Ok(-5));
        assert!(parse_int("1_0", 10).unwrap_err().ends_with("invalid syntax"));
        assert!(parse_int("99999999999999999999", 0).unwrap_err().ends_with("value out of range"));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("5").unwrap_err(), r#"time: missing unit in duration "5""#);
        assert_eq!(parse_duration("5x").unwrap_err(), r#"time: unknown unit "x" in duration "5x""#);
        assert_eq!(parse_duration("x").unwrap_err(), r#"time: invalid duration "x""#);
    }
}

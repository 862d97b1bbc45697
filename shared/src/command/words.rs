//! [`split_words`]: splits a line into words as etcdctl's interactive modes do.

use super::refusal::Refusal;
use crate::failure::exit;
use crate::text::{ESCAPES, column, unquote};

/// The words of `line`: between single quotes as they stand, between double quotes with escapes, or up to the
/// next blank. A quote without partner is dropped.
///
/// # Errors
/// An escape that does not exist, in etcdctl's words; the hint names its column.
pub fn split_words(line: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some((first, tail)) = rest.split_first() {
        if first.is_ascii_whitespace() {
            rest = tail;
            continue;
        }
        let length = match first {
            b'"' => double_quoted(rest),
            b'\'' => tail.iter().position(|byte| *byte == b'\'').map(|end| end + 2),
            _ => Some(rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len())),
        };
        let Some((word, behind)) = length.and_then(|length| rest.split_at_checked(length)) else {
            rest = tail;
            continue;
        };
        words.push(match first {
            b'"' => match unquote(word) {
                Some((text, _)) => text,
                None => return Err(bad_escape(line, line.len() - rest.len(), word)),
            },
            b'\'' => word.get(1..word.len() - 1).unwrap_or_default().to_vec(),
            _ => word.to_vec(),
        });
        rest = behind;
    }
    Ok(words)
}

/// How long the quoted text is that begins here; nothing when it has no end.
fn double_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            // What stands behind a backslash ends no text.
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// `word` begins at `start` of `line`, and one of its escapes is none: the first behind which nothing can be read.
fn bad_escape(line: &[u8], start: usize, word: &[u8]) -> Refusal {
    let mut at = 1;
    while let Some(place) = word.get(at..).and_then(|r| r.iter().position(|byte| *byte == b'\\')) {
        at += place;
        let behind = word.get(at + 1..).unwrap_or_default();
        match crate::text::read_escape(behind, &mut Vec::new()) {
            Some(rest) => at = word.len() - rest.len(),
            None => break,
        }
    }
    let column = column(line, start + at);
    let mut refusal = Refusal::new(exit::INVALID_INPUT, "invalid syntax");
    refusal.hint = Some(format!("column {column}: an unknown escape; accepted are {ESCAPES}"));
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_etcdctl() {
        for (line, words) in [
            (&b"put a b"[..], &[&b"put"[..], b"a", b"b"][..]),
            (b"  put  'x y' \"a\\tb\" ", &[b"put", b"x y", b"a\tb"]),
            (b"put\ta\tb", &[b"put", b"a", b"b"]),
            (b"put \"foo x", &[b"put", b"foo", b"x"]),
            (b"put p \"a\\", &[b"put", b"p", b"a\\"]),
            (b"put p \"a\\\"", &[b"put", b"p", b"a\\\""]),
            (b"\"a\\\"b\"c", &[b"a\"b", b"c"]),
            (b"\"x\"\"y\"z", &[b"x", b"y", b"z"]),
            (b"a'b c", &[b"a'b", b"c"]),
            (b"a\"b c\"", &[b"a\"b", b"c\""]),
            (b"a\\ b", &[b"a\\", b"b"]),
            (b"\"\" ''", &[b"", b""]),
            (b"\"\\x41\\101\" \xff", &[b"AA", b"\xff"]),
            (b"", &[]),
        ] {
            assert_eq!(split_words(line).unwrap(), words, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn an_invalid_escape_is_refused_with_its_column() {
        for (line, place) in [
            (r#"put p "a\ b""#, "column 9: "),
            (r#"put "\n" "\té\q" x"#, "column 14: "),
            (r#""\400""#, "column 2: "),
            (r#""\x4""#, "column 2: "),
            (r#""\'""#, "column 2: "),
        ] {
            let refusal = split_words(line.as_bytes()).unwrap_err();
            assert_eq!((refusal.exit, refusal.text.as_str()), (3, "invalid syntax"), "{line}");
            let hint = refusal.hint.unwrap();
            assert!(hint.starts_with(place) && hint.ends_with(ESCAPES), "{line}: {hint}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_the_splitter_panic(line in r#"[a"' \\x4éq]{0,20}"#) {
            let _ = split_words(line.as_bytes());
        }
    }
}

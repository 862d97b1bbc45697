//! Splits a line into words as etcdctl's interactive modes do.

use super::go::unquote;

/// The words of `line`: between single quotes as they stand, between double quotes with escapes, or up to the
/// next blank. A quote without partner is dropped.
#[must_use]
pub fn split_words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some((first, tail)) = rest.split_first() {
        if first.is_ascii_whitespace() {
            rest = tail;
            continue;
        }
        let quoted = match first {
            b'"' => unquote(rest),
            b'\'' => tail
                .iter()
                .position(|byte| *byte == b'\'')
                .and_then(|end| Some((tail.get(..end)?.to_vec(), tail.get(end + 1..)?))),
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                let (word, tail) = rest.split_at(end);
                words.push(word.to_vec());
                rest = tail;
                continue;
            }
        };
        rest = match quoted {
            Some((word, tail)) => {
                words.push(word);
                tail
            }
            None => tail,
        };
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_etcdctl() {
        for (line, words) in [
            (&b"put a b"[..], &[&b"put"[..], b"a", b"b"][..]),
            (b"  put  'x y' \"a\\tb\" ", &[b"put", b"x y", b"a\tb"]),
            (b"put \"foo x", &[b"put", b"foo", b"x"]),
            (b"a'b c", &[b"a'b", b"c"]),
            (b"\"\" ''", &[b"", b""]),
            (b"", &[]),
        ] {
            assert_eq!(split_words(line), words, "{}", String::from_utf8_lossy(line));
        }
    }
}

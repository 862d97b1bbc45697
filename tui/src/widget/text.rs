/// Bytes as text that any terminal can show on one line: what is no text as `\\xNN`, control characters escaped.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push_str("    "),
                character if character.is_control() => text.extend(character.escape_default()),
                character => text.push(character),
            }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(printable(b"\xff\x1b[31mb"), "\\xff\\u{1b}[31mb");
        assert_eq!(printable("é\u{9b}\r\n".as_bytes()), "é\\u{9b}\\r\\n");
        let every: Vec<u8> = (0..=255).collect();
        assert!(!printable(&every).chars().any(char::is_control));
    }
}

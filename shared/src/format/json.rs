//! `json`: objects with the names, order and omissions of etcdctl's.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Message, Value};

/// A message as an object, several as an array.
pub(super) fn render(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    push(&mut text, value);
    text.push('\n');
    text.into_bytes()
}

fn push(out: &mut String, value: &Value) {
    // Writing to a string does not fail.
    let _ = match value {
        Value::Number(number) => write!(out, "{number}"),
        Value::Id(id) => write!(out, "{id}"),
        Value::Lease(id) => write!(out, "{id}"),
        Value::Kind(number, _) => write!(out, "{number}"),
        Value::Flag(flag) => write!(out, "{flag}"),
        Value::Text(text) | Value::Plain(text) => write!(out, "{}", string(text)),
        Value::Texts(texts) | Value::Words(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| string(text)).collect();
            write!(out, "[{}]", texts.join(","))
        }
        Value::Bytes(bytes) => write!(out, "\"{}\"", STANDARD.encode(bytes)),
        // Go's list of nothing.
        Value::ByteStrings(list) if list.is_empty() => write!(out, "null"),
        Value::List(list) if list.is_empty() => write!(out, "null"),
        Value::ByteStrings(list) => {
            let list: Vec<_> =
                list.iter().map(|bytes| format!("\"{}\"", STANDARD.encode(bytes))).collect();
            write!(out, "[{}]", list.join(","))
        }
        Value::Message(fields) | Value::Inline(fields) => write!(out, "{}", object(fields)),
        Value::List(list) | Value::Rows(list) => {
            let list: Vec<_> = list.iter().map(object).collect();
            write!(out, "[{}]", list.join(","))
        }
        Value::Blank => Ok(()),
    };
}

fn object(fields: &Message) -> String {
    let mut out = String::from("{");
    for field in fields.iter().filter(|field| field.always || !is_empty(&field.value)) {
        let Some(name) = field.json else { continue };
        if out.len() > 1 {
            out.push(',');
        }
        let _ = write!(out, "\"{name}\":");
        push(&mut out, &field.value);
    }
    out.push('}');
    out
}

/// Whether Go leaves the field out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Id(id) => *id == 0,
        Value::Lease(id) => *id == 0,
        Value::Kind(number, _) => *number == 0,
        Value::Flag(flag) => !flag,
        Value::Text(text) | Value::Plain(text) => text.is_empty(),
        Value::Texts(texts) | Value::Words(texts) => texts.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::ByteStrings(list) => list.is_empty(),
        Value::List(list) | Value::Rows(list) => list.is_empty(),
        Value::Message(_) | Value::Inline(_) | Value::Blank => false,
    }
}

/// A string as Go's encoder writes it, which also escapes what would end a script element of HTML.
fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(
            string("a\"\\\n\u{1}<&>\u{2028}é"),
            r#""a\"\\\n\u0001\u003c\u0026\u003e\u2028é""#
        );
    }
}

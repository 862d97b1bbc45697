//! `fields`: a name and a value on each line.

use std::fmt::{Display, Write};

use super::{Message, Value};
use crate::text::quote;

/// The lines of a message, or of several one after the other.
pub(super) fn render(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    push(&mut out, "", "", value);
    out.into_bytes()
}

fn message(out: &mut String, prefix: &str, fields: &Message) {
    for field in fields {
        if let Some(name) = field.fields {
            push(out, prefix, name, &field.value);
        }
    }
}

fn push(out: &mut String, prefix: &str, name: &str, value: &Value) {
    let mut line = |value: &dyn Display| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "\"{prefix}{name}\" : {value}");
    };
    match value {
        Value::Number(number) => line(number),
        Value::Id(id) => line(id),
        Value::Lease(id) => line(id),
        Value::Flag(flag) => line(flag),
        Value::Text(text) => line(&quote(text.as_bytes())),
        Value::Plain(text) | Value::Kind(_, text) => line(text),
        Value::Texts(texts) => texts.iter().for_each(|text| line(&quote(text.as_bytes()))),
        Value::Words(texts) => {
            let _ = write!(out, "\"{prefix}{name}\" :");
            for text in texts {
                let _ = write!(out, " {}", quote(text.as_bytes()));
            }
            out.push('\n');
        }
        Value::Bytes(bytes) => line(&quote(bytes)),
        Value::ByteStrings(list) => list.iter().for_each(|bytes| line(&quote(bytes))),
        Value::Message(inner) | Value::Inline(inner) => {
            message(out, &format!("{prefix}{name}"), inner);
        }
        Value::List(list) | Value::Rows(list) => {
            for inner in list {
                message(out, &format!("{prefix}{name}"), inner);
            }
        }
        Value::Blank => out.push('\n'),
    }
}

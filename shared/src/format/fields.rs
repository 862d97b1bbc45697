//! `fields`: a name and a value on each line.

use std::fmt::{Display, Write};

use super::{Message, Value};
use crate::text::{lease_hex, quote};

/// The lines of a message, or of several one after the other; ids are hex with `hex`.
pub(super) fn render(value: &Value, hex: bool) -> Vec<u8> {
    let mut lines = Lines { out: String::new(), hex };
    lines.push("", "", value);
    lines.out.into_bytes()
}

struct Lines {
    out: String,
    hex: bool,
}

impl Lines {
    fn message(&mut self, prefix: &str, fields: &Message) {
        for field in fields {
            if let Some(name) = field.fields {
                self.push(prefix, name, &field.value);
            }
        }
    }

    fn push(&mut self, prefix: &str, name: &str, value: &Value) {
        let (hex, out) = (self.hex, &mut self.out);
        let mut line = |value: &dyn Display| {
            // Writing to a string does not fail.
            let _ = writeln!(out, "\"{prefix}{name}\" : {value}");
        };
        match value {
            Value::Number(number) => line(number),
            Value::Id(id) if hex => line(&format!("{id:x}")),
            Value::Id(id) => line(id),
            Value::Lease(id) if hex => line(&lease_hex(*id)),
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
                self.message(&format!("{prefix}{name}"), inner);
            }
            Value::List(list) | Value::Rows(list) => {
                for inner in list {
                    self.message(&format!("{prefix}{name}"), inner);
                }
            }
            Value::Blank => out.push('\n'),
        }
    }
}

//! Messages as a reader sees them, and as they are compared.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use prost_reflect::{DynamicMessage, FieldDescriptor, Value};

use super::names::{Role, role, shown};

/// Bytes of a value that are shown whole; of a longer one the first, its length and a hash.
const SHOWN_BYTES: usize = 60;

/// A message in one line: fields with their values, without those that have their default.
#[must_use]
pub fn text(message: &DynamicMessage) -> String {
    let mut out = String::new();
    write_message(&mut out, message);
    out
}

fn write_message(out: &mut String, message: &DynamicMessage) {
    out.push('{');
    let mut is_first = true;
    for (field, value) in message.fields() {
        if !field.supports_presence() && value.is_default_for_field(&field) {
            continue;
        }
        if !is_first {
            out.push(' ');
        }
        is_first = false;
        let _ = write!(out, "{}:", field.name());
        write_value(out, &field, value);
    }
    for unknown in message.unknown_fields() {
        let _ = write!(out, " unknown field {}", unknown.number());
    }
    out.push('}');
}

fn write_value(out: &mut String, field: &FieldDescriptor, value: &Value) {
    let _ = match value {
        Value::Message(inner) => {
            write_message(out, inner);
            Ok(())
        }
        Value::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(' ');
                }
                write_value(out, field, item);
            }
            out.push(']');
            Ok(())
        }
        Value::Bytes(bytes) => {
            write_bytes(out, bytes);
            Ok(())
        }
        Value::String(text) => {
            write_bytes(out, text.as_bytes());
            Ok(())
        }
        Value::I64(number) => match role(field) {
            Some(role @ (Role::Revision | Role::Lease)) => {
                out.push_str(&shown(role, *number));
                Ok(())
            }
            _ => write!(out, "{number}"),
        },
        Value::U64(super::names::MEMBER) => write!(out, "OWN"),
        Value::U64(number) => write!(out, "{number}"),
        Value::I32(number) | Value::EnumNumber(number) => write!(out, "{number}"),
        Value::U32(number) => write!(out, "{number}"),
        Value::Bool(is) => write!(out, "{is}"),
        other => write!(out, "{other:?}"),
    };
}

/// Bytes in quotes; long ones are known by a hash.
pub fn write_bytes(out: &mut String, bytes: &[u8]) {
    let _ = match bytes.get(..SHOWN_BYTES) {
        None => write!(out, "\"{}\"", bytes.escape_ascii()),
        Some(head) => {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let (head, hash) = (head.escape_ascii(), hasher.finish());
            write!(out, "\"{head}\"...({} bytes, {hash:x})", bytes.len())
        }
    };
}

//! `jsonl`, JSON to read: text is text, bytes that are none are `{"b64":".."}`, ids are hex.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use super::{Answer, Message, Value};
use crate::text::Escaped;

/// One line for each result.
pub(super) fn lines(answer: &dyn Answer, hex: bool) -> Vec<u8> {
    let line = |row: &Message| format!("{}\n", Json::Object(object(row, hex)));
    answer.rows().iter().map(line).collect::<String>().into_bytes()
}

/// The whole answer, with the names of etcdctl's JSON.
#[must_use]
pub fn document(answer: &dyn Answer) -> Json {
    value(&answer.shown(false), false)
}

/// Bytes as JSON: text where they are text.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Json {
    match str::from_utf8(bytes) {
        Ok(text) => Json::String(text.to_owned()),
        Err(_) => json!({"b64": STANDARD.encode(bytes)}),
    }
}

fn object(fields: &Message, hex: bool) -> Map<String, Json> {
    let mut object = Map::new();
    for field in fields {
        match (&field.jsonl, &field.value) {
            (None, _) | (_, Value::Lease(0)) => {}
            (Some(_), Value::Inline(inner)) => object.extend(self::object(inner, hex)),
            (Some(name), held) => {
                object.insert(name.to_string(), value(held, hex));
            }
        }
    }
    object
}

fn value(held: &Value, hex: bool) -> Json {
    match held {
        Value::Number(number) => Json::Number(number.clone()),
        Value::Id(id) => format!("{id:x}").into(),
        Value::Lease(id) => format!("{id:x}").into(),
        Value::Flag(flag) => (*flag).into(),
        Value::Plain(text) if text.is_empty() => Json::Null,
        Value::Text(text) | Value::Plain(text) | Value::Kind(_, text) => text.as_str().into(),
        Value::Texts(texts) | Value::Words(texts) => texts.as_slice().into(),
        Value::Bytes(held) if hex => Escaped(held).to_string().into(),
        Value::Bytes(held) => bytes(held),
        Value::ByteStrings(list) => {
            list.iter().map(|held| value(&Value::Bytes(held.clone()), hex)).collect()
        }
        Value::Message(fields) | Value::Inline(fields) => object(fields, hex).into(),
        Value::List(list) | Value::Rows(list) => {
            list.iter().map(|fields| Json::Object(object(fields, hex))).collect()
        }
        Value::Blank => Json::Null,
    }
}

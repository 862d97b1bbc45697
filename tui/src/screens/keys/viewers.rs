//! A value as lines of text: JSON, YAML, a Kubernetes object, hex, or as it is.
//!
//! * I1: a viewer changes how a value looks and nothing of it: JSON keeps the order of its fields and its numbers to
//!   the digit.
//! * I2: nothing that is shown is sent to the terminal as it came: it goes through [`escape`].
//! * I3: at most [`LINES_MAX`] lines are made; what is left out is told.

use std::fmt::Write;

use crate::widget::json::indented;
use crate::widget::{escape, escape_line};

/// Lines that are made of a value.
pub const LINES_MAX: usize = 20_000;
/// Bytes of a value that is taken apart; a larger one is shown as hex or as it is.
const PARSE_BYTES_MAX: usize = 4 << 20;
/// Bytes on a line of hex.
const HEX_BYTES: usize = 16;
/// How deep protobuf is taken apart.
const DEPTH_MAX: usize = 8;
/// What a Kubernetes object begins with.
const KUBERNETES: &[u8] = b"k8s\0";

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// The first of the others that fits.
    Auto,
    /// As text.
    Text,
    /// As indented JSON.
    Json,
    /// JSON as YAML.
    Yaml,
    /// As a Kubernetes object.
    Kubernetes,
    /// Byte by byte.
    Hex,
    /// On one line, everything that is not printable escaped.
    Raw,
}

/// In the order in which the key goes through them.
pub const VIEWERS: &[Viewer] = &[
    Viewer::Auto,
    Viewer::Text,
    Viewer::Json,
    Viewer::Yaml,
    Viewer::Kubernetes,
    Viewer::Hex,
    Viewer::Raw,
];

impl Viewer {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Kubernetes => "k8s",
            Self::Hex => "hex",
            Self::Raw => "raw",
        }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        let at = VIEWERS.iter().position(|viewer| *viewer == self).unwrap_or(0);
        VIEWERS.get(at + 1).copied().unwrap_or(Self::Auto)
    }

    /// What it shows a value as: itself, and for `Auto` the first that fits.
    #[must_use]
    pub fn of(self, value: &[u8]) -> Self {
        if self != Self::Auto {
            return self;
        }
        if value.starts_with(KUBERNETES) {
            Self::Kubernetes
        } else if is_json(value) && matches!(value.first(), Some(b'{' | b'[')) {
            Self::Json
        } else if is_text(value) {
            Self::Text
        } else {
            Self::Hex
        }
    }
}

/// The lines that a viewer makes of a value.
#[must_use]
pub fn lines(value: &[u8], viewer: Viewer) -> Vec<String> {
    let made = match viewer.of(value) {
        Viewer::Auto | Viewer::Text => text(value),
        Viewer::Json if is_json(value) => {
            text(indented(&String::from_utf8_lossy(value)).as_bytes())
        }
        Viewer::Json => said("this is no JSON", value),
        Viewer::Yaml => {
            yaml(value).unwrap_or_else(|| said("this is no JSON, so no YAML is made", value))
        }
        Viewer::Kubernetes => {
            kubernetes(value).unwrap_or_else(|| said("this is no Kubernetes object", value))
        }
        Viewer::Hex => hex(value),
        Viewer::Raw => vec![raw(value)],
    };
    bounded(made)
}

fn bounded(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > LINES_MAX {
        let left = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("({left} more lines are not shown)"));
    }
    lines
}

fn said(words: &str, value: &[u8]) -> Vec<String> {
    let mut lines = vec![format!("({words})")];
    lines.extend(text(value));
    lines
}

fn is_json(value: &[u8]) -> bool {
    value.len() <= PARSE_BYTES_MAX && serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok()
}

/// Whether a value is text with nothing that a terminal would obey.
#[must_use]
pub fn is_text(value: &[u8]) -> bool {
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    std::str::from_utf8(value).is_ok_and(|text| text.chars().all(plain))
}

fn text(value: &[u8]) -> Vec<String> {
    if value.is_empty() {
        return Vec::new();
    }
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    value.split(|byte| *byte == b'\n').take(LINES_MAX + 1).map(escape_line).collect()
}

fn yaml(value: &[u8]) -> Option<Vec<String>> {
    if !is_json(value) {
        return None;
    }
    let mut made = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(value);
    let mut writer = serde_yaml_ng::Serializer::new(&mut made);
    serde_transcode::transcode(&mut reader, &mut writer).ok()?;
    drop(writer);
    Some(text(&made))
}

fn hex(value: &[u8]) -> Vec<String> {
    let line = |(at, chunk): (usize, &[u8])| {
        let mut digits = String::new();
        for (place, byte) in chunk.iter().enumerate() {
            let gap = if place == HEX_BYTES / 2 { "  " } else { " " };
            digits.push_str(gap);
            // Writing to a string cannot fail.
            let _written = write!(digits, "{byte:02x}");
        }
        let shown = |byte: &u8| {
            if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' }
        };
        let text: String = chunk.iter().map(shown).collect();
        format!("{:08x} {digits:<width$}  {text}", at * HEX_BYTES, width = HEX_BYTES * 3 + 1)
    };
    value.chunks(HEX_BYTES).take(LINES_MAX + 1).enumerate().map(line).collect()
}

/// Everything on one line, so that it can be told apart from anything else, and typed.
#[must_use]
pub fn raw(value: &[u8]) -> String {
    mini_etcd_shared::text::escape(value)
}

/// One field of protobuf.
struct Field<'a> {
    number: u64,
    value: Wire<'a>,
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The envelope: apiVersion and kind (1), the object (2), its encoding (3) and type (4).
fn kubernetes(value: &[u8]) -> Option<Vec<String>> {
    let fields = fields(value.strip_prefix(KUBERNETES)?)?;
    let part = |number| {
        fields.iter().find_map(|field| match field.value {
            Wire::Bytes(bytes) if field.number == number => Some(bytes),
            _ => None,
        })
    };
    let kind = self::fields(part(1)?)?;
    let named = |number: u64| {
        let found = kind.iter().find_map(|field| match field.value {
            Wire::Bytes(bytes) if field.number == number => Some(escape(bytes)),
            _ => None,
        });
        found.unwrap_or_default()
    };
    let mut lines = vec![format!("apiVersion: {}", named(1)), format!("kind: {}", named(2))];
    for (number, name) in [(3, "contentEncoding"), (4, "contentType")] {
        if let Some(text) = part(number).filter(|text| !text.is_empty()) {
            lines.push(format!("{name}: {}", escape(text)));
        }
    }
    let object = part(2).unwrap_or_default();
    lines.push(format!("object: {} bytes, fields by number", object.len()));
    match self::fields(object) {
        Some(fields) => dump(&fields, 1, &mut lines),
        None => lines.extend(hex(object)),
    }
    Some(lines)
}

fn dump(fields: &[Field<'_>], depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    for field in fields {
        if lines.len() > LINES_MAX {
            return;
        }
        let number = field.number;
        match field.value {
            Wire::Number(value) => lines.push(format!("{indent}{number}: {value}")),
            Wire::Bytes(bytes) if is_text(bytes) && !bytes.is_empty() => {
                let text = raw(bytes);
                lines.push(format!("{indent}{number}: {text:?}"));
            }
            Wire::Bytes(bytes) => match self::fields(bytes).filter(|_| depth < DEPTH_MAX) {
                Some(inner) if !inner.is_empty() => {
                    lines.push(format!("{indent}{number}:"));
                    dump(&inner, depth + 1, lines);
                }
                _ => lines.push(format!("{indent}{number}: \"{}\"", raw(bytes))),
            },
        }
    }
}

/// The fields of a message; `None` when these bytes are none.
fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let number = tag >> 3;
        if number == 0 || number > 536_870_911 {
            return None;
        }
        let value = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => Wire::Number(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Wire::Bytes(take(&mut bytes, length)?)
            }
            5 => Wire::Number(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?).into()),
            _ => return None,
        };
        fields.push(Field { number, value });
    }
    Some(fields)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_the_order_of_fields_and_every_digit() {
        let value = br#"{"z":1.10,"a":[],"b":{"c":["x:y, \"{z}"],"n":12345678901234567890123}}"#;
        let lines = lines(value, Viewer::Auto);
        assert_eq!(
            lines,
            [
                "{",
                "  \"z\": 1.10,",
                "  \"a\": [],",
                "  \"b\": {",
                "    \"c\": [",
                "      \"x:y, \\\"{z}\"",
                "    ],",
                "    \"n\": 12345678901234567890123",
                "  }",
                "}"
            ]
        );
    }

    #[test]
    fn json_is_shown_as_yaml_and_what_is_none_says_so() {
        assert_eq!(
            lines(br#"{"b":[1,"x"],"a":null}"#, Viewer::Yaml),
            ["b:", "- 1", "- x", "a: null"]
        );
        assert_eq!(lines(b"x", Viewer::Json), ["(this is no JSON)", "x"]);
        assert_eq!(lines(b"x", Viewer::Kubernetes), ["(this is no Kubernetes object)", "x"]);
    }

    #[test]
    fn hex_and_raw_lose_no_byte_and_send_none_to_the_terminal() {
        let value = b"a\x1b[31m\xff\x00\nb\\";
        assert_eq!(lines(value, Viewer::Raw), ["a\\x1b[31m\\xff\\x00\\nb\\\\"]);
        let shown = lines(value, Viewer::Auto);
        assert!(shown[0].starts_with("00000000  61 1b 5b 33 31 6d ff 00  0a 62 5c"), "{shown:?}");
        assert!(shown[0].ends_with("a.[31m...b\\"), "{shown:?}");
        for viewer in VIEWERS {
            let all = lines(value, *viewer).concat();
            assert!(!all.chars().any(char::is_control), "{viewer:?} {all:?}");
        }
    }

    #[test]
    fn a_kubernetes_object_says_what_it_is_and_shows_its_fields() {
        let mut value = b"k8s\0".to_vec();
        value.extend(
            b"\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x09\x0a\x05\x0a\x03web\x10\x07\x1a\x00\x22\x00",
        );
        let lines = lines(&value, Viewer::Auto);
        assert_eq!(lines[..2], ["apiVersion: v1", "kind: Pod"]);
        assert!(lines.iter().any(|line| line.contains("web")), "{lines:?}");
        assert!(lines.iter().any(|line| line == "  2: 7"), "{lines:?}");
    }

    #[test]
    fn any_bytes_are_shown_by_every_viewer() {
        for seed in 0..2000_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let value: Vec<u8> = (0..seed % 60)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state.to_le_bytes()[3]
                })
                .collect();
            let enveloped = [KUBERNETES, &value].concat();
            for viewer in VIEWERS {
                let all = lines(&value, *viewer).concat() + &lines(&enveloped, *viewer).concat();
                assert!(!all.chars().any(char::is_control), "{all:?}");
            }
        }
    }
}

//! A value as lines of text: JSON, YAML, a Kubernetes object, hex, or as it is.
//!
//! * I1: a viewer changes how a value looks and nothing of it: JSON keeps the order of its fields and its numbers to
//!   the digit.
//! * I2: nothing that is shown is sent to the terminal as it came: it goes through
//!   [`escape`](crate::widget::escape), or has the escapes of YAML.
//! * I3: at most [`LINES_MAX`] lines are made; what is left out is told.

pub mod hex;
mod kubernetes;
mod schema;
mod wire;
mod yaml;

use bytes::Bytes;

use super::lines::Lines;
use crate::widget::escape_line;
use crate::widget::json::indented;

/// Lines that are made of a value.
pub const LINES_MAX: usize = 20_000;
/// Bytes of a value that is taken apart; a larger one is shown as hex or as it is.
const PARSE_BYTES_MAX: usize = 4 << 20;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// The first of the others that fits.
    Auto,
    /// As text.
    Text,
    /// As indented JSON.
    Json,
    /// JSON, or a Kubernetes object, as YAML.
    Yaml,
    /// As a Kubernetes object: YAML, as kubectl shows it.
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

    /// The lines that it makes of a value, those of bytes as long as there is room for.
    #[must_use]
    pub fn lines(self, value: &Bytes) -> Lines {
        let of = self.of(value);
        let made: Lines =
            if of == Self::Hex { value.clone().into() } else { lines(value, of).into() };
        made.made_by(of)
    }

    /// What it shows a value as: itself, and for `Auto` the first that fits.
    #[must_use]
    pub fn of(self, value: &[u8]) -> Self {
        if self != Self::Auto {
            return self;
        }
        if value.starts_with(kubernetes::MAGIC) {
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

/// The lines that a viewer makes of a value; of bytes as short as [`hex`] has them.
#[must_use]
pub fn lines(value: &[u8], viewer: Viewer) -> Vec<String> {
    let made = match viewer.of(value) {
        Viewer::Auto | Viewer::Text => text(value),
        Viewer::Json if is_json(value) => {
            text(indented(&String::from_utf8_lossy(value)).as_bytes())
        }
        Viewer::Json => said("this is no JSON", value),
        Viewer::Yaml if value.starts_with(kubernetes::MAGIC) => {
            return lines(value, Viewer::Kubernetes);
        }
        Viewer::Yaml => json_as_yaml(value)
            .unwrap_or_else(|| said("this is no JSON, so no YAML is made", value)),
        Viewer::Kubernetes => {
            kubernetes::lines(value).unwrap_or_else(|| said("this is no Kubernetes object", value))
        }
        Viewer::Hex => hex::lines(value),
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

fn json_as_yaml(value: &[u8]) -> Option<Vec<String>> {
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

/// Everything on one line, so that it can be told apart from anything else, and typed.
#[must_use]
pub fn raw(value: &[u8]) -> String {
    mini_etcd_shared::text::escape(value)
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
        assert_eq!(shown[0], "00000000  61 1b 5b 33 31 6d ff 00  a.[31m..");
        assert_eq!(shown[1], "00000008  0a 62 5c                 .b\\");
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
            let enveloped = [kubernetes::MAGIC, &value].concat();
            for viewer in VIEWERS {
                let all = lines(&value, *viewer).concat() + &lines(&enveloped, *viewer).concat();
                assert!(!all.chars().any(char::is_control), "{all:?}");
            }
        }
    }
}

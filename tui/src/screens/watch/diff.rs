//! An event beside what was there before, line by line.

use similar::{ChangeTag, TextDiff};

use super::event::{Before, Event, Kind, Version};
use crate::widget::json::indented;
use crate::widget::{bytes, escape_line, escape_name, grouped};

/// Bytes of a value that are shown.
pub const SHOWN_BYTES_MAX: usize = 256 << 10;
/// Lines of one value that are compared; of longer ones each is shown for itself.
const COMPARED_LINES_MAX: usize = 2000;
/// Bytes on one line of hexadecimal digits.
const HEX: usize = 16;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// In both.
    Same,
    /// Only before.
    Less,
    /// Only now.
    More,
    /// About the two.
    Note,
}

/// The event in full, and what one has scrolled to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The key.
    pub title: String,
    /// Its lines.
    pub lines: Vec<(Sign, String)>,
    /// The first one shown.
    pub first: usize,
}

impl Detail {
    /// Of an event of revision `number`.
    #[must_use]
    pub fn of(number: i64, event: &Event) -> Self {
        let mut lines = vec![(Sign::Note, facts(number, event))];
        if let Before::Known(before) = &event.before {
            lines.push((Sign::Note, format!("before  {}", version(before))));
        }
        lines.push((Sign::Note, String::new()));
        match (&event.before, event.kind) {
            (Before::Known(before), Kind::Put) => {
                compare(&before.value, &event.now.value, &mut lines);
            }
            (Before::Known(before), Kind::Del) => show(Sign::Less, &before.value, &mut lines),
            (before, Kind::Put) => {
                if *before == Before::Unknown {
                    lines.push((
                        Sign::Note,
                        "previous value not sent: compacted, or not asked for".into(),
                    ));
                }
                show(Sign::More, &event.now.value, &mut lines);
            }
            (_, Kind::Del) => {
                lines.push((
                    Sign::Note,
                    "previous value not sent: compacted, or not asked for".into(),
                ));
            }
        }
        Self { title: escape_name(&event.key), lines, first: 0 }
    }
}

fn facts(number: i64, event: &Event) -> String {
    let revision = grouped(number.unsigned_abs());
    match event.kind {
        Kind::Del => format!("deleted at {revision}"),
        Kind::Put => {
            let created = grouped(event.created.unsigned_abs());
            format!("now     {}  created {created}", version(&event.now))
        }
    }
}

fn version(version: &Version) -> String {
    let size = bytes(u64::try_from(version.value.len()).unwrap_or(u64::MAX));
    let written = grouped(version.written.unsigned_abs());
    let lease = if version.lease == 0 { "none".to_owned() } else { format!("{:x}", version.lease) };
    format!("v{}  mod {written}  {size}  lease {lease}", version.version)
}

fn compare(before: &[u8], now: &[u8], lines: &mut Vec<(Sign, String)>) {
    if before == now {
        lines.push((Sign::Note, "the same value was written again".to_owned()));
        return show(Sign::Same, now, lines);
    }
    let (old, new) = (text(before), text(now));
    let long = |text: &str| text.lines().count() > COMPARED_LINES_MAX;
    if long(&old) || long(&new) {
        lines.push((Sign::Note, format!("more than {COMPARED_LINES_MAX} lines: not compared")));
        show(Sign::Less, before, lines);
        return show(Sign::More, now, lines);
    }
    for change in TextDiff::from_lines(old.as_str(), new.as_str()).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Equal => Sign::Same,
            ChangeTag::Delete => Sign::Less,
            ChangeTag::Insert => Sign::More,
        };
        lines.push((sign, escape_line(change.value().trim_end_matches('\n').as_bytes())));
    }
    cut(before.len().max(now.len()), lines);
}

fn show(sign: Sign, value: &[u8], lines: &mut Vec<(Sign, String)>) {
    if value.is_empty() {
        lines.push((Sign::Note, "an empty value".to_owned()));
    }
    lines.extend(text(value).lines().map(|line| (sign, escape_line(line.as_bytes()))));
    cut(value.len(), lines);
}

fn cut(length: usize, lines: &mut Vec<(Sign, String)>) {
    if length > SHOWN_BYTES_MAX {
        let shown = bytes(u64::try_from(SHOWN_BYTES_MAX).unwrap_or(u64::MAX));
        lines.push((Sign::Note, format!("only the first {shown} are shown; s saves all")));
    }
}

/// A value as lines: JSON with a field on each, text as it stands, anything else in hexadecimal digits.
fn text(value: &[u8]) -> String {
    let value = value.get(..SHOWN_BYTES_MAX).unwrap_or(value);
    let Ok(text) = std::str::from_utf8(value) else { return hex(value) };
    let begins = text.trim_start().starts_with(['{', '[']);
    if begins && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return indented(text);
    }
    text.to_owned()
}

fn hex(value: &[u8]) -> String {
    let line = |(at, bytes): (usize, &[u8])| {
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let signs: String = bytes
            .iter()
            .map(
                |byte| {
                    if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' }
                },
            )
            .collect();
        format!("{:06x}  {:<47}  {signs}\n", at * HEX, digits.join(" "))
    };
    value.chunks(HEX).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn put(before: Before, value: &[u8]) -> Event {
        let value = Bytes::copy_from_slice(value);
        let now = Version { value, version: 2, lease: 0x7f, written: 50 };
        Event::new(Kind::Put, Bytes::from_static(b"/k\x1b"), 40, now, before)
    }

    fn known(value: &[u8]) -> Before {
        let value = Bytes::copy_from_slice(value);
        Before::Known(Version { value, version: 1, lease: 0, written: 40 })
    }

    fn lines(event: &Event) -> Vec<String> {
        let sign = |sign| match sign {
            Sign::Same => ' ',
            Sign::Less => '-',
            Sign::More => '+',
            Sign::Note => '#',
        };
        let lines = Detail::of(50, event).lines.into_iter().skip(3);
        lines.map(|(kind, text)| format!("{}{text}", sign(kind))).collect()
    }

    #[test]
    fn json_is_compared_field_by_field_and_no_digit_changes() {
        let event = put(
            known(br#"{"a":1e400,"b":[],"c":{"d":"x,{\""}}"#),
            br#"{"a":1e400, "b":[ ], "c":{"d":"y"}}"#,
        );
        assert_eq!(
            lines(&event),
            [
                " {",
                "   \"a\": 1e400,",
                "   \"b\": [],",
                "   \"c\": {",
                "-    \"d\": \"x,{\\\"\"",
                "+    \"d\": \"y\"",
                "   }",
                " }"
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_in_digits_and_nothing_reaches_the_terminal_raw() {
        let event = put(known(b"\xff\x1b"), b"\x1b[31m");
        assert_eq!(
            lines(&event),
            ["-000000  ff 1b                                            ..", "+\\x1b[31m"]
        );
        assert_eq!(Detail::of(50, &event).title, "/k\\x1b");
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        assert_eq!(lines(&put(known(b"x"), b"x")), ["#the same value was written again", " x"]);
        let unknown = Detail::of(50, &put(Before::Unknown, b"")).lines;
        assert!(unknown.iter().any(|(_, line)| line.contains("previous value not sent")));
        assert!(unknown.iter().any(|(_, line)| line == "an empty value"));
        let many = "x\n".repeat(COMPARED_LINES_MAX + 1);
        assert!(lines(&put(known(many.as_bytes()), b"y"))[0].contains("not compared"));
        let huge = vec![b'x'; SHOWN_BYTES_MAX + 1];
        assert!(lines(&put(known(&huge), b"y")).last().unwrap().contains("only the first 256K"));
    }
}

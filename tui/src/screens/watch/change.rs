//! What an event changed, in a few words: `v4 > v5  .read_ms 4000 > 1500`.

use std::fmt::{Arguments, Write};

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::event::{Before, Event, Kind, Version};
use crate::widget::{bytes, escape};

/// Values longer than this are not compared for the one line that they would get.
pub const COMPARED_BYTES_MAX: usize = 16 << 10;
/// Texts of more lines than this are not compared either.
const COMPARED_LINES_MAX: usize = 400;
/// Changed paths of a JSON value that are named; of the rest the number is.
const PATHS_MAX: usize = 3;
/// Depth to which JSON is compared; below it a difference is one of the whole.
const DEPTH_MAX: usize = 32;
/// Characters of a short value that is shown itself.
const SHORT_MAX: usize = 24;

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The step of the version: `v4 > v5`, `new`.
    pub step: String,
    /// The rest.
    pub words: String,
}

/// Finds out what an event changed.
pub(super) fn of(event: &Event) -> Change {
    match event.kind {
        Kind::Del => Change { step: "gone".to_owned(), words: was(&event.before) },
        Kind::Put => {
            let version = event.now.version;
            match &event.before {
                Before::Nothing => {
                    let words = lease_step(0, event.now.lease).unwrap_or_default();
                    let shown = short(&event.now.value).unwrap_or_default();
                    Change { step: "new".to_owned(), words: join([shown, words]) }
                }
                Before::Unknown => {
                    let shown = short(&event.now.value).unwrap_or_default();
                    let words = join([shown, "previous value not sent".to_owned()]);
                    Change { step: format!("v{version}"), words }
                }
                Before::Known(before) => Change {
                    step: format!("v{} > v{version}", before.version),
                    words: join([
                        values(&before.value, &event.now.value),
                        lease_step(before.lease, event.now.lease).unwrap_or_default(),
                    ]),
                },
            }
        }
    }
}

fn join(parts: [String; 2]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn was(before: &Before) -> String {
    match before {
        Before::Known(Version { value, version, lease, .. }) => {
            let size = bytes(u64::try_from(value.len()).unwrap_or(u64::MAX));
            let lease = if *lease == 0 { "none".to_owned() } else { format!("{lease:x}") };
            format!("was v{version}, {size}, lease {lease}")
        }
        Before::Nothing | Before::Unknown => "previous value not sent".to_owned(),
    }
}

fn lease_step(before: i64, now: i64) -> Option<String> {
    let name = |lease: i64| if lease == 0 { "none".to_owned() } else { format!("{lease:x}") };
    (before != now).then(|| format!("lease {} > {}", name(before), name(now)))
}

/// How two values differ.
fn values(before: &[u8], now: &[u8]) -> String {
    if before == now {
        return "same value".to_owned();
    }
    let sizes = || {
        let size = |value: &[u8]| bytes(u64::try_from(value.len()).unwrap_or(u64::MAX));
        format!("{} > {}", size(before), size(now))
    };
    if before.len().max(now.len()) > COMPARED_BYTES_MAX {
        return format!("{}, too long to compare here", sizes());
    }
    let (Ok(old), Ok(new)) = (std::str::from_utf8(before), std::str::from_utf8(now)) else {
        return format!("bytes differ, {}", sizes());
    };
    if let Some(paths) = json(old, new) {
        return paths;
    }
    if let (Some(old), Some(new)) = (short(before), short(now)) {
        return format!("{old} > {new}");
    }
    if old.lines().count().max(new.lines().count()) > COMPARED_LINES_MAX {
        return format!("text, {}, too many lines to compare here", sizes());
    }
    let (mut more, mut less) = (0, 0);
    for change in TextDiff::from_lines(old, new).iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => more += 1,
            ChangeTag::Delete => less += 1,
            ChangeTag::Equal => {}
        }
    }
    format!("text +{more} -{less}")
}

/// A value short enough to be shown itself.
fn short(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let fits = text.chars().count() <= SHORT_MAX && !text.chars().any(char::is_control);
    fits.then(|| if text.is_empty() { "\"\"".to_owned() } else { text.to_owned() })
}

/// The paths that differ, when both are JSON objects or arrays and something differs that is no layout.
fn json(old: &str, new: &str) -> Option<String> {
    let parse = |text: &str| {
        serde_json::from_str::<Value>(text).ok().filter(|v| v.is_object() || v.is_array())
    };
    let (old, new) = (parse(old)?, parse(new)?);
    let mut found = Found::default();
    compare(&old, &new, &mut String::new(), 0, &mut found);
    if found.count == 0 {
        return None;
    }
    let more = found.count - found.named.len();
    let mut words = found.named.join("  ");
    if more > 0 {
        put(&mut words, format_args!("  + {more} more"));
    }
    Some(words)
}

#[derive(Default)]
struct Found {
    named: Vec<String>,
    count: usize,
}

impl Found {
    fn add(&mut self, path: &str, words: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < PATHS_MAX {
            let path = if path.is_empty() { "." } else { path };
            self.named.push(format!("{path} {}", words()));
        }
    }
}

fn compare(old: &Value, new: &Value, path: &mut String, depth: usize, found: &mut Found) {
    let length = path.len();
    match (old, new) {
        (Value::Object(old), Value::Object(new)) if depth < DEPTH_MAX => {
            for (name, before) in old {
                step(path, name);
                match new.get(name) {
                    Some(now) => compare(before, now, path, depth + 1, found),
                    None => found.add(path, || "gone".to_owned()),
                }
                path.truncate(length);
            }
            for (name, now) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                step(path, name);
                found.add(path, || format!("new {}", leaf(now)));
                path.truncate(length);
            }
        }
        (Value::Array(old), Value::Array(new)) if depth < DEPTH_MAX => {
            for (at, pair) in old.iter().zip(new).enumerate() {
                put(path, format_args!("[{at}]"));
                compare(pair.0, pair.1, path, depth + 1, found);
                path.truncate(length);
            }
            if old.len() != new.len() {
                found.add(path, || format!("{} > {} items", old.len(), new.len()));
            }
        }
        _ if old == new => {}
        _ => found.add(path, || format!("{} > {}", leaf(old), leaf(new))),
    }
}

/// One step down: `.name`, or `["odd name"]`.
fn step(path: &mut String, name: &str) {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    if plain {
        path.push('.');
        path.push_str(name);
    } else {
        put(path, format_args!("[{name:?}]"));
    }
}

fn put(text: &mut String, more: Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(more);
}

fn leaf(value: &Value) -> String {
    let text = match value {
        Value::Object(_) => return "{..}".to_owned(),
        Value::Array(_) => return "[..]".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut shown: String = escape(text.as_bytes());
    if shown.chars().count() > SHORT_MAX {
        shown = shown.chars().take(SHORT_MAX - 1).collect();
        shown.push('~');
    }
    if shown.is_empty() { "\"\"".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn changed(before: &[u8], now: &[u8]) -> String {
        values(before, now)
    }

    #[test]
    fn json_is_told_by_path() {
        let before = br#"{"read_ms": 4000, "hosts": ["a","b"], "odd key": 1, "gone": true}"#;
        let now = br#"{"read_ms": 1500, "hosts": ["a","c","d"], "odd key": 2}"#;
        let words = changed(before, now);
        assert_eq!(words, ".gone gone  .hosts[1] b > c  .hosts 2 > 3 items  + 2 more");
        assert_eq!(changed(br#"{"a":{"b":1}}"#, br#"{"a":{"b":2}}"#), ".a.b 1 > 2");
        assert_eq!(changed(br#"{"a":1}"#, br#"{"a":1,"b":[1]}"#), ".b new [..]");
    }

    #[test]
    fn json_in_another_layout_is_a_change_of_text() {
        assert_eq!(changed(br#"{"a":1}"#, b"{\"a\": 1}"), "{\"a\":1} > {\"a\": 1}");
    }

    #[test]
    fn text_is_told_by_lines_and_a_short_one_is_shown() {
        assert_eq!(changed(b"1500", b"4000"), "1500 > 4000");
        assert_eq!(changed(b"", b"x"), "\"\" > x");
        let old = "a line that is long enough\nb\nc\n";
        assert_eq!(changed(old.as_bytes(), b"a line that is long enough\nB\nc\nd\n"), "text +2 -1");
        assert_eq!(changed(b"same", b"same"), "same value");
    }

    #[test]
    fn what_cannot_be_compared_is_said_with_its_sizes() {
        assert_eq!(changed(b"\xff", b"\xfe\xfe"), "bytes differ, 1B > 2B");
        let long = vec![b'x'; COMPARED_BYTES_MAX + 1];
        assert!(changed(&long, b"x").ends_with("too long to compare here"));
        let lines = "x\n".repeat(COMPARED_LINES_MAX + 1);
        assert!(changed(lines.as_bytes(), b"a\nb\n").contains("too many lines"));
    }

    #[test]
    fn steps_say_what_was_there() {
        let version = |version, value: &'static [u8], lease| Version {
            value: Bytes::from_static(value),
            version,
            lease,
            written: 5,
        };
        let event = |kind, now, before| Event::new(kind, Bytes::new(), 1, now, before);
        let put = event(Kind::Put, version(5, b"b", 0x7f), Before::Known(version(4, b"a", 0)));
        assert_eq!(of(&put).step, "v4 > v5");
        assert_eq!(of(&put).words, "a > b  lease none > 7f");
        let gone = event(Kind::Del, Version::default(), Before::Known(version(2, b"abc", 0)));
        assert_eq!(of(&gone).words, "was v2, 3B, lease none");
        let unknown = event(Kind::Put, version(7, b"hi", 0), Before::Unknown);
        assert_eq!(
            (of(&unknown).step.as_str(), of(&unknown).words.as_str()),
            ("v7", "hi  previous value not sent")
        );
        let new = event(Kind::Put, version(1, b"hi", 0), Before::Nothing);
        assert_eq!((of(&new).step.as_str(), of(&new).words.as_str()), ("new", "hi"));
    }

    #[test]
    fn control_characters_of_json_strings_are_escaped() {
        assert_eq!(changed(br#"{"a":"x"}"#, b"{\"a\":\"\\u001b[31m\"}"), ".a x > \\x1b[31m");
    }
}

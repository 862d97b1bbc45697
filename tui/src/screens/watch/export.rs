//! A tail as lines of JSON: one object per event, one per mark.
//!
//! Bytes are strings where they are UTF-8 and `{"b64":".."}` where they are not, lease ids are hexadecimal, so that a
//! line reads as `-w jsonl` prints it. `time` is when it came here. Marks have `"mark"` instead of `"type"`: whoever reads the file later sees where
//! something is missing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::event::{Before, Entry, Event, Kind, Mark, Version, What};
use crate::widget::rfc3339;

/// The lines of an entry.
#[must_use]
pub fn lines(entry: &Entry) -> Vec<String> {
    let mut objects = objects(entry);
    for object in objects.iter_mut().filter_map(Value::as_object_mut) {
        object.insert("time".to_owned(), rfc3339(entry.wall).into());
    }
    objects.iter().map(Value::to_string).collect()
}

fn objects(entry: &Entry) -> Vec<Value> {
    match &entry.what {
        What::Mark(mark) => vec![of_mark(mark)],
        What::Revision(revision) => {
            let events = revision.events.iter();
            let mut objects: Vec<_> =
                events.map(|event| of_event(revision.number, event)).collect();
            if revision.cut > 0 {
                let cut = json!({
                    "mark": "cut", "revision": revision.number, "events": revision.cut,
                    "words": "events of this revision that were too many to keep",
                });
                objects.push(cut);
            }
            objects
        }
    }
}

fn of_event(revision: i64, event: &Event) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("type", if event.kind == Kind::Put { "put" } else { "delete" }.into());
    put("revision", revision.into());
    put("key", bytes(&event.key));
    if event.kind == Kind::Put {
        put("create_revision", event.created.into());
        for (name, value) in of_version(&event.now) {
            put(&name, value);
        }
    }
    match &event.before {
        Before::Known(before) => {
            let mut inner = of_version(before);
            inner.insert("mod_revision".to_owned(), before.written.into());
            put("prev", Value::Object(inner));
        }
        Before::Nothing => {
            put("prev", Value::Null);
        }
        // Nothing is said about what is not known.
        Before::Unknown => {}
    }
    Value::Object(object)
}

fn of_version(version: &Version) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("version".to_owned(), version.version.into());
    object.insert("value".to_owned(), bytes(&version.value));
    if version.lease != 0 {
        object.insert("lease".to_owned(), format!("{:x}", version.lease).into());
    }
    object
}

fn of_mark(mark: &Mark) -> Value {
    let words = mark.words();
    match mark {
        Mark::Began { from, .. } => json!({"mark": "began", "from": from, "words": words}),
        Mark::Resumed { from, .. } => {
            json!({"mark": "resumed", "from": from, "lost": 0, "words": words})
        }
        Mark::Compacted { from, to } => {
            json!({"mark": "compacted", "from": from, "to": to, "words": words})
        }
        Mark::NotHeld { events } => json!({"mark": "not-held", "events": events, "words": words}),
        Mark::Ended { .. } => json!({"mark": "ended", "words": words}),
    }
}

fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "b64": STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::screens::watch::event::Revision;

    #[test]
    fn an_event_is_one_line_and_bytes_are_never_mangled() {
        let version = |value: &'static [u8], version| Version {
            value: Bytes::from_static(value),
            version,
            lease: 0x7f3a,
            written: 9,
        };
        let put = Event::new(
            Kind::Put,
            Bytes::from_static(b"k\n"),
            5,
            version(b"\xff\x00", 2),
            Before::Known(version("é".as_bytes(), 1)),
        );
        let del = Event::new(
            Kind::Del,
            Bytes::from_static(b"\xfe"),
            0,
            Version::default(),
            Before::Unknown,
        );
        let new = Event::new(Kind::Put, Bytes::new(), 10, version(b"", 1), Before::Nothing);
        let revision = Revision { number: 10, events: vec![put, del, new], cut: 2 };
        let entry = Entry { wall: 1_796_126_671, what: What::Revision(Arc::new(revision)) };
        assert_eq!(
            lines(&entry),
            [
                r#"{"create_revision":5,"key":"k\n","lease":"7f3a","prev":{"lease":"7f3a","mod_revision":9,"value":"é","version":1},"revision":10,"time":"2026-12-01T12:04:31Z","type":"put","value":{"b64":"/wA="},"version":2}"#,
                r#"{"key":{"b64":"/g=="},"revision":10,"time":"2026-12-01T12:04:31Z","type":"delete"}"#,
                r#"{"create_revision":10,"key":"","lease":"7f3a","prev":null,"revision":10,"time":"2026-12-01T12:04:31Z","type":"put","value":"","version":1}"#,
                r#"{"events":2,"mark":"cut","revision":10,"time":"2026-12-01T12:04:31Z","words":"events of this revision that were too many to keep"}"#,
            ]
        );
    }

    #[test]
    fn marks_are_lines_too() {
        let mark = Mark::Compacted { from: 10, to: 20 };
        let line = lines(&Entry { wall: 0, what: What::Mark(mark) }).remove(0);
        let head = r#"{"from":10,"mark":"compacted","time":"1970-01-01T00:00:00Z","to":20,"#;
        assert!(line.starts_with(head), "{line}");
    }
}

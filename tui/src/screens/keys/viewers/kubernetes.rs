//! A Kubernetes object as an API server stores it: an envelope, and in it protobuf, shown as `kubectl get -o yaml` does.
//!
//! * I1: what is shown has been read to the last byte of the value; of one that is damaged or cut off the fields are
//!   shown by number, and that is said.
//! * I2: at most [`LINES_MAX`] values are made.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_yaml_ng::{Mapping, Value};

use super::schema::{Kind, Known, SCHEMA, Shape};
use super::wire::{End, Field, Message, Wire};
use super::{LINES_MAX, PARSE_BYTES_MAX, hex, is_text, raw, yaml};
use crate::widget::{escape, rfc3339};

/// What a Kubernetes object begins with.
pub(super) const MAGIC: &[u8] = b"k8s\0";
/// How deep protobuf is taken apart whose types are not known.
const DEPTH_MAX: usize = 8;
/// How deep a type may lie in others; those of Kubernetes end far before.
const TYPES_DEEP_MAX: usize = 64;
/// Bytes of embedded JSON that count as one value.
const JSON_VALUE_BYTES: usize = 16;
/// The first second that RFC 3339 has no form for.
const YEAR_10000: u64 = 253_402_300_800;

/// The lines that are shown; `None` when it is no object. The envelope: apiVersion and kind (1), the object (2), its
/// encoding (3) and type (4), which are empty for protobuf.
pub(super) fn lines(value: &[u8]) -> Option<Vec<String>> {
    let envelope = Message::read(value.strip_prefix(MAGIC)?);
    let kind = Message::read(envelope.bytes(1)?);
    let named = |number| kind.bytes(number).map(string).unwrap_or_default();
    let (version, kind) = (named(1), named(2));
    let object = envelope.bytes(2).unwrap_or_default();
    let other = |number| envelope.bytes(number).filter(|text| !text.is_empty());
    let known = SCHEMA.kind(&version, &kind).filter(|_| other(3).is_none() && other(4).is_none());
    let large = value.len() > PARSE_BYTES_MAX;
    if let Some(of) = known
        && envelope.end == End::Whole
        && !large
        && let Some(lines) = self::object(&version, &kind, of, object)
    {
        return Some(lines);
    }
    let field = |name: &str, text: &[u8]| format!("{name}: {}", escape(text));
    let mut lines = vec![field("apiVersion", version.as_bytes()), field("kind", kind.as_bytes())];
    for (number, name) in [(3, "contentEncoding"), (4, "contentType")] {
        lines.extend(other(number).map(|text| field(name, text)));
    }
    let message = Message::read(object);
    let damaged = envelope.end != End::Whole || message.end == End::Damaged;
    let why = match known {
        _ if large => "too large to be taken apart: ",
        Some(_) if damaged => "damaged or cut off: ",
        Some(_) => "not of the version that is known here, or damaged: ",
        None if damaged => "this kind is not known, and it is damaged or cut off: ",
        None => "",
    };
    lines.push(format!("object: {} bytes, {why}fields by number", object.len()));
    dump(&message.fields, 1, &mut lines);
    if message.fields.is_empty() {
        lines.extend(hex::lines(object));
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
            Wire::Bytes(bytes) => {
                let inner = Message::read(bytes);
                let is_message = inner.end != End::Damaged || field.cut;
                if is_message && depth < DEPTH_MAX && !inner.fields.is_empty() {
                    lines.push(format!("{indent}{number}:"));
                    dump(&inner.fields, depth + 1, lines);
                } else {
                    lines.push(format!("{indent}{number}: \"{}\"", raw(bytes)));
                }
            }
        }
    }
}

/// The object as YAML; `None` when these bytes are none of this type.
fn object(version: &str, kind: &str, of: usize, object: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader { left: LINES_MAX, cut: false };
    let mut rest = reader.message(of, object, 0).ok()?;
    let mut head = Mapping::new();
    head.insert("apiVersion".into(), version.into());
    head.insert("kind".into(), kind.into());
    let mut managed = 0;
    if let Some(mut metadata) = rest.shift_remove("metadata") {
        let fields = metadata.as_mapping_mut().and_then(|meta| meta.shift_remove("managedFields"));
        managed = fields.and_then(|fields| Some(fields.as_sequence()?.len())).unwrap_or(0);
        head.insert("metadata".into(), metadata);
    }
    let status = rest.shift_remove_entry("status");
    let mut body: Mapping = rest.shift_remove_entry("spec").into_iter().collect();
    body.extend(rest.into_iter().chain(status));
    let mut lines = yaml::lines(&head);
    if managed > 0 {
        lines.push(format!("  # managedFields: {managed} hidden, as by kubectl"));
    }
    lines.extend(yaml::lines(&body));
    if reader.cut {
        lines.push(format!("# more than {LINES_MAX} values: the others are not shown"));
    }
    Some(lines)
}

/// These bytes are no message of this type.
struct Damaged;

/// Makes values of the fields of messages.
struct Reader {
    /// Values that may still be made.
    left: usize,
    /// There were more.
    cut: bool,
}

/// Fields by name, and those that have none.
#[derive(Default)]
struct Named {
    known: BTreeMap<&'static str, Value>,
    others: BTreeMap<u64, Value>,
}

impl Reader {
    /// A message; where there are no bytes, what it is without a value.
    fn message(&mut self, of: usize, bytes: &[u8], depth: usize) -> Result<Mapping, Damaged> {
        let mut named = Named::default();
        self.fill(of, bytes, depth, &mut named)?;
        let mut made: Mapping = named.known.into_iter().map(|(name, v)| (name.into(), v)).collect();
        made.extend(named.others.into_iter().map(|(number, v)| (Value::from(number), v)));
        Ok(made)
    }

    fn fill(
        &mut self,
        of: usize,
        bytes: &[u8],
        depth: usize,
        named: &mut Named,
    ) -> Result<(), Damaged> {
        if depth > TYPES_DEEP_MAX {
            return Err(Damaged);
        }
        let message = Message::whole(bytes).ok_or(Damaged)?;
        self.cut |= message.end == End::Many;
        let known = SCHEMA.fields(of);
        for field in known {
            let found = message.fields.iter().filter(|each| each.number == field.number);
            let found: Vec<Wire<'_>> = found.map(|each| each.value).collect();
            match (field.name, field.kind) {
                (Some(name), _) => {
                    let value = self.field(field, &found, depth)?;
                    named.known.extend(value.map(|value| (name, value)));
                }
                (None, Kind::Message(inner)) => {
                    let bytes = found.last().copied().map(bytes_of).transpose()?;
                    self.fill(inner, bytes.unwrap_or_default(), depth + 1, named)?;
                }
                (None, _) => return Err(Damaged),
            }
        }
        for field in &message.fields {
            if !known.iter().any(|each| each.number == field.number) && self.take() {
                named.others.insert(field.number, by_number(field.value));
            }
        }
        Ok(())
    }

    /// A field; nothing when it is not shown.
    fn field(
        &mut self,
        field: &Known,
        found: &[Wire<'_>],
        depth: usize,
    ) -> Result<Option<Value>, Damaged> {
        let (kind, last) = (field.kind, found.last().copied());
        let value = match field.shape {
            Shape::One => {
                let value = self.value(kind, last, depth)?;
                // What is a struct in Go is never left out as empty.
                let is_left_out = match kind {
                    Kind::String | Kind::Bool | Kind::Int | Kind::Bytes | Kind::Strings => {
                        is_zero(&value) && !field.always
                    }
                    Kind::Time => value.is_null() && field.omit_zero,
                    _ => false,
                };
                let is_nil = match kind {
                    Kind::Strings => is_zero(&value),
                    Kind::Bytes => last.is_none(),
                    _ => false,
                };
                if is_left_out {
                    self.left += 1;
                    return Ok(None);
                }
                return Ok(Some(if is_nil { Value::Null } else { value }));
            }
            Shape::Optional => last.map(|wire| self.value(kind, Some(wire), depth)).transpose()?,
            Shape::List => {
                let mut items = Vec::new();
                for wire in found {
                    if self.is_full() {
                        break;
                    }
                    items.push(self.value(kind, Some(*wire), depth)?);
                }
                Some(items).filter(|items| !items.is_empty()).map(Value::from)
            }
            Shape::Map => {
                let mut entries = BTreeMap::new();
                for wire in found {
                    if self.is_full() {
                        break;
                    }
                    let entry = Message::whole(bytes_of(*wire)?).ok_or(Damaged)?;
                    let key = string(entry.bytes(1).unwrap_or_default());
                    entries.insert(key, self.value(kind, entry.last(2), depth)?);
                }
                let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
                let entries: Mapping = entries.collect();
                Some(entries).filter(|entries| !entries.is_empty()).map(Value::from)
            }
        };
        Ok(value.or(field.always.then_some(Value::Null)))
    }

    fn value(
        &mut self,
        kind: Kind,
        wire: Option<Wire<'_>>,
        depth: usize,
    ) -> Result<Value, Damaged> {
        self.take();
        let number = || wire.map_or(Ok(0), number_of);
        let bytes = || wire.map_or(Ok(&[][..]), bytes_of);
        let inner = || Message::whole(bytes()?).ok_or(Damaged);
        Ok(match kind {
            Kind::String => string(bytes()?).into(),
            Kind::Bool => (number()? != 0).into(),
            Kind::Int => number()?.into(),
            Kind::Bytes => STANDARD.encode(bytes()?).into(),
            Kind::Time => time(&inner()?, false),
            Kind::MicroTime => time(&inner()?, true),
            Kind::Quantity => string(inner()?.bytes(1).unwrap_or(b"0")).into(),
            Kind::IntOrString => {
                let message = inner()?;
                if message.number(1).unwrap_or(0) == 0 {
                    message.number(2).unwrap_or(0).into()
                } else {
                    string(message.bytes(3).unwrap_or_default()).into()
                }
            }
            Kind::Json => inner()?.bytes(1).map_or(Value::Null, |bytes| self.json(bytes)),
            Kind::Strings => {
                let mut items = Vec::new();
                for field in inner()?.fields {
                    if self.take() {
                        items.push(string(bytes_of(field.value)?).into());
                    }
                }
                Value::Sequence(items)
            }
            Kind::Message(of) => self.message(of, bytes()?, depth + 1)?.into(),
        })
    }

    /// Embedded JSON; as text when it is none, or when there is no room for its values.
    fn json(&mut self, bytes: &[u8]) -> Value {
        let cost = bytes.len() / JSON_VALUE_BYTES;
        let read = (cost <= self.left).then(|| serde_json::from_slice(bytes).ok()).flatten();
        self.left = self.left.saturating_sub(cost);
        read.unwrap_or_else(|| string(bytes).into())
    }

    /// Whether there is no room for another value.
    fn is_full(&mut self) -> bool {
        self.cut |= self.left == 0;
        self.left == 0
    }

    /// Takes room for a value; answers whether there was any.
    fn take(&mut self) -> bool {
        let room = !self.is_full();
        self.left = self.left.saturating_sub(1);
        room
    }
}

fn bytes_of(wire: Wire<'_>) -> Result<&[u8], Damaged> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        Wire::Number(_) => Err(Damaged),
    }
}

fn number_of(wire: Wire<'_>) -> Result<i64, Damaged> {
    match wire {
        Wire::Number(value) => Ok(value.cast_signed()),
        Wire::Bytes(_) => Err(Damaged),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Sequence(items) => items.is_empty(),
        _ => false,
    }
}

/// Text as it is; what is none, escaped.
fn string(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| escape(bytes), str::to_owned)
}

/// A field that has no name here: a number, or text or bytes.
fn by_number(wire: Wire<'_>) -> Value {
    match wire {
        Wire::Number(value) => value.into(),
        Wire::Bytes(bytes) => raw(bytes).into(),
    }
}

/// A time by its seconds (1) and nanoseconds (2); null when it has none.
fn time(message: &Message<'_>, micro: bool) -> Value {
    if message.fields.is_empty() {
        return Value::Null;
    }
    let seconds = message.number(1).unwrap_or(0);
    match u64::try_from(seconds).ok().filter(|seconds| *seconds < YEAR_10000) {
        Some(seconds) if micro => {
            let micros = message.number(2).unwrap_or(0) / 1000 % 1_000_000;
            format!("{}.{:06}Z", rfc3339(seconds).trim_end_matches('Z'), micros.max(0)).into()
        }
        Some(seconds) => rfc3339(seconds).into(),
        None => format!("{seconds} seconds since 1970").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stored, and what kubectl prints of it.
    fn samples() -> Vec<(Vec<u8>, &'static str)> {
        let text = include_str!("../../../../../assets/kubernetes/samples.txt");
        let samples = text.split("--- ").skip(1).map(|sample| {
            let (stored, shown) = sample.split_once('\n').unwrap();
            (STANDARD.decode(stored).unwrap(), shown)
        });
        samples.collect()
    }

    /// A message of fields that hold bytes, each shorter than 128.
    fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
        let field = |(number, bytes): &(u8, &[u8])| {
            [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], *bytes].concat()
        };
        fields.iter().flat_map(field).collect()
    }

    fn stored(kind: &str, object: &[u8]) -> Vec<u8> {
        let kind = message(&[(1, b"v1"), (2, kind.as_bytes())]);
        [MAGIC, &message(&[(1, &kind), (2, object), (3, b""), (4, b"")])].concat()
    }

    /// The parts of an object, each with its lines.
    fn parts<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
        let mut parts: Vec<Vec<&str>> = Vec::new();
        for line in lines.filter(|line| !line.contains("# managedFields")) {
            if !line.starts_with([' ', '-']) {
                parts.push(Vec::new());
            }
            parts.last_mut().unwrap().push(line);
        }
        parts.sort();
        parts
    }

    /// Goal: an object is shown as kubectl shows it. Method: objects that Kubernetes itself encoded and printed, but for
    /// the order of their parts.
    #[test]
    fn objects_are_shown_as_kubectl_shows_them() {
        let samples = samples();
        assert!(samples.len() >= 15);
        for (stored, shown) in samples {
            let lines = lines(&stored).unwrap();
            assert_eq!(parts(lines.iter().map(String::as_str)), parts(shown.lines()));
        }
    }

    #[test]
    fn metadata_and_spec_stand_first_and_status_last() {
        for (stored, _) in samples() {
            let lines = lines(&stored).unwrap();
            let first = lines.iter().filter(|line| !line.starts_with([' ', '-', '#']));
            let first: Vec<_> = first.filter_map(|line| line.split(':').next()).collect();
            assert_eq!(first[..3], ["apiVersion", "kind", "metadata"]);
            assert!(first.iter().position(|name| *name == "spec").is_none_or(|at| at == 3));
            let status = first.iter().position(|name| *name == "status");
            assert!(status.is_none_or(|at| at + 1 == first.len()), "{first:?}");
        }
    }

    #[test]
    fn managed_fields_are_hidden_and_that_is_said() {
        let lines = lines(&samples()[0].0).unwrap();
        assert!(lines.contains(&"  # managedFields: 2 hidden, as by kubectl".to_owned()));
        assert!(!lines.iter().any(|line| line.contains("f:spec")));
    }

    /// Goal: what is damaged is never shown as if it were whole. Method: every prefix of an object.
    #[test]
    fn an_object_that_is_cut_off_is_shown_by_number_and_that_is_said() {
        let whole = &samples()[1].0;
        for length in MAGIC.len() + 24..whole.len() {
            let lines = lines(&whole[..length]).unwrap();
            assert_eq!(lines[..2], ["apiVersion: apps/v1", "kind: Deployment"]);
            let head = lines.iter().find(|line| line.starts_with("object: ")).unwrap_or(&lines[0]);
            // The last bytes of an envelope are empty fields, so some shorter ones are whole.
            let is_whole = Message::read(&whole[MAGIC.len()..length]).end == End::Whole;
            let said = head.contains("damaged or cut off: fields by number");
            assert!(said || (is_whole && lines.len() > 20), "{length}: {lines:#?}");
        }
        let cut = lines(&whole[..whole.len() / 2]).unwrap();
        assert!(cut.contains(&"    1: \"web\"".to_owned()), "{cut:#?}");
    }

    /// Goal: no bytes make it panic or send anything to the terminal. Method: objects with each of their bytes changed.
    #[test]
    fn an_object_with_any_byte_changed_is_shown() {
        for (stored, _) in samples() {
            for at in MAGIC.len()..stored.len() {
                for change in [1, 0x80] {
                    let mut damaged = stored.clone();
                    damaged[at] ^= change;
                    let shown = lines(&damaged).unwrap_or_default().concat();
                    assert!(!shown.chars().any(char::is_control), "{at}: {shown:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_is_shown_by_number() {
        let name = message(&[(1, b"a")]);
        let lines = lines(&stored("Unheard", &message(&[(1, &name)]))).unwrap();
        assert_eq!(
            lines,
            [
                "apiVersion: v1",
                "kind: Unheard",
                "object: 5 bytes, fields by number",
                "  1:",
                "    1: \"a\""
            ]
        );
        let newer = message(&[(1, &name), (15, b"new")]);
        let newer = self::lines(&stored("Secret", &newer)).unwrap();
        assert_eq!(newer, ["apiVersion: v1", "kind: Secret", "metadata:", "  name: a", "15: new"]);
    }

    #[test]
    fn values_are_shown_in_their_form_in_json() {
        let metadata = |time: &[u8]| message(&[(1, &message(&[(1, b"a"), (8, time)]))]);
        let entry = |value: &[u8]| message(&[(2, &message(&[(1, b"k"), (2, value)]))]);
        let time = "  creationTimestamp:";
        for (kind, object, shown) in [
            ("Secret", metadata(b""), "  name: a".to_owned()),
            ("Secret", metadata(b"\x08\x00\x10\x00"), format!("{time} \"1970-01-01T00:00:00Z\"")),
            (
                "Secret",
                metadata(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                format!("{time} -1 seconds since 1970"),
            ),
            ("Secret", entry(b"\x00\xff"), "  k: AP8=".to_owned()),
            ("ConfigMap", entry(b"\xff\n"), r"  k: \xff\n".to_owned()),
        ] {
            let lines = lines(&stored(kind, &object)).unwrap();
            assert_eq!(lines[3..].iter().find(|line| line.starts_with("  ")), Some(&shown));
        }
    }

    #[test]
    fn an_object_of_very_many_values_is_cut_and_that_is_said() {
        let mut object = message(&[(1, b"")]);
        for _ in 0..LINES_MAX * 2 {
            object.extend(message(&[(2, &message(&[(2, b"")]))]));
        }
        let kind = message(&[(1, b"v1"), (2, b"Endpoints")]);
        let mut value = [MAGIC, &message(&[(1, &kind)]), b"\x12"].concat();
        let mut length = object.len();
        while length > 127 {
            value.push(u8::try_from(length & 127).unwrap() | 128);
            length >>= 7;
        }
        value.push(u8::try_from(length).unwrap());
        value.extend(object);
        let lines = lines(&value).unwrap();
        assert_eq!(lines.last().unwrap(), "# more than 20000 values: the others are not shown");
        assert!(lines.len() <= LINES_MAX + 10, "{}", lines.len());
    }
}

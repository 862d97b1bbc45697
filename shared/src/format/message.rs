//! [`Field`]: what an answer shows under a name. One list of fields serves `json`, `jsonl` and `fields`: each field says
//! what each of them calls it.

use std::borrow::Cow;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::ResponseHeader;
use mini_etcd_proto::mvccpb::KeyValue;
use serde_json::Number;

/// The fields of one object, in the order of etcdctl's formats.
pub type Message = Vec<Field>;

/// One field; a format that has no name for it leaves it out.
#[derive(Clone, Debug)]
pub struct Field {
    pub(super) json: Option<&'static str>,
    /// Of a nested message it is what stands before the names of its fields.
    pub(super) fields: Option<&'static str>,
    pub(super) jsonl: Option<Cow<'static, str>>,
    /// Whether `json` shows it when it is zero or empty.
    pub(super) always: bool,
    pub(super) value: Value,
}

/// What a field holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number.
    Number(Number),
    /// An id: hex in `jsonl`.
    Id(u64),
    /// A lease: hex in `jsonl`, where 0 is left out.
    Lease(i64),
    /// Yes or no.
    Flag(bool),
    /// Text, in quotes in `fields`.
    Text(String),
    /// Text without quotes in `fields`; null in `jsonl` when it is empty.
    Plain(String),
    /// A number of an enumeration: its name in `fields` and `jsonl`.
    Kind(i32, String),
    /// Texts; in `fields` each has its line.
    Texts(Vec<String>),
    /// Texts; in `fields` all stand in one line, each in quotes.
    Words(Vec<String>),
    /// Bytes: base64 in `json`, text where they are text in `jsonl`.
    Bytes(Bytes),
    /// Several of those; null in `json` when there is none, and in `fields` each has its line.
    ByteStrings(Vec<Bytes>),
    /// A nested message.
    Message(Message),
    /// A message that is nested in `json` only: elsewhere its fields stand in its place.
    Inline(Message),
    /// Messages.
    List(Vec<Message>),
    /// Messages that are results, each with its own line in `jsonl`.
    Rows(Vec<Message>),
    /// An empty line in `fields`.
    Blank,
}

impl Field {
    /// A field of all three formats; `jsonl` calls it what `json` does, in small letters and underscores.
    pub fn new(json: &'static str, fields: &'static str, value: impl Into<Value>) -> Self {
        Self { fields: Some(fields), ..Self::in_json(json, value) }
    }

    /// A field that `fields` does not have.
    pub fn in_json(json: &'static str, value: impl Into<Value>) -> Self {
        let jsonl = Some(snake(json));
        Self { json: Some(json), fields: None, jsonl, always: false, value: value.into() }
    }

    /// A field that only `jsonl` has.
    pub fn in_jsonl(jsonl: &'static str, value: impl Into<Value>) -> Self {
        let jsonl = Some(Cow::Borrowed(jsonl));
        Self { json: None, fields: None, jsonl, always: false, value: value.into() }
    }

    /// A field that only `fields` has.
    pub fn in_fields(fields: &'static str, value: impl Into<Value>) -> Self {
        Self { json: None, fields: Some(fields), jsonl: None, always: false, value: value.into() }
    }

    /// The empty line that ends an item in `fields`.
    #[must_use]
    pub fn blank() -> Self {
        Self::in_fields("", Value::Blank)
    }

    /// Whether `json` calls it by one of these names.
    #[must_use]
    pub fn is_one_of(&self, names: &[&str]) -> bool {
        self.json.is_some_and(|name| names.contains(&name))
    }

    /// The same field, shown by `json` also when it is zero or empty.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// The same field under another name in `jsonl`, or under none.
    #[must_use]
    pub fn jsonl(mut self, name: Option<&'static str>) -> Self {
        self.jsonl = name.map(Cow::Borrowed);
        self
    }
}

/// `raftIndex` as `raft_index`, `isLearner` as `learner`.
fn snake(name: &'static str) -> Cow<'static, str> {
    if name.bytes().all(|byte| !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 2);
    let mut small = false;
    for letter in name.chars() {
        if small && letter.is_ascii_uppercase() {
            out.push('_');
        }
        small = letter.is_ascii_lowercase();
        out.push(letter.to_ascii_lowercase());
    }
    Cow::Owned(out.strip_prefix("is_").map(str::to_owned).unwrap_or(out))
}

macro_rules! values {
    ($($from:ty => |$value:ident| $into:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

values! {
    i64 => |number| Self::Number(number.into()),
    u64 => |number| Self::Number(number.into()),
    u32 => |number| Self::Number(number.into()),
    bool => |flag| Self::Flag(flag),
    &str => |text| Self::Text(text.to_owned()),
    &String => |text| Self::Text(text.clone()),
    &Vec<String> => |texts| Self::Texts(texts.clone()),
    &Bytes => |bytes| Self::Bytes(bytes.clone()),
    Message => |message| Self::Message(message),
}

/// The header of a response. `json` leaves out one that a server did not send.
pub(crate) fn header(json: &'static str, header: Option<&ResponseHeader>) -> Field {
    let sent = header.is_some();
    let header = header.copied().unwrap_or_default();
    let mut field = Field::new(json, "", header_fields(&header));
    field.json = field.json.filter(|_| sent);
    field
}

/// The fields of a header. Answers that are not about keys have no revision, and `fields` leaves it out then.
pub(crate) fn header_fields(header: &ResponseHeader) -> Message {
    let mut revision = Field::new("revision", "Revision", header.revision);
    revision.fields = revision.fields.filter(|_| header.revision > 0);
    vec![
        Field::new("cluster_id", "ClusterID", Value::Id(header.cluster_id)),
        Field::new("member_id", "MemberID", Value::Id(header.member_id)),
        revision,
        Field::new("raft_term", "RaftTerm", header.raft_term),
    ]
}

/// A key with its value.
pub(crate) fn pair(kv: &KeyValue) -> Message {
    vec![
        Field::new("key", "Key", &kv.key),
        Field::new("create_revision", "CreateRevision", kv.create_revision),
        Field::new("mod_revision", "ModRevision", kv.mod_revision),
        Field::new("version", "Version", kv.version),
        Field::new("value", "Value", &kv.value),
        Field::new("lease", "Lease", Value::Lease(kv.lease)),
    ]
}

/// Keys with their values.
pub(crate) fn pairs(kvs: &[KeyValue]) -> Vec<Message> {
    kvs.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_jsonl_are_those_of_json_in_small_letters() {
        for (json, jsonl) in [
            ("raft_term", "raft_term"),
            ("dbSizeInUse", "db_size_in_use"),
            ("peerURLs", "peer_urls"),
            ("memberID", "member_id"),
            ("ID", "id"),
            ("isLearner", "learner"),
            ("Header", "header"),
        ] {
            assert_eq!(snake(json), jsonl);
        }
    }
}

//! What a line of the log says of a message: a few fields of it, found in its first bytes.

use Kind::{Id, Number, Text};
use mini_etcd_shared::text::escape;
use prost::encoding::decode_varint;
use serde_json::{Value, json};

use super::Called;
use crate::limits::{REQUEST_LOG_KEY_BYTES_MAX, REQUEST_LOG_OPERATIONS_MAX};

/// A field of a line.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Bytes, printed as everywhere.
    Text,
    Number,
    /// A number that people know in hex.
    Id,
}

/// Numbers of a field and of the messages around it, outermost first; its name, and how it is printed.
type Row = (&'static [u32], &'static str, Kind);

const KEY: Row = (&[1], "key", Text);
const RANGE_END: Row = (&[2], "range_end", Text);
const NAME: Row = (&[1], "name", Text);
const LEASE: Row = (&[2], "lease", Id);
const MEMBER: Row = (&[1], "member", Id);

/// What is shown of each method's request. Nothing else ever is: values, passwords and tokens stand in no row.
const ROWS: &[(&str, &[Row])] = &[
    ("KV/Range", &[KEY, RANGE_END]),
    ("KV/RangeStream", &[KEY, RANGE_END]),
    ("KV/Put", &[KEY, (&[3], "lease", Id)]),
    ("KV/DeleteRange", &[KEY, RANGE_END]),
    ("KV/Compact", &[(&[1], "to", Number)]),
    ("Watch/Watch", &[(&[1, 1], "key", Text), (&[1, 2], "range_end", Text)]),
    ("Lease/LeaseGrant", &[LEASE, (&[1], "ttl", Number)]),
    ("Lease/LeaseRevoke", &[(&[1], "lease", Id)]),
    ("Lease/LeaseKeepAlive", &[(&[1], "lease", Id)]),
    ("Lease/LeaseTimeToLive", &[(&[1], "lease", Id)]),
    ("Lock/Lock", &[NAME, LEASE]),
    ("Lock/Unlock", &[KEY]),
    ("Election/Campaign", &[NAME, LEASE]),
    ("Election/Proclaim", &[(&[1, 1], "name", Text), (&[1, 2], "key", Text)]),
    ("Election/Leader", &[NAME]),
    ("Election/Observe", &[NAME]),
    ("Election/Resign", &[(&[1, 1], "name", Text), (&[1, 2], "key", Text)]),
    ("Cluster/MemberAdd", &[(&[1], "peer_url", Text)]),
    ("Cluster/MemberRemove", &[MEMBER]),
    ("Cluster/MemberUpdate", &[MEMBER, (&[2], "peer_url", Text)]),
    ("Cluster/MemberPromote", &[MEMBER]),
    ("Maintenance/Alarm", &[(&[1], "action", Number), (&[2], "member", Id)]),
    ("Maintenance/MoveLeader", &[MEMBER]),
    ("Maintenance/Downgrade", &[(&[1], "action", Number), (&[2], "version", Text)]),
    ("Auth/Authenticate", &[NAME]),
    ("Auth/UserAdd", &[NAME]),
    ("Auth/UserGet", &[NAME]),
    ("Auth/UserDelete", &[NAME]),
    ("Auth/UserChangePassword", &[NAME]),
    ("Auth/UserGrantRole", &[NAME, (&[2], "role", Text)]),
    ("Auth/UserRevokeRole", &[NAME, (&[2], "role", Text)]),
    ("Auth/RoleAdd", &[(&[1], "role", Text)]),
    ("Auth/RoleGet", &[(&[1], "role", Text)]),
    ("Auth/RoleDelete", &[(&[1], "role", Text)]),
    (
        "Auth/RoleGrantPermission",
        &[(&[1], "role", Text), (&[2, 2], "key", Text), (&[2, 3], "range_end", Text)],
    ),
    (
        "Auth/RoleRevokePermission",
        &[(&[1], "role", Text), (&[2], "key", Text), (&[3], "range_end", Text)],
    ),
];

/// Numbers and names of the operations of a transaction.
const OPERATIONS: [(u32, &str); 3] = [(1, "range"), (2, "put"), (3, "delete")];

/// The operation that is a transaction.
const TXN: u32 = 4;

/// Numbers of the branches of one.
const BRANCHES: [u32; 2] = [2, 3];

/// The message behind the prefix that gRPC gives it, as far as it is there.
pub(super) fn message(body: &[u8]) -> &[u8] {
    body.get(5..).unwrap_or_default()
}

/// What a line says of a request, of whose message `bytes` are the first.
pub(super) fn of_request(called: Called, bytes: &[u8]) -> Vec<Field> {
    // The package is none of the rows'.
    let service = called.service.rsplit('.').next().unwrap_or_default();
    let is_it = |name: &str| name.split_once('/') == Some((service, called.method));
    if is_it("KV/Txn") {
        return vec![Field { name: "operations", value: operations(bytes) }];
    }
    let rows = ROWS.iter().find(|(name, _)| is_it(name)).map_or(&[][..], |(_, rows)| rows);
    let shown = rows.iter().filter_map(|(path, name, kind)| {
        let value = match (find(bytes, path)?, kind) {
            (Part::Bytes(bytes), Text) => text(bytes),
            (Part::Number(number), Number) => json!(number.cast_signed()),
            (Part::Number(number), Id) => json!(format!("{number:x}")),
            _ => return None,
        };
        Some(Field { name, value })
    });
    shown.collect()
}

/// The revision in the header of an answer, of whose body `bytes` are the first.
pub(super) fn revision(called: Called, bytes: &[u8]) -> Option<i64> {
    // Messages of ours have no such header.
    if called.service.starts_with("minietcd.") {
        return None;
    }
    match find(message(bytes), &[1, 3])? {
        Part::Number(revision) => Some(revision.cast_signed()),
        Part::Bytes(_) => None,
    }
}

/// The keys of a transaction's operations, whichever branch is taken; the last is `...` where there are more.
fn operations(bytes: &[u8]) -> Value {
    let mut found = Vec::new();
    let mut waiting = vec![bytes];
    while let Some(txn) = waiting.pop() {
        for (number, part) in (Parts { rest: txn }) {
            let Part::Bytes(operation) = part else { continue };
            let Some((kind, Part::Bytes(inner))) = (Parts { rest: operation }).next() else {
                continue;
            };
            if !BRANCHES.contains(&number) {
                continue;
            }
            if kind == TXN {
                waiting.push(inner);
                continue;
            }
            let Some((_, name)) = OPERATIONS.iter().find(|(number, _)| *number == kind) else {
                continue;
            };
            if found.len() == REQUEST_LOG_OPERATIONS_MAX {
                found.push(json!("..."));
                return found.into();
            }
            let mut operation = json!({ "op": name });
            // The value of a put has the number that the end of other ranges has.
            let ends = if *name == "put" { None } else { find(inner, &[2]) };
            for (name, part) in [("key", find(inner, &[1])), ("range_end", ends)] {
                if let (Some(Part::Bytes(bytes)), Some(fields)) = (part, operation.as_object_mut())
                {
                    fields.insert(name.to_owned(), text(bytes));
                }
            }
            found.push(operation);
        }
    }
    found.into()
}

fn text(bytes: &[u8]) -> Value {
    let shown = bytes.get(..REQUEST_LOG_KEY_BYTES_MAX).unwrap_or(bytes);
    let more = if shown.len() < bytes.len() { "..." } else { "" };
    json!(format!("{}{more}", escape(shown)))
}

/// What a field of a message holds.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Number(u64),
    /// Bytes, or as many of them as there are.
    Bytes(&'a [u8]),
}

/// The fields of a message, up to where it ends or is none.
struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = (u32, Part<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let key = decode_varint(&mut self.rest).ok()?;
            let number = u32::try_from(key >> 3).ok()?;
            let skipped = match key & 7 {
                0 => return Some((number, Part::Number(decode_varint(&mut self.rest).ok()?))),
                1 => 8,
                2 => {
                    let length = decode_varint(&mut self.rest).ok()?;
                    let length = usize::try_from(length).ok()?.min(self.rest.len());
                    let (part, rest) = self.rest.split_at(length);
                    self.rest = rest;
                    return Some((number, Part::Bytes(part)));
                }
                5 => 4,
                _ => return None,
            };
            self.rest = self.rest.get(skipped..)?;
        }
    }
}

/// The first field at `path`.
fn find<'a>(message: &'a [u8], path: &[u32]) -> Option<Part<'a>> {
    let (number, inner) = path.split_first()?;
    let (_, part) = (Parts { rest: message }).find(|(found, _)| found == number)?;
    match part {
        _ if inner.is_empty() => Some(part),
        Part::Bytes(message) => find(message, inner),
        Part::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb as pb;
    use mini_etcd_proto::etcdserverpb::request_op::Request;
    use prost::Message;

    use super::*;

    fn shown(name: &'static str, message: &impl Message) -> String {
        let (service, method) = name.split_once('/').unwrap();
        let called = Called { service, method, is_write: true, is_unary: true };
        let fields = of_request(called, &message.encode_to_vec());
        let fields = fields.iter().map(|field| format!("{}={}", field.name, field.value));
        fields.collect::<Vec<_>>().join(" ")
    }

    fn put(key: &'static [u8]) -> pb::PutRequest {
        pb::PutRequest { key: key.into(), value: "SECRET".into(), lease: -1, ..Default::default() }
    }

    #[test]
    fn keys_and_names_are_shown_and_nothing_else_is() {
        assert_eq!(
            shown("etcdserverpb.KV/Put", &put(b"a\0")),
            r#"key="a\\x00" lease="ffffffffffffffff""#
        );
        let range =
            pb::RangeRequest { key: "a".into(), range_end: "b".into(), ..Default::default() };
        assert_eq!(shown("etcdserverpb.KV/Range", &range), r#"key="a" range_end="b""#);
        let login = pb::AuthenticateRequest { name: "ann".into(), password: "SECRET".into() };
        assert_eq!(shown("etcdserverpb.Auth/Authenticate", &login), r#"name="ann""#);
        let user = pb::AuthUserAddRequest {
            name: "ann".into(),
            password: "SECRET".into(),
            hashed_password: "SECRET".into(),
            ..Default::default()
        };
        assert_eq!(shown("etcdserverpb.Auth/UserAdd", &user), r#"name="ann""#);
        let grant = pb::LeaseGrantRequest { ttl: 7, id: 255 };
        assert_eq!(shown("etcdserverpb.Lease/LeaseGrant", &grant), r#"lease="ff" ttl=7"#);
        assert_eq!(shown("etcdserverpb.Cluster/MemberList", &grant), "");
    }

    #[test]
    fn a_transaction_shows_the_keys_of_all_branches_and_ends_somewhere() {
        let op = |request| pb::RequestOp { request: Some(request) };
        let range =
            pb::RangeRequest { key: "r".into(), range_end: "s".into(), ..Default::default() };
        let inner = pb::TxnRequest {
            success: vec![op(Request::RequestPut(put(b"in")))],
            ..Default::default()
        };
        let compare = pb::Compare {
            key: "c".into(),
            target_union: Some(pb::compare::TargetUnion::Value("SECRET".into())),
            ..Default::default()
        };
        let txn = pb::TxnRequest {
            compare: vec![compare],
            success: vec![op(Request::RequestPut(put(b"k"))), op(Request::RequestTxn(inner))],
            failure: vec![op(Request::RequestRange(range))],
        };
        let want = r#"operations=[{"key":"k","op":"put"},{"key":"r","op":"range","range_end":"s"},{"key":"in","op":"put"}]"#;
        assert_eq!(shown("etcdserverpb.KV/Txn", &txn), want);
        let many = vec![op(Request::RequestPut(put(b"k"))); 100];
        let txn = pb::TxnRequest { success: many, ..Default::default() };
        assert!(shown("etcdserverpb.KV/Txn", &txn).ends_with(r#""op":"put"},"..."]"#));
    }

    #[test]
    fn a_message_that_is_cut_or_none_shows_what_is_there() {
        let long = [b'k'; 1000];
        let request = pb::PutRequest { key: long.to_vec().into(), ..Default::default() };
        let text = shown("etcdserverpb.KV/Put", &request);
        assert!(text.ends_with("k...\"") && text.len() < 300, "{text}");
        let whole = put(b"key").encode_to_vec();
        let called =
            Called { service: "etcdserverpb.KV", method: "Put", is_write: true, is_unary: true };
        for end in 0..whole.len() {
            of_request(called, &whole[..end]);
            operations(&whole[..end]);
        }
        for byte in 0..=255 {
            of_request(called, &[byte; 40]);
            operations(&[byte; 40]);
        }
    }
}

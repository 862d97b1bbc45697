//! What may differ: each by its name, which `docs/compat.md` has with the reason.

use std::collections::BTreeSet;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::range_request::SortOrder;
use mini_etcd_proto::etcdserverpb::request_op::Request as Op;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use tonic::Code;

use super::call::messages;
use super::names::change;
use super::normal::Normal;

/// Major and minor number of an etcd.
pub type Version = (u32, u32);

/// A call and its two answers.
pub struct Exchange<'a> {
    /// Of the etcd.
    pub version: Version,
    /// Of the method.
    pub path: &'a str,
    /// The first message of the request.
    pub request: &'a Bytes,
    /// Etcd's answer.
    pub etcd: &'a Normal,
    /// Our answer.
    pub mini: &'a Normal,
}

/// A difference that is meant.
pub struct Deviation {
    /// As `docs/compat.md` calls it.
    pub name: &'static str,
    /// Whether it is why two answers differ.
    pub applies: fn(&Exchange<'_>) -> bool,
}

/// A request that is not sent to an etcd, since it does with it what nobody wants.
pub struct Unsent {
    /// As `docs/compat.md` calls it.
    pub name: &'static str,
    /// Whether the request is such a one.
    pub applies: fn(&Asked<'_>) -> bool,
}

/// A request that is about to be sent.
pub struct Asked<'a> {
    /// Of the etcd.
    pub version: Version,
    /// Whether users count.
    pub is_secured: bool,
    /// Whether it is a watch from the revision on that was compacted last.
    pub is_from_compacted: bool,
    /// The alarms that stand: member and kind.
    pub alarms: &'a BTreeSet<(u64, i32)>,
    /// Who asks.
    pub user: &'a str,
    /// Of the method.
    pub path: &'a str,
    /// Its first message.
    pub request: &'a Bytes,
}

/// All differences that are meant.
pub const DEVIATIONS: &[Deviation] = &[
    Deviation {
        name: "bytes that are no message",
        applies: |it| {
            it.etcd.code == Code::Internal && (it.mini.code == Code::Internal || is_login(it.mini))
        },
    },
    Deviation {
        name: "order of faults in a transaction",
        applies: |it| {
            let is_fault = |answer: &Normal| {
                ["requested lease not found", "key not found", "revision"]
                    .iter()
                    .any(|words| answer.words.contains(words))
            };
            it.version < (3, 6)
                && it.path.ends_with("/Txn")
                && is_fault(it.etcd)
                && is_fault(it.mini)
        },
    },
    Deviation {
        name: "lease of keys without values",
        applies: |it| it.version >= (3, 7) && equal_without(it, "mvccpb.KeyValue.lease"),
    },
    Deviation {
        name: "hashed revision",
        applies: |it| {
            it.version < (3, 6) && equal_without(it, "etcdserverpb.HashKVResponse.hash_revision")
        },
    },
    Deviation {
        name: "permissions of the role root",
        applies: |it| {
            let role = |it: pb::AuthRoleGetRequest| it.role;
            it.version < (3, 6)
                && it.path.ends_with("/RoleGet")
                && pb::AuthRoleGetRequest::decode(it.request.clone())
                    .is_ok_and(|it| role(it) == "root")
        },
    },
    Deviation {
        name: "hash of the compacted revision",
        applies: |it| {
            it.version < (3, 6)
                && it.path.ends_with("/HashKV")
                && it.etcd.words.ends_with("has been compacted")
                && it.mini.is_ok()
        },
    },
    Deviation {
        name: "alarm, size or login first",
        applies: |it| {
            let is_large = it.etcd.words.ends_with("request is too large");
            (is_large || is_alarm(it.etcd))
                && (is_login(it.mini) || it.mini.words.ends_with("permission denied"))
        },
    },
    Deviation {
        name: "too large a lease under an alarm",
        applies: |it| is_alarm(it.etcd) && it.mini.words.ends_with("too large lease TTL"),
    },
    Deviation {
        name: "user without a name, asked for by nobody",
        applies: |it| {
            it.path.ends_with("/UserGet")
                && it.etcd.words.ends_with("user name not found")
                && is_login(it.mini)
        },
    },
    Deviation {
        name: "empty transaction of nobody",
        applies: |it| {
            it.path.ends_with("/Txn")
                && it.etcd.is_ok()
                && is_login(it.mini)
                && pb::TxnRequest::decode(it.request.clone()).is_ok_and(|it| is_empty_txn(&it))
        },
    },
];

/// All requests that are not sent.
pub const UNSENT: &[Unsent] = &[
    Unsent {
        name: "RangeStream to an etcd before 3.7",
        applies: |it| it.version < (3, 7) && it.path.ends_with("/RangeStream"),
    },
    Unsent {
        name: "RangeStream with a sort target and no order",
        applies: |it| {
            it.path.ends_with("/RangeStream")
                && any_range(it.path, it.request, &|range| {
                    range.sort_target != 0 && range.sort_order == 0
                })
        },
    },
    Unsent {
        name: "unknown sort target or order",
        applies: |it| {
            it.version < (3, 6)
                && any_range(it.path, it.request, &|range| {
                    !(0..=4).contains(&range.sort_target)
                        || SortOrder::try_from(range.sort_order).is_err()
                })
        },
    },
    Unsent {
        name: "watch from a negative revision",
        applies: |it| {
            it.version < (3, 6) && watch_start(it.path, it.request).is_some_and(|it| it < 0)
        },
    },
    Unsent {
        name: "watch from the compacted revision",
        applies: |it| it.version < (3, 6) && it.is_from_compacted,
    },
    Unsent {
        name: "unknown action of an alarm",
        applies: |it| {
            let action = |it: pb::AlarmRequest| AlarmAction::try_from(it.action);
            it.path.ends_with("/Alarm")
                && pb::AlarmRequest::decode(it.request.clone()).is_ok_and(|it| action(it).is_err())
        },
    },
    Unsent {
        name: "what 3.5 leaves open to everybody",
        applies: |it| it.version < (3, 6) && it.is_secured && is_open_in_3_5(it.path, it.request),
    },
    Unsent {
        name: "alarm while users count",
        applies: |it| {
            let ends = |method| it.path.ends_with(method);
            let is_way_out = ends("/Authenticate") || (ends("/AuthDisable") && it.user == "root");
            it.version < (3, 6)
                && it.is_secured
                && (ends("/Alarm") || (!it.alarms.is_empty() && !is_way_out))
        },
    },
    Unsent {
        name: "alarm of a second kind",
        applies: |it| {
            it.version < (3, 6)
                && it.path.ends_with("/Alarm")
                && pb::AlarmRequest::decode(it.request.clone()).is_ok_and(|asked| {
                    asked.action == i32::from(AlarmAction::Activate)
                        && it.alarms.iter().any(|(_, kind)| *kind != asked.alarm)
                })
        },
    },
    Unsent {
        name: "nested transaction under an alarm",
        applies: |it| {
            it.version < (3, 6) && !it.alarms.is_empty() && is_nested(it.path, it.request)
        },
    },
    Unsent {
        name: "permission without keys",
        applies: |it| {
            let permission = |it: pb::AuthRoleGrantPermissionRequest| it.perm;
            it.version < (3, 6)
                && it.path.ends_with("/RoleGrantPermission")
                && pb::AuthRoleGrantPermissionRequest::decode(it.request.clone())
                    .ok()
                    .and_then(permission)
                    .is_some_and(|it| it.key.is_empty() || is_inverted(&it.key, &it.range_end))
        },
    },
    Unsent {
        name: "put and removal from a key on in one transaction",
        applies: |it| {
            let puts = |op: &Op| matches!(op, Op::RequestPut(_));
            let removes =
                |op: &Op| matches!(op, Op::RequestDeleteRange(it) if *it.range_end == *b"\0");
            it.path.ends_with("/Txn")
                && pb::TxnRequest::decode(it.request.clone())
                    .is_ok_and(|it| any_op(&it, &puts) && any_op(&it, &removes))
        },
    },
    Unsent {
        name: "right to a range without keys",
        applies: |it| it.is_secured && has_range_without_keys(it.path, it.request),
    },
];

/// A watch that is not compared any more, under its name in `docs/compat.md`: up to 3.5.5 a watch that is refused for want of a
/// right is answered with the number that was asked for, 0 where none was. Etcd then takes the watch of its stream that has this
/// number for ended, and sends it nothing. Later ones answer with -1, so this is seen by the answer.
pub const SILENCED: &str = "watch with the number of a refused one";

/// Where a watch is to begin, as its request says it.
pub fn watch_start(path: &str, request: &Bytes) -> Option<i64> {
    if !path.ends_with("/Watch") {
        return None;
    }
    match pb::WatchRequest::decode(request.clone()).ok()?.request_union? {
        RequestUnion::CreateRequest(it) => Some(it.start_revision),
        _ => None,
    }
}

/// Whether one of the ranges of a request is such a one.
fn any_range(path: &str, request: &Bytes, is: &dyn Fn(&pb::RangeRequest) -> bool) -> bool {
    match path.rsplit('/').next() {
        Some("Range" | "RangeStream") => {
            pb::RangeRequest::decode(request.clone()).is_ok_and(|it| is(&it))
        }
        Some("Txn") => pb::TxnRequest::decode(request.clone())
            .is_ok_and(|it| any_op(&it, &|op| matches!(op, Op::RequestRange(range) if is(range)))),
        _ => false,
    }
}

/// Whether one of the operations of a transaction, or of those in it, is such a one.
fn any_op(txn: &pb::TxnRequest, is: &dyn Fn(&Op) -> bool) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op| match &op.request {
        Some(Op::RequestTxn(txn)) => any_op(txn, is),
        Some(op) => is(op),
        None => false,
    })
}

/// Whether an alarm forbids it.
fn is_alarm(answer: &Normal) -> bool {
    ["corrupt cluster", "database space exceeded"].iter().any(|it| answer.words.ends_with(it))
}

/// Whether nobody has logged in.
fn is_login(answer: &Normal) -> bool {
    ["user name is empty", "invalid auth token"].iter().any(|it| answer.words.ends_with(it))
}

/// Whether a transaction asks for nothing, nor those in it.
fn is_empty_txn(txn: &pb::TxnRequest) -> bool {
    let mut ops = txn.success.iter().chain(&txn.failure);
    txn.compare.is_empty()
        && ops.all(|op| matches!(&op.request, Some(Op::RequestTxn(txn)) if is_empty_txn(txn)))
}

fn is_inverted(key: &[u8], end: &[u8]) -> bool {
    !end.is_empty() && end != b"\0" && end <= key
}

/// Whether etcd 3.5 looks at no right, or at fewer than later ones.
fn is_open_in_3_5(path: &str, request: &Bytes) -> bool {
    let put = |it: &pb::PutRequest| it.lease != 0 || it.prev_kv;
    match path.rsplit('/').next().unwrap_or_default() {
        "Range" | "Authenticate" | "MemberAdd" | "MemberUpdate" => false,
        "Put" => pb::PutRequest::decode(request.clone()).is_ok_and(|it| put(&it)),
        "DeleteRange" => pb::DeleteRangeRequest::decode(request.clone()).is_ok_and(|it| it.prev_kv),
        "Txn" => pb::TxnRequest::decode(request.clone()).is_ok_and(|it| {
            it.success.iter().chain(&it.failure).any(|op| match &op.request {
                Some(Op::RequestPut(it)) => put(it),
                Some(Op::RequestDeleteRange(it)) => it.prev_kv,
                Some(Op::RequestTxn(_)) => true,
                _ => false,
            })
        }),
        "Watch" => pb::WatchRequest::decode(request.clone()).is_ok_and(|it| {
            matches!(it.request_union, Some(RequestUnion::CreateRequest(it)) if *it.range_end == *b"\0")
        }),
        "AuthStatus" => true,
        _ => !path.contains(".Auth/"),
    }
}

/// Whether a request is a transaction with others in it.
fn is_nested(path: &str, request: &Bytes) -> bool {
    path.ends_with("/Txn")
        && pb::TxnRequest::decode(request.clone()).is_ok_and(|it| {
            let mut ops = it.success.iter().chain(&it.failure);
            ops.any(|op| matches!(op.request, Some(Op::RequestTxn(_))))
        })
}

/// Whether a request has a range, of whatever kind, whose end is not behind its key.
fn has_range_without_keys(path: &str, request: &Bytes) -> bool {
    let Some((input, _)) = messages(path) else { return false };
    let Ok(mut message) = DynamicMessage::decode(input, request.clone()) else { return false };
    let mut keys = Vec::new();
    let mut is_found = false;
    change(&mut message, &mut |field, value| match (field.name(), value) {
        // Keys come before ends, in each message.
        ("key", Value::Bytes(key)) => keys.push(key.clone()),
        ("range_end", Value::Bytes(end)) => {
            let key = keys.last().cloned().unwrap_or_default();
            is_found |= is_inverted(&key, end);
        }
        _ => (),
    });
    is_found
}

/// Whether two answers are the same without a field.
fn equal_without(it: &Exchange<'_>, name: &str) -> bool {
    let without = |answer: &Normal| {
        let mut messages = answer.messages.clone();
        for message in &mut messages {
            change(message, &mut |field, value| {
                if field.full_name() == name {
                    *value = Value::default_value_for_field(field);
                }
            });
        }
        Normal { messages, ..answer.clone() }.text()
    };
    without(it.etcd) == without(it.mini)
}

/// The name of why two answers may differ.
#[must_use]
pub fn deviation(exchange: &Exchange<'_>) -> Option<&'static str> {
    DEVIATIONS.iter().find(|it| (it.applies)(exchange)).map(|it| it.name)
}

/// The name of why a request is not sent.
#[must_use]
pub fn unsent(asked: &Asked<'_>) -> Option<&'static str> {
    UNSENT.iter().find(|it| (it.applies)(asked)).map(|it| it.name)
}

//! `role get`: tells what a role may do.

use mini_etcd_proto::authpb::Permission;
use mini_etcd_proto::authpb::permission::Type;
use mini_etcd_proto::etcdserverpb::{AuthRoleGetRequest, AuthRoleGetResponse};
use prost::Message as _;

use super::auth::{facts, only_name, shown_range};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec};
use super::{CommandLine, Made};
use crate::failure::done;
use crate::format::{Answer, Facts, Field, Message, Page, Value, count_of, header};
use crate::types::prefix_end;

/// `role get`
pub(super) const ROLE_GET: CommandSpec = CommandSpec {
    group: "role",
    args: &[Arg::needed("role", ArgKind::Role)],
    long: "A range ends before its second key; (prefix p) behind it tells that it is that of all keys which begin with p.\nThe role root may do everything.",
    examples: &["role get readers"],
    ..CommandSpec::new("get", "Tells what a role may do", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let role = only_name(line, "role get command requires role name as its argument")?;
    Ok(asks(AuthRoleGetRequest { role }, |client, request| async move {
        let answer = done(client.role_get(request.clone()).await);
        answer.map(|answer| RoleGot { role: request.role, answer })
    }))
}

/// The role that may do everything; some servers say so by a permission, and some do not.
const ROOT: &str = "root";

/// What a role may do.
#[derive(Debug)]
pub(super) struct RoleGot {
    pub role: String,
    pub answer: AuthRoleGetResponse,
}

/// The name of a kind of access; its number when it has none.
fn kind(perm: &Permission) -> String {
    Type::try_from(perm.perm_type)
        .map_or_else(|_| perm.perm_type.to_string(), |kind| kind.as_str_name().to_owned())
}

impl RoleGot {
    /// The permissions as fields.
    pub(super) fn permissions(answer: &AuthRoleGetResponse) -> Value {
        let fields = |perm: &Permission| -> Message {
            vec![
                Field::in_json("permType", Value::Kind(perm.perm_type, kind(perm))),
                Field::in_fields("PermType", Value::Plain(format!(" {}", kind(perm)))),
                Field::new("key", "Key", &perm.key),
                Field::new("range_end", "RangeEnd", &perm.range_end),
            ]
        };
        Value::Rows(answer.perm.iter().map(fields).collect())
    }
}

impl Answer for RoleGot {
    fn shown(&self, _hex: bool) -> Value {
        let permissions = Self::permissions(&self.answer);
        vec![header("header", self.answer.header.as_ref()), Field::new("perm", "", permissions)]
            .into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("Role {}", self.role));
        for (head, kinds) in [
            ("KV Read:", [Type::Read, Type::Readwrite]),
            ("KV Write:", [Type::Write, Type::Readwrite]),
        ] {
            page.line(head);
            if self.role == ROOT && self.answer.perm.is_empty() {
                page.line("\t[, <open ended>");
            }
            for perm in &self.answer.perm {
                if !kinds.iter().any(|kind| i32::from(*kind) == perm.perm_type) {
                    continue;
                }
                page.write(b"\t");
                page.write(&shown_range(&perm.key, &perm.range_end));
                if !perm.key.is_empty() && prefix_end(&perm.key) == perm.range_end {
                    page.write(&[b" (prefix ", perm.key.as_ref(), b")"].concat());
                }
                page.write(b"\n");
            }
        }
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.answer.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        facts(self.answer.header.as_ref(), count_of(self.answer.perm.len()))
    }
}

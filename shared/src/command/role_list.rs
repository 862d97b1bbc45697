//! `role list`: lists the roles.

use mini_etcd_proto::etcdserverpb::{AuthRoleListRequest, AuthRoleListResponse};
use prost::Message as _;

use super::auth::{facts, name_rows};
use super::request::asks;
use super::spec::CommandSpec;
use super::{CommandLine, Made, Refusal};
use crate::failure::done;
use crate::format::{Answer, Facts, Field, Message, Page, Value, count_of, header};

/// `role list`
pub(super) const ROLE_LIST: CommandSpec = CommandSpec {
    group: "role",
    examples: &["role list"],
    ..CommandSpec::new("list", "Lists the roles", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("role list command requires no arguments"));
    }
    Ok(asks(AuthRoleListRequest {}, |client, request| async move {
        done(client.role_list(request).await)
    }))
}

impl Answer for AuthRoleListResponse {
    fn shown(&self, _hex: bool) -> Value {
        vec![
            header("header", self.header.as_ref()),
            Field::new("roles", "Roles", Value::Words(self.roles.clone())),
        ]
        .into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        self.roles.iter().for_each(|name| page.line(name));
    }

    fn rows(&self) -> Vec<Message> {
        name_rows(&self.roles)
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        facts(self.header.as_ref(), count_of(self.roles.len()))
    }
}

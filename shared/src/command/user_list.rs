//! `user list`: lists the users.

use mini_etcd_proto::etcdserverpb::{AuthUserListRequest, AuthUserListResponse};
use prost::Message as _;

use super::auth::{but_fields, facts, name_rows};
use super::request::asks;
use super::spec::CommandSpec;
use super::{CommandLine, Made, Refusal};
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Format, Message, Page, Value, count_of, header};

/// `user list`
pub(super) const USER_LIST: CommandSpec = CommandSpec {
    group: "user",
    examples: &["user list"],
    ..CommandSpec::new("list", "Lists the users", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("user list command requires no arguments"));
    }
    Ok(asks(AuthUserListRequest {}, |client, request| async move {
        done(client.user_list(request).await)
    }))
}

impl Answer for AuthUserListResponse {
    fn shown(&self, _hex: bool) -> Value {
        vec![header("header", self.header.as_ref()), Field::in_json("users", &self.users)].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        self.users.iter().for_each(|name| page.line(name));
    }

    fn rows(&self) -> Vec<Message> {
        name_rows(&self.users)
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        but_fields(asked)
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        facts(self.header.as_ref(), count_of(self.users.len()))
    }
}

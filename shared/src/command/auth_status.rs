//! `auth status`: tells whether the cluster asks for users.

use mini_etcd_proto::etcdserverpb::{AuthStatusRequest, AuthStatusResponse};
use prost::Message as _;

use super::auth::{but_fields, facts};
use super::request::asks;
use super::spec::CommandSpec;
use super::{CommandLine, Made, Refusal};
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Format, Page, Value, header};
use crate::text::replaced;

/// `auth status`
pub(super) const AUTH_STATUS: CommandSpec = CommandSpec {
    group: "auth",
    long: "The revision of users and roles goes up with each change of them. etcd 3.4 does not tell; until 3.6 only a root may ask while users are enabled.",
    examples: &["auth status"],
    ..CommandSpec::new("status", "Tells whether the cluster asks for users", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("auth status command does not accept any arguments"));
    }
    Ok(asks(AuthStatusRequest {}, |client, request| async move {
        done(client.auth_status(request).await)
    }))
}

impl Answer for AuthStatusResponse {
    fn shown(&self, _hex: bool) -> Value {
        vec![
            header("header", self.header.as_ref()),
            Field::in_json("enabled", self.enabled),
            Field::in_json("authRevision", self.auth_revision),
        ]
        .into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("Authentication Status: {}", self.enabled));
        page.line(&format!("AuthRevision: {}", self.auth_revision));
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        but_fields(asked)
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        facts(self.header.as_ref(), None)
    }

    fn masked(&self, line: &str) -> String {
        replaced(line, &self.auth_revision.to_string())
    }
}

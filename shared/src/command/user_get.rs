//! `user get`: tells the roles of a user.

use mini_etcd_proto::etcdserverpb::{
    AuthRoleGetRequest, AuthRoleGetResponse, AuthUserGetRequest, AuthUserGetResponse,
};
use prost::Message as _;

use super::auth::{but_fields, facts, only_name};
use super::request::asks;
use super::role_get::RoleGot;
use super::spec::{Arg, ArgKind, CommandSpec, Flag};
use super::{CommandLine, Made, Report};
use crate::client::Client;
use crate::failure::{Failure, done};
use crate::format::{
    Answer, Facts, Field, Format, Message, Page, Style, Value, count_of, header, render,
    unsupported,
};

/// `user get`
pub(super) const USER_GET: CommandSpec = CommandSpec {
    group: "user",
    args: &[Arg::needed("user", ArgKind::User)],
    flags: &[Flag::switch("detail", "also show what each of the roles may do")],
    examples: &["user get alice", "user get alice --detail"],
    ..CommandSpec::new("get", "Tells the roles of a user", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let name = only_name(line, "user get command requires user name as its argument")?;
    let detail = line.switch("detail");
    Ok(asks((name, detail), |client, (name, detail)| async move {
        let asked = AuthUserGetRequest { name: name.clone() };
        match done(client.user_get(asked).await) {
            Err(failure) => failure.into(),
            Ok(user) if detail => detailed(&client, name, user).await,
            Ok(user) => Report::of(UserGot { name, user }),
        }
    }))
}

/// A user with all roles, up to the first that cannot be read.
async fn detailed(client: &Client, name: String, user: AuthUserGetResponse) -> Report {
    let mut roles = Vec::new();
    let mut failed = None;
    for role in &user.roles {
        match done(client.role_get(AuthRoleGetRequest { role: role.clone() }).await) {
            Ok(answer) => roles.push((role.clone(), answer)),
            Err(failure) => {
                failed = Some(failure);
                break;
            }
        }
    }
    let cut = failed.is_some();
    Report { failure: failed, ..Report::of(Detailed { name, user, roles, cut }) }
}

/// A user and the names of its roles.
#[derive(Debug)]
struct UserGot {
    name: String,
    user: AuthUserGetResponse,
}

fn user_fields(name: &str, user: &AuthUserGetResponse) -> Message {
    vec![
        header("header", user.header.as_ref()),
        Field::in_jsonl("name", name),
        Field::in_json("roles", &user.roles),
    ]
}

impl Answer for UserGot {
    fn shown(&self, _hex: bool) -> Value {
        user_fields(&self.name, &self.user).into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("User: {}", self.name));
        page.write(b"Roles:");
        for role in &self.user.roles {
            page.write(format!(" {role}").as_bytes());
        }
        page.line("");
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        but_fields(asked)
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.user.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        facts(self.user.header.as_ref(), count_of(self.user.roles.len()))
    }
}

/// A user, and what each of its roles may do.
#[derive(Debug)]
struct Detailed {
    name: String,
    user: AuthUserGetResponse,
    roles: Vec<(String, AuthRoleGetResponse)>,
    /// The next role could not be read.
    cut: bool,
}

impl Answer for Detailed {
    fn shown(&self, _hex: bool) -> Value {
        let mut fields = user_fields(&self.name, &self.user);
        let roles = self.roles.iter().map(|(name, answer)| {
            let mut role = vec![Field::in_jsonl("role", name.as_str())];
            role.push(Field::in_jsonl("perm", RoleGot::permissions(answer)));
            role
        });
        fields.push(Field::in_jsonl("detail", Value::List(roles.collect())));
        fields.into()
    }

    /// Each role in the format that was asked for, between lines that are in none: so has it etcdctl.
    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("User: {}", self.name));
        let style = Style { format: page.asked, hex: false };
        for (role, answer) in &self.roles {
            page.line("");
            let got = RoleGot { role: role.clone(), answer: answer.clone() };
            if let Ok(rendered) = render(&got, style, page.program) {
                page.write(&rendered.out);
            }
        }
        if self.cut {
            page.line("");
        }
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        match asked {
            Format::Table if !self.roles.is_empty() => Err(unsupported("table")),
            asked => Ok(asked.or_simple()),
        }
    }

    fn facts(&self) -> Facts<'_> {
        facts(self.user.header.as_ref(), count_of(self.user.roles.len()))
    }
}

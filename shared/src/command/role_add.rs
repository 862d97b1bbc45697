//! `role add`: adds a role that may do nothing yet.

use mini_etcd_proto::etcdserverpb::AuthRoleAddRequest;

use super::auth::{Changed, only_name};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;

/// `role add`
pub(super) const ROLE_ADD: CommandSpec = CommandSpec {
    group: "role",
    effect: Effect::Writes,
    args: &[Arg::needed("role", ArgKind::Value)],
    examples: &["role add readers"],
    ..CommandSpec::new("add", "Adds a role that may do nothing yet", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let name = only_name(line, "role add command requires role name as its argument")?;
    Ok(asks(AuthRoleAddRequest { name }, |client, request| async move {
        let line = format!("Role {} created", request.name);
        done(client.role_add(request).await).map(|answer| Changed::new(line, answer.header))
    }))
}

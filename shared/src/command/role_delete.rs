//! `role delete`: deletes a role.

use mini_etcd_proto::etcdserverpb::AuthRoleDeleteRequest;

use super::auth::{Changed, only_name};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;

/// `role delete`
pub(super) const ROLE_DELETE: CommandSpec = CommandSpec {
    group: "role",
    effect: Effect::Destroys,
    args: &[Arg::needed("role", ArgKind::Role)],
    long: "All users who have it lose it.",
    examples: &["role delete readers"],
    ..CommandSpec::new("delete", "Deletes a role", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let name = only_name(line, "role delete command requires role name as its argument")?;
    Ok(asks(AuthRoleDeleteRequest { role: name }, |client, request| async move {
        let line = format!("Role {} deleted", request.role);
        done(client.role_delete(request).await).map(|answer| Changed::new(line, answer.header))
    }))
}

//! `user revoke-role`: revokes a role from a user.

use mini_etcd_proto::etcdserverpb::AuthUserRevokeRoleRequest;

use super::auth::{Changed, two_names};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;

/// `user revoke-role`
pub(super) const USER_REVOKE_ROLE: CommandSpec = CommandSpec {
    group: "user",
    effect: Effect::Writes,
    args: &[Arg::needed("user", ArgKind::User), Arg::needed("role", ArgKind::Role)],
    examples: &["user revoke-role alice readers"],
    ..CommandSpec::new("revoke-role", "Revokes a role from a user", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [user, role] =
        two_names(line, "user revoke-role requires user name and role name as its argument")?;
    Ok(asks(AuthUserRevokeRoleRequest { name: user, role }, |client, request| async move {
        let line = format!("Role {} is revoked from user {}", request.role, request.name);
        done(client.user_revoke_role(request).await).map(|answer| Changed::new(line, answer.header))
    }))
}

//! `user grant-role`: grants a role to a user.

use mini_etcd_proto::etcdserverpb::AuthUserGrantRoleRequest;

use super::auth::{Changed, two_names};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;

/// `user grant-role`
pub(super) const USER_GRANT_ROLE: CommandSpec = CommandSpec {
    group: "user",
    effect: Effect::Writes,
    args: &[Arg::needed("user", ArgKind::User), Arg::needed("role", ArgKind::Role)],
    long: "The role root may do everything; it need not have been added.",
    examples: &["user grant-role alice readers"],
    ..CommandSpec::new("grant-role", "Grants a role to a user", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [user, role] =
        two_names(line, "user grant command requires user name and role name as its argument")?;
    Ok(asks(AuthUserGrantRoleRequest { user, role }, |client, request| async move {
        let line = format!("Role {} is granted to user {}", request.role, request.user);
        done(client.user_grant_role(request).await).map(|answer| Changed::new(line, answer.header))
    }))
}

//! `role revoke-permission`: takes keys from a role.

use mini_etcd_proto::etcdserverpb::AuthRoleRevokePermissionRequest;

use super::auth::{Changed, PERMISSION_RANGE, name_of, permission_range, shown_range};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made, Refusal};
use crate::failure::done;

/// `role revoke-permission`
pub(super) const ROLE_REVOKE_PERMISSION: CommandSpec = CommandSpec {
    group: "role",
    effect: Effect::Writes,
    args: &[
        Arg::needed("role", ArgKind::Role),
        Arg::needed("key", ArgKind::Key),
        Arg::optional("range_end", ArgKind::RangeEnd),
    ],
    flags: PERMISSION_RANGE,
    long: "The range has to be one that was granted, as `role get` shows it; a part of it cannot be taken.",
    examples: &["role revoke-permission readers /config/ --prefix"],
    ..CommandSpec::new("revoke-permission", "Takes keys from a role", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let few = || {
        Refusal::bad_args(
            "role revoke-permission command requires role name and key [endkey] as its argument",
        )
    };
    let [role, range @ ..] = line.args() else { return Err(few()) };
    let typed = range.first().ok_or_else(few)?;
    let (key, range_end) = permission_range(line, range)?;
    let shown = shown_range(typed, &range_end);
    let request = AuthRoleRevokePermissionRequest { role: name_of(role)?, key, range_end };
    Ok(asks((request, shown), |client, (request, shown)| async move {
        let kind = if request.range_end.is_empty() { "key" } else { "range" };
        let head = format!("Permission of {kind} ");
        let tail = format!(" is revoked from role {}", request.role);
        let line = [head.as_bytes(), &shown, tail.as_bytes()].concat();
        let revoked = done(client.role_revoke_permission(request).await);
        revoked.map(|answer| Changed::new(line, answer.header))
    }))
}

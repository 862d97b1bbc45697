//! `role grant-permission`: lets a role read or write keys.

use mini_etcd_proto::authpb::Permission;
use mini_etcd_proto::authpb::permission::Type;
use mini_etcd_proto::etcdserverpb::AuthRoleGrantPermissionRequest;

use super::auth::{Changed, PERMISSION_RANGE, name_of, permission_range};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made, Refusal};
use crate::failure::done;

/// `role grant-permission`
pub(super) const ROLE_GRANT_PERMISSION: CommandSpec = CommandSpec {
    group: "role",
    effect: Effect::Writes,
    args: &[
        Arg::needed("role", ArgKind::Role),
        Arg::needed("type", ArgKind::OneOf(&["read", "write", "readwrite"])),
        Arg::needed("key", ArgKind::Key),
        Arg::optional("range_end", ArgKind::RangeEnd),
    ],
    flags: PERMISSION_RANGE,
    long: "A permission on the same range takes the place of the one before. Who may read two ranges that touch may read both at once.",
    examples: &[
        "role grant-permission readers read /config/ --prefix",
        "role grant-permission writers readwrite a c",
    ],
    ..CommandSpec::new("grant-permission", "Lets a role read or write keys", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [role, kind, range @ ..] = line.args() else { return Err(too_few()) };
    if range.is_empty() {
        return Err(too_few());
    }
    let name = String::from_utf8_lossy(kind);
    let kind = Type::from_str_name(&name.to_uppercase())
        .ok_or_else(|| Refusal::bad_args(format!("invalid permission type: {name}")))?;
    let (key, range_end) = permission_range(line, range)?;
    let perm = Permission { perm_type: kind.into(), key, range_end };
    let request = AuthRoleGrantPermissionRequest { name: name_of(role)?, perm: Some(perm) };
    Ok(asks(request, |client, request| async move {
        let line = format!("Role {} updated", request.name);
        let granted = done(client.role_grant_permission(request).await);
        granted.map(|answer| Changed::new(line, answer.header))
    }))
}

fn too_few() -> Refusal {
    Refusal::bad_args(
        "role grant command requires role name, permission type, and key [endkey] as its argument",
    )
}

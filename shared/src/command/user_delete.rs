//! `user delete`: deletes a user.

use mini_etcd_proto::etcdserverpb::AuthUserDeleteRequest;

use super::auth::{Changed, only_name};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;

/// `user delete`
pub(super) const USER_DELETE: CommandSpec = CommandSpec {
    group: "user",
    effect: Effect::Destroys,
    args: &[Arg::needed("user", ArgKind::User)],
    long: "Who is logged in as this user is refused from then on.",
    examples: &["user delete alice"],
    ..CommandSpec::new("delete", "Deletes a user", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let name = only_name(line, "user delete command requires user name as its argument")?;
    Ok(asks(AuthUserDeleteRequest { name }, |client, request| async move {
        let line = format!("User {} deleted", request.name);
        done(client.user_delete(request).await).map(|answer| Changed::new(line, answer.header))
    }))
}

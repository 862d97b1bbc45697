//! `auth disable`: lets everybody do everything.

use mini_etcd_proto::etcdserverpb::AuthDisableRequest;

use super::auth::Switched;
use super::request::asks;
use super::spec::{CommandSpec, Effect};
use super::{CommandLine, Made, Refusal};
use crate::failure::done;

/// `auth disable`
pub const AUTH_DISABLE: CommandSpec = CommandSpec {
    group: "auth",
    effect: Effect::Writes,
    long: "Users and roles stay. Until users are enabled again, everybody who reaches a member reads and writes every key.",
    examples: &["auth disable"],
    ..CommandSpec::new("disable", "Lets everybody do everything", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("auth disable command does not accept any arguments"));
    }
    Ok(asks((), |client, ()| async move {
        let disabled = done(client.auth_disable(AuthDisableRequest {}).await);
        disabled.map(|_| Switched("Authentication Disabled"))
    }))
}

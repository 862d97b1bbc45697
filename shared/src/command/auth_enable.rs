//! `auth enable`: has the cluster ask for users.

use mini_etcd_proto::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthUserGrantRoleRequest,
};

use super::auth::Switched;
use super::request::asks;
use super::spec::{CommandSpec, Effect};
use super::{CommandLine, Made, Refusal};
use crate::client::Client;
use crate::failure::{Failure, done};

/// Who may do everything, and the role that says so.
const ROOT: &str = "root";
/// How a server says that its user `root` may not do everything.
const NO_ROOT_ROLE: &str = "etcdserver: root user does not have root role";

/// `auth enable`
pub(super) const AUTH_ENABLE: CommandSpec = CommandSpec {
    group: "auth",
    effect: Effect::Writes,
    long: "There has to be a user root. A root without the role root is given it, and the role is added for that.\nFrom then on nobody without a login reads or writes a key.",
    examples: &["auth enable"],
    ..CommandSpec::new("enable", "Has the cluster ask for users", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("auth enable command does not accept any arguments"));
    }
    Ok(asks((), |client, ()| async move {
        enable(&client).await.map(|()| Switched("Authentication Enabled"))
    }))
}

async fn enable(client: &Client) -> Result<(), Failure> {
    let Err(refused) = done(client.auth_enable(AuthEnableRequest {}).await) else {
        return Ok(());
    };
    if refused.text != NO_ROOT_ROLE {
        return Err(refused);
    }
    let root = || ROOT.to_owned();
    done(client.role_add(AuthRoleAddRequest { name: root() }).await)?;
    let grant = AuthUserGrantRoleRequest { user: root(), role: root() };
    done(client.user_grant_role(grant).await)?;
    done(client.auth_enable(AuthEnableRequest {}).await)?;
    Ok(())
}

//! `user passwd`: changes the password of a user.

use mini_etcd_proto::etcdserverpb::AuthUserChangePasswordRequest;

use super::auth::{Changed, Secret, only_name};
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Input, Made, Reply, Request};
use crate::client::Client;
use crate::failure::{Failure, done};

/// `user passwd`
pub(super) const USER_PASSWD: CommandSpec = CommandSpec {
    group: "user",
    effect: Effect::Writes,
    args: &[Arg::needed("user", ArgKind::User)],
    flags: &[Flag::new(
        "interactive",
        ValueKind::Switch,
        "true",
        "ask for the password twice; =false reads it from standard input, in scripts from <<TAG",
    )],
    long: "Who is logged in as this user has to log in again.\nNo password is shown, recorded or kept in the history.",
    examples: &["user passwd alice"],
    input: true,
    ..CommandSpec::new("passwd", "Changes the password of a user", made)
};

/// A password to change.
#[derive(Debug)]
struct Change {
    name: String,
    secret: Secret,
}

fn made(line: &CommandLine<'_>) -> Made {
    let name = only_name(line, "user passwd command requires user name as its argument")?;
    Ok(Box::new(Change { name, secret: Secret::of(line) }))
}

impl Request for Change {
    fn run<'a>(self: Box<Self>, client: &'a Client, input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move { self.change(client, input).await.into() })
    }
}

impl Change {
    async fn change(self, client: &Client, input: &mut dyn Input) -> Result<Changed, Failure> {
        let Self { name, secret } = self;
        let password = secret.password(&name, input).await?;
        let request = AuthUserChangePasswordRequest { name, password, ..Default::default() };
        let changed = done(client.user_change_password(request).await)?;
        Ok(Changed::new("Password updated", changed.header))
    }
}

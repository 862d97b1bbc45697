//! `user add`: adds a user.

use mini_etcd_proto::authpb::UserAddOptions;
use mini_etcd_proto::etcdserverpb::AuthUserAddRequest;

use super::auth::{Changed, Password, Secret, name_of};
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Input, Made, Refusal, Reply, Request};
use crate::client::Client;
use crate::failure::{Failure, done};

/// `user add`
pub(super) const USER_ADD: CommandSpec = CommandSpec {
    group: "user",
    effect: Effect::Writes,
    args: &[Arg::needed("user", ArgKind::Value)],
    flags: &[
        Flag::new(
            "interactive",
            ValueKind::Switch,
            "true",
            "ask for the password twice; =false reads it from standard input, in scripts from <<TAG",
        ),
        Flag::new("new-user-password", ValueKind::Text, "", "the password"),
        Flag::switch("no-password", "a user who can only log in by a certificate"),
    ],
    long: "A new user may do nothing: `user grant-role` gives it roles. The password may also stand behind the name, as in name:password.\nNo password is shown, recorded or kept in the history.",
    examples: &["user add alice", "user add backup --no-password"],
    input: true,
    ..CommandSpec::new("add", "Adds a user", made)
};

/// A user to add.
#[derive(Debug)]
struct Add {
    name: String,
    /// None for a user without one.
    secret: Option<Secret>,
}

fn made(line: &CommandLine<'_>) -> Made {
    let [user] = line.args() else {
        return Err(Refusal::bad_args("user add command requires user name as its argument"));
    };
    let user = name_of(user)?;
    let flag = line.text("new-user-password");
    let given = |password: &str| Some(Secret::Given(Password(password.to_owned())));
    let (name, secret) = match user.split_once(':') {
        _ if line.switch("no-password") => (user, None),
        _ if !flag.is_empty() => (user, given(&flag)),
        None => (user, Some(Secret::of(line))),
        Some(("", _)) => return Err(Refusal::bad_args("empty user name is not allowed")),
        Some((name, password)) => (name.to_owned(), given(password)),
    };
    Ok(Box::new(Add { name, secret }))
}

impl Request for Add {
    fn run<'a>(self: Box<Self>, client: &'a Client, input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move { self.add(client, input).await.into() })
    }
}

impl Add {
    async fn add(self, client: &Client, input: &mut dyn Input) -> Result<Changed, Failure> {
        let Self { name, secret } = self;
        let options = Some(UserAddOptions { no_password: secret.is_none() });
        let password = match secret {
            Some(secret) => secret.password(&name, input).await?,
            None => String::new(),
        };
        let line = format!("User {name} created");
        let request = AuthUserAddRequest { name, password, options, ..Default::default() };
        let added = done(client.user_add(request).await)?;
        Ok(Changed::new(line, added.header))
    }
}

//! [`look`]: asks whether users and roles are what they were; [`update`]: takes in what has come.

use std::time::Duration;

use bytes::Bytes;

use super::model::{Keys, Told};
use super::requests::{Change, ReadUsers};
use super::tree::Node;
use super::{Auth, Msg};
use crate::console::replay::Replay;
use crate::console::{CommandLine, Context, Effect, replay};
use crate::engine::report::Pace;
use crate::engine::request::Trouble;
use crate::screens::ScreenId;

/// Time from one look to the next, while the revision tells whether there is anything new.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The same where no revision is told, and all is read anew; for each further [`READ_EASILY`] names as long again.
const READ_EVERY: Duration = Duration::from_secs(10);
/// Users and roles that are read that often.
const READ_EASILY: usize = 50;
/// So much less is asked while the window does not have the keyboard.
const BLURRED: u32 = 5;

/// Sees to it that what is in sight is known.
pub(super) fn look(auth: &mut Auth, ctx: &Context) -> Vec<Effect> {
    let slower = if ctx.pace == Pace::Focused { 1 } else { BLURRED };
    let told = auth.told.as_ref();
    let every = match told {
        Some(told) if told.revision.is_none() && told.denied.is_none() => {
            let many = (told.users.len() + told.roles.len()) / READ_EASILY;
            READ_EVERY.saturating_mul(u32::try_from(many).unwrap_or(u32::MAX).saturating_add(1))
        }
        _ => LOOK_EVERY,
    };
    let every = every.saturating_mul(slower);
    let due = auth.asked.is_none_or(|at| ctx.now.since(at) >= every);
    if !due || auth.requests.running::<ReadUsers>().next().is_some() {
        return Vec::new();
    }
    let since = told.and_then(|told| Some((told.enabled, told.revision?)));
    auth.asked = Some(ctx.now);
    let read = ReadUsers { user: ctx.user.clone(), since };
    auth.requests.ask(read, |_, told| Msg::Told(told))
}

/// Takes in what has come of a request.
pub(super) fn update(auth: &mut Auth, ctx: &mut Context, msg: Msg) -> Vec<Effect> {
    let mut effects = Vec::new();
    match msg {
        Msg::Told(Ok(told)) => {
            auth.fresh.came(ctx.now);
            if let Some(told) = told {
                take(auth, ctx, told);
            }
        }
        Msg::Told(Err(trouble)) => auth.fresh.failed(trouble),
        Msg::Changed(change, Ok(())) => {
            let (what, next) = said(ctx, &change);
            ctx.toasts.info(ctx.now, what, next);
            effects.extend(replay::done(ctx, replay_of(&change)));
            auth.asked = None;
        }
        Msg::Changed(change, Err(trouble)) => {
            auth.wanted = None;
            failed(ctx, &change, trouble);
        }
    }
    // What was asked before a change may be from before it.
    if ctx.screen == ScreenId::Auth && auth.asked.is_none() {
        effects.extend(look(auth, ctx));
    }
    effects
}

fn take(auth: &mut Auth, ctx: &Context, told: Told) {
    // Who is told of itself alone sees at once what that is.
    if let (Some(_), None, Some(user)) = (&told.denied, &auth.told, &ctx.user) {
        auth.wanted = Some(Node::User(user.clone()));
    }
    auth.told = Some(told);
    auth.lay_out(ctx, |_, _| {});
}

/// What was done, and how it is taken back.
fn said(ctx: &Context, change: &Change) -> (String, String) {
    let (what, next) = match change {
        Change::AddUser(user, None) => {
            (format!("{user} was added, without a password"), "a gives it a role")
        }
        Change::AddUser(user, Some(_)) => (format!("{user} was added"), "a gives it a role"),
        Change::DeleteUser(user) => (format!("{user} was deleted"), ""),
        Change::SetPassword(user, _) => {
            let next = if ctx.user.as_deref() == Some(user) {
                "this console is logged in as it: start it again with the new one"
            } else {
                "who is logged in as it has to log in again"
            };
            (format!("{user} has another password"), next)
        }
        Change::GrantRole(user, role) => {
            (format!("{user} has the role {role}"), "d on the role takes it back")
        }
        Change::RevokeRole(user, role) => {
            (format!("{user} has the role {role} no more"), "a on the user gives it again")
        }
        Change::AddRole(role) => (format!("the role {role} was added"), "a gives it a permission"),
        Change::DeleteRole(role) => (format!("the role {role} was deleted"), ""),
        Change::GrantPermission(role, grant) => {
            let what = format!("{role} may {} {}", grant.access.name(), grant.keys.shown());
            (what, "d on the permission takes it back")
        }
        Change::RevokePermission(role, grant) => {
            let what = format!("{role} has {} no more", grant.keys.shown());
            (what, "a on the role gives it again")
        }
        Change::Enable => ("users are on".to_owned(), "E turns them off"),
        Change::Disable => ("users are off: anybody may do anything".to_owned(), "E turns them on"),
    };
    (what, next.to_owned())
}

/// What could not be done is told; what is on screen stays.
fn failed(ctx: &mut Context, change: &Change, trouble: Trouble) {
    let what = match change {
        Change::AddUser(user, _) => format!("{user} was not added"),
        Change::DeleteUser(user) => format!("{user} was not deleted"),
        Change::SetPassword(user, _) => format!("{user} keeps its password"),
        Change::GrantRole(user, role) => format!("{user} was not given the role {role}"),
        Change::RevokeRole(user, role) => format!("{user} keeps the role {role}"),
        Change::AddRole(role) => format!("the role {role} was not added"),
        Change::DeleteRole(role) => format!("the role {role} was not deleted"),
        Change::GrantPermission(role, _) => format!("{role} was not given the permission"),
        Change::RevokePermission(role, _) => format!("{role} keeps the permission"),
        Change::Enable => "users were not turned on".to_owned(),
        Change::Disable => "users were not turned off".to_owned(),
    };
    ctx.failed(what, trouble);
}

/// The same as a command.
fn command(change: &Change) -> CommandLine {
    let of = |name: &str, names: &[&str]| {
        let line = CommandLine::new(name);
        names.iter().fold(line, |line, name| line.arg(&Bytes::copy_from_slice(name.as_bytes())))
    };
    match change {
        Change::AddUser(user, None) => of("user add", &[user]).flag("--no-password"),
        Change::AddUser(user, Some(_)) => of("user add", &[user]),
        Change::DeleteUser(user) => of("user delete", &[user]),
        Change::SetPassword(user, _) => of("user passwd", &[user]),
        Change::GrantRole(user, role) => of("user grant-role", &[user, role]),
        Change::RevokeRole(user, role) => of("user revoke-role", &[user, role]),
        Change::AddRole(role) => of("role add", &[role]),
        Change::DeleteRole(role) => of("role delete", &[role]),
        Change::GrantPermission(role, grant) => {
            with_keys(of("role grant-permission", &[role, grant.access.name()]), &grant.keys)
        }
        Change::RevokePermission(role, grant) => {
            with_keys(of("role revoke-permission", &[role]), &grant.keys)
        }
        Change::Enable => of("auth enable", &[]),
        Change::Disable => of("auth disable", &[]),
    }
}

fn with_keys(line: CommandLine, keys: &Keys) -> CommandLine {
    let (args, flag) = keys.words();
    let line = args.iter().fold(line, CommandLine::arg);
    flag.into_iter().fold(line, CommandLine::flag)
}

fn replay_of(change: &Change) -> Replay {
    let command = command(change);
    match change {
        Change::AddUser(_, Some(_)) | Change::SetPassword(..) => Replay::password(&command),
        Change::GrantPermission(_, grant) | Change::RevokePermission(_, grant) => {
            Replay::users(&command, grant.keys.words().0)
        }
        _ => Replay::users(&command, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use mini_etcd_shared::language::{parse_input, parse_script};

    use super::*;
    use crate::console::replay::Replay;
    use crate::password::Secret;
    use crate::screens::auth::model::{Access, Grant};

    #[test]
    fn what_was_done_reads_back_as_commands_and_names_no_password() {
        let name = || "a b".to_owned();
        let secret = || Secret::new("tulip".to_owned());
        let grant = |key: &'static [u8], end: &'static [u8]| Grant {
            keys: Keys { key: Bytes::from_static(key), end: Bytes::from_static(end) },
            access: Access::Both,
        };
        for (change, line) in [
            (Change::AddUser(name(), None), "user add 'a b' --no-password"),
            (Change::AddUser(name(), Some(secret())), "user add 'a b'"),
            (Change::SetPassword(name(), secret()), "user passwd 'a b'"),
            (Change::DeleteUser(name()), "user delete 'a b'"),
            (Change::GrantRole(name(), "r".to_owned()), "user grant-role 'a b' r"),
            (Change::RevokeRole(name(), "r".to_owned()), "user revoke-role 'a b' r"),
            (Change::AddRole(name()), "role add 'a b'"),
            (Change::DeleteRole(name()), "role delete 'a b'"),
            (
                Change::GrantPermission("r".to_owned(), grant(b"/c/", b"/c0")),
                "role grant-permission r readwrite /c/ --prefix",
            ),
            (
                Change::RevokePermission("r".to_owned(), grant(b"\0", b"\0")),
                "role revoke-permission r '' --prefix",
            ),
            (Change::Enable, "auth enable"),
            (Change::Disable, "auth disable"),
        ] {
            assert!(!format!("{change:?}").contains("tulip"));
            let replay: Replay = replay_of(&change);
            assert_eq!(replay.line(), line);
            parse_input(replay.line().as_bytes()).expect(line);
            parse_script(replay.script().as_bytes()).expect(line);
        }
    }
}

//! What can be done on the Auth screen.

use mini_etcd_shared::language::written;

use super::model::{ROOT, Told};
use super::requests::Change;
use super::tree::Node;
use super::{Ask, Auth, Pane, Prompt, view};
use crate::console::action::Action;
use crate::console::{Context, Effect, Plan, Tier, Yes};
use crate::screens::ScreenId;
use crate::widget::counted;

/// Width from which the footer has room for what is not needed at once.
const ROOMY: u16 = 100;
/// What is typed before everybody may do everything.
const DISABLE: &str = "disable";

/// Its actions, in the order of footer and help.
pub(crate) static TABLE: &[Action<Auth>] = &[
    Action {
        name: "open",
        help: "open or close the row",
        label: |auth, _| {
            let open = auth.tree.rows().get(auth.chosen)?.open?;
            Some(if open { "close" } else { "open" }.to_owned())
        },
        run: |auth, ctx| open(auth, ctx),
    },
    Action {
        name: "explain",
        help: "ask whether a user may read or write keys, and by which role; or what is missing",
        label: |auth, _| auth.told.as_ref().map(|_| "explain".to_owned()),
        run: explain,
    },
    Action {
        name: "grant",
        help: "give more: to a user a role, to a role a permission for a key, a prefix or a range",
        label: |auth, ctx| {
            let node = auth.chosen_node().filter(|_| changeable(auth, ctx))?;
            let word = match (node.role(), node.user()) {
                (Some(_), _) => "permission",
                (None, Some(_)) => "role",
                _ => return None,
            };
            Some(format!("add {word}"))
        },
        run: grant,
    },
    Action {
        name: "add-user",
        help: "add a user: its name, and a password, which is typed hidden and twice, or none",
        label: |auth, ctx| changeable(auth, ctx).then(|| "add user".to_owned()),
        run: |auth, ctx| ask(auth, ctx, || Ask::AddUser),
    },
    Action {
        name: "add-role",
        help: "add a role",
        label: |auth, ctx| changeable(auth, ctx).then(|| "add role".to_owned()),
        run: |auth, ctx| ask(auth, ctx, || Ask::AddRole),
    },
    Action {
        name: "password",
        help: "give the user another password, which is typed hidden and twice",
        label: |auth, ctx| {
            let user = auth.chosen_node()?.user();
            (user.is_some() && changeable(auth, ctx)).then(|| "password".to_owned())
        },
        run: |auth, ctx| {
            let user = auth.chosen_node().and_then(Node::user).map(str::to_owned);
            if let Some(user) = user.filter(|_| !ctx.refuses_changes()) {
                auth.prompt = Some(Prompt::password(user, false));
            }
            Vec::new()
        },
    },
    Action {
        name: "remove",
        help: "delete the user or the role, or take the role or the permission away; asks",
        label: |auth, ctx| {
            let node = auth.chosen_node().filter(|_| changeable(auth, ctx))?;
            let word = match node {
                Node::Users | Node::Roles => return None,
                Node::User(_) | Node::Role(_) => "delete",
                Node::Held(..) | Node::HeldGrant(..) | Node::RoleGrant(..) => "revoke",
            };
            Some(word.to_owned())
        },
        run: remove,
    },
    Action {
        name: "enable",
        help: "turn users on, so that only who has logged in may do anything, or off; asks",
        label: |auth, ctx| {
            let told = auth.told.as_ref()?;
            let word = if told.enabled { "turn off" } else { "turn on" };
            (ctx.size.0 >= ROOMY && changeable(auth, ctx)).then(|| word.to_owned())
        },
        run: enable,
    },
    Action {
        name: "fold-all",
        help: "close all users and roles; again opens them",
        label: |_, _| None,
        run: |auth, ctx| {
            auth.lay_out(ctx, super::tree::Tree::fold_all);
            Vec::new()
        },
    },
    Action {
        name: "filter",
        help: "show only users and roles whose name has this in it",
        label: |_, _| None,
        run: |auth, _| {
            auth.prompt = Some(Prompt::new(Ask::Filter, &auth.tree.filter));
            Vec::new()
        },
    },
    Action {
        name: "copy",
        help: "copy the name, or the key of the permission, that is chosen",
        label: |_, _| None,
        run: |auth, _| {
            let node = auth.chosen_node();
            let key = node.and_then(Node::grant).map(|grant| grant.keys.key.to_vec());
            let name = || node?.role().or(node?.user()).map(|name| name.as_bytes().to_vec());
            key.or_else(name).map(Effect::Copy).into_iter().collect()
        },
    },
    Action {
        name: "refresh",
        help: "read all of it anew",
        label: |_, _| None,
        run: |auth, ctx| {
            auth.asked = None;
            if let Some(told) = &mut auth.told {
                told.revision = None;
            }
            super::update::look(auth, ctx)
        },
    },
];

/// Whether something may be changed from here: who is told of itself alone may not.
fn changeable(auth: &Auth, ctx: &Context) -> bool {
    !ctx.read_only && auth.told.as_ref().is_some_and(|told| told.denied.is_none())
}

fn ask(auth: &mut Auth, ctx: &mut Context, what: impl FnOnce() -> Ask) -> Vec<Effect> {
    if !ctx.refuses_changes() {
        auth.prompt = Some(Prompt::new(what(), ""));
    }
    Vec::new()
}

pub(super) fn open(auth: &mut Auth, ctx: &Context) -> Vec<Effect> {
    if let Some(node) = auth.chosen_node().cloned() {
        auth.lay_out(ctx, |tree, _| tree.toggle(&node));
    }
    Vec::new()
}

/// Chooses a row of the tree, or scrolls what is said.
pub(super) fn go(auth: &mut Auth, ctx: &Context, row: usize) -> Vec<Effect> {
    match auth.pane {
        Pane::Tree => auth.choose(row, view::rows(auth, ctx)),
        Pane::Facts => auth.scroll = row,
    }
    Vec::new()
}

/// Asks who may do what; the user that is chosen, or the only one that is told of, is there already.
fn explain(auth: &mut Auth, ctx: &mut Context) -> Vec<Effect> {
    let Some(told) = &auth.told else {
        ctx.toasts.hint(ctx.now, "nothing is told of users yet");
        return Vec::new();
    };
    let is_alone = told.denied.is_some();
    let own = ctx.user.as_deref().filter(|_| is_alone);
    let chosen = auth.chosen_node().and_then(Node::user).or(own);
    let text = chosen.map(|user| format!("{} ", written(user.as_bytes()))).unwrap_or_default();
    auth.prompt = Some(Prompt::new(Ask::Explain, &text));
    Vec::new()
}

fn grant(auth: &mut Auth, ctx: &mut Context) -> Vec<Effect> {
    let asked = match auth.chosen_node().map(|node| (node.role(), node.user())) {
        Some((Some(role), _)) => Ask::GrantPermission(role.to_owned()),
        Some((None, Some(user))) => Ask::GrantRole(user.to_owned()),
        _ => {
            ctx.toasts.hint(ctx.now, "choose a user for a role, or a role for a permission");
            return Vec::new();
        }
    };
    ask(auth, ctx, || asked)
}

/// Asks before something is taken away, with what goes with it.
fn remove(auth: &mut Auth, ctx: &mut Context) -> Vec<Effect> {
    let (Some(node), Some(told)) = (auth.chosen_node(), &auth.told) else { return Vec::new() };
    let holders = |role: &str| {
        let names: Vec<&str> = told.holders(role).collect();
        counted(u64::try_from(names.len()).unwrap_or(u64::MAX), "user")
    };
    let (title, text, change) = match node {
        Node::Users | Node::Roles => return Vec::new(),
        Node::User(user) => {
            let own = if ctx.user.as_deref() == Some(user) {
                "This console is logged in as it. "
            } else {
                ""
            };
            let text =
                format!("{own}Who is logged in as it may do nothing any more. Its roles stay.");
            (format!("delete the user {user}"), text, Change::DeleteUser(user.clone()))
        }
        Node::Role(role) => {
            let text = format!("{} it, and its permissions go with it.", has(&holders(role)));
            (format!("delete the role {role}"), text, Change::DeleteRole(role.clone()))
        }
        Node::Held(user, role) => {
            let title = format!("revoke {role} from {user}");
            let text = "What no other role permits is denied from then on.".to_owned();
            (title, text, Change::RevokeRole(user.clone(), role.clone()))
        }
        Node::HeldGrant(_, role, grant) | Node::RoleGrant(role, grant) => {
            let (access, keys) = (grant.access.name(), grant.keys.shown());
            let title = format!("revoke {access} {keys} from {role}");
            let text = format!("{} the role.", has(&holders(role)));
            (title, text, Change::RevokePermission(role.clone(), grant.clone()))
        }
    };
    if !ctx.refuses_changes() {
        ctx.confirm(Tier::Loss, title, text, Yes::Planned(ScreenId::Auth, Plan::new(change)));
    }
    Vec::new()
}

/// `1 user has`, `3 users have`.
fn has(users: &str) -> String {
    format!("{users} {}", if users.starts_with("1 ") { "has" } else { "have" })
}

/// Turns users on, or off. I3
fn enable(auth: &mut Auth, ctx: &mut Context) -> Vec<Effect> {
    let Some(told) = auth.told.as_ref().filter(|_| !ctx.refuses_changes()) else {
        return Vec::new();
    };
    let (tier, title, text, change) = if told.enabled {
        let text = "Whoever reaches a member reads and writes every key from then on, and changes \
                    the cluster. Users and roles stay.";
        (Tier::Shape(DISABLE.to_owned()), "turn users off", text.to_owned(), Change::Disable)
    } else {
        (Tier::Loss, "turn users on", before_enable(told, ctx), Change::Enable)
    };
    let yes = Yes::Planned(ScreenId::Auth, Plan::new(change));
    ctx.confirm(tier, title.to_owned(), text, yes);
    Vec::new()
}

/// What turning users on means here.
fn before_enable(told: &Told, ctx: &Context) -> String {
    let text = "Who has not logged in may do nothing from then on, and who has only what its roles permit.";
    let own = match &ctx.user {
        None => {
            " This console has no login: it sees nothing then, until it is started with --user root."
        }
        Some(user) if !told.users.contains_key(user) => {
            " This console logs in as a user that is not there: it sees nothing then."
        }
        Some(_) => "",
    };
    let root = if told.users.get(ROOT).is_none_or(|roles| !roles.iter().any(|role| role == ROOT)) {
        " It will be refused: first there has to be a user root with the role root."
    } else {
        ""
    };
    format!("{text}{own}{root}")
}

//! What is said of the chosen row: what a user may do in all; or the answer to a question.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::console::Context;
use crate::screens::auth::explain::{By, Denied, Verdict, explain};
use crate::screens::auth::model::{Access, Grant, Keys, ROOT, Told, union};
use crate::screens::auth::tree::Node;
use crate::screens::auth::{Auth, Pane, Question};
use crate::widget::theme::Meaning;
use crate::widget::{escape_name, fit, panel, say, wrap};

/// Keys of a union, users of a role, that are named.
const NAMED_MAX: usize = 1000;

type Said = Vec<(Meaning, String)>;

/// Draws what is said.
pub(super) fn facts(auth: &Auth, ctx: &Context, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let room = usize::from(area.width).saturating_sub(6);
    let title = fit(&title(auth), room, &look.glyphs);
    let right = match auth.question {
        Some(_) if auth.pane == Pane::Facts => say(look, Meaning::Dim, " Esc closes "),
        _ => say(look, Meaning::Dim, ""),
    };
    let inside = panel(frame, look, area, &title, right.into());
    let lines = lines(auth, ctx, usize::from(inside.width));
    let last = lines.len().saturating_sub(usize::from(inside.height));
    let shown = lines.into_iter().skip(auth.scroll.min(last));
    for ((meaning, words), y) in shown.zip(inside.y..inside.bottom()) {
        let line = Line::from(say(look, meaning, words));
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

fn title(auth: &Auth) -> String {
    if auth.question.is_some() {
        return "Explain".to_owned();
    }
    match auth.chosen_node() {
        Some(Node::User(user)) => shown(user),
        Some(node) if node.grant().is_some() => "Permission".to_owned(),
        Some(Node::Held(_, role) | Node::Role(role)) => format!("role {}", shown(role)),
        _ => "Users and roles".to_owned(),
    }
}

/// All that is said, in lines of this width.
pub(super) fn lines(auth: &Auth, ctx: &Context, width: usize) -> Vec<(Meaning, String)> {
    let Some(told) = &auth.told else { return Vec::new() };
    let said = match &auth.question {
        Some(question) => answer(told, question, ctx),
        None => of_node(told, auth.chosen_node(), ctx),
    };
    let mut lines = Vec::new();
    for (meaning, words) in said {
        let indent = words.len() - words.trim_start().len();
        let room = width.saturating_sub(indent + 2).max(8);
        for part in wrap(words.trim_start(), room) {
            lines.push((meaning, format!(" {:indent$}{part}", "")));
        }
    }
    lines
}

fn shown(name: &str) -> String {
    escape_name(name.as_bytes())
}

fn of_node(told: &Told, node: Option<&Node>, ctx: &Context) -> Said {
    match node {
        Some(Node::User(user)) => of_user(told, user, ctx),
        Some(Node::Held(_, role) | Node::Role(role)) => of_role(told, role),
        Some(Node::HeldGrant(_, role, grant) | Node::RoleGrant(role, grant)) => {
            of_grant(told, role, grant)
        }
        _ => of_all(told, ctx),
    }
}

/// Whether users count, and what that means for this console.
fn of_all(told: &Told, ctx: &Context) -> Said {
    let mut said = Vec::new();
    if told.enabled {
        said.push((Meaning::Ok, "Users are on: who has not logged in may do nothing.".to_owned()));
    } else {
        let words = "Users are off: anybody who reaches a member may do anything.";
        said.push((Meaning::Warn, words.to_owned()));
    }
    if let Some(revision) = told.revision {
        said.push((Meaning::Dim, format!("revision {revision} of users and roles")));
    }
    let login = match ctx.user.as_ref().filter(|_| !told.is_nobody()) {
        None => "This console has not logged in.".to_owned(),
        Some(user) => format!("This console is logged in as {}.", shown(user)),
    };
    said.push((Meaning::Text, login));
    said.push((Meaning::Text, String::new()));
    if told.users.is_empty() && told.denied.is_none() {
        let words = if ctx.read_only {
            "No user. A user has roles, a role has permissions for keys."
        } else {
            "No user. A user has roles, a role has permissions for keys: n adds a user, N a role, a gives \
             what is chosen more, and E turns users on once there is a user root with the role root."
        };
        said.push((Meaning::Dim, words.to_owned()));
    }
    said.push((Meaning::Dim, "e explains who may do what, and why.".to_owned()));
    said
}

/// What a user may do in all.
fn of_user(told: &Told, user: &str, ctx: &Context) -> Said {
    let mut said = off(told);
    if ctx.user.as_deref() == Some(user) {
        said.push((Meaning::Ok, "This console is logged in as this user.".to_owned()));
    }
    let roles = told.users.get(user).map(Vec::as_slice).unwrap_or_default();
    let names: Vec<String> = roles.iter().map(|role| shown(role)).collect();
    if names.is_empty() {
        said.push((Meaning::Warn, "It has no role, and may do nothing.".to_owned()));
        return said;
    }
    said.push((Meaning::Dim, format!("roles: {}", names.join(", "))));
    if told.is_root(user) {
        said.push((Meaning::Warn, "It has the role root, and may do everything.".to_owned()));
        return said;
    }
    said.push((Meaning::Text, String::new()));
    let grants: Vec<&Grant> = told.grants(user).map(|(_, grant)| grant).collect();
    said.extend(may(&grants));
    said
}

/// The union of permissions: what may be read, and what may be written.
fn may(grants: &[&Grant]) -> Said {
    let mut said = Vec::new();
    for access in [Access::Read, Access::Write] {
        let keys = union(access, grants.iter().copied());
        let word = access.name();
        if keys.is_empty() {
            said.push((Meaning::Dim, format!("may {word} nothing")));
            continue;
        }
        said.push((Meaning::Strong, format!("may {word}")));
        said.extend(named(keys.iter().map(Keys::shown)));
    }
    said
}

/// Lines of names, and how many have no room.
fn named(names: impl Iterator<Item = String>) -> Said {
    let mut names = names.map(|name| (Meaning::Text, format!("  {name}")));
    let mut said: Said = names.by_ref().take(NAMED_MAX).collect();
    let rest = names.count();
    if rest > 0 {
        said.push((Meaning::Dim, format!("  and {rest} more")));
    }
    said
}

fn of_role(told: &Told, role: &str) -> Said {
    let mut said = off(told);
    if role == ROOT {
        said.push((Meaning::Warn, "Who has it may do everything.".to_owned()));
    } else {
        let grants: Vec<&Grant> = told.roles.get(role).into_iter().flatten().collect();
        said.extend(may(&grants));
    }
    said.push((Meaning::Text, String::new()));
    said.extend(held_by(told, role));
    said
}

/// Who has a role, as far as that is told.
fn held_by(told: &Told, role: &str) -> Said {
    if told.denied.is_some() {
        return Vec::new();
    }
    let holders: Vec<String> = told.holders(role).map(shown).collect();
    if holders.is_empty() {
        return vec![(Meaning::Dim, "nobody has it".to_owned())];
    }
    let mut said = vec![(Meaning::Strong, "who has it".to_owned())];
    said.extend(named(holders.into_iter()));
    said
}

fn of_grant(told: &Told, role: &str, grant: &Grant) -> Said {
    let end = match grant.keys.end.as_ref() {
        [] => "none: this key alone".to_owned(),
        [0] => "\\x00: no end".to_owned(),
        end => escape_name(end),
    };
    let mut said = vec![
        (Meaning::Strong, format!("{} {}", grant.access.name(), grant.keys.shown())),
        (Meaning::Dim, format!("key: {}", escape_name(&grant.keys.key))),
        (Meaning::Dim, format!("range end: {end}")),
        (Meaning::Dim, format!("of the role {}", shown(role))),
        (Meaning::Text, String::new()),
    ];
    said.extend(held_by(told, role));
    said
}

/// That nothing of it counts.
fn off(told: &Told) -> Said {
    if told.enabled {
        return Vec::new();
    }
    vec![(Meaning::Warn, "users are off: with users on it is like this".to_owned())]
}

/// The answer to a question. I1
fn answer(told: &Told, question: &Question, ctx: &Context) -> Said {
    let Question { user, access, keys } = question;
    let mut said = Vec::new();
    for access in access.parts() {
        let asked = format!("may {} {} {}?", shown(user), access.name(), keys.shown());
        said.push((Meaning::Text, asked));
        let verdict = explain(told, user, *access, keys);
        let yes = matches!(verdict, Verdict::Root | Verdict::Allowed(_));
        if !told.enabled {
            let words = if yes {
                "YES: users are off. With users on, too:"
            } else {
                "YES: users are off. With users on, no:"
            };
            said.push((Meaning::Warn, words.to_owned()));
        } else if yes {
            said.push((Meaning::Ok, "YES".to_owned()));
        } else if verdict != Verdict::NotTold {
            said.push((Meaning::Bad, "NO".to_owned()));
        }
        said.extend(reasons(told, &verdict, question, *access, ctx));
        said.push((Meaning::Text, String::new()));
    }
    said
}

fn reasons(
    told: &Told,
    verdict: &Verdict,
    asked: &Question,
    access: Access,
    ctx: &Context,
) -> Said {
    let (user, word) = (shown(&asked.user), access.name());
    match verdict {
        Verdict::NoUser => vec![(Meaning::Text, format!("There is no user {user}."))],
        Verdict::NotTold => {
            let words = format!("Only a user with the role root is told what {user} may do.");
            vec![(Meaning::Warn, words)]
        }
        Verdict::Root => {
            vec![(Meaning::Text, "It has the role root, which may do everything.".to_owned())]
        }
        Verdict::Allowed(by) => by.iter().map(allows).collect(),
        Verdict::Denied(Denied { covered, missing, closest, helping }) => {
            let mut said: Said = covered.iter().map(allows).collect();
            let from = if covered.is_empty() { "" } else { " on" };
            let missing = escape_name(missing);
            let words = format!("No role of {user} permits to {word} {missing}{from}.");
            said.push((Meaning::Text, words));
            if let Some(By { role, grant }) = closest {
                let unlike = if grant.access.has(access) {
                    String::new()
                } else {
                    format!(", and not {word}")
                };
                let has = format!(
                    "Closest: role {} may {} {}{unlike}.",
                    shown(role),
                    grant.access.name(),
                    grant.keys.shown()
                );
                said.push((Meaning::Dim, has));
            } else if told.grants(&asked.user).next().is_none() {
                said.push((Meaning::Dim, "It has no permission at all.".to_owned()));
            }
            let names: Vec<String> = helping.iter().map(|role| shown(role)).collect();
            if !names.is_empty() {
                let how = if ctx.read_only { "" } else { ": a on the user gives it" };
                let words = format!("Would do: role {}{how}.", names.join(", or "));
                said.push((Meaning::Accent, words));
            }
            said
        }
    }
}

fn allows(by: &By) -> (Meaning, String) {
    let By { role, grant } = by;
    let words = format!("  role {}: {} {}", shown(role), grant.access.name(), grant.keys.shown());
    (Meaning::Text, words)
}

//! A line that is typed, over the footer.

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::console::Context;
use crate::screens::auth::{Ask, Auth, Prompt};
use crate::widget::{escape_name, line};

/// Draws the line.
pub(super) fn prompt(
    auth: &Auth,
    ctx: &Context,
    prompt: &Prompt,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let error = prompt.error.as_deref();
    let (name, hint) = match &prompt.ask {
        Ask::Filter => {
            ("filter".to_owned(), "a part of a name; Enter keeps it, Esc takes it away".to_owned())
        }
        Ask::Explain => (
            "may".to_owned(),
            "a user, read or write, and a key: alice read /config/ --prefix".to_owned(),
        ),
        Ask::AddUser => {
            ("new user".to_owned(), "its name; the password is asked for next".to_owned())
        }
        Ask::AddRole => ("new role".to_owned(), "its name".to_owned()),
        Ask::GrantRole(user) => (format!("role for {}", shown(user)), roles(auth, user)),
        Ask::GrantPermission(role) => (
            format!("{} may", shown(role)),
            "read, write or readwrite, and a key: read /config/ --prefix, write a c".to_owned(),
        ),
        Ask::Password { user, is_new, first } => {
            let again = if first.is_some() { ", again" } else { "" };
            let hint = match (is_new, first) {
                (_, Some(_)) => "typed hidden; Enter takes it, Esc gives it up",
                (true, None) => "typed hidden; Enter alone: no password, only a certificate",
                (false, None) => "typed hidden; Enter takes it, Esc keeps the old one",
            };
            let name = format!("password of {}{again}", shown(user));
            return line::draw_hidden(frame, &ctx.look, area, &name, (error, hint));
        }
    };
    line::draw(frame, &ctx.look, area, (&name, &prompt.line), (error, &hint));
}

fn shown(name: &str) -> String {
    escape_name(name.as_bytes())
}

/// The roles that there are and that the user has not.
fn roles(auth: &Auth, user: &str) -> String {
    let Some(told) = &auth.told else { return String::new() };
    let held = told.users.get(user);
    let is_held = |role: &String| held.is_some_and(|held| held.contains(role));
    let names: Vec<String> =
        told.roles.keys().filter(|role| !is_held(role)).map(|role| shown(role)).collect();
    if names.is_empty() {
        "there is no other role: N adds one".to_owned()
    } else {
        names.join(", ")
    }
}

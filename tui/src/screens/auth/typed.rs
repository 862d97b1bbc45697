//! What is typed on the Auth screen: a permission, a question, a password.

use bytes::Bytes;
use mini_etcd_shared::command::split_words;
use mini_etcd_shared::text::quote;

use super::model::{Access, Grant, Keys};
use super::requests::Change;
use super::tree::Node;
use super::{Ask, Auth, Msg, Pane, Prompt, Question};
use crate::console::Effect;
use crate::password::Secret;
use crate::widget::line::{HiddenInput, LineInput};

/// Enter, while something is typed.
pub(super) fn entered(auth: &mut Auth) -> Vec<Effect> {
    let Some(prompt) = auth.prompt.take() else { return Vec::new() };
    let text = prompt.line.text().trim().to_owned();
    let taken = match prompt.ask.clone() {
        Ask::Filter => return Vec::new(),
        Ask::Explain => question(&text).map(|question| {
            (auth.question, auth.pane, auth.scroll) = (Some(question), Pane::Facts, 0);
            Vec::new()
        }),
        Ask::AddUser => new_user(auth, &text).map(|user| {
            auth.prompt = Some(Prompt::password(user, true));
            Vec::new()
        }),
        Ask::AddRole => name(&text, "role").map(|role| {
            auth.wanted = Some(Node::Role(role.clone()));
            auth.change(Change::AddRole(role))
        }),
        Ask::GrantRole(user) => name(&text, "role").map(|role| {
            auth.wanted = Some(Node::Held(user.clone(), role.clone()));
            auth.change(Change::GrantRole(user, role))
        }),
        Ask::GrantPermission(role) => {
            words(&text).and_then(|words| words.permission(&words.args)).map(|(access, keys)| {
                let grant = Grant { keys, access };
                auth.change(Change::GrantPermission(role, grant))
            })
        }
        Ask::Password { user, is_new, first } => {
            let mut hidden = prompt.hidden.clone();
            return password(auth, user, is_new, first, Secret::new(hidden.take()));
        }
    };
    taken.unwrap_or_else(|error| {
        auth.prompt = Some(Prompt { error: Some(error), ..prompt });
        Vec::new()
    })
}

/// A password was typed: the first time, or again.
fn password(
    auth: &mut Auth,
    user: String,
    is_new: bool,
    first: Option<Secret>,
    typed: Secret,
) -> Vec<Effect> {
    let again = |error: &str| {
        Some(Prompt { error: Some(error.to_owned()), ..Prompt::password(user.clone(), is_new) })
    };
    let secret = match first {
        None if typed.is_empty() && is_new => None,
        None if typed.is_empty() => {
            auth.prompt = again("a password is not empty");
            return Vec::new();
        }
        None => {
            let ask = Ask::Password { user, is_new, first: Some(typed) };
            auth.prompt = Some(Prompt::new(ask, ""));
            return Vec::new();
        }
        Some(first) if first != typed => {
            auth.prompt = again("the two are different: both anew");
            return Vec::new();
        }
        Some(first) => Some(first),
    };
    if is_new {
        auth.wanted = Some(Node::User(user.clone()));
        return auth.change(Change::AddUser(user, secret));
    }
    secret.map_or_else(Vec::new, |secret| auth.change(Change::SetPassword(user, secret)))
}

impl Auth {
    pub(super) fn change(&mut self, change: Change) -> Vec<Effect> {
        self.requests.ask(change, Msg::Changed)
    }
}

impl Prompt {
    pub(super) fn new(ask: Ask, text: &str) -> Self {
        let mut prompt =
            Self { ask, line: LineInput::default(), hidden: HiddenInput::default(), error: None };
        prompt.line.set(text);
        prompt
    }

    pub(super) fn password(user: String, is_new: bool) -> Self {
        Self::new(Ask::Password { user, is_new, first: None }, "")
    }
}

fn name(text: &str, what: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("the name of a {what}")) } else { Ok(text.to_owned()) }
}

fn new_user(auth: &Auth, text: &str) -> Result<String, String> {
    let user = name(text, "user")?;
    if user.contains(':') {
        return Err("a name without a colon: the password is asked for next".to_owned());
    }
    // Before a password is typed twice for nothing.
    let is_there = auth.told.as_ref().is_some_and(|told| told.users.contains_key(&user));
    if is_there { Err(format!("there is a user {user} already")) } else { Ok(user) }
}

/// Words of a line, and its flags.
struct Words {
    args: Vec<Bytes>,
    prefix: bool,
    from_key: bool,
}

fn words(text: &str) -> Result<Words, String> {
    let mut words = Words { args: Vec::new(), prefix: false, from_key: false };
    let mut flags_end = false;
    for word in split_words(text.as_bytes()).map_err(|refusal| refusal.text)? {
        match word.as_slice() {
            b"--" if !flags_end => flags_end = true,
            b"--prefix" if !flags_end => words.prefix = true,
            b"--from-key" if !flags_end => words.from_key = true,
            [b'-', b'-', ..] if !flags_end => {
                return Err(format!("{} is neither --prefix nor --from-key", quote(&word)));
            }
            _ => words.args.push(Bytes::from(word)),
        }
    }
    Ok(words)
}

impl Words {
    /// What may be done, and with which keys: `args` begin with that.
    fn permission(&self, args: &[Bytes]) -> Result<(Access, Keys), String> {
        let [access, keys @ ..] = args else { return Err(MEANT.to_owned()) };
        let all = [Access::Read, Access::Write, Access::Both];
        let named = all.into_iter().find(|known| known.name().as_bytes() == access.as_ref());
        let access =
            named.ok_or_else(|| format!("{} is none of read, write, readwrite", quote(access)))?;
        if keys.is_empty() {
            return Err(MEANT.to_owned());
        }
        let keys = Keys::of(keys, self.prefix, self.from_key).ok_or({
            "one key, a key and an end above it, --prefix or --from-key; \"\" --prefix is every key"
        })?;
        if keys.bounds().is_none() {
            return Err("the end does not lie above the key: no key is between them".to_owned());
        }
        Ok((access, keys))
    }
}

const MEANT: &str = "read, write or readwrite, and a key, as in: read /config/ --prefix";

/// Who may do what, with which keys.
fn question(text: &str) -> Result<Question, String> {
    let words = words(text)?;
    let [user, rest @ ..] = words.args.as_slice() else {
        return Err("a user, read or write, and a key: alice read /config/ --prefix".to_owned());
    };
    let (access, keys) = words.permission(rest)?;
    Ok(Question { user: String::from_utf8_lossy(user).into_owned(), access, keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_user_and_what_it_would_do_with_which_keys() {
        let asked =
            |text| question(text).map(|asked| (asked.user, asked.access, asked.keys.shown()));
        let is = |user: &str, access, keys: &str| Ok((user.to_owned(), access, keys.to_owned()));
        assert_eq!(asked("alice read /a"), is("alice", Access::Read, "/a"));
        assert_eq!(asked("alice write /a/ --prefix"), is("alice", Access::Write, "/a/ (prefix)"));
        assert_eq!(asked("--prefix 'a b' readwrite \"\""), is("a b", Access::Both, "every key"));
        assert_eq!(asked("a read b d"), is("a", Access::Read, "b up to d"));
        assert_eq!(asked("a read b --from-key"), is("a", Access::Read, "b and all behind it"));
        assert_eq!(asked("a read -- --prefix"), is("a", Access::Read, "--prefix"));
        assert_eq!(asked("a read \"\\xff\""), is("a", Access::Read, "\\xff"));
        for (text, words) in [
            ("", "a user"),
            ("alice", "read, write or readwrite"),
            ("alice see /a", "\"see\" is none of read"),
            ("alice read", "and a key"),
            ("alice read /a --all", "\"--all\" is neither"),
            ("alice read a b --prefix", "one key"),
            ("alice read b a", "no key is between"),
            ("alice read \"\"", "one key"),
        ] {
            let error = asked(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}

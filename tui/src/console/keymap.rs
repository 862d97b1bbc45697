//! Keys as data: which key does what, on which screen.
//!
//! `assets/keymap.toml` is the shipped table, a file of the user's changes it action by action. Dispatch, footer and
//! help overlay read the same [`Keymap`]. A key that would do two things on one screen is an error at the start that
//! names both.

use std::collections::BTreeMap;
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use thiserror::Error;
use toml::Table;

use super::action;
use super::action::{Act, Scope};

/// The shipped table.
pub const SHIPPED: &str = include_str!("../../../assets/keymap.toml");

/// One key with what is held down beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
    alt: bool,
}

/// Why a keymap cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeymapError {
    /// The file is not TOML.
    #[error("{file}: {why}")]
    Syntax {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A name that is no action.
    #[error("{file}: there is no action {action}; there are: {known}")]
    UnknownAction {
        /// The file.
        file: String,
        /// The name in it.
        action: String,
        /// What would do.
        known: String,
    },
    /// A word that is no key.
    #[error("{file}: {action}: {key:?} is not a key (say \"x\", \"ctrl-x\", \"pageup\", \"f5\")")]
    UnknownKey {
        /// The file.
        file: String,
        /// Whose key it would be.
        action: String,
        /// The word.
        key: String,
    },
    /// Something other than a list of keys.
    #[error("{file}: {action} wants a list of keys, as in [\"x\", \"f5\"]")]
    NotKeys {
        /// The file.
        file: String,
        /// Whose keys they would be.
        action: String,
    },
    /// One key, two actions.
    #[error("keymap: {key} is bound to both {first} and {second}; change one of them")]
    Conflict {
        /// The key.
        key: String,
        /// The one action.
        first: String,
        /// The other one.
        second: String,
    },
}

/// Which key does what.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// By `scope.action`.
    keys: BTreeMap<String, Vec<Key>>,
}

impl Keymap {
    /// The shipped table, with the user's file over it.
    ///
    /// # Errors
    /// When either names something that is not there, or a key does two things.
    pub fn load(user: Option<(&str, &str)>) -> Result<Self, KeymapError> {
        let mut keymap = Self { keys: BTreeMap::new() };
        keymap.overlay("keymap.toml", SHIPPED)?;
        if let Some((file, text)) = user {
            keymap.overlay(file, text)?;
        }
        keymap.check()?;
        Ok(keymap)
    }

    /// What `key` does on a screen of this scope.
    #[must_use]
    pub fn find(&self, scope: Scope, key: Key) -> Option<&'static dyn Act> {
        action::all().find(|action| {
            (action.scope() == scope || action.scope().is_everywhere())
                && self.keys(*action).contains(&key)
        })
    }

    /// The keys of an action, the one to show first.
    #[must_use]
    pub fn keys(&self, action: &dyn Act) -> &[Key] {
        self.keys.get(&path(action)).map_or(&[], Vec::as_slice)
    }

    fn overlay(&mut self, file: &str, text: &str) -> Result<(), KeymapError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| KeymapError::Syntax {
            file: file.to_owned(),
            why: error.to_string(),
        })?;
        for (scope, actions) in &table {
            let Some(actions) = actions.as_table() else {
                return Err(unknown(file, scope));
            };
            for (name, keys) in actions {
                let path = format!("{scope}.{name}");
                if !action::all().any(|action| self::path(action) == path) {
                    return Err(unknown(file, &path));
                }
                let keys = parse_keys(file, &path, keys)?;
                self.keys.insert(path, keys);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), KeymapError> {
        for (at, first) in action::all().enumerate() {
            for second in action::all().skip(at + 1) {
                let meet = first.scope() == second.scope()
                    || first.scope().is_everywhere()
                    || second.scope().is_everywhere();
                let shared = self.keys(first).iter().find(|key| self.keys(second).contains(key));
                if let (true, Some(key)) = (meet, shared) {
                    return Err(KeymapError::Conflict {
                        key: key.to_string(),
                        first: path(first),
                        second: path(second),
                    });
                }
            }
        }
        Ok(())
    }
}

fn path(action: &dyn Act) -> String {
    format!("{}.{}", action.scope().name(), action.name())
}

fn unknown(file: &str, action: &str) -> KeymapError {
    let known = action::all().map(path).collect::<Vec<_>>().join(" ");
    KeymapError::UnknownAction { file: file.to_owned(), action: action.to_owned(), known }
}

fn parse_keys(file: &str, action: &str, keys: &toml::Value) -> Result<Vec<Key>, KeymapError> {
    let not_keys = || KeymapError::NotKeys { file: file.to_owned(), action: action.to_owned() };
    let words = keys.as_array().ok_or_else(not_keys)?;
    words
        .iter()
        .map(|word| {
            let word = word.as_str().ok_or_else(not_keys)?;
            Key::parse(word).ok_or_else(|| KeymapError::UnknownKey {
                file: file.to_owned(),
                action: action.to_owned(),
                key: word.to_owned(),
            })
        })
        .collect()
}

const NAMED: &[(&str, KeyCode, &str)] = &[
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("home", KeyCode::Home, "Home"),
    ("end", KeyCode::End, "End"),
    ("pageup", KeyCode::PageUp, "PgUp"),
    ("pagedown", KeyCode::PageDown, "PgDn"),
    ("enter", KeyCode::Enter, "Enter"),
    ("esc", KeyCode::Esc, "Esc"),
    ("tab", KeyCode::Tab, "Tab"),
    ("backtab", KeyCode::BackTab, "S-Tab"),
    ("space", KeyCode::Char(' '), "Space"),
    ("backspace", KeyCode::Backspace, "Bksp"),
    ("delete", KeyCode::Delete, "Del"),
    ("insert", KeyCode::Insert, "Ins"),
];

impl Key {
    /// Reads `x`, `ctrl-x`, `alt-enter`, `f5`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let (mut rest, mut ctrl, mut alt) = (word, false, false);
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-") {
                (rest, ctrl) = (after, true);
            } else if let Some(after) = rest.strip_prefix("alt-") {
                (rest, alt) = (after, true);
            } else {
                break;
            }
        }
        let mut characters = rest.chars();
        let code = if let (Some(only), None) = (characters.next(), characters.next()) {
            KeyCode::Char(only)
        } else {
            let named = NAMED.iter().find(|(name, ..)| *name == rest);
            let numbered = || {
                let number = rest.strip_prefix('f')?;
                (1..=12_u8).find(|n| n.to_string() == number).map(KeyCode::F)
            };
            named.map(|(_, code, _)| *code).or_else(numbered)?
        };
        Some(Self { code, ctrl, alt })
    }

    /// A character with nothing held down.
    #[must_use]
    pub fn plain(character: char) -> Self {
        Self { code: KeyCode::Char(character), ctrl: false, alt: false }
    }

    /// The key as shown, without what needs glyphs beyond ASCII.
    #[must_use]
    pub fn ascii(&self) -> String {
        let shown = self.to_string();
        let named = NAMED.iter().find(|(_, code, shown)| *code == self.code && !shown.is_ascii());
        named.map_or(shown, |(name, ..)| format!("{}{name}", self.held()))
    }

    /// What is held down beside it.
    fn held(self) -> &'static str {
        match (self.ctrl, self.alt) {
            (false, false) => "",
            (true, false) => "^",
            (false, true) => "M-",
            (true, true) => "^M-",
        }
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let held = event.modifiers;
        Self {
            code: event.code,
            ctrl: held.contains(KeyModifiers::CONTROL),
            alt: held.contains(KeyModifiers::ALT),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.held())?;
        if let Some((_, _, shown)) = NAMED.iter().find(|(_, code, _)| *code == self.code) {
            return f.write_str(shown);
        }
        match self.code {
            KeyCode::Char(character) => write!(f, "{character}"),
            KeyCode::F(number) => write!(f, "F{number}"),
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::ScreenId;

    fn refused(text: &str) -> String {
        Keymap::load(Some(("mine.toml", text))).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_table_binds_every_action_and_has_no_conflict() {
        /// For those who bind it themselves.
        const UNBOUND: [&str; 1] = ["keys.delete-now"];
        let keymap = Keymap::load(None).unwrap();
        for action in action::all().filter(|action| !UNBOUND.contains(&&*path(*action))) {
            assert!(!keymap.keys(action).is_empty(), "{}", path(action));
        }
    }

    #[test]
    fn a_conflict_names_the_key_and_both_actions() {
        let error = refused("[cluster]\nkill = [\"q\"]");
        assert!(error.contains("q is bound to both"), "{error}");
        assert!(error.contains("global.quit") && error.contains("cluster.kill"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        assert!(refused("[cluster]\nexplode = [\"b\"]").contains("no action cluster.explode"));
        assert!(refused("[global]\nquit = [\"hyper-q\"]").contains("\"hyper-q\" is not a key"));
        assert!(refused("[global]\nquit = \"q\"").contains("wants a list of keys"));
        assert!(refused("quit = [").contains("mine.toml"));
    }

    #[test]
    fn a_users_file_moves_one_action_and_leaves_the_others() {
        let keymap = Keymap::load(Some(("mine.toml", "[global]\nquit = [\"f10\"]"))).unwrap();
        let found = |word| {
            keymap.find(Scope::Screen(ScreenId::Cluster), Key::parse(word).unwrap()).map(Act::name)
        };
        assert_eq!(found("f10"), Some("quit"));
        assert_eq!(found("q"), None);
        assert_eq!(found("?"), Some("help"));
    }

    #[test]
    fn keys_are_shown_as_people_write_them() {
        let shown = |word| Key::parse(word).unwrap().to_string();
        assert_eq!(shown("ctrl-c"), "^c");
        assert_eq!(shown("alt-enter"), "M-Enter");
        assert_eq!(shown("-"), "-");
        assert_eq!(shown("f5"), "F5");
        let ascii = |word| Key::parse(word).unwrap().ascii();
        assert_eq!(ascii("up"), "up");
        assert_eq!(ascii("ctrl-up"), "^up");
        assert_eq!(ascii("ctrl-alt-left"), "^M-left");
        assert_eq!(ascii("alt-enter"), "M-Enter");
        for word in ["nothing", "f0", "f13", "f+1", "f01"] {
            assert_eq!(Key::parse(word), None, "{word}");
        }
        assert_eq!(Key::parse(""), None);
    }
}

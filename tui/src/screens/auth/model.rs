//! [`Told`]: what a server told of users, roles and what these may do.

use std::collections::BTreeMap;

use bytes::Bytes;
use mini_etcd_proto::authpb::Permission;
use mini_etcd_proto::authpb::permission::Type;
use mini_etcd_shared::types::prefix_end;

use crate::widget::escape_name;

/// The role that may do everything.
pub const ROOT: &str = "root";

/// What may be done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// To read them, which a watch does too.
    Read,
    /// To put and to delete them.
    Write,
    /// Both.
    Both,
}

impl Access {
    /// As commands name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Both => "readwrite",
        }
    }

    /// Whether who has this has that too.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self == Self::Both || self == other
    }

    /// One after the other, as they are asked about.
    #[must_use]
    pub fn parts(self) -> &'static [Self] {
        match self {
            Self::Read => &[Self::Read],
            Self::Write => &[Self::Write],
            Self::Both => &[Self::Read, Self::Write],
        }
    }

    /// The same in the protocol.
    #[must_use]
    pub fn wire(self) -> Type {
        match self {
            Self::Read => Type::Read,
            Self::Write => Type::Write,
            Self::Both => Type::Readwrite,
        }
    }
}

/// Keys, as a permission or a request names them: `end` is empty for one key, and one zero byte for all keys from `key` on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keys {
    /// The first.
    pub key: Bytes,
    /// What they end before.
    pub end: Bytes,
}

impl Keys {
    /// Of the words of a command: a key and perhaps an end, or a key with a flag. `None` when both are given.
    #[must_use]
    pub fn of(args: &[Bytes], prefix: bool, from_key: bool) -> Option<Self> {
        let (key, end) = match (args, prefix, from_key) {
            // No key is empty: the first of all is one zero byte.
            ([key], true, false) | ([key], false, true) if key.is_empty() => {
                (Bytes::from_static(&[0]), Bytes::from_static(&[0]))
            }
            ([key], true, false) => return Some(Self::prefix(key)),
            ([key], false, true) => (key.clone(), Bytes::from_static(&[0])),
            ([key], false, false) if !key.is_empty() => (key.clone(), Bytes::new()),
            ([key, end], false, false) if !key.is_empty() => (key.clone(), end.clone()),
            _ => return None,
        };
        Some(Self { key, end })
    }

    /// All that begin with this.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { key: Bytes::copy_from_slice(prefix), end: prefix_end(prefix) }
    }

    /// From its first key up to and without its end, without an end where there is none; `None` when no key is in it.
    #[must_use]
    pub fn bounds(&self) -> Option<(Bytes, Option<Bytes>)> {
        match self.end.as_ref() {
            // Nothing lies between a key and the same key with a zero byte behind it.
            [] => Some((self.key.clone(), Some([self.key.as_ref(), &[0]].concat().into()))),
            [0] => Some((self.key.clone(), None)),
            end if end > self.key.as_ref() => Some((self.key.clone(), Some(self.end.clone()))),
            _ => None,
        }
    }

    /// The arguments and flags of a command that names them.
    #[must_use]
    pub fn words(&self) -> (Vec<Bytes>, Option<&'static str>) {
        match self.end.as_ref() {
            [] => (vec![self.key.clone()], None),
            [0] if [&b""[..], &[0]].contains(&self.key.as_ref()) => {
                (vec![Bytes::new()], Some("--prefix"))
            }
            [0] => (vec![self.key.clone()], Some("--from-key")),
            end if end == prefix_end(&self.key) => (vec![self.key.clone()], Some("--prefix")),
            _ => (vec![self.key.clone(), self.end.clone()], None),
        }
    }

    /// As people read them: `/a`, `/a/ (prefix)`, `/a up to /c`, `/a and all behind it`, `every key`.
    #[must_use]
    pub fn shown(&self) -> String {
        let key = escape_name(&self.key);
        match self.words() {
            (args, Some("--prefix")) if args.first().is_some_and(Bytes::is_empty) => {
                "every key".to_owned()
            }
            (_, Some("--prefix")) => format!("{key} (prefix)"),
            (_, Some(_)) => format!("{key} and all behind it"),
            (args, None) if args.len() == 1 => key,
            _ if self.bounds().is_none() => {
                format!("{key} up to {}: no key", escape_name(&self.end))
            }
            _ => format!("{key} up to {}", escape_name(&self.end)),
        }
    }
}

/// A permission of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Which keys.
    pub keys: Keys,
    /// What may be done with them.
    pub access: Access,
}

impl From<Permission> for Grant {
    fn from(permission: Permission) -> Self {
        let access = match permission.perm_type() {
            Type::Read => Access::Read,
            Type::Write => Access::Write,
            Type::Readwrite => Access::Both,
        };
        Self { keys: Keys { key: permission.key, end: permission.range_end }, access }
    }
}

/// What a server told of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether users count.
    pub enabled: bool,
    /// The revision of users and roles, where the server has one to tell.
    pub revision: Option<u64>,
    /// The roles of each user.
    pub users: BTreeMap<String, Vec<String>>,
    /// The permissions of each role.
    pub roles: BTreeMap<String, Vec<Grant>>,
    /// Why others than the own user are not among them, in the words of the server.
    pub denied: Option<String>,
    /// Users and roles that are there and were not asked about, for they are too many.
    pub more: usize,
}

impl Told {
    /// Whether a user has the role that may do everything.
    #[must_use]
    pub fn is_root(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|roles| roles.iter().any(|role| role == ROOT))
    }

    /// Whether the server knows nobody in who asked.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.denied.as_ref().is_some_and(|why| why.contains("user name is empty"))
    }

    /// The permissions of a user, each with the role that has it.
    pub fn grants<'a>(&'a self, user: &str) -> impl Iterator<Item = (&'a str, &'a Grant)> {
        let roles = self.users.get(user).into_iter().flatten();
        roles.flat_map(|role| {
            self.roles.get(role).into_iter().flatten().map(|grant| (role.as_str(), grant))
        })
    }

    /// The users that have a role.
    pub fn holders<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a str> {
        let has = move |roles: &Vec<String>| roles.iter().any(|held| held == role);
        self.users.iter().filter(move |(_, roles)| has(roles)).map(|(user, _)| user.as_str())
    }
}

/// The keys of all permissions that have this, in ascending order; those that overlap or touch are one.
#[must_use]
pub fn union<'a>(access: Access, grants: impl Iterator<Item = &'a Grant>) -> Vec<Keys> {
    let mut all: Vec<(Bytes, Option<Bytes>)> = grants
        .filter(|grant| grant.access.has(access))
        .filter_map(|grant| grant.keys.bounds())
        .collect();
    all.sort();
    let mut union: Vec<(Bytes, Option<Bytes>)> = Vec::new();
    for (start, end) in all {
        match union.last_mut() {
            Some((_, last)) if last.as_ref().is_none_or(|last| start <= *last) => {
                // No end is the last of all.
                *last = last.take().zip(end).map(|(one, other)| one.max(other));
            }
            _ => union.push((start, end)),
        }
    }
    union.into_iter().map(|(start, end)| keys_of(start, end)).collect()
}

/// The keys between two bounds.
fn keys_of(key: Bytes, end: Option<Bytes>) -> Keys {
    let single = end.as_ref().is_some_and(|end| end.strip_suffix(&[0]) == Some(key.as_ref()));
    let end = match end {
        Some(_) if single => Bytes::new(),
        Some(end) => end,
        None => Bytes::from_static(&[0]),
    };
    Keys { key, end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &str, end: &str) -> Keys {
        Keys {
            key: Bytes::copy_from_slice(key.as_bytes()),
            end: Bytes::copy_from_slice(end.as_bytes()),
        }
    }

    #[test]
    fn keys_are_shown_as_what_was_meant_and_named_by_the_words_that_give_them() {
        for (of, shown) in [
            (keys("/a", ""), "/a"),
            (keys("/a/", "/a0"), "/a/ (prefix)"),
            (keys("a", "c"), "a up to c"),
            (keys("a", "\0"), "a and all behind it"),
            (keys("\0", "\0"), "every key"),
        ] {
            assert_eq!(of.shown(), shown);
            let (args, flag) = of.words();
            let back = Keys::of(&args, flag == Some("--prefix"), flag == Some("--from-key"));
            assert_eq!(back, Some(of), "{shown}");
        }
        assert_eq!(keys("c", "a").shown(), "c up to a: no key");
        let word = |word: &'static str| Bytes::from_static(word.as_bytes());
        assert_eq!(Keys::of(&[word("a"), word("b")], true, false), None);
        assert_eq!(Keys::of(&[word("a")], true, true), None);
        assert_eq!(Keys::of(&[word("")], false, false), None);
        assert_eq!(Keys::of(&[word("")], false, true), Some(keys("\0", "\0")));
    }

    #[test]
    fn permissions_that_touch_are_one() {
        let grant = |access, key: &str, end: &str| Grant { keys: keys(key, end), access };
        let grants = [
            grant(Access::Both, "c", "e"),
            grant(Access::Read, "a", "c"),
            grant(Access::Write, "x", ""),
            grant(Access::Read, "k", ""),
            grant(Access::Read, "z", "y"),
        ];
        let shown = |access| {
            let union = union(access, grants.iter());
            union.iter().map(Keys::shown).collect::<Vec<_>>()
        };
        assert_eq!(shown(Access::Read), ["a up to e", "k"]);
        assert_eq!(shown(Access::Write), ["c up to e", "x"]);
        let open = [grant(Access::Read, "b", "\0"), grant(Access::Read, "a", "c")];
        assert_eq!(union(Access::Read, open.iter()), [keys("a", "\0")]);
    }
}

//! [`explain`]: whether a user may do something with keys, and by what.
//!
//! * I1: keys are covered when each of them is by some permission of some role: two that touch cover together what neither
//!   does alone, as a server has it.

use bytes::Bytes;

use super::model::{Access, Grant, Keys, Told};

/// Roles that are named as of use.
const HELPING_MAX: usize = 3;

/// A permission, and the role that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The role.
    pub role: String,
    /// Its permission.
    pub grant: Grant,
}

impl By {
    fn of((role, grant): (&str, &Grant)) -> Self {
        Self { role: role.to_owned(), grant: grant.clone() }
    }
}

/// Whether somebody may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no such user.
    NoUser,
    /// This user is not told of other users.
    NotTold,
    /// It has the role that may do everything.
    Root,
    /// By these permissions together, in the order of their keys.
    Allowed(Vec<By>),
    /// Not all of it.
    Denied(Denied),
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Permissions for the keys before the first that is missing.
    pub covered: Vec<By>,
    /// The first key that is missing.
    pub missing: Bytes,
    /// The permission of the user that comes nearest to it.
    pub closest: Option<By>,
    /// Roles that the user has not and that would do, the first of them.
    pub helping: Vec<String>,
}

/// Whether a user may read or write keys, once users count.
#[must_use]
pub fn explain(told: &Told, user: &str, access: Access, keys: &Keys) -> Verdict {
    let Some(held) = told.users.get(user) else {
        return if told.denied.is_some() { Verdict::NotTold } else { Verdict::NoUser };
    };
    if told.is_root(user) {
        return Verdict::Root;
    }
    let grants: Vec<(&str, &Grant)> = told.grants(user).collect();
    let (covered, missing) = sweep(access, keys, &grants);
    let Some(missing) = missing else { return Verdict::Allowed(covered) };
    let others = told.roles.iter().filter(|(role, _)| !held.contains(role));
    let helps = |(role, grants): &(&String, &Vec<Grant>)| {
        let grants: Vec<_> = grants.iter().map(|grant| (role.as_str(), grant)).collect();
        sweep(access, keys, &grants).1.is_none()
    };
    let helping = others.filter(helps).map(|(role, _)| role.clone()).take(HELPING_MAX).collect();
    let closest = closest(&missing, &grants);
    Verdict::Denied(Denied { covered, missing, closest, helping })
}

/// The permissions that cover keys, each from where the one before ends; and the first key that none covers. I1
fn sweep(access: Access, keys: &Keys, grants: &[(&str, &Grant)]) -> (Vec<By>, Option<Bytes>) {
    // A range without keys is held for its first one, as a server does.
    let single = Keys { key: keys.key.clone(), end: Bytes::new() };
    let Some((mut at, end)) = keys.bounds().or_else(|| single.bounds()) else {
        return (Vec::new(), Some(keys.key.clone()));
    };
    let mut used = Vec::new();
    loop {
        let from_here =
            grants.iter().filter(|(_, grant)| grant.access.has(access)).filter_map(|by| {
                let (start, end) = by.1.keys.bounds()?;
                let goes_on = end.as_ref().is_none_or(|end| *end > at);
                // An end that is none is the last of all.
                (start <= at && goes_on).then_some(((end.is_none(), end), by))
            });
        let furthest = from_here.max_by(|(one, _), (other, _)| one.cmp(other));
        let Some(((_, reached), by)) = furthest else { return (used, Some(at)) };
        used.push(By::of(*by));
        match (reached, &end) {
            (Some(reached), Some(end)) if reached < *end => at = reached,
            (Some(reached), None) => at = reached,
            _ => return (used, None),
        }
    }
}

/// The permission with the key in it, for something else; or the one whose first key has most in common with it.
fn closest(key: &Bytes, grants: &[(&str, &Grant)]) -> Option<By> {
    let near = |grant: &Grant| {
        let common = key.iter().zip(&grant.keys.key).take_while(|(one, other)| one == other);
        let within = grant
            .keys
            .bounds()
            .is_some_and(|(start, end)| start <= *key && end.is_none_or(|end| *key < end));
        (within, common.count())
    };
    let all = grants.iter().map(|by| (near(by.1), by));
    let near = all.filter(|((within, common), _)| *within || *common > 0);
    // Of equals the first.
    near.rev().max_by_key(|(near, _)| *near).map(|(_, by)| By::of(*by))
}

#[cfg(test)]
mod tests {
    use mini_etcd_server::auth::Ranges;
    use mini_etcd_shared::types::KeyRange;
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn keys(key: &str, end: &str) -> Keys {
        Keys { key: bytes(key), end: bytes(end) }
    }

    fn grant(access: Access, key: &str, end: &str) -> Grant {
        Grant { access, keys: keys(key, end) }
    }

    fn told() -> Told {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Told {
            enabled: true,
            users: [
                ("alice".to_owned(), names(&["readers", "gone"])),
                ("bob".to_owned(), names(&[])),
                ("root".to_owned(), names(&["root"])),
            ]
            .into(),
            roles: [
                ("root".to_owned(), Vec::new()),
                (
                    "readers".to_owned(),
                    vec![
                        grant(Access::Read, "/config/", "/config0"),
                        grant(Access::Read, "a", "c"),
                        grant(Access::Both, "c", "e"),
                    ],
                ),
                ("writers".to_owned(), vec![grant(Access::Write, "/", "0")]),
            ]
            .into(),
            ..Told::default()
        }
    }

    fn allowed(verdict: Verdict) -> Vec<String> {
        match verdict {
            Verdict::Allowed(by) => {
                by.iter().map(|by| format!("{} {}", by.role, by.grant.keys.shown())).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn denied(verdict: Verdict) -> Denied {
        match verdict {
            Verdict::Denied(denied) => denied,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_may_is_told_by_which_permissions() {
        let told = told();
        let ask = |user, access, key, end| explain(&told, user, access, &keys(key, end));
        assert_eq!(
            allowed(ask("alice", Access::Read, "/config/a", "")),
            ["readers /config/ (prefix)"]
        );
        let two = allowed(ask("alice", Access::Read, "b", "d"));
        assert_eq!(two, ["readers a up to c", "readers c up to e"]);
        assert_eq!(ask("root", Access::Write, "x", "\0"), Verdict::Root);
        assert_eq!(ask("carol", Access::Read, "x", ""), Verdict::NoUser);
        let own = Told { denied: Some("etcdserver: permission denied".into()), ..told.clone() };
        assert_eq!(explain(&own, "carol", Access::Read, &keys("x", "")), Verdict::NotTold);
    }

    #[test]
    fn who_may_not_is_told_what_is_missing_and_what_comes_nearest() {
        let told = told();
        let ask = |user, access, key, end| denied(explain(&told, user, access, &keys(key, end)));
        let write = ask("alice", Access::Write, "/config/a", "");
        assert_eq!(
            (write.missing.as_ref(), &*write.helping),
            (&b"/config/a"[..], &["writers".to_owned()][..])
        );
        assert_eq!(write.closest.unwrap().grant.access, Access::Read);
        let beyond = ask("alice", Access::Read, "b", "x");
        assert_eq!((beyond.missing.as_ref(), beyond.covered.len()), (&b"e"[..], 2));
        assert_eq!(beyond.helping, [""; 0]);
        let open = ask("alice", Access::Read, "/config/", "\0");
        assert_eq!(open.missing.as_ref(), b"/config0");
        let near = ask("alice", Access::Read, "/conf", "");
        assert_eq!(near.closest.unwrap().grant.keys, keys("/config/", "/config0"));
        assert_eq!(ask("alice", Access::Read, "zzz", "").closest, None);
        assert_eq!(ask("bob", Access::Read, "/config/a", "").helping, ["readers"]);
    }

    fn bound() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0, b'a', b'b', 0xff]), 0..3)
    }

    proptest! {
        // Goal: the screen says what a server does. Method: the server's own union of ranges.
        #[test]
        fn the_verdict_is_that_of_the_server(
            grants in prop::collection::vec((bound(), bound()), 0..6),
            key in bound(),
            end in bound(),
        ) {
            prop_assume!(!key.is_empty());
            let ranges = grants.iter().map(|(key, end)| KeyRange::new(key.clone().into(), end.clone().into()));
            let server = ranges.collect::<Ranges>().cover(&key, &end);
            let grants: Vec<Grant> = grants
                .into_iter()
                .map(|(key, end)| Keys { key: key.into(), end: end.into() })
                .map(|keys| Grant { keys, access: Access::Read })
                .collect();
            let of_role: Vec<_> = grants.iter().map(|grant| ("r", grant)).collect();
            let asked = Keys { key: key.into(), end: end.into() };
            prop_assert_eq!(sweep(Access::Read, &asked, &of_role).1.is_none(), server);
        }
    }
}

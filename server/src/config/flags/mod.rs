//! [`Flag`]: the one table of what can be set, by our names and by all of etcd's.
//!
//! ```text
//! Flag ─┬─▶ command line and its help     ─┬─▶ variables, ours and etcd's     ─▶ docs/flags.md
//!       └─▶ keys of the file in TOML       └─▶ keys of etcd's file in YAML
//! ```
//!
//! *Invariants.*
//! - I1: every flag of etcd from 3.4 to 3.7.3 stands here, and says what comes of it: it does what it does in etcd, it has
//!   no effect and a line of the log says why, or the program does not start with it and says why.
//! - I2: what would do harm if nobody heeded it is refused.
//!
//! Tested here, in `docs/flags.md`, which is made from it, and beside etcd in `tests/tests/oracle_flags`.

mod cluster;
mod command;
mod gates;
mod member;
mod operation;
#[cfg(test)]
mod page;
mod security;

pub(super) use command::{Arguments, parse};
pub(super) use gates::gates;

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub name: &'static str,
    pub kind: Kind,
    pub program: Program,
    pub effect: Effect,
    /// What it says.
    pub help: &'static str,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// True or false, as Go reads it; true where only the name is given.
    Bool,
    /// A whole number.
    Number,
    /// A duration as Go writes it; in etcd's file a number of nanoseconds.
    Duration,
    /// Text, called this in the help.
    Text(&'static str),
}

/// Which program has a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Ours,
    /// etcd 3.5.1 and 3.7.3.
    Etcd,
    /// etcd 3.4, and 3.5.1 not any more.
    Etcd34,
    /// etcd 3.5, and 3.7.3 not any more.
    Etcd35,
    /// etcd 3.6 alone.
    Etcd36,
    /// etcd 3.7.3, and 3.5.1 not yet.
    Etcd37,
}

/// What comes of a flag.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    /// What it says.
    Applied,
    /// That of another one.
    AliasOf(&'static str),
    /// Nothing but a warning with this reason, and not even that with one of these values, or with any when there are none.
    Ignored(&'static [&'static str], &'static str),
    /// Another value than these is refused, for this reason.
    Refused(&'static [&'static str], &'static str),
}

impl Flag {
    const fn new(program: Program, name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, program, effect: Effect::Applied, help }
    }

    const fn alias_of(mut self, other: &'static str) -> Self {
        self.effect = Effect::AliasOf(other);
        self
    }

    const fn ignored(mut self, fits: &'static [&'static str], why: &'static str) -> Self {
        self.effect = Effect::Ignored(fits, why);
        self
    }

    const fn refused(mut self, fits: &'static [&'static str], why: &'static str) -> Self {
        self.effect = Effect::Refused(fits, why);
        self
    }

    /// Variable of etcd, where it is a flag of etcd.
    pub fn etcd_variable(&self) -> Option<String> {
        (self.program != Program::Ours).then(|| variable("ETCD_", self.name))
    }

    /// Variable of our own.
    pub fn own_variable(&self) -> String {
        variable("MINI_ETCD_", self.name)
    }
}

fn variable(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", name.replace('-', "_").to_ascii_uppercase())
}

const fn ours(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag::new(Program::Ours, name, kind, help)
}

const fn etcd(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag::new(Program::Etcd, name, kind, help)
}

const fn old(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag::new(Program::Etcd35, name, kind, help)
}

const fn old_3_4(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag::new(Program::Etcd34, name, kind, help)
}

const fn old_3_6(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag::new(Program::Etcd36, name, kind, help)
}

const fn new(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag::new(Program::Etcd37, name, kind, help)
}

/// The groups of the table, with their headings.
const GROUPS: [(&str, &[Flag]); 5] = [
    ("Member", member::FLAGS),
    ("Cluster", cluster::FLAGS),
    ("TLS", security::TLS),
    ("Access", security::ACCESS),
    ("Operation", operation::FLAGS),
];

/// Every flag.
pub(super) fn all() -> impl Iterator<Item = &'static Flag> {
    GROUPS.into_iter().flat_map(|(_, flags)| flags)
}

/// The flag of this name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    all().find(|flag| flag.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_stands_once_and_other_names_are_names() {
        let names: BTreeSet<_> = all().map(|flag| flag.name).collect();
        assert_eq!(names.len(), all().count());
        for flag in all() {
            if let Effect::AliasOf(other) = flag.effect {
                let other = find(other).unwrap_or_else(|| panic!("{} is {other}", flag.name));
                assert!(!matches!(other.effect, Effect::AliasOf(_)), "{}", flag.name);
            }
        }
    }
}

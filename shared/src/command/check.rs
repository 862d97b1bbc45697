//! `check perf` and `check datascale`: whether a cluster is fast enough, and what it needs, for a load of a known size.

use bytes::Bytes;

use super::ranges::prefix_range;
use super::request::Misfit;
use super::spec::{CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Made, Refusal, Request};
use crate::failure::exit;

/// Loads by the names that a line may have for them.
const LOADS: &[(&str, CheckLoad)] = &[
    ("s", CheckLoad::Small),
    ("m", CheckLoad::Medium),
    ("l", CheckLoad::Large),
    ("xl", CheckLoad::ExtraLarge),
    ("small", CheckLoad::Small),
    ("medium", CheckLoad::Medium),
    ("large", CheckLoad::Large),
    ("xLarge", CheckLoad::ExtraLarge),
];

const LOAD: Flag = Flag::new(
    "load",
    ValueKind::Choice(&["s", "m", "l", "xl", "small", "medium", "large", "xLarge"]),
    "s",
    "how much to write: s(mall), m(edium), l(arge) or xl (xLarge)",
);
const AUTO_COMPACT: Flag =
    Flag::switch("auto-compact", "forget the history of the keys in the end");
const AUTO_DEFRAG: Flag = Flag::switch("auto-defrag", "defragment each of --endpoints in the end");

/// The flags of both; keys begin with `prefix` unless one says otherwise.
const fn flags(prefix: &'static str) -> [Flag; 4] {
    let begins = "what the keys begin with; no key may do so yet";
    [AUTO_COMPACT, AUTO_DEFRAG, LOAD, Flag::new("prefix", ValueKind::Text, prefix, begins)]
}

/// `check perf`
pub(super) const CHECK_PERF: CommandSpec = CommandSpec {
    group: "check",
    effect: Effect::Writes,
    flags: &flags("/etcdctl-check-perf/"),
    long: "For a minute it puts 150 (s), 1000 (m), 8000 (l) or 15000 (xl) keys of 1.25 KB a second, by 50, 200, 500 or 1000 clients,\n\
        and then deletes them. It fails when less than nine tenths of these get through, when one takes more than half a second,\n\
        when the standard deviation is above a tenth of a second, or when one fails. Ctrl-C ends it before the minute is over.\n\
        Only mini-etcdctl does this.",
    examples: &["check perf", "check perf --load m --prefix /check/ --auto-compact --auto-defrag"],
    ..CommandSpec::new("perf", "Checks how fast the cluster writes", |line| made(line, false))
};

/// `check datascale`
pub(super) const CHECK_DATASCALE: CommandSpec = CommandSpec {
    group: "check",
    effect: Effect::Writes,
    flags: &flags("/etcdctl-check-datascale/"),
    long: "Puts 10000 (s), 100000 (m), 1000000 (l) or 3000000 (xl) keys of 1 KB, by 50, 200, 500 or 1000 clients, and then deletes\n\
        them. What it tells is by how much the memory of the first endpoint has grown, by its own metrics.\n\
        Only mini-etcdctl does this.",
    examples: &["check datascale", "check datascale --load s --prefix /check/ --auto-compact"],
    ..CommandSpec::new("datascale", "Checks how much memory keys take", |line| made(line, true))
};

/// How much a check writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckLoad {
    /// `s`
    Small,
    /// `m`
    Medium,
    /// `l`
    Large,
    /// `xl`
    ExtraLarge,
}

/// A check to make. Whoever runs it writes for a minute, or so many keys.
#[derive(Clone, Debug)]
pub struct Check {
    /// Whether it is about memory, and not about speed.
    pub datascale: bool,
    /// How much to write.
    pub load: CheckLoad,
    /// What the keys begin with, and all of which is deleted in the end.
    pub prefix: Bytes,
    /// Whether to compact the history in the end.
    pub compact: bool,
    /// Whether to defragment the endpoints in the end.
    pub defrag: bool,
}

impl Check {
    /// Key and range end of all keys with the prefix.
    #[must_use]
    pub fn range(&self) -> (Bytes, Bytes) {
        prefix_range(self.prefix.clone())
    }
}

fn made(line: &CommandLine<'_>, datascale: bool) -> Made {
    let named = line.text("load");
    let Some((_, load)) = LOADS.iter().find(|(name, _)| *name == named) else {
        return Err(Refusal::new(exit::BAD_FEATURE, format!("unknown load option {named}")));
    };
    Ok(Box::new(Check {
        datascale,
        load: *load,
        prefix: line.text("prefix").into(),
        compact: line.switch("auto-compact"),
        defrag: line.switch("auto-defrag"),
    }))
}

impl Request for Check {
    fn misfit(&self) -> Option<Misfit> {
        let expected = "a command that answers at once; mini-etcdctl makes checks";
        Some(Misfit { found: Some("check".to_owned()), expected })
    }
}

//! Words of the language beside the commands of the table.

use strsim::levenshtein;

use super::{EXTRAS, METAS};
use crate::command::{SUGGEST_DISTANCE_MAX, Target};

/// Other names of commands, outside `mini-etcdctl`.
pub const ALIASES: &[(&str, &str)] = &[("range", "get"), ("delete", "del")];

/// First words of lines that are no commands.
pub const KEYWORDS: &[(&str, &str, &str)] = &[
    ("await", "await ID events COUNT within TIME", "Waits until a watch has seen so many events"),
    ("cancel", "cancel ID", "Ends a background watch"),
    ("else", "else", "The other branch of `if`"),
    ("end", "end", "Ends a block"),
    (
        "eventually",
        "eventually TIME [every TIME] COMMAND [expect CONDITION]",
        "Repeats a command until what is expected holds",
    ),
    ("expect", "expect CONDITION", "Demands something of what ran last"),
    ("if", "if CONDITION", "Runs a block when something holds of what ran last"),
    ("repeat", "repeat COUNT", "Runs a block several times"),
    ("set", "set NAME WORD", "Sets a variable"),
    ("setup", "setup", "A block that runs before the tests"),
    ("teardown", "teardown", "A block that runs behind the tests, whatever became of them"),
    ("test", "test NAME", "A block that passes or fails as one"),
    ("with", "with FLAGS", "A block whose commands get these flags"),
];

/// Builtins behind `|`.
pub const FILTERS: &[(&str, &str, &str)] = &[
    ("count", "count", "How many lines"),
    ("diff", "diff FILE", "What differs from a file"),
    ("head", "head [COUNT]", "The first lines, 10 of them when it is not said"),
    ("hex", "hex", "The bytes in hex, sixteen in a line"),
    ("json", "json PATH", "A part of each JSON document, as in .kvs[0].key"),
    ("sort", "sort", "The lines in order"),
];

/// How exactly the name of a command must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// As it stands in the table: scripts.
    Exact,
    /// Any beginning that only one command has: lines that people type.
    Prefixes,
}

/// The name that an alias stands for; any other word as it is.
#[must_use]
pub fn full_name(word: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, name)| name)
}

/// The command below `target` that `word` names.
pub(super) fn next(target: Target, word: &str, names: Names) -> Option<Target> {
    let word = if matches!(target, Target::Root) { full_name(word) } else { word };
    let found = target.next(word.as_bytes())?;
    let exact = found.last_word() == word
        || matches!(found, Target::Command(spec) if spec.aliases.contains(&word));
    (exact || names == Names::Prefixes).then_some(found)
}

/// Names close to `word` among the commands below `target`: those that begin with it, or else the nearest.
pub(super) fn close_to(target: Target, word: &str) -> Vec<&'static str> {
    let word = word.to_lowercase();
    let mut all: Vec<_> = target.children().iter().map(Target::last_word).collect();
    if matches!(target, Target::Root) {
        all.extend(EXTRAS.iter().chain(METAS).map(|meta| meta.name));
        all.extend(KEYWORDS.iter().map(|(name, ..)| *name));
        all.extend(ALIASES.iter().map(|(name, _)| *name));
    }
    let begin: Vec<_> = all.iter().copied().filter(|name| name.starts_with(&word)).collect();
    if !begin.is_empty() && !word.is_empty() {
        return begin;
    }
    // Two steps from a short word lead to any other, so what is that far at least begins as it does.
    let near =
        |name: &&str| levenshtein(&word, name) < 2 || name.chars().next() == word.chars().next();
    all.retain(near);
    let far = |name: &&'static str| levenshtein(&word, name);
    let nearest = all.iter().map(far).min().unwrap_or(usize::MAX);
    if nearest > SUGGEST_DISTANCE_MAX || nearest >= word.len() {
        return Vec::new();
    }
    all.into_iter().filter(|name| far(name) == nearest).collect()
}

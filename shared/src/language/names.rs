//! Words of the language beside the commands of the table.

use strsim::levenshtein;

use crate::command::{SUGGEST_DISTANCE_MAX, Target};

/// Other names of commands, outside `mini-etcdctl`.
pub const ALIASES: &[(&str, &str)] = &[("range", "get"), ("delete", "del")];

/// Something that only the language has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaSpec {
    /// Its name; `\` is part of a meta command's.
    pub name: &'static str,
    /// What it takes.
    pub usage: &'static str,
    /// Fewest and most arguments.
    pub arity: (usize, usize),
    /// One line, without a full stop.
    pub short: &'static str,
    /// A line that shows it.
    pub example: &'static str,
}

const fn meta(
    name: &'static str,
    usage: &'static str,
    arity: (usize, usize),
    short: &'static str,
    example: &'static str,
) -> MetaSpec {
    MetaSpec { name, usage, arity, short, example }
}

/// Commands of the language that do not stand in the table, for `mini-etcdctl` does not have them.
pub const EXTRAS: &[MetaSpec] = &[
    meta(
        "ls",
        "[PREFIX]",
        (0, 1),
        "Lists one level of keys: what follows PREFIX up to the next '/'",
        "ls /config/",
    ),
    meta(
        "cd",
        "[PREFIX]",
        (0, 1),
        "Puts PREFIX before every key that does not begin with '/'; '..' goes up, none goes home",
        "cd /config/web",
    ),
    meta("pwd", "", (0, 0), "Prints the prefix that `cd` has set", "pwd"),
];

/// Commands about the session instead of the cluster.
pub const METAS: &[MetaSpec] = &[
    meta(
        "\\diff",
        "KEY @REV1 [@REV2]",
        (2, 3),
        "Shows how a value changed between two revisions; @now is the newest",
        "\\diff /config/web @17 @now",
    ),
    meta("\\e", "", (0, 0), "Opens the last line in $EDITOR", "\\e"),
    meta("\\h", "[COMMAND]", (0, 9), "Explains a command; alone, lists all", "\\h get"),
    meta(
        "\\history",
        "KEY",
        (1, 1),
        "Shows the versions of a key since it was last created",
        "\\history /config/web",
    ),
    meta("\\kill", "leader|NAME", (1, 1), "Kills a bundled member with SIGKILL", "\\kill leader"),
    meta("\\q", "", (0, 0), "Leaves", "\\q"),
    meta(
        "\\record",
        "[FILE]",
        (0, 1),
        "Writes what is run to a script; alone, ends that",
        "\\record s.ers",
    ),
    meta("\\restart", "NAME", (1, 1), "Starts a bundled member that was killed", "\\restart n1"),
    meta("\\source", "FILE", (1, 1), "Runs the lines of a file", "\\source setup.ers"),
    meta("\\timing", "[on|off]", (0, 1), "Says how long each command took", "\\timing on"),
    meta(
        "\\w",
        "[simple|json|jsonl|fields|table]",
        (0, 1),
        "Sets the output format; alone, prints it",
        "\\w jsonl",
    ),
];

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

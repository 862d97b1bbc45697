//! [`Target`]: what the words of a line lead to in the table.

#![expect(missing_docs, reason = "names that say all have no comment")]

use strsim::levenshtein;

use super::parse::Given;
use super::refusal::Refusal;
use super::spec::{CommandSpec, Flag, Group, ValueKind};
use super::table::{GLOBAL_FLAGS, GROUPS, TABLE};
use crate::failure::exit;
use crate::text::quote;

/// Help for whatever it is given to.
pub(super) const HELP_FLAG: Flag = Flag::switch("help", "explain this command").short('h');

/// Longest distance between a word and a command that is suggested for it.
pub(crate) const SUGGEST_DISTANCE_MAX: usize = 2;

/// What the words of a line lead to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    Root,
    /// A group without one of its commands.
    Group(&'static Group),
    Command(&'static CommandSpec),
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Target {
    /// The words that lead to it.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Group(group) => group.name.to_owned(),
            Self::Command(spec) => spec.path(),
        }
    }

    /// Its flags, its own before those of the group and those that all have.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let (own, group): (&[Flag], &[Flag]) = match self {
            Self::Root => (&[], &[]),
            Self::Group(group) => (&[], group.flags),
            Self::Command(spec) => {
                let group = GROUPS.iter().find(|group| group.name == spec.group);
                (spec.flags, group.map_or(&[], |group| group.flags))
            }
        };
        own.iter().chain(group).chain(GLOBAL_FLAGS).chain(std::iter::once(&HELP_FLAG))
    }

    /// What follows it at a prompt: an exact name, an alias, or the only one offered there that begins with `word`.
    #[must_use]
    pub fn next(&self, word: &[u8]) -> Option<Self> {
        if let Some(found) = self.children().into_iter().find(|child| child.is_called(word)) {
            return Some(found);
        }
        let mut begins = self
            .offered()
            .into_iter()
            .filter(|child| child.last_word().as_bytes().starts_with(word));
        match (word.is_empty(), begins.next(), begins.next()) {
            (false, Some(only), None) => Some(only),
            _ => None,
        }
    }

    fn is_called(&self, word: &[u8]) -> bool {
        self.last_word().as_bytes() == word
            || matches!(self, Self::Command(spec) if spec.aliases.iter().any(|a| a.as_bytes() == word))
    }

    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        let commands = |group: &str| {
            let of_group = TABLE.iter().filter(move |spec| spec.group == group).map(Self::Command);
            of_group.collect::<Vec<_>>()
        };
        match self {
            Self::Command(_) => Vec::new(),
            Self::Group(group) => commands(group.name),
            Self::Root => {
                let mut all = commands("");
                all.extend(GROUPS.iter().map(Self::Group));
                all.sort_by_key(Self::last_word);
                all
            }
        }
    }

    /// Those of its [`children`](Self::children) that a prompt offers.
    #[must_use]
    pub fn offered(&self) -> Vec<Self> {
        let mut all = self.children();
        all.retain(|child| !matches!(child, Self::Command(spec) if spec.shell));
        all
    }

    /// Whether a heredoc of its line is its standard input, and no argument.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        matches!(self, Self::Command(spec) if spec.input)
    }

    /// The last of the words that lead to it.
    #[must_use]
    pub fn last_word(&self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Group(group) => group.name,
            Self::Command(spec) => spec.name,
        }
    }

    pub(super) fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.name == name || flag.alias == Some(name))
    }
}

/// Which commands and flags a line may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// All of them: the command line of a program.
    Program,
    /// `get`, `put` and `del` with their own flags: a line of a transaction.
    Operation,
}

impl Grammar {
    fn flags(self, target: Target) -> impl Iterator<Item = &'static Flag> {
        let own = |flag: &&Flag| {
            let mut common = GLOBAL_FLAGS.iter().chain(std::iter::once(&HELP_FLAG));
            common.all(|common| common.name != flag.name)
        };
        target.flags().filter(move |flag| self == Self::Program || own(flag))
    }

    pub(super) fn flag(self, target: Target, name: &str) -> Option<&'static Flag> {
        self.flags(target).find(|flag| flag.name == name || flag.alias == Some(name))
    }

    pub(super) fn flag_by_letter(self, target: Target, letter: char) -> Option<&'static Flag> {
        self.flags(target).find(|flag| flag.short == Some(letter))
    }

    /// What the word names below `target`: an exact name, or the only one that begins so.
    fn next(self, target: Target, word: &[u8]) -> Option<Target> {
        let is_open = |child: &Target| match self {
            Self::Program => true,
            Self::Operation => matches!(child, Target::Command(spec) if spec.operation),
        };
        let all: Vec<Target> = target.children().into_iter().filter(is_open).collect();
        if let Some(found) = all.iter().find(|child| child.is_called(word)) {
            return Some(*found);
        }
        let mut begin = all.iter().filter(|child| child.last_word().as_bytes().starts_with(word));
        match (begin.next(), begin.next()) {
            (Some(only), None) => Some(*only),
            _ => None,
        }
    }

    /// Whether a flag's value is the next word.
    fn takes_next(self, target: Target, word: &str) -> bool {
        if word.contains('=') {
            return false;
        }
        let flag = match word.strip_prefix("--") {
            Some(name) => self.flag(target, name),
            None if word.chars().count() == 2 => {
                word.chars().nth(1).and_then(|letter| self.flag_by_letter(target, letter))
            }
            None => return false,
        };
        flag.is_none_or(|flag| flag.value != ValueKind::Switch)
    }
}

/// Words that lead to no command: the first of them.
#[derive(Debug)]
pub(super) struct Lost(String);

impl Lost {
    pub(super) fn refusal(self, program: &str) -> Refusal {
        unknown_command(program, &self.0)
    }
}

/// Finds the command among the flags around it; answers the words without its name. Without any words it is the root.
pub(super) fn find(words: &[Given], grammar: Grammar) -> Result<(Target, Vec<Given>), Lost> {
    let mut target = Target::Root;
    let mut rest = words.to_vec();
    while let Some(at) = first_argument(grammar, target, &rest) {
        let Some(word) = rest.get(at).map(|word| word.bytes.clone()) else { break };
        match grammar.next(target, &word) {
            Some(next) => {
                rest.remove(at);
                target = next;
            }
            None if matches!(target, Target::Root) => {
                return Err(Lost(String::from_utf8_lossy(&word).into_owned()));
            }
            None => break,
        }
        if matches!(target, Target::Command(_)) {
            break;
        }
    }
    if matches!(target, Target::Root) && grammar == Grammar::Operation {
        return Err(Lost(String::new()));
    }
    Ok((target, rest))
}

/// The first word that is no flag and no value of one. Empty words name nothing and are passed over.
fn first_argument(grammar: Grammar, target: Target, words: &[Given]) -> Option<usize> {
    let mut at = 0;
    loop {
        let word = words.get(at)?;
        if word.ends_flags() {
            return None;
        }
        if !word.is_flag() {
            if !word.bytes.is_empty() {
                return Some(at);
            }
            at += 1;
            continue;
        }
        let text = String::from_utf8_lossy(&word.bytes);
        at += if grammar.takes_next(target, &text) { 2 } else { 1 };
    }
}

/// Whether a flag's value is the next word.
#[must_use]
pub fn takes_next(target: Target, word: &str) -> bool {
    Grammar::Program.takes_next(target, word)
}

fn unknown_command(program: &str, word: &str) -> Refusal {
    let children = Target::Root.children();
    let mut close: Vec<_> = children
        .iter()
        .map(Target::last_word)
        .filter(|name| {
            levenshtein(&word.to_lowercase(), name) <= SUGGEST_DISTANCE_MAX
                || name.starts_with(&word.to_lowercase())
        })
        .collect();
    close.sort_unstable();
    let shown = quote(word.as_bytes());
    let mut text = format!("unknown command {shown} for {}", quote(program.as_bytes()));
    if !close.is_empty() {
        text.push_str("\n\nDid you mean this?");
        for name in close {
            text.push_str("\n\t");
            text.push_str(name);
        }
        text.push('\n');
    }
    let mut refusal = Refusal::new(exit::ERROR, text);
    refusal.hint = Some(format!("Run '{program} --help' for usage."));
    refusal
}

//! What a word could become, and what may follow: from the tables of the language, without asking a server.

use mini_etcd_shared::command::{Target, takes_next};
use mini_etcd_shared::language::{ALIASES, EXTRAS, FILTERS, KEYWORDS, METAS};

/// What a word could become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub text: String,
    /// What it is.
    pub about: String,
}

/// What could stand at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where the word begins in the line.
    pub start: usize,
    /// What it could become.
    pub candidates: Vec<Candidate>,
    /// What may follow the line.
    pub hint: String,
}

/// What could stand at the end of `line`, which follows the lines `above`.
#[must_use]
pub fn complete(above: &[String], line: &str) -> Completion {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| {
        at + line.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let (before, typed) = line.split_at_checked(start).unwrap_or((line, ""));
    // Inside of quotes nothing is a command.
    let quoted = before.matches(['"', '\'']).count() % 2 == 1;
    if quoted || typed.starts_with(['"', '\'']) {
        return Completion::default();
    }
    let pipe = before.rfind('|');
    let words: Vec<&str> =
        before.get(pipe.map_or(0, |at| at + 1)..).unwrap_or("").split_whitespace().collect();
    if pipe.is_some() {
        return filters(start, &words, typed);
    }
    let mut target = Target::Root;
    let mut rest = words.as_slice();
    while let Some((word, after)) = rest.split_first() {
        let word = ALIASES.iter().find(|(alias, _)| alias == word).map_or(*word, |(_, name)| name);
        let Some(next) = target.next(word.as_bytes()) else { break };
        (target, rest) = (next, after);
    }
    if let Target::Root = target {
        return first_word(start, &words, typed, above.is_empty());
    }
    let candidates = if typed.starts_with('-') {
        let flags = target.flags();
        named(typed, flags.map(|flag| (format!("--{}", flag.name), flag.help)))
    } else {
        let children = target.children();
        named(typed, children.iter().map(|child| (child.last_word().to_owned(), about(*child))))
    };
    let hint = if typed.is_empty() { remaining(target, rest) } else { String::new() };
    Completion { start, candidates, hint }
}

fn named<'a>(
    typed: &str,
    all: impl Iterator<Item = (String, &'a str)>,
) -> Vec<Candidate> {
    let fits = all.filter(|(text, _)| text.starts_with(typed));
    fits.map(|(text, about)| Candidate { text, about: about.to_owned() }).collect()
}

fn filters(start: usize, words: &[&str], typed: &str) -> Completion {
    if let Some(name) = words.first() {
        let usage = FILTERS.iter().find(|(filter, ..)| filter == name);
        let hint = usage.and_then(|(_, usage, _)| usage.split_once(' ')).map(|(_, rest)| rest);
        let hint = hint.filter(|_| words.len() == 1 && typed.is_empty()).unwrap_or_default();
        return Completion { start, hint: hint.to_owned(), ..Completion::default() };
    }
    let all = FILTERS.iter().map(|(name, _, about)| ((*name).to_owned(), *about));
    Completion { start, candidates: named(typed, all), hint: String::new() }
}

/// The first word of a line, or what follows one that is no command of the table.
fn first_word(start: usize, words: &[&str], typed: &str, begins: bool) -> Completion {
    let own = || EXTRAS.iter().chain(METAS);
    if let Some(first) = words.first() {
        let usage = own().find(|meta| meta.name == *first).map(|meta| meta.usage);
        let keyword = KEYWORDS.iter().find(|(name, ..)| name == first);
        let after = keyword.and_then(|(_, usage, _)| usage.split_once(' ')).map(|(_, rest)| rest);
        let hint = usage.or(after).filter(|_| words.len() == 1 && typed.is_empty());
        return Completion { start, hint: hint.unwrap_or_default().to_owned(), ..Completion::default() };
    }
    // A line without a word lists nothing by itself: only Tab on a fresh one does.
    if typed.is_empty() && !begins {
        return Completion { start, ..Completion::default() };
    }
    let commands = Target::Root.children();
    let commands = commands.iter().map(|child| (child.last_word().to_owned(), about(*child)));
    let metas = own().map(|meta| (meta.name.to_owned(), meta.short));
    let keywords = KEYWORDS.iter().map(|(name, _, about)| ((*name).to_owned(), *about));
    let candidates = named(typed, commands.chain(metas).chain(keywords));
    Completion { start, candidates, hint: String::new() }
}

fn about(target: Target) -> &'static str {
    match target {
        Target::Command(spec) => spec.short,
        Target::Group(group) => group.short,
        Target::Root => "",
    }
}

/// The arguments that are still to come.
fn remaining(target: Target, words: &[&str]) -> String {
    let Target::Command(spec) = target else { return String::new() };
    let mut given = 0;
    let mut skip = false;
    for word in words {
        let value = std::mem::replace(&mut skip, word.starts_with('-') && takes_next(target, word));
        if !value && !word.starts_with('-') {
            given += 1;
        }
    }
    if skip {
        return String::new();
    }
    let usage = spec.usage();
    usage.split(' ').skip(given).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(line: &str) -> String {
        complete(&[], line).hint
    }

    #[test]
    fn hints_tell_the_arguments_that_are_missing() {
        assert_eq!(hint("put "), "<key> <value>");
        assert_eq!(hint("put a "), "<value>");
        assert_eq!(hint("put --lease 7 a "), "<value>");
        assert_eq!(hint("put a b "), "");
        assert_eq!(hint("\\timing "), "[on|off]");
        assert_eq!(hint("get a | head "), "[COUNT]");
        assert_eq!(hint("get \"a "), "");
    }

    #[test]
    fn candidates_are_what_the_tables_have() {
        let texts = |line: &str| {
            let found = complete(&[], line).candidates;
            found.into_iter().map(|candidate| candidate.text).collect::<Vec<_>>()
        };
        assert_eq!(texts("alarm "), ["list"]);
        assert_eq!(texts("get a | h"), ["head", "hex"]);
        assert_eq!(texts("\\re"), ["\\record", "\\restart"]);
        assert!(texts("get a --").contains(&"--rev".to_owned()));
        assert_eq!(texts("get 'a --"), Vec::<String>::new());
        assert_eq!(complete(&["txn if".into()], "").candidates, []);
    }
}

//! Words to a command with its flags and arguments, by the table alone.

use bytes::Bytes;

use super::go;
use super::refusal::Refusal;
use super::spec::{CommandSpec, Flag, Group, ValueKind};
use super::table::{GLOBAL_FLAGS, GROUPS, TABLE, UNBUILT};
use crate::failure::exit;
use crate::text::quote;

/// Help for whatever it is given to.
const HELP_FLAG: Flag = Flag::switch("help", "explain this command").short('h');

/// Longest distance between a word and a command that is suggested for it.
pub(crate) const SUGGEST_DISTANCE_MAX: usize = 2;

/// What the words of a line lead to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// The program itself.
    Root,
    /// A group without one of its commands.
    Group(&'static Group),
    /// A command.
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

    /// What follows it: an exact name, an alias, or the only one that begins with `word`.
    #[must_use]
    pub fn next(&self, word: &[u8]) -> Option<Self> {
        let candidates = self.children();
        if let Some(found) = candidates.iter().find(|child| child.is_called(word)) {
            return Some(*found);
        }
        let mut begins =
            candidates.iter().filter(|child| child.last_word().as_bytes().starts_with(word));
        match (word.is_empty(), begins.next(), begins.next()) {
            (false, Some(only), None) => Some(*only),
            _ => None,
        }
    }

    fn is_called(&self, word: &[u8]) -> bool {
        self.last_word().as_bytes() == word
            || matches!(self, Self::Command(spec) if spec.aliases.iter().any(|a| a.as_bytes() == word))
    }

    /// What may follow it.
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

    /// The last of the words that lead to it.
    #[must_use]
    pub fn last_word(&self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Group(group) => group.name,
            Self::Command(spec) => spec.name,
        }
    }

    fn flag(&self, name: &str) -> Option<&'static Flag> {
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

    fn flag(self, target: Target, name: &str) -> Option<&'static Flag> {
        self.flags(target).find(|flag| flag.name == name || flag.alias == Some(name))
    }

    fn flag_by_letter(self, target: Target, letter: char) -> Option<&'static Flag> {
        self.flags(target).find(|flag| flag.short == Some(letter))
    }

    /// What the word names below `target`.
    fn next(self, target: Target, word: &[u8]) -> Next {
        let built = match self {
            Self::Program => target.children(),
            Self::Operation => {
                let is_one =
                    |child: &Target| matches!(child, Target::Command(spec) if spec.operation);
                target.children().into_iter().filter(is_one).collect()
            }
        };
        if let Some(found) = built.iter().find(|child| child.is_called(word)) {
            return Next::Target(*found);
        }
        let path = target.path();
        let unbuilt = UNBUILT.iter().filter(|(group, _)| self == Self::Program && *group == path);
        if let Some((group, name)) = unbuilt.clone().find(|(_, name)| name.as_bytes() == word) {
            return Next::Unbuilt(group, name);
        }
        let built =
            built.into_iter().filter(|child| child.last_word().as_bytes().starts_with(word));
        let unbuilt = unbuilt.filter(|(_, name)| name.as_bytes().starts_with(word));
        let mut all =
            built.map(Next::Target).chain(unbuilt.map(|(group, name)| Next::Unbuilt(group, name)));
        match (all.next(), all.next()) {
            (Some(only), None) => only,
            _ => Next::Nothing,
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

/// What a word of a command's name leads to.
enum Next {
    Target(Target),
    /// A command that etcdctl has and that is not built: its group and its name.
    Unbuilt(&'static str, &'static str),
    Nothing,
}

/// Values of flags that were given, in the order given; the last one counts, and lists grow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<(&'static str, String)>);

impl Values {
    /// Whether the flag was given.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// What was given for the flag.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// What was given for the flag, or its default.
    #[must_use]
    pub fn text(&self, target: Target, name: &str) -> String {
        let default = || target.flag(name).map_or("", |flag| flag.default);
        self.given(name).unwrap_or_else(default).to_owned()
    }

    /// Whether a switch is on.
    #[must_use]
    pub fn switch(&self, target: Target, name: &str) -> bool {
        go::parse_bool(&self.text(target, name)).unwrap_or(false)
    }

    /// A number; the parser has checked it.
    #[must_use]
    pub fn int(&self, target: Target, name: &str) -> i64 {
        go::parse_int(&self.text(target, name), 0).unwrap_or(0)
    }

    /// Adds a value, for instance from a variable; it is checked like one on the command line.
    ///
    /// # Errors
    /// When the flag does not take it.
    pub fn set(&mut self, flag: &'static Flag, value: &str) -> Result<(), String> {
        check(flag, value)?;
        let list = flag.value == ValueKind::List;
        if let Some((_, held)) = self.0.iter_mut().find(|(name, _)| list && *name == flag.name) {
            held.push(',');
            held.push_str(value);
            return Ok(());
        }
        self.0.push((flag.name, value.to_owned()));
        Ok(())
    }
}

fn check(flag: &Flag, value: &str) -> Result<(), String> {
    match flag.value {
        ValueKind::Switch => go::parse_bool(value).map(drop),
        ValueKind::Int => go::parse_int(value, 0).map(drop),
        ValueKind::Duration => go::parse_duration(value).map(drop),
        ValueKind::Text | ValueKind::List | ValueKind::Lease | ValueKind::Choice(_) => Ok(()),
    }
}

/// A command line taken apart; its values are checked by kind only.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it leads to.
    pub target: Target,
    /// Whether help was asked for.
    pub help: bool,
    /// Flags given.
    pub flags: Values,
    /// Arguments.
    pub args: Vec<Bytes>,
    /// How many arguments stood before `--`; `None` without one.
    pub dash: Option<usize>,
}

/// A word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What it says.
    pub bytes: Bytes,
    /// Whether it is an argument whatever it begins with, as a quoted word or the value of a variable is.
    pub argument: bool,
}

impl Given {
    /// A word that is a flag when it looks like one.
    #[must_use]
    pub fn plain(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), argument: false }
    }

    /// A word that is never a flag.
    #[must_use]
    pub fn argument(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), argument: true }
    }

    fn is_flag(&self) -> bool {
        !self.argument && self.bytes.starts_with(b"-") && self.bytes.len() > 1
    }

    fn ends_flags(&self) -> bool {
        !self.argument && self.bytes.as_ref() == b"--"
    }
}

/// Takes a line of words apart, as `etcdctl` takes its arguments.
///
/// # Errors
/// A command or flag that does not exist, or a value that a flag does not take.
pub fn parse(words: &[Bytes]) -> Result<Parsed, Refusal> {
    parse_as("etcdctl", words)
}

/// As [`parse`], for a program of this name: refusals name it.
///
/// # Errors
/// As for [`parse`].
pub fn parse_as(program: &str, words: &[Bytes]) -> Result<Parsed, Refusal> {
    let words: Vec<_> = words.iter().cloned().map(Given::plain).collect();
    let (target, rest) = find(&words, Grammar::Program).map_err(|lost| lost.refusal(program))?;
    parse_for(target, rest)
}

/// Parses what follows a command's name.
///
/// # Errors
/// A flag that does not exist, or a value that a flag does not take.
pub fn parse_for(target: Target, words: Vec<Given>) -> Result<Parsed, Refusal> {
    parse_within(Grammar::Program, target, words)
}

/// As [`parse_for`], with the flags that `grammar` has.
///
/// # Errors
/// As for [`parse_for`].
pub fn parse_within(
    grammar: Grammar,
    target: Target,
    words: Vec<Given>,
) -> Result<Parsed, Refusal> {
    Parser { grammar, target, rest: words.into_iter() }.run()
}

/// Words that lead to no command.
#[derive(Debug)]
pub(super) enum Lost {
    Unknown(String),
    Unbuilt(&'static str, &'static str),
}

impl Lost {
    fn refusal(self, program: &str) -> Refusal {
        match self {
            Self::Unknown(word) => unknown_command(program, &word),
            Self::Unbuilt(group, name) => {
                let path =
                    if group.is_empty() { name.to_owned() } else { format!("{group} {name}") };
                let text = format!("{program}: {path}: not supported yet; nothing was done");
                Refusal::new(exit::BAD_FEATURE, text)
            }
        }
    }
}

/// Finds the command among the flags around it; answers the words without its name. Without any words it is the root.
pub(super) fn find(words: &[Given], grammar: Grammar) -> Result<(Target, Vec<Given>), Lost> {
    let mut target = Target::Root;
    let mut rest = words.to_vec();
    while let Some(at) = first_argument(grammar, target, &rest) {
        let Some(word) = rest.get(at).map(|word| word.bytes.clone()) else { break };
        match grammar.next(target, &word) {
            Next::Target(next) => {
                rest.remove(at);
                target = next;
            }
            Next::Unbuilt(group, name) => return Err(Lost::Unbuilt(group, name)),
            Next::Nothing if matches!(target, Target::Root) => {
                return Err(Lost::Unknown(String::from_utf8_lossy(&word).into_owned()));
            }
            Next::Nothing => break,
        }
        if matches!(target, Target::Command(_)) {
            break;
        }
    }
    if matches!(target, Target::Root) && grammar == Grammar::Operation {
        return Err(Lost::Unknown(String::new()));
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
    let unbuilt = UNBUILT.iter().filter(|(group, _)| group.is_empty()).map(|(_, name)| *name);
    let mut close: Vec<_> = children
        .iter()
        .map(Target::last_word)
        .chain(unbuilt)
        .filter(|name| {
            distance(&word.to_lowercase(), name) <= SUGGEST_DISTANCE_MAX
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

/// Fewest single-character changes that turn one word into the other.
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((r, above), left_above) in right.iter().zip(row.iter().skip(1)).zip(&row) {
            let left_cell = next.last().copied().unwrap_or(0);
            next.push((left_above + usize::from(l != *r)).min(above + 1).min(left_cell + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

struct Parser {
    grammar: Grammar,
    target: Target,
    rest: std::vec::IntoIter<Given>,
}

impl Parser {
    fn run(mut self) -> Result<Parsed, Refusal> {
        let target = self.target;
        let mut parsed =
            Parsed { target, help: false, flags: Values::default(), args: Vec::new(), dash: None };
        while let Some(word) = self.rest.next() {
            if word.ends_flags() {
                parsed.dash = Some(parsed.args.len());
                parsed.args.extend(self.rest.map(|word| word.bytes));
                break;
            }
            if !word.is_flag() {
                parsed.args.push(word.bytes);
                continue;
            }
            let text = String::from_utf8_lossy(&word.bytes).into_owned();
            match text.strip_prefix("--") {
                Some(long) => self.long(long, &mut parsed)?,
                None => self.letters(&text, &mut parsed)?,
            }
        }
        parsed.help = parsed.flags.switch(target, HELP_FLAG.name);
        Ok(parsed)
    }

    fn refuse(&self, text: String) -> Refusal {
        Refusal { help: Some(self.target), ..Refusal::new(exit::ERROR, text) }
    }

    fn long(&mut self, text: &str, parsed: &mut Parsed) -> Result<(), Refusal> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(self.refuse(format!("bad flag syntax: --{text}")));
        }
        let Some(flag) = self.grammar.flag(self.target, name) else {
            return Err(self.refuse(format!("unknown flag: --{name}")));
        };
        let value = match value {
            Some(value) => value,
            None if flag.value == ValueKind::Switch => "true".to_owned(),
            None => self
                .next_word()
                .ok_or_else(|| self.refuse(format!("flag needs an argument: --{name}")))?,
        };
        self.set(flag, &value, parsed)
    }

    /// `-w json`, `-wjson`, `-w=json`, and several switches behind one dash.
    fn letters(&mut self, text: &str, parsed: &mut Parsed) -> Result<(), Refusal> {
        let mut letters = text.strip_prefix('-').unwrap_or(text).chars();
        while let Some(letter) = letters.next() {
            let Some(flag) = self.grammar.flag_by_letter(self.target, letter) else {
                return Err(self.refuse(format!("unknown shorthand flag: '{letter}' in {text}")));
            };
            let tail = letters.as_str();
            if let Some(value) = tail.strip_prefix('=') {
                return self.set(flag, value, parsed);
            }
            if flag.value == ValueKind::Switch {
                self.set(flag, "true", parsed)?;
                continue;
            }
            if !tail.is_empty() {
                return self.set(flag, tail, parsed);
            }
            let needs = || self.refuse(format!("flag needs an argument: '{letter}' in {text}"));
            let refusal = needs();
            let value = self.next_word().ok_or(refusal)?;
            return self.set(flag, &value, parsed);
        }
        Ok(())
    }

    fn next_word(&mut self) -> Option<String> {
        self.rest.next().map(|word| String::from_utf8_lossy(&word.bytes).into_owned())
    }

    fn set(&self, flag: &'static Flag, value: &str, parsed: &mut Parsed) -> Result<(), Refusal> {
        parsed.flags.set(flag, value).map_err(|error| {
            let name = match flag.short {
                Some(letter) => format!("-{letter}, --{}", flag.name),
                None => format!("--{}", flag.name),
            };
            let value = quote(value.as_bytes());
            self.refuse(format!("invalid argument {value} for \"{name}\" flag: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Bytes> {
        line.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect()
    }

    fn shown(line: &str) -> String {
        match parse(&words(line)) {
            Ok(parsed) => {
                let args: Vec<_> =
                    parsed.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
                let flags: Vec<_> =
                    parsed.flags.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
                let dash = parsed.dash.map_or(String::new(), |at| format!(" dash {at}"));
                format!("{} [{}] [{}]{dash}", parsed.target.path(), args.join(" "), flags.join(" "))
            }
            Err(refusal) => format!("{} {}", refusal.exit, refusal.text),
        }
    }

    #[test]
    fn lines_are_taken_apart_as_etcdctl_does() {
        for (line, expected) in [
            ("get foo", "get [foo] []"),
            ("get foo --prefix", "get [foo] [prefix=true]"),
            ("get --prefix=false foo", "get [foo] [prefix=false]"),
            ("get --rev 5 foo", "get [foo] [rev=5]"),
            ("-w json get foo", "get [foo] [write-out=json]"),
            ("get foo -wjson", "get [foo] [write-out=json]"),
            ("get foo -w=json", "get [foo] [write-out=json]"),
            ("--endpoints a:1 get foo", "get [foo] [endpoints=a:1]"),
            ("--endpoint a:1 get foo", "get [foo] [endpoints=a:1]"),
            ("put foo -- -1", "put [foo -1] [] dash 1"),
            ("put - x", "put [- x] []"),
            ("pu a b", "put [a b] []"),
            ("endpoint st --cluster", "endpoint status [] [cluster=true]"),
            ("endpoint --cluster status", "endpoint status [] [cluster=true]"),
            ("endpoint bogus", "endpoint [bogus] []"),
            ("watch k -i -- a -b", "watch [k a -b] [interactive=true] dash 1"),
            ("get", "get [] []"),
            ("get x --bogus", "1 unknown flag: --bogus"),
            ("get -z x", "1 unknown shorthand flag: 'z' in -z"),
            ("get x -w", "1 flag needs an argument: 'w' in -w"),
            ("get x --rev", "1 flag needs an argument: --rev"),
            ("get x --=y", "1 bad flag syntax: --=y"),
            (
                "get x --rev=x",
                "1 invalid argument \"x\" for \"--rev\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            (
                "get x --prefix=x",
                "1 invalid argument \"x\" for \"--prefix\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
            ),
            (
                "e status",
                "1 unknown command \"e\" for \"etcdctl\"\n\nDid you mean this?\n\tdel\n\telect\n\tendpoint\n\tget\n",
            ),
            ("alarm disarm", "4 etcdctl: alarm disarm: not supported yet; nothing was done"),
            ("alarm disa", "4 etcdctl: alarm disarm: not supported yet; nothing was done"),
            ("member remove 1", "4 etcdctl: member remove: not supported yet; nothing was done"),
            ("lease grant 10", "4 etcdctl: lease: not supported yet; nothing was done"),
            ("-w json user list", "4 etcdctl: user: not supported yet; nothing was done"),
            ("defrag", "4 etcdctl: defrag: not supported yet; nothing was done"),
            ("bogus", "1 unknown command \"bogus\" for \"etcdctl\""),
            ("gett", "1 unknown command \"gett\" for \"etcdctl\"\n\nDid you mean this?\n\tget\n"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn a_key_of_any_bytes_passes_unchanged() {
        let key = Bytes::from_static(b"\xff\x00=");
        let parsed = parse(&[Bytes::from_static(b"get"), key.clone()]).unwrap();
        assert_eq!(parsed.args, [key]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in "[-a-z= ]{0,40}") {
            let _ = parse(&words(&line));
        }
    }
}

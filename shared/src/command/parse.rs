//! [`parse`]: takes a command line apart into a command with its flags and arguments, by the table alone.

#![expect(missing_docs, reason = "names that say all have no comment")]

use bytes::Bytes;

use super::refusal::Refusal;
use super::spec::{Flag, ValueKind};
use super::target::{Grammar, HELP_FLAG, Target, find};
use crate::failure::exit;
use crate::text::{parse_bool, parse_duration, parse_int, parse_uint, quote};

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
        parse_bool(&self.text(target, name)).unwrap_or(false)
    }

    /// A number; the parser has checked it.
    #[must_use]
    pub fn int(&self, target: Target, name: &str) -> i64 {
        parse_int(&self.text(target, name), 0).unwrap_or(0)
    }

    /// A number without a sign; the parser has checked it.
    #[must_use]
    pub fn uint(&self, target: Target, name: &str) -> u64 {
        parse_uint(&self.text(target, name), 0).unwrap_or(0)
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
        ValueKind::Switch => parse_bool(value).map(drop),
        ValueKind::Int => parse_int(value, 0).map(drop),
        ValueKind::Uint => parse_uint(value, 0).map(drop),
        ValueKind::Duration => parse_duration(value).map(drop),
        ValueKind::Text | ValueKind::List | ValueKind::Lease | ValueKind::Choice(_) => Ok(()),
    }
}

/// A command line taken apart; its values are checked by kind only.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub target: Target,
    /// Whether help was asked for.
    pub help: bool,
    pub flags: Values,
    pub args: Vec<Bytes>,
    /// How many arguments stood before `--`; `None` without one.
    pub dash: Option<usize>,
}

/// A word of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
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

    pub(super) fn is_flag(&self) -> bool {
        !self.argument && self.bytes.starts_with(b"-") && self.bytes.len() > 1
    }

    pub(super) fn ends_flags(&self) -> bool {
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
            ("lock foo -- a -b", "lock [foo a -b] [] dash 1"),
            ("check perf", "check perf [] []"),
            ("mak x", "make-mirror [x] []"),
            ("user grant-role a r", "user grant-role [a r] []"),
            ("role li -w json", "role list [] [write-out=json]"),
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

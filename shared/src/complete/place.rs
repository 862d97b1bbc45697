//! [`place`](place()): where in a line the cursor is, and what may stand there.

#![expect(missing_docs, reason = "names that say all have no comment")]

use crate::command::{Arg, ArgKind, CommandSpec, Flag, TXN, Target, ValueKind, takes_next};
use crate::language::{
    ALIASES, EXTRAS, FILTERS, KEYWORDS, Lexer, METAS, Operator, Piece, Span, Word,
    condition_starts, full_name, session_command,
};

use super::Candidate;

/// Words that end a command inside a transaction that is written out.
const TXN_WORDS: &[&str] = &["if", "and", "then", "else", "end"];
/// What comparisons of a transaction speak of.
const COMPARED: &[&str] = &["create(", "lease(", "mod(", "value(", "version("];

/// What is known beside the text.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Names of the variables that are set.
    pub variables: Vec<String>,
    /// Names of the background watches.
    pub watches: Vec<String>,
    /// Names of the profiles.
    pub profiles: Vec<String>,
    /// The prefix that `cd` has set.
    pub scope: Vec<u8>,
}

/// What may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Nothing that can be named.
    Nothing,
    Names(Vec<Candidate>),
    Key,
    /// A member of the cluster.
    Member,
    /// The id of a lease.
    Lease,
    User,
    Role,
    File,
}

/// The word at the cursor, and what it may become.
#[derive(Clone, Debug)]
pub struct Place {
    pub span: Span,
    /// What is typed of it.
    pub typed: Vec<u8>,
    pub wants: Wants,
    /// The command that the word belongs to.
    pub target: Target,
    pub args: usize,
    /// The language's own command that it belongs to, with what it takes.
    pub usage: Option<String>,
}

/// The place at byte `at` of `source`.
#[must_use]
pub fn place(source: &[u8], at: usize, context: &Context) -> Place {
    let before = source.get(..at).unwrap_or(source);
    let nothing = Place::new(Span { start: before.len(), end: before.len() }, Vec::new());
    let Some((words, typed)) = words_at(before) else { return nothing };
    let place = Place::new(typed.span, typed.literal().unwrap_or_default());
    if let Some(place) = variable(before, &typed, context) {
        return place;
    }
    if typed.literal().is_none() {
        return nothing;
    }
    Walk { words: &words, typed: &typed, context }.line(place)
}

impl Place {
    fn new(span: Span, typed: Vec<u8>) -> Self {
        let target = Target::Root;
        Self { span, typed, wants: Wants::Nothing, target, args: 0, usage: None }
    }

    fn wanting(mut self, wants: Wants) -> Self {
        self.wants = wants;
        self
    }
}

/// The words of the last line before the cursor, and the one that is being typed; `None` where none can be told.
fn words_at(before: &[u8]) -> Option<(Vec<Word>, Word)> {
    let mut words = closed(before).find_map(|text| last_line(&text))?;
    let end = before.len();
    let mut typed = match words.last() {
        Some(word) if word.span.end >= end => words.pop()?,
        _ => Word { pieces: Vec::new(), span: Span { start: end, end } },
    };
    typed.span.end = end;
    Some((words, typed))
}

/// A text with each of the ends that would close a quote that is open in it.
pub(super) fn closed(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    ["", "'", "\"", "}", "}\""].iter().map(move |close| [text, close.as_bytes()].concat())
}

/// The words of the last line; `None` when it does not lex, or ends in a comment.
fn last_line(text: &[u8]) -> Option<Vec<Word>> {
    let mut lexer = Lexer::new(text);
    let mut last = None;
    while let Some(line) = lexer.line().ok()? {
        last = Some(line);
    }
    let Some(line) = last.filter(|_| !text.ends_with(b"\n")) else { return Some(Vec::new()) };
    line.comment.is_none().then_some(line.words)
}

/// A variable whose name is being typed.
fn variable(before: &[u8], typed: &Word, context: &Context) -> Option<Place> {
    let dollar = before.iter().rposition(|byte| *byte == b'$')?;
    if dollar < typed.span.start || in_single_quotes(before.get(typed.span.start..dollar)?) {
        return None;
    }
    let name = before.get(dollar + 1..)?;
    let (open, name) = match name.strip_prefix(b"{") {
        Some(name) => ("${", name),
        None => ("$", name),
    };
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if !is_name {
        return None;
    }
    let close = if open == "${" { "}" } else { "" };
    let names = context.variables.iter().map(|name| Candidate {
        ends: false,
        ..Candidate::word(&format!("{open}{name}{close}"), "")
    });
    let span = Span { start: dollar, end: before.len() };
    let typed = before.get(dollar..)?.to_vec();
    Some(Place::new(span, typed).wanting(Wants::Names(names.collect())))
}

fn in_single_quotes(word: &[u8]) -> bool {
    word.iter().fold(false, |inside, byte| inside != (*byte == b'\''))
}

struct Walk<'a> {
    words: &'a [Word],
    typed: &'a Word,
    context: &'a Context,
}

impl Walk<'_> {
    fn line(&self, place: Place) -> Place {
        let start = self.behind_modifiers();
        let words = self.words.get(start..).unwrap_or_default();
        let operator =
            words.iter().rposition(|word| ["|", ">", "&", "->", "as"].iter().any(|op| word.is(op)));
        if let Some(at) = operator.filter(|at| *at > 0) {
            return Self::behind_operator(place, words.get(at..).unwrap_or_default());
        }
        let Some(first) = words.first() else {
            return if self.typed.is_flag() {
                self.command(place, words)
            } else {
                place.wanting(Wants::Names(first_words()))
            };
        };
        let rest = words.get(1..).unwrap_or_default();
        let name = first.bare().unwrap_or_default();
        if let Some(command) = session_command(name) {
            let arg = command.args.get(rest.len());
            let wants = if arg.is_some_and(|arg| arg.kind == ArgKind::Profile) {
                let names = self.context.profiles.iter().map(|name| Candidate::word(name, ""));
                Wants::Names(names.collect())
            } else {
                wanted(arg)
            };
            let usage = Some(command.usage());
            return Place { usage, args: rest.len(), ..place.wanting(wants) };
        }
        if let Some((_, usage, _)) = KEYWORDS.iter().find(|(keyword, ..)| *keyword == name) {
            if name == "with" {
                return self.command(place, rest);
            }
            let wants = self.keyword(name, rest);
            let usage = usage.strip_prefix(name).map(|usage| usage.trim_start().to_owned());
            return Place { usage, args: rest.len(), ..place.wanting(wants) };
        }
        self.command(place, words)
    }

    /// Where the command begins: behind `!` and `eventually`.
    fn behind_modifiers(&self) -> usize {
        let is = |at: usize, word: &str| self.words.get(at).is_some_and(|found| found.is(word));
        let mut at = usize::from(is(0, "!"));
        if is(at, "eventually") && self.words.len() > at + 1 {
            at += 2;
            if is(at, "every") && self.words.len() > at + 1 {
                at += 2;
            }
        }
        at
    }

    fn behind_operator(place: Place, words: &[Word]) -> Place {
        let Some((operator, rest)) = words.split_first() else { return place };
        let first = rest.first().and_then(Word::bare);
        let wants = match (operator.bare(), first) {
            (Some("|"), None) => Wants::Names(
                FILTERS.iter().map(|(name, _, short)| Candidate::word(name, short)).collect(),
            ),
            (Some("|"), Some("diff")) | (Some(">"), None) => Wants::File,
            (Some("&"), None) => names(&["as"]),
            _ => Wants::Nothing,
        };
        place.wanting(wants)
    }

    fn keyword(&self, name: &str, rest: &[Word]) -> Wants {
        match (name, rest.len()) {
            ("await" | "cancel", 0) => {
                let ids = self.context.watches.iter().map(|id| Candidate::word(id, ""));
                Wants::Names(ids.collect())
            }
            ("await", 1) => names(&["events"]),
            ("await", 3) => names(&["within"]),
            ("expect" | "if", 0) => names(&condition_starts()),
            ("expect" | "if", 1) if !rest.iter().any(|word| word.is("ok") || word.is("error")) => {
                let operators = Operator::ALL.iter().map(|(name, _)| *name);
                names(&operators.chain(["absent"]).collect::<Vec<_>>())
            }
            _ => Wants::Nothing,
        }
    }

    fn command(&self, mut place: Place, words: &[Word]) -> Place {
        let mut target = Target::Root;
        let mut given: Vec<&str> = Vec::new();
        let (mut args, mut value_of, mut flags_end) = (0, None, false);
        for (at, word) in words.iter().enumerate() {
            if value_of.take().is_some() {
                continue;
            }
            if word.is("--") {
                flags_end = true;
            } else if word.is_flag() && !flags_end {
                let text = word.bare().unwrap_or_default();
                given.push(text);
                value_of = takes_next(target, text).then(|| flag_of(target, text)).flatten();
            } else if let Target::Command(spec) = target {
                let written = word.bare().is_some_and(|bare| TXN_WORDS.contains(&bare));
                if *spec == TXN && written {
                    return self.transaction(place, words.get(at..).unwrap_or_default());
                }
                args += 1;
            } else {
                let Some(next) = next(target, word) else { return place };
                target = next;
            }
        }
        (place.target, place.args) = (target, args);
        if let Some(flag) = value_of {
            let wants = value(flag);
            return place.wanting(wants);
        }
        if self.typed.is_flag() && !flags_end {
            return Self::flag(place, &given);
        }
        let wants = match target {
            Target::Command(spec) => Self::argument(spec, args),
            Target::Root => Wants::Names(first_words()),
            Target::Group(_) => Wants::Names(children(target)),
        };
        place.wanting(wants)
    }

    fn argument(spec: &'static CommandSpec, args: usize) -> Wants {
        if *spec == TXN && args == 0 {
            return names(&["if", "then"]);
        }
        wanted(spec.args.get(args).or_else(|| spec.args.last().filter(|arg| arg.rest)))
    }

    /// Inside `txn if ... then ... else ... end`.
    fn transaction(&self, place: Place, words: &[Word]) -> Place {
        let part = words
            .iter()
            .rposition(|word| ["if", "and", "then", "else"].iter().any(|part| word.is(part)));
        let Some(part) = part else { return place };
        let inside = words.get(part + 1..).unwrap_or_default();
        if words.get(part).is_some_and(|word| word.is("if") || word.is("and")) {
            let wants = match inside.len() {
                0 => names(COMPARED),
                1 => names(&["=", "!=", "<", ">"]),
                2 => Wants::Nothing,
                _ => names(&["and", "then"]),
            };
            return place.wanting(wants);
        }
        let verb = inside.iter().rposition(|word| {
            let name = word.bare().map(full_name);
            name.is_some_and(|name| ["put", "get", "del"].contains(&name))
        });
        match verb {
            None => place.wanting(names(&["put", "get", "del", "end"])),
            Some(at) => {
                let mut place = self.command(place, inside.get(at..).unwrap_or_default());
                if place.wants == Wants::Nothing && place.args > 0 {
                    place.wants = names(&["put", "get", "del", "else", "end"]);
                }
                place
            }
        }
    }

    fn flag(mut place: Place, given: &[&str]) -> Place {
        let text = String::from_utf8_lossy(&place.typed).into_owned();
        if let Some((name, typed)) = text.split_once('=') {
            let Some(flag) = flag_of(place.target, name) else { return place };
            place.span.start = (place.span.start + name.len() + 1).min(place.span.end);
            place.typed = typed.as_bytes().to_vec();
            return place.wanting(value(flag));
        }
        let is_given = |flag: &Flag| {
            given.iter().any(|given| given.split('=').next() == Some(&format!("--{}", flag.name)))
        };
        let flags = place.target.flags().filter(|flag| !is_given(flag)).map(|flag| {
            let takes = flag.value != ValueKind::Switch;
            let text = format!("--{}{}", flag.name, if takes { "=" } else { "" });
            Candidate { ends: !takes, ..Candidate::word(&text, flag.help) }
        });
        let flags = flags.collect();
        place.wanting(Wants::Names(flags))
    }
}

/// The command below `target` that a word names.
fn next(target: Target, word: &Word) -> Option<Target> {
    let name = word.bare()?;
    target.next(if matches!(target, Target::Root) { full_name(name) } else { name }.as_bytes())
}

fn flag_of(target: Target, text: &str) -> Option<&'static Flag> {
    let text = text.split('=').next().unwrap_or(text);
    target.flags().find(|flag| match text.strip_prefix("--") {
        Some(name) => flag.name == name || flag.alias == Some(name),
        None => {
            flag.short.is_some_and(|letter| text.strip_prefix('-') == Some(&*letter.to_string()))
        }
    })
}

/// What an argument may be.
fn wanted(arg: Option<&Arg>) -> Wants {
    match arg.map(|arg| arg.kind) {
        Some(ArgKind::Key | ArgKind::RangeEnd) => Wants::Key,
        Some(ArgKind::Command) => Wants::Names(children(Target::Root)),
        Some(ArgKind::FirstWord) => Wants::Names(first_words()),
        Some(ArgKind::OneOf(words)) => names(words),
        Some(ArgKind::File) => Wants::File,
        Some(ArgKind::Member) => Wants::Member,
        Some(ArgKind::Lease) => Wants::Lease,
        Some(ArgKind::User) => Wants::User,
        Some(ArgKind::Role) => Wants::Role,
        // What profiles there are is known by the context alone.
        Some(
            ArgKind::Value
            | ArgKind::Revision
            | ArgKind::Seconds
            | ArgKind::Endpoint
            | ArgKind::Program
            | ArgKind::Profile,
        )
        | None => Wants::Nothing,
    }
}

fn value(flag: &Flag) -> Wants {
    match flag.value {
        ValueKind::Choice(choices) if flag.name == "write-out" => {
            names(&choices.iter().copied().chain(["jsonl"]).collect::<Vec<_>>())
        }
        ValueKind::Choice(choices) => names(choices),
        ValueKind::Switch => names(&["true", "false"]),
        ValueKind::Lease => Wants::Lease,
        _ => Wants::Nothing,
    }
}

fn names(names: &[&str]) -> Wants {
    Wants::Names(names.iter().map(|name| Candidate::word(name, "")).collect())
}

fn children(target: Target) -> Vec<Candidate> {
    let short = |child: &Target| match child {
        Target::Command(spec) => spec.short,
        Target::Group(group) => group.short,
        Target::Root => "",
    };
    target.offered().iter().map(|child| Candidate::word(child.last_word(), short(child))).collect()
}

/// Everything that a line may begin with.
fn first_words() -> Vec<Candidate> {
    let mut all = children(Target::Root);
    all.extend(EXTRAS.iter().chain(METAS).map(|meta| Candidate::word(meta.name, meta.short)));
    all.extend(KEYWORDS.iter().map(|(name, _, short)| Candidate::word(name, short)));
    all.extend(ALIASES.iter().map(|(alias, name)| Candidate::word(alias, &format!("as {name}"))));
    all.sort_by(|a, b| a.text.cmp(&b.text));
    all
}

/// Whether any piece of a word is a variable.
pub(super) fn has_variable(word: &Word) -> bool {
    word.pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }))
}

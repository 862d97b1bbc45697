//! What can be said about a command before its variables are known: its flags, and whether arguments are missing.

use bytes::Bytes;

use super::{Comparison, Operation, Position, Span, SyntaxError, Word};
use crate::command::{
    Given, Grammar, Misfit, Parsed, Refusal, Scope, Target, compare_of, op_of_parsed, parse_within,
    request_of,
};
use crate::format::Format;
use crate::text::printable;

/// Stands for what a variable holds: a number, a time, a switch and a lease alike.
const UNKNOWN: &[u8] = b"0";

/// The words of a command as far as they are known.
fn known(words: &[Word]) -> Vec<Given> {
    let mut flags_end = false;
    let given = words.iter().map(|word| {
        let bytes = Bytes::from(word.literal().unwrap_or_else(|| unknown(word)));
        let flag = word.is_flag() && !flags_end;
        flags_end |= word.is("--");
        if flag { Given::plain(bytes) } else { Given::argument(bytes) }
    });
    given.collect()
}

fn unknown(word: &Word) -> Vec<u8> {
    let mut text = word.bare_start().to_vec();
    text.extend_from_slice(UNKNOWN);
    text
}

/// Checks a command's flags and arguments.
pub(super) fn check_command(
    source: &[u8],
    target: Target,
    words: &[Word],
    name: Span,
) -> Result<(), SyntaxError> {
    let parsed = parsed(source, Grammar::Program, target, words)?;
    check_format(source, &parsed, words, name)?;
    match request_of(&parsed, &Scope::default()) {
        Ok(request) => match request.misfit() {
            None => Ok(()),
            Some(Misfit { found: Some(found), expected }) => {
                Err(SyntaxError::new(source, name, found, expected))
            }
            Some(Misfit { found: None, expected }) => Err(missing(source, words, name, expected)),
        },
        // A flag's value may be one that this command takes.
        Err(_) if words.iter().any(|word| word.is_flag() && word.literal().is_none()) => Ok(()),
        Err(refusal) => Err(refused(source, words, name, &refusal)),
    }
}

/// An output format that does not exist.
fn check_format(
    source: &[u8],
    parsed: &Parsed,
    words: &[Word],
    name: Span,
) -> Result<(), SyntaxError> {
    let Some(format) = parsed.flags.given("write-out") else { return Ok(()) };
    let known = Format::of_language(format).is_some();
    if known || words.iter().any(|word| word.literal().is_none()) {
        return Ok(());
    }
    let word = words
        .iter()
        .find(|word| word.literal().is_some_and(|text| text.ends_with(format.as_bytes())));
    let span = word.map_or(name, |word| word.span);
    let expected = "simple, json, jsonl, fields, table or protobuf";
    Err(SyntaxError::new(source, span, format!("found format {format}"), expected))
}

/// Checks flags that are given apart from a command.
pub(super) fn check_flags(
    source: &[u8],
    target: Target,
    words: &[Word],
) -> Result<(), SyntaxError> {
    let parsed = parsed(source, Grammar::Program, target, words)?;
    check_format(source, &parsed, words, Span::default())?;
    let argument = words.iter().find(|word| !word.is_flag());
    match argument {
        Some(word) if !parsed.args.is_empty() => {
            let found = format!("found {}", printable(word.span.of(source)));
            Err(SyntaxError::new(source, word.span, found, "flags only"))
        }
        _ => Ok(()),
    }
}

/// Parses, and finds the word at which that fails.
fn parsed(
    source: &[u8],
    grammar: Grammar,
    target: Target,
    words: &[Word],
) -> Result<Parsed, SyntaxError> {
    let arguments: Vec<Word>;
    let words = if target.takes_input() {
        // What it reads is no argument.
        arguments = words.iter().filter(|word| !word.is_heredoc()).cloned().collect();
        &arguments
    } else {
        words
    };
    let given = known(words);
    parse_within(grammar, target, given.clone()).map_err(|refusal| {
        let fails_alike = |count: usize| {
            let some = given.iter().take(count).cloned().collect();
            parse_within(grammar, target, some).is_err_and(|other| other.text == refusal.text)
        };
        let guilty = (1..=given.len()).find(|count| fails_alike(*count)).unwrap_or(given.len());
        let word = words.get(guilty.saturating_sub(1));
        let span = word.map_or(Span::default(), |word| word.span);
        let is_common = grammar == Grammar::Operation
            && parse_within(Grammar::Program, target, given.clone()).is_ok();
        let mut expected = match target {
            target if is_common => {
                format!(
                    "the own flags of `{}`; those of all commands stand behind `txn`",
                    target.path()
                )
            }
            Target::Root => "a flag that every command takes".to_owned(),
            target => format!("the flags of `{0}`; `\\h {0}` lists them", target.path()),
        };
        if word.is_some_and(|word| word.bare_start().get(1).is_some_and(u8::is_ascii_digit)) {
            "`--` before an argument that begins with '-'".clone_into(&mut expected);
        }
        SyntaxError::new(source, span, refusal.text, expected)
    })
}

fn missing(source: &[u8], words: &[Word], name: Span, expected: &str) -> SyntaxError {
    let end = words.last().map_or(name.end, |word| word.span.end);
    SyntaxError {
        position: Position::of(source, end),
        ..SyntaxError::new(source, Span { start: end, end }, "the line ends", expected)
    }
}

fn refused(source: &[u8], words: &[Word], name: Span, refusal: &Refusal) -> SyntaxError {
    let usage = refusal.hint.as_deref().unwrap_or("arguments that fit");
    let end = words.last().map_or(name.end, |word| word.span.end);
    SyntaxError::new(source, Span { start: name.start, end }, refusal.text.clone(), usage)
}

/// Checks an operation of a transaction.
pub(super) fn check_operation(source: &[u8], operation: &Operation) -> Result<(), SyntaxError> {
    let target = Target::Command(operation.command);
    let parsed = parsed(source, Grammar::Operation, target, &operation.words)?;
    let variable = operation.words.iter().any(|word| word.is_flag() && word.literal().is_none());
    match op_of_parsed(&parsed) {
        Err(refusal) if !variable => {
            Err(refused(source, &operation.words, operation.span, &refusal))
        }
        _ => Ok(()),
    }
}

/// Checks a comparison; `left` is where its target stands.
pub(super) fn check_comparison(
    source: &[u8],
    comparison: &Comparison,
    left: Span,
) -> Result<(), SyntaxError> {
    let value = comparison.value.literal();
    let check = |value: &[u8]| {
        compare_of(&comparison.target, b"k", comparison.operator.as_bytes(), value, "")
    };
    if check(UNKNOWN).is_err() {
        let found = format!("found {}", comparison.target);
        let expected = "create, mod, version, value or lease, or c, m, ver, val";
        return Err(SyntaxError::new(source, left, found, expected));
    }
    match value {
        Some(value) if check(&value).is_err() => {
            let span = comparison.value.span;
            let found = format!("found {}", printable(span.of(source)));
            let expected = if comparison.target == "lease" {
                "the id of a lease, in hex"
            } else {
                "a whole number"
            };
            Err(SyntaxError::new(source, span, found, expected))
        }
        _ => Ok(()),
    }
}

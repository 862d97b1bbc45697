//! Conditions, as `expect` and `if` have them.

use tonic::Code;

use super::cursor::Cursor;
use super::{Condition, Operator, Path, Step, Subject, SyntaxError, Test, Word};
use crate::error::CODES;
use crate::text::parse_duration;

const SUBJECTS: &str = "ok, error, value, count, rev, key, lease, deleted, succeeded, elapsed, \
                        events, json PATH or exit";

/// What a condition may begin with.
pub(crate) fn condition_starts() -> Vec<&'static str> {
    let subjects = Subject::ALL.iter().map(|(name, _)| *name);
    let mut all: Vec<_> = subjects.chain(["error", "json", "ok"]).collect();
    all.sort_unstable();
    all
}

const OPERATORS: &str = "==, !=, <, <=, >, >=, ~, contains, within or absent";

pub(super) fn condition(words: &mut Cursor<'_>) -> Result<Condition, SyntaxError> {
    let refused = words.unexpected(SUBJECTS);
    let Some(name) = words.bare().map(str::to_owned) else { return Err(refused) };
    words.next();
    let subject = match name.as_str() {
        "ok" => {
            words.finish("nothing behind `ok`")?;
            return Ok(Condition::Ok);
        }
        "error" => return error(words),
        "json" => Subject::Json(path(words)?),
        _ => match Subject::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, subject)) => subject.clone(),
            None => return Err(refused),
        },
    };
    let test = test(words, &subject)?;
    words.finish("the end of the line")?;
    Ok(Condition::Holds { subject, test })
}

/// `error [CODE] [~regex]`
fn error(words: &mut Cursor<'_>) -> Result<Condition, SyntaxError> {
    let named = |word: &str| {
        let mut failures = CODES.iter().filter(|(_, code)| *code != Code::Ok);
        failures.find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, code)| *code)
    };
    let code = words.bare().and_then(named);
    if code.is_some() {
        words.next();
    }
    let matches = if words.keyword("~") {
        Some(words.word("a regular expression")?)
    } else if words.peek().is_some_and(|word| word.bare_start().starts_with(b"~")) {
        words.next().map(without_tilde)
    } else {
        None
    };
    check_regex(words, matches.as_ref())?;
    words.finish("a code such as InvalidArgument, or ~REGEX")?;
    Ok(Condition::Error { code, matches })
}

fn without_tilde(mut word: Word) -> Word {
    if let Some(super::Piece::Bare(bytes)) = word.pieces.first_mut() {
        bytes.remove(0);
    }
    word
}

fn check_regex(words: &Cursor<'_>, word: Option<&Word>) -> Result<(), SyntaxError> {
    let Some(word) = word else { return Ok(()) };
    let Some(text) = word.literal() else { return Ok(()) };
    let text = String::from_utf8_lossy(&text).into_owned();
    regex::bytes::Regex::new(&text).map(drop).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default();
        words.refuse(word.span, reason, "a regular expression")
    })
}

fn test(words: &mut Cursor<'_>, subject: &Subject) -> Result<Test, SyntaxError> {
    let refused = words.unexpected(OPERATORS);
    if words.keyword("absent") {
        return Ok(Test::Absent);
    }
    let named = |text: &str| Operator::ALL.iter().find(|(name, _)| *name == text).map(|(_, o)| *o);
    let Some(operator) = words.bare().and_then(named) else { return Err(refused) };
    words.next();
    let expected = format!("what it is compared with behind `{}`", operator.text());
    let word = words.word(&expected)?;
    if operator == Operator::Matches {
        check_regex(words, Some(&word))?;
    }
    check_word(words, subject, operator, &word)?;
    Ok(Test::Compare { operator, word })
}

/// What is written out must be of the kind that the subject is.
fn check_word(
    words: &Cursor<'_>,
    subject: &Subject,
    operator: Operator,
    word: &Word,
) -> Result<(), SyntaxError> {
    let Some(text) = word.literal().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Ok(());
    };
    if matches!(operator, Operator::Matches | Operator::Contains) {
        return Ok(());
    }
    let number = |text: &str| text.parse::<i64>().is_ok();
    let time = |text: &str| parse_duration(text).is_ok();
    let (fits, expected): (&dyn Fn(&str) -> bool, &str) = match subject {
        Subject::Count | Subject::Rev | Subject::Deleted | Subject::Events | Subject::Exit => {
            (&number, "a whole number")
        }
        Subject::Elapsed => (&time, "a time such as 50ms"),
        Subject::Succeeded => (&|text| text == "true" || text == "false", "true or false"),
        Subject::Value | Subject::Key | Subject::Lease | Subject::Json(_) => {
            return Ok(());
        }
    };
    let good = match (operator, text.split_once("..")) {
        (Operator::Within, Some((low, high))) => {
            (low.is_empty() || fits(low)) && (high.is_empty() || fits(high))
        }
        _ => fits(&text),
    };
    if good { Ok(()) } else { Err(words.refuse(word.span, &words.found(word.span), expected)) }
}

/// A way such as `.kvs[0].key` or `.labels["a b"]`.
pub(super) fn path(words: &mut Cursor<'_>) -> Result<Path, SyntaxError> {
    const EXPECTED: &str = "a path such as .kvs[0].key";
    let word = words.word(EXPECTED)?;
    let refused = words.refuse(word.span, &words.found(word.span), EXPECTED);
    // The quotes of ["a b"] belong to the path, those around all of it to the word.
    let bytes = match word.pieces.as_slice() {
        [super::Piece::Quoted(text)] => Some(text.clone()),
        _ => word.literal().map(|_| word.span.of(words.source()).to_vec()),
    };
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(text) = text else { return Err(refused) };
    match steps(&text) {
        Some(steps) => Ok(Path { text, steps }),
        None => Err(refused),
    }
}

/// The steps of a path; `None` when it is none. A lone `.` is the document itself.
fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    if rest == "." {
        return Some(steps);
    }
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (index, behind) = inner.split_once(']')?;
            steps.push(match index.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
                Some(name) => Step::Field(name.to_owned()),
                None => Step::Item(index.parse().ok()?),
            });
            rest = behind;
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (field, behind) = name.split_at(end);
        if field.is_empty() {
            return None;
        }
        steps.push(Step::Field(field.to_owned()));
        rest = behind;
    }
    (!steps.is_empty()).then_some(steps)
}

//! [`evaluate`]: whether a condition holds of what a command came to.

use std::cmp::Ordering;

use regex::bytes::Regex;

use super::CommandOutcome;
use super::filter::shown;
use super::path_in;
use crate::error::code_name;
use crate::failure::{Failure, exit};
use crate::format::document;
use crate::language::{Condition, Operator, Subject, Test, Variables, Word};
use crate::text::{duration, parse_duration, printable, quote};

/// Bytes of a value that a report shows.
const SHOWN_BYTES_MAX: usize = 400;

/// Why a condition does not hold: what was expected, and what is.
pub(super) type Verdict = Result<(), (String, String)>;

/// Judges a condition.
///
/// # Errors
/// When it cannot be judged, because a variable is not set or a word is not of the needed kind.
pub(super) fn evaluate(
    condition: &Condition,
    outcome: &CommandOutcome,
    variables: &Variables,
) -> Result<Verdict, Failure> {
    match condition {
        Condition::Ok => Ok(match &outcome.failure {
            None => Ok(()),
            Some(failure) => Err(("ok".to_owned(), error_text(failure))),
        }),
        Condition::Error { code, matches } => {
            let mut expected = "error".to_owned();
            if let Some(code) = code {
                expected = format!("{expected} {}", code_name(*code));
            }
            let pattern = matches.as_ref().map(|word| regex(word, variables)).transpose()?;
            if let Some(pattern) = &pattern {
                expected = format!("{expected} ~{}", pattern.as_str());
            }
            let Some(failure) = &outcome.failure else {
                return Ok(Err((expected, "ok".to_owned())));
            };
            let same =
                code.is_none_or(|code| failure.error.as_ref().is_some_and(|e| e.code() == code));
            let says = failure_words(failure);
            let fits = pattern.is_none_or(|pattern| pattern.is_match(says.as_bytes()));
            Ok(if same && fits { Ok(()) } else { Err((expected, error_text(failure))) })
        }
        Condition::Holds { subject, test } => {
            let name = subject.text();
            let found = found(subject, outcome);
            match test {
                Test::Absent => Ok(match found {
                    None => Ok(()),
                    Some(found) => {
                        Err((format!("{name} absent"), format!("{name} {}", found.text())))
                    }
                }),
                Test::Compare { operator, word } => {
                    let wanted = word.bytes(variables)?;
                    let sign = operator.text();
                    let expected =
                        format!("{name} {sign} {}", Found::wanted(subject, &wanted).text());
                    let got = found.as_ref().map_or_else(
                        || absent(&name, subject, outcome),
                        |f| format!("{name} {}", f.text()),
                    );
                    let holds = match &found {
                        None => false,
                        Some(found) => holds(found, *operator, &wanted, word, variables)?,
                    };
                    Ok(if holds { Ok(()) } else { Err((expected, got)) })
                }
            }
        }
    }
}

fn absent(name: &str, subject: &Subject, outcome: &CommandOutcome) -> String {
    let missing = match (subject, &outcome.answer) {
        (Subject::Json(path), Some(answer)) => path_in(&document(answer.as_ref()), path).err(),
        _ => None,
    };
    match (&outcome.failure, missing) {
        (Some(failure), _) => format!("{name} absent: {}", error_text(failure)),
        (None, Some(missing)) => format!("{name} absent: {missing}"),
        (None, None) => format!("{name} absent"),
    }
}

fn failure_words(failure: &Failure) -> String {
    match &failure.error {
        Some(error) => format!("{} {error}", failure.text),
        None => failure.text.clone(),
    }
}

fn error_text(failure: &Failure) -> String {
    match &failure.error {
        Some(error) => format!("error {}: {}", code_name(error.code()), failure.text),
        None => format!("error: {}", failure.text),
    }
}

/// A part of an outcome.
enum Found {
    Bytes(Vec<u8>),
    Plain(String),
    Time(std::time::Duration),
}

impl Found {
    fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => shortened(bytes),
            Self::Plain(text) => printable(text.as_bytes()),
            Self::Time(time) => duration(*time),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Plain(text) => text.clone().into_bytes(),
            Self::Time(time) => duration(*time).into_bytes(),
        }
    }

    fn wanted(subject: &Subject, bytes: &[u8]) -> Self {
        match subject {
            Subject::Value | Subject::Key => Self::Bytes(bytes.to_vec()),
            _ => Self::Plain(String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

fn shortened(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN_BYTES_MAX) {
        Some(start) => format!("{}... ({} bytes)", quote(start), bytes.len()),
        None => quote(bytes),
    }
}

fn found(subject: &Subject, outcome: &CommandOutcome) -> Option<Found> {
    let number = |number: Option<i64>| number.map(|number| Found::Plain(number.to_string()));
    let facts = outcome.facts();
    match subject {
        Subject::Value => facts.first.map(|kv| Found::Bytes(kv.value.to_vec())),
        Subject::Key => facts.first.map(|kv| Found::Bytes(kv.key.to_vec())),
        Subject::Lease => {
            facts.first.filter(|kv| kv.lease != 0).map(|kv| Found::Plain(format!("{:x}", kv.lease)))
        }
        Subject::Count => number(facts.count),
        Subject::Rev => number(facts.rev),
        Subject::Deleted => number(facts.deleted),
        Subject::Succeeded => facts.succeeded.map(|yes| Found::Plain(yes.to_string())),
        Subject::Elapsed => Some(Found::Time(outcome.elapsed)),
        Subject::Events => outcome.events.map(|events| Found::Plain(events.to_string())),
        Subject::Json(path) => {
            let document = document(outcome.answer.as_deref()?);
            path_in(&document, path).ok().map(|value| Found::Plain(shown(&value)))
        }
        Subject::Exit => Some(Found::Plain(outcome.status().to_string())),
    }
}

fn holds(
    found: &Found,
    operator: Operator,
    wanted: &[u8],
    word: &Word,
    variables: &Variables,
) -> Result<bool, Failure> {
    let bytes = found.bytes();
    Ok(match operator {
        Operator::Matches => regex(word, variables)?.is_match(&bytes),
        Operator::Contains => {
            wanted.is_empty() || bytes.windows(wanted.len()).any(|part| part == wanted)
        }
        Operator::Within => within(found, wanted)?,
        _ => {
            let order = compare(found, wanted)?;
            match operator {
                Operator::Equal => order == Ordering::Equal,
                Operator::NotEqual => order != Ordering::Equal,
                Operator::Less => order == Ordering::Less,
                Operator::AtMost => order != Ordering::Greater,
                Operator::Greater => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }
        }
    })
}

/// `LOW..HIGH`, either of which may be left out; a lone time is an upper bound.
fn within(found: &Found, wanted: &[u8]) -> Result<bool, Failure> {
    let text = String::from_utf8_lossy(wanted);
    let (low, high) = text.split_once("..").unwrap_or(("", &text));
    let above = low.is_empty() || compare(found, low.as_bytes())? != Ordering::Less;
    let below = high.is_empty() || compare(found, high.as_bytes())? != Ordering::Greater;
    Ok(above && below)
}

/// Times as times, numbers as numbers, all else byte by byte.
fn compare(found: &Found, wanted: &[u8]) -> Result<Ordering, Failure> {
    let text = str::from_utf8(wanted).ok();
    if let Found::Time(time) = found {
        let wanted = text.and_then(|text| parse_duration(text).ok()).ok_or_else(|| {
            Failure::new(exit::ERROR, format!("{} is not a time such as 50ms", quote(wanted)))
        })?;
        return Ok(time.cmp(&wanted));
    }
    let bytes = found.bytes();
    let numbers = str::from_utf8(&bytes).ok().and_then(number).zip(text.and_then(number));
    if let Some((left, right)) = numbers {
        return Ok(left.cmp(&right));
    }
    Ok(bytes.as_slice().cmp(wanted))
}

/// A whole number in its usual form: `007` is a text.
fn number(text: &str) -> Option<i128> {
    let number: i128 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn regex(word: &Word, variables: &Variables) -> Result<Regex, Failure> {
    let text = word.text(variables)?;
    let text = String::from_utf8_lossy(&text);
    Regex::new(&text).map_err(|error| Failure::new(exit::ERROR, error.to_string()))
}

//! [`marks`](marks()): colours of a line while it is typed.

#![expect(missing_docs, reason = "names that say all have no comment")]

use super::place::{closed, has_variable};
use crate::command::{DEL, Effect, Target};
use crate::language::{KEYWORDS, Lexer, Line, Piece, Span, Word, full_name, session_command};

/// What a part of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The name of a command, or a keyword.
    Command,
    /// A first word that names nothing.
    Unknown,
    /// The name of a command whose line takes away what cannot be had again, or much at once.
    Danger,
    Flag,
    Quoted,
    /// A word with a variable in it.
    Variable,
    /// `|`, `>`, `&` and their like.
    Operator,
    Comment,
}

/// A part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub span: Span,
    pub kind: MarkKind,
}

/// The parts of a text, in order; what is not named is plain.
#[must_use]
pub fn marks(source: &[u8]) -> Vec<Mark> {
    let mut marks = Vec::new();
    for line in lines(source) {
        line_marks(&line, source.len(), &mut marks);
    }
    marks.sort_by_key(|mark| mark.span.start);
    marks
}

/// Why a text deserves a second look before it is sent; `None` for all else.
#[must_use]
pub fn danger(source: &[u8]) -> Option<&'static str> {
    lines(source).iter().find_map(|line| named(&line.words).and_then(|found| found.danger))
}

/// The lines of a text; a quote that is open is closed at its end.
fn lines(source: &[u8]) -> Vec<Line> {
    for text in closed(source) {
        let mut lexer = Lexer::new(&text);
        let mut lines = Vec::new();
        loop {
            match lexer.line() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return lines,
                Err(_) => break,
            }
        }
    }
    Vec::new()
}

fn line_marks(line: &Line, end: usize, marks: &mut Vec<Mark>) {
    if let Some(span) = line.comment {
        marks.push(Mark { span, kind: MarkKind::Comment });
    }
    let named = named(&line.words);
    for (at, word) in line.words.iter().enumerate() {
        let is_name = named.as_ref().is_some_and(|named| named.words.contains(&at));
        let operator = ["|", ">", "&", "->", "as", "!"].iter().any(|operator| word.is(operator));
        let kind = match &named {
            Some(Named { danger: Some(_), .. }) if is_name => MarkKind::Danger,
            Some(Named { known: false, .. }) if is_name => MarkKind::Unknown,
            _ if is_name => MarkKind::Command,
            _ if operator => MarkKind::Operator,
            _ if word.is_flag() => MarkKind::Flag,
            _ if has_variable(word) => MarkKind::Variable,
            _ if word.pieces.iter().any(|piece| matches!(piece, Piece::Quoted(_))) => {
                MarkKind::Quoted
            }
            _ => continue,
        };
        let span = Span { start: word.span.start, end: word.span.end.min(end) };
        marks.push(Mark { span, kind });
    }
}

/// The words of a line that name its command.
struct Named {
    words: Vec<usize>,
    known: bool,
    danger: Option<&'static str>,
}

fn named(words: &[Word]) -> Option<Named> {
    let first = words.iter().position(|word| !word.is("!") && !word.is_flag())?;
    let text = words.get(first)?.bare().unwrap_or_default();
    let plain = |words, known| Some(Named { words, known, danger: None });
    let own = session_command(text).is_some() || KEYWORDS.iter().any(|(name, ..)| *name == text);
    if own {
        return plain(vec![first], true);
    }
    let mut target = Target::Root;
    let mut names = Vec::new();
    for (at, word) in words.iter().enumerate().skip(first) {
        if matches!(target, Target::Command(_)) {
            break;
        }
        let Some(bare) = word.bare().filter(|_| !word.is_flag()) else { continue };
        let Some(next) = target.next(full_name(bare).as_bytes()) else { break };
        target = next;
        names.push(at);
    }
    if names.is_empty() {
        return plain(vec![first], false);
    }
    let danger = danger_of(target, words);
    Some(Named { words: names, known: true, danger })
}

fn danger_of(target: Target, words: &[Word]) -> Option<&'static str> {
    let Target::Command(spec) = target else { return None };
    let wide = words.iter().any(|word| word.is("--prefix") || word.is("--from-key"));
    if wide && *spec == DEL {
        return Some("deletes every key of a range");
    }
    (spec.effect == Effect::Destroys).then_some("takes away what cannot be had again")
}

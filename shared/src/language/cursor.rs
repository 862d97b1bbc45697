//! [`Cursor`]: takes the words of one line one by one.

use std::time::Duration;

use super::lex::name_of;
use super::{Line, Span, SyntaxError, Word};
use crate::text::{parse_duration, printable};

/// Characters of a word that an error shows.
const FOUND_CHARS_MAX: usize = 60;

/// What is left of a line.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    source: &'a [u8],
    words: std::collections::VecDeque<Word>,
    /// Where the word taken last ends, and so where the next one is missed.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a [u8], line: Line) -> Self {
        Self { source, end: line.span.start, words: line.words.into() }
    }

    pub(super) fn source(&self) -> &'a [u8] {
        self.source
    }

    pub(super) fn peek(&self) -> Option<&Word> {
        self.words.front()
    }

    /// The bare text of the next word.
    pub(super) fn bare(&self) -> Option<&str> {
        self.peek().and_then(Word::bare)
    }

    pub(super) fn next(&mut self) -> Option<Word> {
        let word = self.words.pop_front()?;
        self.end = word.span.end;
        Some(word)
    }

    pub(super) fn is_done(&self) -> bool {
        self.words.is_empty()
    }

    /// Where the last word taken ends.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Takes the next word when it is this keyword.
    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.is(keyword));
        if found {
            self.next();
        }
        found
    }

    /// Cuts off what stands behind each keyword, with where that keyword stands.
    pub(super) fn cut(&mut self, keyword: &str) -> Vec<(usize, Self)> {
        let mut parts = Vec::new();
        while let Some(at) = self.words.iter().rposition(|word| word.is(keyword)) {
            let mut words = self.words.split_off(at);
            if let Some(word) = words.pop_front() {
                let Span { start, end } = word.span;
                parts.insert(0, (start, Self { source: self.source, words, end }));
            }
        }
        parts
    }

    /// Adds the words of a further line.
    pub(super) fn extend(&mut self, line: Line) {
        self.words.extend(line.words);
    }

    pub(super) fn demand(&mut self, keyword: &str) -> Result<(), SyntaxError> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected(&format!("`{keyword}`"))) }
    }

    pub(super) fn word(&mut self, expected: &str) -> Result<Word, SyntaxError> {
        self.next().ok_or_else(|| self.unexpected(expected))
    }

    /// What stands here is not what is accepted.
    pub(super) fn unexpected(&self, expected: &str) -> SyntaxError {
        if let Some(word) = self.peek() {
            return self.refuse(word.span, &self.found(word.span), expected);
        }
        let span = Span { start: self.end, end: self.end };
        self.refuse(span, "the line ends", expected)
    }

    pub(super) fn found(&self, span: Span) -> String {
        let text = printable(span.of(self.source));
        let mut short: String = text.chars().take(FOUND_CHARS_MAX).collect();
        if short.len() < text.len() {
            short.push_str("...");
        }
        format!("found {short}")
    }

    pub(super) fn refuse(&self, span: Span, found: &str, expected: &str) -> SyntaxError {
        SyntaxError::new(self.source, span, found, expected)
    }

    pub(super) fn finish(&self, expected: &str) -> Result<(), SyntaxError> {
        if self.is_done() { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// The name of a variable or a watch.
    pub(super) fn name(&mut self, what: &str) -> Result<String, SyntaxError> {
        let expected = format!("{what}: letters, digits and _");
        let word = self.word(&expected)?;
        match word.bare() {
            Some(name) if !name.is_empty() && name_of(name.as_bytes()).len() == name.len() => {
                Ok(name.to_owned())
            }
            _ => Err(self.refuse(word.span, &self.found(word.span), &expected)),
        }
    }

    /// A whole number that is written out.
    pub(super) fn number<N: std::str::FromStr>(&mut self, what: &str) -> Result<N, SyntaxError> {
        let expected = format!("{what}, a whole number");
        let word = self.word(&expected)?;
        let number = word.bare().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.refuse(word.span, &self.found(word.span), &expected))
    }

    /// A time that is written out.
    pub(super) fn duration(&mut self, what: &str) -> Result<Duration, SyntaxError> {
        let expected = format!("{what} such as 500ms or 5s");
        let word = self.word(&expected)?;
        let time = word.bare().and_then(|text| parse_duration(text).ok());
        time.ok_or_else(|| self.refuse(word.span, &self.found(word.span), &expected))
    }
}

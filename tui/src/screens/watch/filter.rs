//! Which events a tail shows: `put & ~timeout`.
//!
//! ```text
//! filter = all { "|" all }                  one of them
//! all    = not { "&" not }                  every one of them
//! not    = [ "~" | "!" ] item               not that
//! item   = "(" filter ")" | kind | field | text
//! kind   = put | del | new | txn | lease    new: the key did not exist; txn: with others in one revision;
//!                                           lease: the value hangs on a lease
//! field  = (key | value) ("=" | ":" | "^") text     is, contains, begins with
//!        | (rev | ver | size) ("=" | "<" | ">") number
//!        | re:PATTERN                       a regular expression over key and value, up to a space
//! text   = word | "words"                   somewhere in key or value
//! ```
//!
//! Text without capitals is found whatever the case. Between double quotes stand the escapes of [`ESCAPES`]; a kind
//! between quotes is text. An error names the column and what is wanted there.

use mini_etcd_shared::text::{ESCAPES, read_escape};
use thiserror::Error;

use super::event::{Event, Kind, Revision};
use crate::widget::needle::Needle;

/// Parentheses inside each other.
const DEPTH_MAX: usize = 32;

/// Why a filter is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("column {column}: {why}")]
pub struct FilterError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// What is wrong there, and what is wanted.
    pub why: String,
}

/// A filter with its words.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    rule: Rule,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

#[derive(Clone, Debug)]
enum Rule {
    Any(Vec<Rule>),
    All(Vec<Rule>),
    Not(Box<Rule>),
    Put,
    Del,
    New,
    Txn,
    Lease,
    /// In the key, in the value.
    Found(bool, bool, Needle),
    Number(Of, std::cmp::Ordering, i64),
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Revision,
    Version,
    Size,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Where it stops being one, and what is wanted there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser { rest: text, whole: text };
        let rule = parser.any(0)?;
        if !parser.rest.is_empty() {
            return Err(parser.error("expected & or | between two conditions"));
        }
        Ok(Self { text: text.trim().to_owned(), rule })
    }

    /// As it was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it lets an event of a revision through.
    #[must_use]
    pub fn shows(&self, revision: &Revision, event: &Event) -> bool {
        self.rule.holds(revision, event)
    }
}

impl Rule {
    fn holds(&self, revision: &Revision, event: &Event) -> bool {
        match self {
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(revision, event)),
            Self::All(rules) => rules.iter().all(|rule| rule.holds(revision, event)),
            Self::Not(rule) => !rule.holds(revision, event),
            Self::Put => event.kind == Kind::Put,
            Self::Del => event.kind == Kind::Del,
            Self::New => event.is_new(),
            Self::Txn => revision.events.len() + revision.cut > 1,
            Self::Lease => event.now.lease != 0,
            Self::Found(key, value, needle) => {
                (*key && needle.is_in(&event.key)) || (*value && needle.is_in(&event.now.value))
            }
            Self::Number(of, order, number) => {
                let found = match of {
                    Of::Revision => revision.number,
                    Of::Version => event.now.version,
                    Of::Size => i64::try_from(event.now.value.len()).unwrap_or(i64::MAX),
                };
                found.cmp(number) == *order
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl Parser<'_> {
    fn error(&self, why: impl Into<String>) -> FilterError {
        let read = self.whole.len() - self.rest.len();
        let column = self.whole.get(..read).unwrap_or("").chars().count() + 1;
        FilterError { column, why: why.into() }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, sign: char) -> bool {
        self.space();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self, depth: usize) -> Result<Rule, FilterError> {
        let mut rules = vec![self.all(depth)?];
        while self.take('|') {
            rules.push(self.all(depth)?);
        }
        self.space();
        Ok(Rule::Any(rules))
    }

    fn all(&mut self, depth: usize) -> Result<Rule, FilterError> {
        let mut rules = vec![self.not(depth)?];
        while self.take('&') {
            rules.push(self.not(depth)?);
        }
        Ok(Rule::All(rules))
    }

    fn not(&mut self, depth: usize) -> Result<Rule, FilterError> {
        let mut negated = false;
        while self.take('~') || self.take('!') {
            negated = !negated;
        }
        let rule = self.item(depth)?;
        Ok(if negated { Rule::Not(Box::new(rule)) } else { rule })
    }

    fn item(&mut self, depth: usize) -> Result<Rule, FilterError> {
        if self.take('(') {
            if depth >= DEPTH_MAX {
                return Err(self.error(format!("more than {DEPTH_MAX} parentheses deep")));
            }
            let rule = self.any(depth + 1)?;
            if !self.take(')') {
                return Err(self.error("expected )"));
            }
            return Ok(rule);
        }
        self.space();
        for (name, rule) in [
            ("put", Rule::Put),
            ("del", Rule::Del),
            ("new", Rule::New),
            ("txn", Rule::Txn),
            ("lease", Rule::Lease),
        ] {
            if let Some(rest) = self.rest.strip_prefix(name).filter(|rest| ends_word(rest)) {
                self.rest = rest;
                return Ok(rule);
            }
        }
        if let Some(rest) = self.rest.strip_prefix("re:") {
            self.rest = rest;
            return self.pattern();
        }
        for (name, key) in [("key", true), ("value", false)] {
            let Some(rest) = self.rest.strip_prefix(name) else { continue };
            let ends = match rest.chars().next() {
                Some('=') => ("^(?:", ")$"),
                Some(':') => ("", ""),
                Some('^') => ("^(?:", ")"),
                _ => continue,
            };
            self.rest = rest.get(1..).unwrap_or("");
            let needle = self.text(ends)?;
            return Ok(Rule::Found(key, !key, needle));
        }
        for (name, of) in [("rev", Of::Revision), ("ver", Of::Version), ("size", Of::Size)] {
            let Some(rest) = self.rest.strip_prefix(name) else { continue };
            let order = match rest.chars().next() {
                Some('=') => std::cmp::Ordering::Equal,
                Some('<') => std::cmp::Ordering::Less,
                Some('>') => std::cmp::Ordering::Greater,
                _ => continue,
            };
            self.rest = rest.get(1..).unwrap_or("");
            return Ok(Rule::Number(of, order, self.number()?));
        }
        Ok(Rule::Found(true, true, self.text(("", ""))?))
    }

    fn number(&mut self) -> Result<i64, FilterError> {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        let wanted = || self.error("expected a number, as in rev>918300");
        let number = digits.parse().map_err(|_| wanted())?;
        if !ends_word(rest) {
            return Err(wanted());
        }
        self.rest = rest;
        Ok(number)
    }

    fn pattern(&mut self) -> Result<Rule, FilterError> {
        let start = Parser { rest: self.rest, whole: self.whole };
        let text = self.word(char::is_whitespace)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let fold = !text.chars().any(char::is_uppercase);
        let needle = Needle::build(&text, fold).map_err(|error| {
            let words = error.to_string();
            start.error(words.lines().last().unwrap_or("not a pattern").trim().to_owned())
        })?;
        Ok(Rule::Found(true, true, needle))
    }

    fn text(&mut self, around: (&str, &str)) -> Result<Needle, FilterError> {
        let start = Parser { rest: self.rest, whole: self.whole };
        let text = self.word(ends)?;
        let needle = Needle::literal(around.0, &text, around.1);
        needle.ok_or_else(|| start.error("this text is too long to look for"))
    }

    /// One word up to a character that ends it, or what stands between double quotes.
    fn word(&mut self, ends: impl Fn(char) -> bool) -> Result<Vec<u8>, FilterError> {
        if let Some(rest) = self.rest.strip_prefix('"') {
            return self.quoted(rest);
        }
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        if end == 0 {
            let wanted =
                "expected put, del, new, txn, lease, key=.., value:.., rev>.., or text to find";
            return Err(self.error(wanted));
        }
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        Ok(word.as_bytes().to_vec())
    }

    fn quoted(&mut self, mut rest: &str) -> Result<Vec<u8>, FilterError> {
        let mut text = Vec::new();
        loop {
            let mut characters = rest.chars();
            let Some(character) = characters.next() else {
                return Err(self.error("this quote is never closed"));
            };
            let after = characters.as_str();
            match character {
                '"' => {
                    // The borrow of the whole is as long as that of the rest.
                    self.rest = self.whole.get(self.whole.len() - after.len()..).unwrap_or("");
                    return Ok(text);
                }
                '\\' => {
                    let Some(behind) = read_escape(after.as_bytes(), &mut text) else {
                        let place = self.whole.get(self.whole.len() - rest.len()..).unwrap_or("");
                        return Err(Parser { rest: place, whole: self.whole }
                            .error(format!("an unknown escape; accepted are {ESCAPES}")));
                    };
                    rest = after.get(after.len() - behind.len()..).unwrap_or("");
                }
                other => {
                    text.extend(other.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after;
                }
            }
        }
    }
}

fn ends_word(rest: &str) -> bool {
    rest.chars().next().is_none_or(ends)
}

/// Whether a character ends a word.
fn ends(character: char) -> bool {
    character.is_whitespace() || "&|()\"".contains(character)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::screens::watch::event::{Before, Version};

    fn event(kind: Kind, key: &'static [u8], value: &'static [u8]) -> Event {
        let now = Version { value: Bytes::from_static(value), version: 3, ..Version::default() };
        let before = if kind == Kind::Put { Before::Nothing } else { Before::Unknown };
        Event::new(kind, Bytes::from_static(key), 1, now, before)
    }

    fn shows(filter: &str, event: &Event) -> bool {
        let revision = Revision { number: 50, events: vec![event.clone()], cut: 0 };
        Filter::parse(filter)
            .unwrap_or_else(|error| panic!("{filter}: {error}"))
            .shows(&revision, event)
    }

    #[test]
    fn conditions_hold_as_they_read() {
        let put = event(Kind::Put, b"/config/Timeout", b"{\"read\": 1}");
        for (filter, holds) in [
            ("put", true),
            ("del", false),
            ("put & ~timeout", false),
            ("put & ~other", true),
            ("!!put", true),
            ("del | read", true),
            ("put & del | timeout", true),
            ("put & (del | nothing)", false),
            ("\"put\"", false),
            ("Timeout", true),
            ("TIMEOUT", false),
            ("key^/config", true),
            ("key=/config/Timeout", true),
            ("key=/config", false),
            ("value:timeout", false),
            ("value:read", true),
            ("value^read", false),
            ("re:time.*t", true),
            ("re:\"^/conf .*\"", false),
            ("rev>49", true),
            ("rev<50", false),
            ("ver=3 & size=11", true),
            ("size>100", false),
            ("new", true),
            ("lease | txn", false),
            ("revision", false),
        ] {
            assert_eq!(shows(filter, &put), holds, "{filter}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_can_be_found() {
        let put = event(Kind::Put, b"k\xff\x00", b"a\nb");
        assert!(shows(r#""\xff\x00""#, &put) && shows(r#"value:"a\nb""#, &put));
        assert!(!shows(r#""\xfe""#, &put) && shows(r#"key="k\xff\x00""#, &put));
    }

    #[test]
    fn an_error_names_the_column_and_what_is_wanted() {
        for (filter, column, words) in [
            ("", 1, "expected put, del"),
            ("put &", 6, "expected put, del"),
            ("put del", 5, "expected & or |"),
            ("(put", 5, "expected )"),
            ("put)", 4, "expected & or |"),
            ("é & rev>x", 9, "expected a number"),
            ("rev>9x", 5, "expected a number"),
            ("put & \"abc", 7, "never closed"),
            ("\"a\\q\"", 3, "\\xNN"),
            ("re:(", 4, "unclosed group"),
            ("rev>99999999999999999999", 5, "expected a number"),
        ] {
            let error = Filter::parse(filter).unwrap_err();
            assert_eq!(error.column, column, "{filter}: {error}");
            assert!(error.why.contains(words), "{filter}: {error}");
        }
        assert!(Filter::parse(&"(".repeat(100)).unwrap_err().why.contains("deep"));
        assert!(Filter::parse("re:(a{1000}){1000}").is_err());
    }
}

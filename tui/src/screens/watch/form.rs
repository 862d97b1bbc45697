//! The form of a new tail.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent};
use mini_etcd_shared::text::unescape;

use super::filter::Filter;
use crate::console::spec::{Reach, Spec};
use crate::widget::line::LineInput;

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The key.
    Key,
    /// Which keys.
    Reach,
    /// Where a range ends.
    End,
    /// The first revision.
    From,
    /// Which events are shown.
    Filter,
    /// Whether previous values are asked for.
    Previous,
    /// Whether a leader is required.
    Leader,
}

/// All fields, from top to bottom.
pub const FIELDS: [Field; 7] = [
    Field::Key,
    Field::Reach,
    Field::End,
    Field::From,
    Field::Filter,
    Field::Previous,
    Field::Leader,
];

/// The form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The key, with `\xNN` for bytes that are no text.
    pub key: LineInput,
    /// Which keys.
    pub reach: Reach,
    /// Where a range ends.
    pub end: LineInput,
    /// The first revision; empty for "now".
    pub from: LineInput,
    /// Which events are shown.
    pub filter: LineInput,
    /// Whether previous values are asked for.
    pub previous: bool,
    /// Whether a leader is required.
    pub leader: bool,
    /// The field that has the keyboard.
    pub at: usize,
    /// What is wrong, and with which field.
    pub error: Option<(Field, String)>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            key: LineInput::default(),
            reach: Reach::default(),
            end: LineInput::default(),
            from: LineInput::default(),
            filter: LineInput::default(),
            previous: true,
            leader: true,
            at: 0,
            error: None,
        }
    }
}

impl Form {
    /// The field that has the keyboard.
    #[must_use]
    pub fn field(&self) -> Field {
        FIELDS.get(self.at).copied().unwrap_or(Field::Key)
    }

    /// The line of a field that is typed into.
    #[must_use]
    pub fn line(&self, field: Field) -> Option<&LineInput> {
        match field {
            Field::Key => Some(&self.key),
            Field::End => Some(&self.end),
            Field::From => Some(&self.from),
            Field::Filter => Some(&self.filter),
            Field::Reach | Field::Previous | Field::Leader => None,
        }
    }

    fn line_mut(&mut self) -> Option<&mut LineInput> {
        match self.field() {
            Field::Key => Some(&mut self.key),
            Field::End => Some(&mut self.end),
            Field::From => Some(&mut self.from),
            Field::Filter => Some(&mut self.filter),
            Field::Reach | Field::Previous | Field::Leader => None,
        }
    }

    /// Whether a field says anything as things stand.
    #[must_use]
    pub fn counts(&self, field: Field) -> bool {
        field != Field::End || self.reach == Reach::Range
    }

    /// Takes a key that moves between fields or changes one.
    pub fn key(&mut self, key: KeyEvent) {
        match (key.code, self.field()) {
            (KeyCode::Tab | KeyCode::Down, _) => self.go(true),
            (KeyCode::BackTab | KeyCode::Up, _) => self.go(false),
            (KeyCode::Char(' ') | KeyCode::Right, Field::Reach) => {
                self.reach = self.reach.turned(true);
            }
            (KeyCode::Left, Field::Reach) => self.reach = self.reach.turned(false),
            (KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right, Field::Previous) => {
                self.previous = !self.previous;
            }
            (KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right, Field::Leader) => {
                self.leader = !self.leader;
            }
            _ => {
                if let Some(line) = self.line_mut() {
                    line.key(key);
                }
            }
        }
        self.error = None;
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        if let Some(line) = self.line_mut() {
            line.insert(text);
        }
        self.error = None;
    }

    fn go(&mut self, forward: bool) {
        let count = FIELDS.len();
        for _ in 0..count {
            self.at = if forward { (self.at + 1) % count } else { (self.at + count - 1) % count };
            if self.counts(self.field()) {
                return;
            }
        }
    }

    /// What the form says; on an error the field that it is about gets the keyboard.
    pub fn read(&mut self) -> Option<(Spec, Option<Filter>)> {
        match self.parse() {
            Ok(read) => Some(read),
            Err((field, why)) => {
                self.at = FIELDS.iter().position(|f| *f == field).unwrap_or(0);
                self.error = Some((field, why));
                None
            }
        }
    }

    fn parse(&self) -> Result<(Spec, Option<Filter>), (Field, String)> {
        let key = bytes(self.key.text()).map_err(|why| (Field::Key, why))?;
        if key.is_empty() && self.reach == Reach::Key {
            return Err((Field::Key, "a single key has a name".to_owned()));
        }
        let end = if self.reach == Reach::Range {
            let end = bytes(self.end.text()).map_err(|why| (Field::End, why))?;
            if end <= key {
                let why = "a range ends behind the key that it begins with".to_owned();
                return Err((Field::End, why));
            }
            end
        } else {
            Bytes::new()
        };
        let digits: String = self.from.text().chars().filter(|c| !c.is_whitespace()).collect();
        let from = match digits.as_str() {
            "" | "now" => None,
            digits => match digits.parse::<i64>() {
                Ok(from) if from > 0 => Some(from),
                _ => {
                    let why = "a revision is a number from 1 on; empty is now".to_owned();
                    return Err((Field::From, why));
                }
            },
        };
        let filter = match self.filter.text().trim() {
            "" => None,
            text => Some(Filter::parse(text).map_err(|why| (Field::Filter, why.to_string()))?),
        };
        let (previous, leader) = (self.previous, self.leader);
        Ok((Spec { key, reach: self.reach, end, from, previous, leader }, filter))
    }
}

/// Typed text as the bytes that it stands for.
fn bytes(text: &str) -> Result<Bytes, String> {
    unescape(text).map(Bytes::from).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(form: &mut Form, code: KeyCode) {
        form.key(KeyEvent::from(code));
    }

    fn types(form: &mut Form, text: &str) {
        text.chars().for_each(|character| press(form, KeyCode::Char(character)));
    }

    #[test]
    fn what_is_typed_becomes_a_tail() {
        let mut form = Form::default();
        types(&mut form, "/a\\xff/");
        press(&mut form, KeyCode::Tab);
        press(&mut form, KeyCode::Tab);
        assert_eq!(form.field(), Field::From, "the end of a range is skipped");
        types(&mut form, "918 300");
        press(&mut form, KeyCode::Down);
        types(&mut form, "put & ~x");
        press(&mut form, KeyCode::Down);
        press(&mut form, KeyCode::Char(' '));
        let (spec, filter) = form.read().unwrap();
        assert_eq!(spec.key.as_ref(), b"/a\xff/");
        assert_eq!((spec.from, spec.previous, spec.leader), (Some(918_300), false, true));
        assert_eq!(filter.unwrap().text(), "put & ~x");
    }

    #[test]
    fn what_is_wrong_gets_the_keyboard_with_the_reason() {
        for (key, reach, end, from, filter, field) in [
            ("", Reach::Key, "", "", "", Field::Key),
            ("a\\q", Reach::Prefix, "", "", "", Field::Key),
            ("b", Reach::Range, "a", "", "", Field::End),
            ("a", Reach::Prefix, "", "-3", "", Field::From),
            ("a", Reach::Prefix, "", "soon", "", Field::From),
            ("a", Reach::Prefix, "", "", "put put", Field::Filter),
        ] {
            let mut form = Form { reach, ..Form::default() };
            form.key.set(key);
            form.end.set(end);
            form.from.set(from);
            form.filter.set(filter);
            assert!(form.read().is_none());
            assert_eq!(form.error.as_ref().map(|(field, _)| *field), Some(field));
            assert_eq!(form.field(), field);
        }
        assert!(bytes("ab\\q").unwrap_err().starts_with("column 3: an unknown escape"));
    }
}

//! [`render`]: from an answer to bytes, in a [`Format`].

#![expect(missing_docs, reason = "names that say all have no comment")]

use super::{Answer, Page, fields, json, readable, table};
use crate::failure::{Failure, exit};

/// An output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Simple,
    Json,
    /// A name and a value on each line.
    Fields,
    Protobuf,
    Table,
    /// One readable object on each line; etcdctl does not have it.
    JsonLines,
}

impl Format {
    /// The format of this name, with those that etcdctl does not have.
    #[must_use]
    pub fn of_language(name: &str) -> Option<Self> {
        if name == "jsonl" { Some(Self::JsonLines) } else { Self::of(name) }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Json => "json",
            Self::Fields => "fields",
            Self::Protobuf => "protobuf",
            Self::Table => "table",
            Self::JsonLines => "jsonl",
        }
    }

    /// The one that has something to say for what is a plain line elsewhere.
    #[must_use]
    pub fn or_simple(self) -> Self {
        if self == Self::JsonLines { self } else { Self::Simple }
    }

    /// The format that etcdctl has under this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "simple" => Self::Simple,
            "json" => Self::Json,
            "fields" => Self::Fields,
            "protobuf" => Self::Protobuf,
            "table" => Self::Table,
            _ => return None,
        })
    }
}

/// How to show answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    pub format: Format,
    /// Keys and values as `\xNN` bytes in `simple`, ids as hex in `fields` and in `json` of members.
    pub hex: bool,
}

/// A rendered answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

/// Renders an answer; `program` is the name that help shows.
///
/// # Errors
/// When the command does not have this format.
pub fn render(answer: &dyn Answer, style: Style, program: &str) -> Result<Rendered, Failure> {
    let out = match answer.format(style.format)? {
        Format::Simple => {
            let mut page = Page::new(style, program);
            answer.simple(&mut page);
            return Ok(page.rendered);
        }
        Format::Json => json::render(&answer.shown(style.hex)),
        Format::JsonLines => readable::lines(answer, style.hex),
        Format::Fields => fields::render(&answer.shown(false), style.hex),
        Format::Protobuf => answer.protobuf().ok_or_else(|| unsupported("protobuf"))?,
        Format::Table => table::render(&answer.table().ok_or_else(|| unsupported("table"))?),
    };
    Ok(Rendered { out, err: Vec::new() })
}

/// The refusal of a format that a command does not have.
pub(crate) fn unsupported(format: &str) -> Failure {
    Failure::new(exit::BAD_FEATURE, format!("{format} not supported as output format"))
}

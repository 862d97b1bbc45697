//! From an answer to bytes.

use super::{fields, json, protobuf, readable, simple, table};
use crate::command::exit;
use crate::exec::{Answer, Failure};

/// An output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Simple,
    /// One object.
    Json,
    /// A name and a value on each line.
    Fields,
    /// The message itself.
    Protobuf,
    /// A frame around rows.
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

    /// Its name.
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
    /// The format.
    pub format: Format,
    /// Keys and values as `\xNN` bytes.
    pub hex: bool,
}

/// A rendered answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// For standard output.
    pub out: Vec<u8>,
    /// For standard error.
    pub err: Vec<u8>,
}

/// Renders an answer; `program` is the name that help shows.
///
/// # Errors
/// When the command does not have this format.
pub fn render(answer: &Answer, style: Style, program: &str) -> Result<Rendered, Failure> {
    let style = match answer {
        Answer::Version | Answer::Compaction(_) if style.format == Format::JsonLines => style,
        // These look the same in every format.
        Answer::Version | Answer::Help(_) | Answer::Compaction(_) => Style::default(),
        _ => style,
    };
    refuse_hidden_parts(answer, style)?;
    let out = match style.format {
        Format::Simple => return Ok(simple::render(answer, style.hex, program)),
        Format::Json => json::render(answer, style.hex),
        Format::JsonLines => readable::lines(answer, style.hex),
        Format::Fields => fields::render(answer),
        Format::Protobuf => protobuf::render(answer).ok_or_else(|| unsupported("protobuf"))?,
        Format::Table => table::render(answer).ok_or_else(|| unsupported("table"))?,
    };
    Ok(Rendered { out, err: Vec::new() })
}

fn unsupported(format: &str) -> Failure {
    Failure::new(exit::BAD_FEATURE, format!("{format} not supported as output format"))
}

/// Flags of `get` that only one format can show.
fn refuse_hidden_parts(answer: &Answer, style: Style) -> Result<(), Failure> {
    let Answer::Get { values_only, count_only, .. } = answer else { return Ok(()) };
    if style.format == Format::JsonLines {
        return Ok(());
    }
    if *count_only && style.format != Format::Fields {
        return Err(Failure::new(exit::BAD_ARGS, "--count-only is only for `--write-out=fields`"));
    }
    if *values_only && style.format != Format::Simple {
        return Err(Failure::new(
            exit::BAD_ARGS,
            "print-value-only is only for `--write-out=simple`",
        ));
    }
    Ok(())
}

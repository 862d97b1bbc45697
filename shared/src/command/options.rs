//! `options`: lists the flags that every command takes.

use super::help::write_flags;
use super::spec::{CommandSpec, Effect};
use super::table::GLOBAL_FLAGS;
use super::{Report, Request};
use crate::failure::Failure;
use crate::format::{Answer, Field, Format, Page, Value};

/// `options`
pub(super) const OPTIONS: CommandSpec = CommandSpec {
    effect: Effect::Local,
    examples: &["options"],
    ..CommandSpec::new("options", "Lists the flags that every command takes", |_| {
        Ok(Box::new(Options))
    })
};

#[derive(Debug)]
struct Options;

impl Options {
    fn text() -> String {
        let mut text = "The following options can be passed to any command:\n\n".to_owned();
        // Writing to a string does not fail.
        let _ = write_flags(&mut text, &GLOBAL_FLAGS.iter().collect::<Vec<_>>());
        text
    }
}

impl Request for Options {
    fn local(&self) -> Option<Report> {
        Some(Report::of(Self))
    }
}

impl Answer for Options {
    fn shown(&self, _hex: bool) -> Value {
        vec![Field::in_json("options", &Self::text())].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.write(Self::text().as_bytes());
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked.or_simple())
    }
}

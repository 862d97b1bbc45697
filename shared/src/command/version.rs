//! `version`: prints the version.

use super::spec::{CommandSpec, Effect};
use super::{Report, Request};
use crate::failure::Failure;
use crate::format::{Answer, Field, Format, Page, Value};
use crate::version::{API_VERSION, ETCDCTL_VERSION};

/// `version`
pub(super) const VERSION: CommandSpec = CommandSpec {
    effect: Effect::Local,
    examples: &["version"],
    ..CommandSpec::new("version", "Prints the version of etcdctl that this program equals", |_| {
        Ok(Box::new(Version))
    })
};

#[derive(Debug)]
struct Version;

impl Request for Version {
    fn local(&self) -> Option<Report> {
        Some(Report::of(Self))
    }
}

impl Answer for Version {
    fn shown(&self, _hex: bool) -> Value {
        vec![Field::in_json("etcdctl", ETCDCTL_VERSION), Field::in_json("api", API_VERSION)].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("etcdctl version: {ETCDCTL_VERSION}"));
        page.line(&format!("API version: {API_VERSION}"));
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked.or_simple())
    }
}

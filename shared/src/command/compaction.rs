//! `compaction`: forgets history.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::CompactionRequest;

use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag};
use super::{CommandLine, Made, Refusal};
use crate::failure::{Failure, done, exit};
use crate::format::{Answer, Facts, Field, Format, Page, Value};
use crate::text::{parse_int, replaced};

/// `compaction`
pub const COMPACTION: CommandSpec = CommandSpec {
    effect: Effect::Destroys,
    args: &[Arg::needed("revision", ArgKind::Revision)],
    flags: &[Flag::switch("physical", "answer only when the old versions are gone from the disk")],
    long: "Versions that were replaced or deleted before <revision> can no longer be read or watched.",
    examples: &["compaction 1234", "compaction --physical 1300"],
    ..CommandSpec::new("compaction", "Forgets history before a revision", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [revision] = line.args() else {
        return Err(Refusal::bad_args("compaction command needs 1 argument"));
    };
    let revision = parse_int(&String::from_utf8_lossy(revision), 10)
        .map_err(|error| Refusal::new(exit::ERROR, error))?;
    let request = CompactionRequest { revision, physical: line.switch("physical") };
    Ok(asks(request, |client, request| async move {
        done(client.compact(request).await).map(|_| Compacted(request.revision))
    }))
}

/// The revision before which history is forgotten.
#[derive(Debug)]
struct Compacted(i64);

impl Answer for Compacted {
    fn shown(&self, _hex: bool) -> Value {
        vec![Field::in_json("compacted", self.0)].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("compacted revision {}", self.0));
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked.or_simple())
    }

    fn facts(&self) -> Facts<'_> {
        Facts { rev: Some(self.0), ..Facts::default() }
    }

    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        Ok(Some(self.0.to_string().into()))
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn masked(&self, line: &str) -> String {
        replaced(line, &self.0.to_string())
    }
}

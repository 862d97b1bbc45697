//! `lease grant`: grants a lease.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::{LeaseGrantRequest, LeaseGrantResponse};

use super::lease::{header_bytes, header_fields, lease_hex, while_doing};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made, Refusal};
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Page, Value};
use crate::text::{parse_int, replaced};

/// `lease grant`
pub(super) const LEASE_GRANT: CommandSpec = CommandSpec {
    group: "lease",
    effect: Effect::Writes,
    args: &[Arg::needed("ttl", ArgKind::Seconds)],
    long: "A lease ends <ttl> seconds after it was granted or renewed last, and the keys that were put with it end with it.\nServers raise a ttl below their least, which is 2 seconds.",
    examples: &["lease grant 60"],
    ..CommandSpec::new("grant", "Grants a lease", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [ttl] = line.args() else {
        return Err(Refusal::bad_args("lease grant command needs TTL argument"));
    };
    let ttl = parse_int(&String::from_utf8_lossy(ttl), 10)
        .map_err(|error| Refusal::bad_args(format!("bad TTL ({error})")))?;
    Ok(asks(LeaseGrantRequest { id: 0, ttl }, |client, request| async move {
        done(client.lease_grant(request).await).map_err(|failure| while_doing("grant", failure))
    }))
}

impl Answer for LeaseGrantResponse {
    fn shown(&self, _hex: bool) -> Value {
        let mut message = header_fields(self.header.as_ref());
        message.extend([
            Field::new("ID", "ID", Value::Lease(self.id)).always(),
            Field::new("TTL", "TTL", self.ttl).always(),
            Field::in_json("Error", &self.error).always().jsonl(None),
        ]);
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("lease {} granted with TTL({}s)", lease_hex(self.id), self.ttl));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.header.as_ref()))
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, ..Facts::default() }
    }

    /// The id, as other commands take it.
    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        Ok(Some(lease_hex(self.id).into()))
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn masked(&self, line: &str) -> String {
        replaced(line, &lease_hex(self.id))
    }
}

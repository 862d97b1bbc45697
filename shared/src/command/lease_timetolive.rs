//! `lease timetolive`: tells how much is left of a lease.

use mini_etcd_proto::etcdserverpb::{LeaseTimeToLiveRequest, LeaseTimeToLiveResponse};

use super::lease::{disconnected, header_bytes, header_fields, lease_hex, only_id};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Flag};
use super::{CommandLine, Made};
use crate::failure::done;
use crate::format::{Answer, Facts, Field, Page, Value, count_of};
use crate::text::replaced;

/// `lease timetolive`
pub(super) const LEASE_TIMETOLIVE: CommandSpec = CommandSpec {
    group: "lease",
    args: &[Arg::needed("lease", ArgKind::Lease)],
    flags: &[Flag::switch("keys", "also list the keys that end with it")],
    examples: &["lease timetolive 694d5765fc71500b --keys"],
    ..CommandSpec::new("timetolive", "Tells how much is left of a lease", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let id = only_id(line, "lease timetolive command needs lease ID as argument")?;
    let request = LeaseTimeToLiveRequest { id, keys: line.switch("keys") };
    Ok(asks(request, |client, request| async move {
        let answer = done(client.lease_time_to_live(request).await);
        answer.map(|answer| Left { answer, keys: request.keys }).map_err(disconnected)
    }))
}

/// What is left of a lease, and whether its keys were asked for.
#[derive(Debug)]
struct Left {
    answer: LeaseTimeToLiveResponse,
    keys: bool,
}

impl Answer for Left {
    fn shown(&self, _hex: bool) -> Value {
        let LeaseTimeToLiveResponse { header, id, ttl, granted_ttl, keys } = &self.answer;
        let mut message = header_fields(header.as_ref());
        message.extend([
            Field::new("id", "ID", Value::Lease(*id)).always(),
            Field::new("ttl", "TTL", *ttl).always(),
            Field::new("granted-ttl", "GrantedTTL", *granted_ttl)
                .always()
                .jsonl(Some("granted_ttl")),
            Field::new("keys", "Key", Value::ByteStrings(keys.clone())).always(),
        ]);
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        let LeaseTimeToLiveResponse { id, ttl, granted_ttl, keys, .. } = &self.answer;
        if *granted_ttl == 0 && *ttl == -1 {
            return page.line(&format!("lease {} already expired", lease_hex(*id)));
        }
        let id = lease_hex(*id);
        let left = format!("lease {id} granted with TTL({granted_ttl}s), remaining({ttl}s)");
        page.write(left.as_bytes());
        if self.keys {
            page.write(b", attached keys([");
            page.write(&keys.join(&b' '));
            page.write(b"])");
        }
        page.line("");
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.answer.header.as_ref()))
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.answer.header.as_ref().map(|header| header.revision);
        let count = count_of(self.answer.keys.len()).filter(|_| self.keys);
        Facts { rev, count, ..Facts::default() }
    }

    fn masked(&self, line: &str) -> String {
        let line = replaced(line, &lease_hex(self.answer.id));
        replaced(&line, &format!("remaining({}s)", self.answer.ttl))
    }
}

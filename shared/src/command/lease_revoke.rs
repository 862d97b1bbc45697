//! `lease revoke`: ends a lease, and its keys with it.

use mini_etcd_proto::etcdserverpb::{LeaseRevokeRequest, ResponseHeader};

use super::lease::{lease_hex, only_id, while_doing};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made};
use crate::failure::done;
use crate::format::{Answer, Facts, Page, Value, header};
use crate::text::replaced;

/// `lease revoke`
pub(super) const LEASE_REVOKE: CommandSpec = CommandSpec {
    group: "lease",
    effect: Effect::Writes,
    args: &[Arg::needed("lease", ArgKind::Lease)],
    examples: &["lease revoke 694d5765fc71500b"],
    ..CommandSpec::new("revoke", "Ends a lease and deletes its keys", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let id = only_id(line, "lease revoke command needs 1 argument")?;
    Ok(asks(LeaseRevokeRequest { id }, |client, request| async move {
        let revoked = done(client.lease_revoke(request).await);
        revoked
            .map(|answer| Revoked { id: request.id, header: answer.header })
            .map_err(|failure| while_doing("revoke", failure))
    }))
}

/// A lease that is no more.
#[derive(Debug)]
struct Revoked {
    id: i64,
    header: Option<ResponseHeader>,
}

impl Answer for Revoked {
    fn shown(&self, _hex: bool) -> Value {
        vec![header("header", self.header.as_ref())].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("lease {} revoked", lease_hex(self.id)));
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, ..Facts::default() }
    }

    fn masked(&self, line: &str) -> String {
        replaced(line, &lease_hex(self.id))
    }
}

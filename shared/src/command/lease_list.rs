//! `lease list`: lists the leases.

use mini_etcd_proto::etcdserverpb::{LeaseLeasesRequest, LeaseLeasesResponse};

use super::lease::{disconnected, header_bytes, header_fields, lease_hex};
use super::request::asks;
use super::spec::CommandSpec;
use crate::failure::done;
use crate::format::{Answer, Facts, Field, Page, Value, count_of};
use crate::text::replaced;

/// `lease list`
pub(super) const LEASE_LIST: CommandSpec = CommandSpec {
    group: "lease",
    long: "The member that is asked tells what it has applied. The leader begins with the lease that ends first.",
    examples: &["lease list"],
    ..CommandSpec::new("list", "Lists the leases", |_| {
        Ok(asks(LeaseLeasesRequest::default(), |client, request| async move {
            done(client.lease_leases(request).await).map_err(disconnected)
        }))
    })
};

impl Answer for LeaseLeasesResponse {
    fn shown(&self, _hex: bool) -> Value {
        let lease = |id| vec![Field::new("id", "ID", Value::Lease(id)).always()];
        let leases = self.leases.iter().map(|status| lease(status.id)).collect();
        let mut message = header_fields(self.header.as_ref());
        message.push(Field::new("leases", "", Value::Rows(leases)).always());
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("found {} leases", self.leases.len()));
        self.leases.iter().for_each(|status| page.line(&lease_hex(status.id)));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.header.as_ref()))
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, count: count_of(self.leases.len()), ..Facts::default() }
    }

    fn masked(&self, line: &str) -> String {
        let ids = self.leases.iter().map(|status| lease_hex(status.id));
        ids.fold(line.to_owned(), |line, id| replaced(&line, &id))
    }
}

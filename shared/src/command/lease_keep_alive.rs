//! `lease keep-alive`: renews a lease.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::LeaseKeepAliveResponse;

use super::lease::{disconnected, header_bytes, header_fields, lease_hex, only_id};
use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag};
use super::{CommandLine, Input, Made, Reply, Report, Request};
use crate::client::Client;
use crate::failure::{Failure, done, exit};
use crate::format::{Answer, Facts, Field, Format, Message, Page, Value};
use crate::text::replaced;

/// `lease keep-alive`
pub(super) const LEASE_KEEP_ALIVE: CommandSpec = CommandSpec {
    group: "lease",
    effect: Effect::Writes,
    args: &[Arg::needed("lease", ArgKind::Lease)],
    flags: &[Flag::switch("once", "renew it once, instead of for as long as the command runs")],
    long: "Renews it three times within its time to live. Only mini-etcdctl does so without --once.",
    examples: &["lease keep-alive --once 694d5765fc71500b"],
    ..CommandSpec::new("keep-alive", "Renews a lease", made)
};

/// The renewal of a lease.
#[derive(Debug)]
struct KeepAlive {
    id: i64,
    once: bool,
}

fn made(line: &CommandLine<'_>) -> Made {
    let id = only_id(line, "lease keep-alive command needs lease ID as argument")?;
    Ok(Box::new(KeepAlive { id, once: line.switch("once") }))
}

impl Request for KeepAlive {
    fn run<'a>(self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move {
            let renewed = match done(client.lease_renew(self.id).await) {
                Ok(renewed) => renewed,
                Err(failure) => return disconnected(failure).into(),
            };
            let Ok(ttl @ 1..) = u64::try_from(renewed.ttl) else {
                if self.once {
                    let words = "etcdserver: requested lease not found";
                    return Failure::new(exit::NO_CONNECTION, words).into();
                }
                return Report::of(Ended(self.id));
            };
            let wait = Duration::from_secs(ttl) / 3;
            let again = (!self.once).then_some((wait, self as Box<dyn Request>));
            Report { again, ..Report::of(renewed) }
        })
    }

    fn misfit(&self) -> Option<Misfit> {
        let found = Some("lease keep-alive".to_owned());
        (!self.once).then_some(Misfit { found, expected: "lease keep-alive --once" })
    }
}

impl Answer for LeaseKeepAliveResponse {
    fn shown(&self, _hex: bool) -> Value {
        let mut message = header_fields(self.header.as_ref());
        message.extend([
            Field::new("ID", "ID", Value::Lease(self.id)).always(),
            Field::new("TTL", "TTL", self.ttl).always(),
        ]);
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("lease {} keepalived with TTL({})", lease_hex(self.id), self.ttl));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(header_bytes(self.header.as_ref()))
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, ..Facts::default() }
    }

    fn masked(&self, line: &str) -> String {
        replaced(line, &lease_hex(self.id))
    }
}

/// A lease that cannot be renewed any more. Only the format for people says so.
#[derive(Debug)]
struct Ended(i64);

impl Answer for Ended {
    fn shown(&self, _hex: bool) -> Value {
        Message::new().into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&format!("lease {} expired or revoked.", lease_hex(self.0)));
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        // No field, no byte.
        Ok(if asked == Format::Simple { asked } else { Format::Fields })
    }

    fn masked(&self, line: &str) -> String {
        replaced(line, &lease_hex(self.0))
    }
}

//! `endpoint hashkv`: prints the hash of each endpoint's keys.

use mini_etcd_proto::etcdserverpb::{HashKvRequest, HashKvResponse};

use super::endpoint::{each, facts_of};
use super::request::asks;
use super::spec::{CommandSpec, Flag, ValueKind};
use crate::client::Client;
use crate::failure::done;
use crate::format::{Answer, Facts, Field, Message, Table, Value, header};
use crate::text::masked_columns;

/// `endpoint hashkv`
pub(super) const ENDPOINT_HASHKV: CommandSpec = CommandSpec {
    group: "endpoint",
    flags: &[Flag::new("rev", ValueKind::Int, "0", "hash keys up to this revision; 0 for all")],
    long: "Members that hold the same history up to a revision print the same hash for it. Columns: endpoint, hash, revision that it was taken up to\n(0 where the server does not say).",
    examples: &["endpoint hashkv --cluster", "endpoint hashkv --rev 100 -w table"],
    ..CommandSpec::new("hashkv", "Prints the hash of each endpoint's keys", |line| {
        let request = (line.switch("cluster"), HashKvRequest { revision: line.int("rev") });
        Ok(asks(request, |client, (cluster, request)| async move {
            let hash = |endpoint, client: Client| async move {
                let response = done(client.hash_kv(request).await)?;
                Ok(Hashed { endpoint, response })
            };
            each(&client, cluster, "hash", hash).await
        }))
    })
};

/// The hash of one endpoint.
#[derive(Clone, Debug)]
struct Hashed {
    /// The endpoint as it was typed.
    endpoint: String,
    response: HashKvResponse,
}

impl Hashed {
    fn fields(&self) -> Message {
        let hash = vec![
            header("header", self.response.header.as_ref()),
            Field::in_fields("Endpoint", &self.endpoint),
            Field::new("hash", "Hash", self.response.hash),
            Field::in_json("compact_revision", self.response.compact_revision),
            Field::new("hash_revision", "HashRevision", self.response.hash_revision),
        ];
        vec![
            Field::in_json("Endpoint", &self.endpoint),
            Field::new("HashKV", "", Value::Inline(hash)),
            Field::blank(),
        ]
    }
}

impl Answer for Vec<Hashed> {
    fn shown(&self, _hex: bool) -> Value {
        Value::List(self.iter().map(Hashed::fields).collect())
    }

    fn table(&self) -> Option<Table> {
        let row = |Hashed { endpoint, response }: &Hashed| {
            let (hash, revision) = (response.hash.to_string(), response.hash_revision.to_string());
            vec![endpoint.clone(), hash, revision]
        };
        Some(Table {
            head: &["ENDPOINT", "HASH", "HASH REVISION"],
            rows: self.iter().map(row).collect(),
        })
    }

    fn facts(&self) -> Facts<'_> {
        facts_of(self.first().and_then(|one| one.response.header.as_ref()), self.len())
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn masked(&self, line: &str) -> String {
        masked_columns(line, &[])
    }
}

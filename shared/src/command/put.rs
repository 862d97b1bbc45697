//! `put`: writes a key.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::request_op::Request as Operation;
use mini_etcd_proto::etcdserverpb::{PutRequest, PutResponse};
use prost::Message as _;

use super::ranges::PREV_KV;
use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Input, Made, Refusal, Reply, Request};
use crate::client::Client;
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Page, Value, header, pair};
use crate::text::parse_int;

const USAGE: &str = "put command needs 1 argument and input from stdin or 2 arguments";

/// `put`
pub(super) const PUT: CommandSpec = CommandSpec {
    effect: Effect::Writes,
    args: &[Arg::needed("key", ArgKind::Key), Arg::optional("value", ArgKind::Value)],
    flags: &[
        Flag::switch("ignore-lease", "keep the lease that the key has"),
        Flag::switch("ignore-value", "keep the value that the key has"),
        Flag::new(
            "lease",
            ValueKind::Lease,
            "0",
            "id, in hex, of the lease that the key will go with",
        ),
        PREV_KV,
    ],
    long: "A value that is not given is read from standard input, to its end.\nA key or value that begins with '-' must stand after '--'.",
    examples: &["put foo bar", "put foo -- -1", "put foo --lease 694d5765fc71500b bar"],
    operation: true,
    ..CommandSpec::new("put", "Writes a key", made)
};

#[derive(Debug)]
struct Put {
    request: PutRequest,
    /// Whether the value is still to be read from standard input.
    value_from_input: bool,
}

fn made(line: &CommandLine<'_>) -> Made {
    let key = line.arg(0).ok_or_else(|| Refusal::bad_args(USAGE))?;
    let ignore_value = line.switch("ignore-value");
    if ignore_value && line.args().len() > 1 {
        return Err(Refusal::bad_args(
            "put command needs only 1 argument when 'ignore-value' is set",
        ));
    }
    let lease = parse_int(&line.text("lease"), 16).map_err(|error| {
        Refusal::bad_args(format!("bad lease ID ({error}), expecting ID in Hex"))
    })?;
    let value = line.arg(1);
    Ok(Box::new(Put {
        value_from_input: value.is_none() && !ignore_value,
        request: PutRequest {
            key,
            value: value.unwrap_or_default(),
            lease,
            prev_kv: line.switch("prev-kv"),
            ignore_value,
            ignore_lease: line.switch("ignore-lease"),
        },
    }))
}

impl Request for Put {
    fn run<'a>(mut self: Box<Self>, client: &'a Client, input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move {
            if self.value_from_input {
                self.request.value = input.rest().into();
                if self.request.value.is_empty() {
                    return Failure::from(Refusal::bad_args(USAGE)).into();
                }
            }
            done(client.put(self.request).await).into()
        })
    }

    fn operation(&self) -> Result<Operation, Refusal> {
        if self.value_from_input {
            return Err(Refusal::bad_args(USAGE));
        }
        Ok(Operation::RequestPut(self.request.clone()))
    }

    fn misfit(&self) -> Option<Misfit> {
        let expected = "a value; `put KEY <<END` takes it from the lines that follow";
        self.value_from_input.then_some(Misfit { found: None, expected })
    }
}

impl Answer for PutResponse {
    fn shown(&self, _hex: bool) -> Value {
        let mut message = vec![header("header", self.header.as_ref())];
        message.extend(self.prev_kv.as_ref().map(|kv| Field::new("prev_kv", "Prev", pair(kv))));
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line("OK");
        if let Some(kv) = &self.prev_kv {
            page.pair(kv);
        }
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, first: self.prev_kv.as_ref(), ..Facts::default() }
    }

    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        Ok(Some(self.facts().rev.unwrap_or(0).to_string().into()))
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn expected(&self, value: &dyn Fn(&[u8]) -> Option<String>) -> Vec<String> {
        self.prev_kv.as_ref().and_then(|kv| value(&kv.value)).into_iter().collect()
    }
}

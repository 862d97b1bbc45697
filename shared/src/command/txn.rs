//! `txn`: runs a transaction.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::response_op::Response;
use mini_etcd_proto::etcdserverpb::{RangeResponse, ResponseOp, TxnRequest, TxnResponse};
use prost::Message as _;

use super::input::section;
use super::spec::{CommandSpec, Effect, Flag};
use super::{
    CommandLine, Input, Made, Prompt, Refusal, Reply, Request, get, parse_compare, parse_op,
};
use crate::client::Client;
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Message, Page, Value, header};

/// `txn`
pub const TXN: CommandSpec = CommandSpec {
    effect: Effect::Writes,
    flags: &[Flag::switch("interactive", "prompt for each part").short('i')],
    long: "Three parts, each ended by an empty line: comparisons, what to do when all hold, what to do otherwise.\nComparison: TARGET(\"KEY\") OP \"VALUE\" with targets create, mod, version, value, lease (c, m, ver, val) and\noperators = != < >. The other parts hold get, put and del lines with these commands' flags.",
    examples: &["txn", "txn -i"],
    ..CommandSpec::new("txn", "Runs a transaction that is read from standard input", made)
};

#[derive(Debug)]
struct Txn {
    interactive: bool,
}

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("txn command does not accept argument"));
    }
    Ok(Box::new(Txn { interactive: line.switch("interactive") }))
}

impl Request for Txn {
    fn run<'a>(self: Box<Self>, client: &'a Client, input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move {
            match self.read(input) {
                Ok(request) => done(client.txn(request).await).into(),
                Err(failure) => failure.into(),
            }
        })
    }
}

impl Txn {
    fn read(&self, input: &mut dyn Input) -> Result<TxnRequest, Failure> {
        let prompt = |prompt| self.interactive.then_some(prompt);
        Ok(TxnRequest {
            compare: section(input, prompt(Prompt::Compares), parse_compare)?,
            success: section(input, prompt(Prompt::Success), parse_op)?,
            failure: section(input, prompt(Prompt::Failure), parse_op)?,
        })
    }
}

/// The first range that a transaction has read.
fn first_range(response: &TxnResponse) -> Option<&RangeResponse> {
    response.responses.iter().find_map(|op| match &op.response {
        Some(Response::ResponseRange(range)) => Some(range),
        _ => None,
    })
}

/// How many keys each operation has deleted.
fn deleted(response: &TxnResponse) -> impl Iterator<Item = i64> {
    response.responses.iter().filter_map(|op| match &op.response {
        Some(Response::ResponseDeleteRange(del)) => Some(del.deleted),
        _ => None,
    })
}

/// An operation's answer; `json` has two objects around it, `jsonl` one, and `fields` none.
fn operation(op: &ResponseOp) -> Message {
    let (json, jsonl, shown) = match &op.response {
        Some(Response::ResponseRange(inner)) => ("response_range", "get", get::shown(inner).into()),
        Some(Response::ResponsePut(inner)) => ("response_put", "put", inner.shown(false)),
        Some(Response::ResponseDeleteRange(inner)) => {
            ("response_delete_range", "del", inner.shown(false))
        }
        Some(Response::ResponseTxn(inner)) => ("response_txn", "txn", inner.shown(false)),
        None => return vec![Field::new("Response", "", Value::Inline(Vec::new()))],
    };
    let inner = Field::new(json, "", shown).jsonl(Some(jsonl));
    vec![Field::new("Response", "", Value::Inline(vec![inner]))]
}

impl Answer for TxnResponse {
    fn shown(&self, _hex: bool) -> Value {
        let message = vec![
            header("header", self.header.as_ref()),
            Field::new("succeeded", "Succeeded", self.succeeded),
            Field::new(
                "responses",
                "",
                Value::List(self.responses.iter().map(operation).collect()),
            ),
        ];
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(if self.succeeded { "SUCCESS" } else { "FAILURE" });
        for op in &self.responses {
            page.line("");
            match &op.response {
                Some(Response::ResponseRange(range)) => {
                    range.kvs.iter().for_each(|kv| page.pair(kv));
                }
                Some(Response::ResponsePut(inner)) => inner.simple(page),
                Some(Response::ResponseDeleteRange(inner)) => inner.simple(page),
                // The grammar has no way to ask for it.
                Some(Response::ResponseTxn(inner)) => inner.simple(page),
                None => {}
            }
        }
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        let range = first_range(self);
        Facts {
            rev: self.header.as_ref().map(|header| header.revision),
            count: range.map(|range| range.count),
            deleted: Some(deleted(self).sum()),
            succeeded: Some(self.succeeded),
            first: range.and_then(|range| range.kvs.first()),
        }
    }

    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        Ok(Some(self.succeeded.to_string().into()))
    }

    fn expected(&self, value: &dyn Fn(&[u8]) -> Option<String>) -> Vec<String> {
        let mut held = vec![format!("succeeded == {}", self.succeeded)];
        if deleted(self).next().is_some() {
            held.push(format!("deleted == {}", deleted(self).sum::<i64>()));
        }
        let read = first_range(self).map(|range| get::expected(range, true, value));
        held.extend(read.unwrap_or_default());
        held
    }
}

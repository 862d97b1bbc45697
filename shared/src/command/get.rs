//! `get`: reads keys.

#![expect(missing_docs, reason = "names that say all have no comment")]

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use mini_etcd_proto::etcdserverpb::request_op::Request as Operation;
use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse};
use prost::Message as _;

use super::ranges::{
    CONSISTENCY, FROM_KEY, KEY_OR_RANGE, PREFIX, is_serializable, needs_key, one_way_to_range,
    range,
};
use super::spec::{CommandSpec, Flag, ValueKind};
use super::{CommandLine, Input, Made, Refusal, Reply, Request};
use crate::client::Client;
use crate::failure::{Failure, done, exit};
use crate::format::{Answer, Facts, Field, Format, Message, Page, Value, header, pairs};

/// `get`
pub const GET: CommandSpec = CommandSpec {
    args: KEY_OR_RANGE,
    flags: &[
        CONSISTENCY,
        Flag::switch("count-only", "only how many keys there are (with -w fields)"),
        FROM_KEY,
        Flag::switch("keys-only", "leave the values out"),
        Flag::new("limit", ValueKind::Int, "0", "most keys to print; 0 for all"),
        Flag::new("max-create-rev", ValueKind::Int, "0", "no key created after this revision"),
        Flag::new("max-mod-rev", ValueKind::Int, "0", "no key changed after this revision"),
        Flag::new("min-create-rev", ValueKind::Int, "0", "no key created before this revision"),
        Flag::new("min-mod-rev", ValueKind::Int, "0", "no key changed before this revision"),
        Flag::new("order", ValueKind::Choice(&["ASCEND", "DESCEND"]), "", "ASCEND or DESCEND"),
        PREFIX,
        Flag::switch("print-value-only", "leave the keys out (with -w simple)"),
        Flag::new("rev", ValueKind::Int, "0", "read the keys as they were at this revision"),
        Flag::new(
            "sort-by",
            ValueKind::Choice(&["CREATE", "KEY", "MODIFY", "VALUE", "VERSION"]),
            "",
            "CREATE, KEY, MODIFY, VALUE or VERSION",
        ),
        Flag::switch("stream", "take the keys in pieces (RangeStream, of servers from 3.7 on)"),
    ],
    examples: &[
        "get foo",
        "get --prefix /jobs/ --keys-only",
        "get --prefix /jobs/ --min-mod-rev 17 -w json",
    ],
    operation: true,
    ..CommandSpec::new("get", "Reads a key, or the keys in [key, range_end)", made)
};

#[derive(Debug)]
struct Get {
    request: RangeRequest,
    values_only: bool,
    stream: bool,
}

fn made(line: &CommandLine<'_>) -> Made {
    if line.args().is_empty() {
        return Err(needs_key(line));
    }
    one_way_to_range(line)?;
    let (keys_only, count_only) = (line.switch("keys-only"), line.switch("count-only"));
    if keys_only && count_only {
        return Err(Refusal::bad_args(
            "`--keys-only` and `--count-only` cannot be set at the same time, choose one",
        ));
    }
    let serializable = is_serializable(line)?;
    let (key, range_end) = range(line)?;
    let (sort_order, sort_target) = sorting(line)?;
    let (min_create_revision, max_create_revision) = revisions(line, "Create")?;
    let (min_mod_revision, max_mod_revision) = revisions(line, "Mod")?;
    Ok(Box::new(Get {
        stream: line.switch("stream"),
        values_only: line.switch("print-value-only"),
        request: RangeRequest {
            key,
            range_end,
            limit: line.int("limit"),
            revision: line.int("rev").max(0),
            sort_order: sort_order.into(),
            sort_target: sort_target.into(),
            serializable,
            keys_only,
            count_only,
            min_mod_revision,
            max_mod_revision,
            min_create_revision,
            max_create_revision,
        },
    }))
}

/// The least and the greatest revision of `Create` or `Mod` that is asked for; 0 for no bound.
fn revisions(line: &CommandLine<'_>, what: &str) -> Result<(i64, i64), Refusal> {
    let bound = |end| line.int(&format!("{end}-{}-rev", what.to_lowercase())).max(0);
    let (least, greatest) = (bound("min"), bound("max"));
    if greatest > 0 && least > greatest {
        let text = format!("getMin{what}Rev(={least}) > getMax{what}Rev(={greatest})");
        return Err(bad_feature(text));
    }
    Ok((least, greatest))
}

fn sorting(line: &CommandLine<'_>) -> Result<(SortOrder, SortTarget), Refusal> {
    let order = line.text("order");
    let order = match order.to_uppercase().as_str() {
        "" => SortOrder::None,
        "ASCEND" => SortOrder::Ascend,
        "DESCEND" => SortOrder::Descend,
        _ => return Err(bad_feature(format!("bad sort order {order}"))),
    };
    let target = line.text("sort-by");
    let target = match target.to_uppercase().as_str() {
        "" | "KEY" => SortTarget::Key,
        "CREATE" => SortTarget::Create,
        "MODIFY" => SortTarget::Mod,
        "VALUE" => SortTarget::Value,
        "VERSION" => SortTarget::Version,
        _ => return Err(bad_feature(format!("bad sort target {target}"))),
    };
    match (order, target) {
        // The order in which servers answer anyway.
        (SortOrder::Ascend, SortTarget::Key) => Ok((SortOrder::None, target)),
        _ => Ok((order, target)),
    }
}

fn bad_feature(text: String) -> Refusal {
    Refusal::new(exit::BAD_FEATURE, text)
}

impl Request for Get {
    fn run<'a>(self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        let Self { request, values_only, stream } = *self;
        let (keys_only, count_only) = (request.keys_only, request.count_only);
        Box::pin(async move {
            let response = if stream {
                done(client.range_streamed(request).await)
            } else {
                done(client.range(request).await)
            };
            response.map(|response| Got { response, keys_only, values_only, count_only }).into()
        })
    }

    fn operation(&self) -> Result<Operation, Refusal> {
        Ok(Operation::RequestRange(self.request.clone()))
    }
}

/// Keys, and what of them was asked for.
#[derive(Clone, Debug, Default)]
pub struct Got {
    pub response: RangeResponse,
    pub keys_only: bool,
    pub values_only: bool,
    pub count_only: bool,
}

/// Keys in the formats that have names.
pub(super) fn shown(response: &RangeResponse) -> Message {
    vec![
        header("header", response.header.as_ref()),
        Field::new("kvs", "", Value::Rows(pairs(&response.kvs))),
        Field::new("more", "More", response.more),
        Field::new("count", "Count", response.count),
    ]
}

/// Conditions that hold of keys in every cluster that has them.
pub(super) fn expected(
    response: &RangeResponse,
    values: bool,
    value: &dyn Fn(&[u8]) -> Option<String>,
) -> Vec<String> {
    let count = format!("count == {}", response.count);
    match response.kvs.as_slice() {
        [] if response.count == 0 && values => vec!["key absent".to_owned()],
        [only] if response.count == 1 => {
            let value = value(&only.value).filter(|_| values);
            value.into_iter().chain([count]).collect()
        }
        _ => vec![count],
    }
}

impl Answer for Got {
    fn shown(&self, _hex: bool) -> Value {
        shown(&self.response).into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        for kv in &self.response.kvs {
            if self.values_only { page.bytes(&kv.value) } else { page.pair(kv) }
        }
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.response.encode_to_vec())
    }

    fn rows(&self) -> Vec<Message> {
        if self.count_only {
            return vec![vec![Field::in_json("count", self.response.count)]];
        }
        let value = |kv: &_| -> Message {
            let kv: &mini_etcd_proto::mvccpb::KeyValue = kv;
            vec![Field::in_json("value", &kv.value)]
        };
        if self.values_only {
            return self.response.kvs.iter().map(value).collect();
        }
        pairs(&self.response.kvs)
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        let refused = |text| Err(Failure::new(exit::BAD_ARGS, text));
        match asked {
            Format::JsonLines => Ok(asked),
            _ if self.count_only && asked != Format::Fields => {
                refused("--count-only is only for `--write-out=fields`")
            }
            _ if self.values_only && asked != Format::Simple => {
                refused("print-value-only is only for `--write-out=simple`")
            }
            _ => Ok(asked),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            rev: self.response.header.as_ref().map(|header| header.revision),
            count: Some(self.response.count),
            first: self.response.kvs.first(),
            ..Facts::default()
        }
    }

    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        if self.count_only {
            return Ok(Some(self.response.count.to_string().into()));
        }
        match self.response.kvs.first() {
            Some(kv) if self.keys_only => Ok(Some(kv.key.clone())),
            Some(kv) => Ok(Some(kv.value.clone())),
            None => Err(Failure::new(exit::ERROR, "no key, so there is nothing to store")),
        }
    }

    fn expected(&self, value: &dyn Fn(&[u8]) -> Option<String>) -> Vec<String> {
        expected(&self.response, !self.count_only && !self.keys_only, value)
    }
}

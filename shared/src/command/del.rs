//! `del`: deletes keys.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::request_op::Request as Operation;
use mini_etcd_proto::etcdserverpb::{DeleteRangeRequest, DeleteRangeResponse};
use prost::Message as _;

use super::ranges::{FROM_KEY, KEY_OR_RANGE, PREFIX, PREV_KV, needs_key, one_way_to_range, range};
use super::spec::{CommandSpec, Effect, Flag};
use super::{CommandLine, Input, Made, Refusal, Reply, Request};
use crate::client::Client;
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Page, Value, header, pairs};
use crate::text::quote;

/// `del`
pub const DEL: CommandSpec = CommandSpec {
    effect: Effect::Writes,
    args: KEY_OR_RANGE,
    flags: &[
        FROM_KEY,
        PREFIX,
        PREV_KV,
        Flag::switch("range", "delete the keys from <key> to <range_end> without a pause"),
    ],
    long: "Prints how many keys were deleted. With two keys and without --range, mini-etcdctl says so and waits for two seconds,\nin which Ctrl-C ends it.",
    examples: &["del foo", "del --prefix /jobs/ --prev-kv", "del --range /jobs/1 /jobs/3"],
    operation: true,
    ..CommandSpec::new("del", "Deletes a key, or the keys in [key, range_end)", made)
};

/// What is to be deleted.
#[derive(Debug)]
pub struct Del {
    request: DeleteRangeRequest,
    warning: Option<String>,
}

impl Del {
    /// What to say before the pause in which somebody may think again; none where no pause is needed.
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }
}

fn made(line: &CommandLine<'_>) -> Made {
    if line.args().is_empty() || line.args().len() > 2 {
        return Err(needs_key(line));
    }
    one_way_to_range(line)?;
    let (key, range_end) = range(line)?;
    let two = line.args().len() > 1 && !line.switch("range");
    let warning = two.then(|| {
        let (key, end) = (quote(&key), quote(&range_end));
        format!(
            "Warning: Keys between {key} and {end} will be deleted. Please interrupt the command within next 2 seconds \
             to cancel. You can provide `--range` flag to avoid the delay."
        )
    });
    let request = DeleteRangeRequest { key, range_end, prev_kv: line.switch("prev-kv") };
    Ok(Box::new(Del { request, warning }))
}

impl Request for Del {
    fn run<'a>(self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async { done(client.delete_range(self.request).await).into() })
    }

    fn operation(&self) -> Result<Operation, Refusal> {
        Ok(Operation::RequestDeleteRange(self.request.clone()))
    }
}

impl Answer for DeleteRangeResponse {
    fn shown(&self, _hex: bool) -> Value {
        let message = vec![
            header("header", self.header.as_ref()),
            Field::new("deleted", "Deleted", self.deleted),
            Field::new("prev_kvs", "Prev", Value::List(pairs(&self.prev_kvs))),
        ];
        message.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        page.line(&self.deleted.to_string());
        self.prev_kvs.iter().for_each(|kv| page.pair(kv));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            rev: self.header.as_ref().map(|header| header.revision),
            count: Some(self.deleted),
            deleted: Some(self.deleted),
            first: self.prev_kvs.first(),
            ..Facts::default()
        }
    }

    fn primary(&self) -> Result<Option<Bytes>, Failure> {
        Ok(Some(self.deleted.to_string().into()))
    }

    fn expected(&self, _value: &dyn Fn(&[u8]) -> Option<String>) -> Vec<String> {
        vec![format!("deleted == {}", self.deleted)]
    }
}

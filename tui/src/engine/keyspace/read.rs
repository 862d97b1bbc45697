//! Values, and what a delete would take.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::client::Client;
use mini_etcd_shared::types::prefix_end;

use super::outcome;
use super::scan::{first_key, pinned};
use crate::app::keyspace::ask::{Answer, Entry, Meta, PREVIEW_KEYS, Target};
use crate::app::request::Trouble;

/// A key with its value, from what a server says.
pub(super) fn entry(kv: KeyValue) -> Entry {
    let meta = Meta {
        create: kv.create_revision,
        modified: kv.mod_revision,
        version: kv.version,
        lease: kv.lease,
    };
    Entry { key: kv.key, meta, value: kv.value }
}

/// A key at a revision.
pub(super) async fn value(
    client: &Client,
    key: Bytes,
    revision: i64,
) -> Result<Option<Entry>, Trouble> {
    let request = RangeRequest { key, revision, ..RangeRequest::default() };
    Ok(pinned(client, request).await?.kvs.into_iter().next().map(entry))
}

/// Key and range end of a target.
pub(super) fn bounds(target: &Target) -> (Bytes, Bytes) {
    match target {
        Target::Key(key) => (key.clone(), Bytes::new()),
        Target::Prefix(prefix) => (first_key(prefix), prefix_end(prefix)),
    }
}

/// How many keys these are now, and the first of them.
pub(super) async fn preview(client: &Client, targets: &[Target]) -> Result<Answer, Trouble> {
    let (mut count, mut first) = (0, Vec::new());
    for target in targets {
        let (key, range_end) = bounds(target);
        let limit = i64::try_from(PREVIEW_KEYS.saturating_sub(first.len()).max(1)).unwrap_or(1);
        let request =
            RangeRequest { key, range_end, limit, keys_only: true, ..RangeRequest::default() };
        let answer = outcome(client.range(request).await)?;
        count += u64::try_from(answer.count).unwrap_or(0);
        first.extend(answer.kvs.into_iter().map(|kv| kv.key));
        first.truncate(PREVIEW_KEYS);
    }
    Ok(Answer::Preview(count, first))
}

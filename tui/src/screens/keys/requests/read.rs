//! Values of keys.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::client::Client;
use mini_etcd_shared::types::prefix_end;

use super::scan::{first_key, pinned};
use crate::engine::request::Trouble;
use crate::screens::keys::ask::{Entry, Meta, Target};

/// A key with its value, from what a server says.
pub(crate) fn entry(kv: KeyValue) -> Entry {
    let meta = Meta {
        create: kv.create_revision,
        modified: kv.mod_revision,
        version: kv.version,
        lease: kv.lease,
    };
    Entry { key: kv.key, meta, value: kv.value }
}

/// A key at a revision.
pub(crate) async fn value(
    client: &Client,
    key: Bytes,
    revision: i64,
) -> Result<Option<Entry>, Trouble> {
    let request = RangeRequest { key, revision, ..RangeRequest::default() };
    Ok(pinned(client, request).await?.kvs.into_iter().next().map(entry))
}

/// Key and range end of a target.
pub(crate) fn bounds(target: &Target) -> (Bytes, Bytes) {
    match target {
        Target::Key(key) => (key.clone(), Bytes::new()),
        Target::Prefix(prefix) => (first_key(prefix), prefix_end(prefix)),
    }
}

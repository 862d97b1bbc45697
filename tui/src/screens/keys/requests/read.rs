//! Values of keys.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::client::Client;
use mini_etcd_shared::types::prefix_end;

use super::scan::{first_key, pinned};
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::model::{Entry, Meta, Target};

/// Reads a key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadValue {
    /// The key.
    pub key: Bytes,
    /// The revision; 0 for the newest.
    pub at: i64,
}

impl Request for ReadValue {
    type Answer = Option<Entry>;

    async fn run(
        self,
        clients: Clients,
        _: Parts<Option<Entry>>,
    ) -> Result<Option<Entry>, Trouble> {
        value(&clients.client, self.key, self.at).await
    }
}

/// Reads a key as it is now, to put an old value back over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLive {
    /// The key as it was.
    pub old: Entry,
}

impl Request for ReadLive {
    type Answer = Option<Entry>;

    async fn run(
        self,
        clients: Clients,
        _: Parts<Option<Entry>>,
    ) -> Result<Option<Entry>, Trouble> {
        value(&clients.client, self.old.key, 0).await
    }
}

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

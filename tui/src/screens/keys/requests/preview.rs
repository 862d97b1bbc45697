//! What a change of many keys would do, counted at one revision.

use mini_etcd_proto::etcdserverpb::RangeRequest;
use mini_etcd_shared::client::Client;

use super::bulk::{Old, Read, present};
use super::outcome;
use super::read::bounds;
use super::scan::pinned;
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::model::{BULK_KEYS_MAX, Batch, Bulk, PREVIEW_KEYS, Preview, Target};

/// Counts what a change of many would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountBulk {
    /// The change.
    pub bulk: Bulk,
    /// How often it was asked about before.
    pub asked: u32,
}

impl Request for CountBulk {
    type Answer = Preview;

    async fn run(self, clients: Clients, _: Parts<Preview>) -> Result<Preview, Trouble> {
        preview(&clients.client, &self.bulk).await
    }
}

async fn preview(client: &Client, bulk: &Bulk) -> Result<Preview, Trouble> {
    match bulk {
        Bulk::Delete { targets, .. } => delete(client, targets).await,
        Bulk::PutBack { batches, .. } => put_back(client, batches).await,
        // Nobody is asked before what was done is taken away again.
        Bulk::TakeAway(_) => Ok(Preview::default()),
    }
}

/// How many keys there are, and the first of them, all at one revision.
async fn delete(client: &Client, targets: &[Target]) -> Result<Preview, Trouble> {
    let mut found = Preview::default();
    for target in targets {
        let (key, range_end) = bounds(target);
        let limit = PREVIEW_KEYS.saturating_sub(found.first.len()).max(1);
        let request = RangeRequest {
            key,
            range_end,
            limit: i64::try_from(limit).unwrap_or(1),
            keys_only: true,
            revision: found.revision,
            ..RangeRequest::default()
        };
        let answer = if found.revision > 0 {
            pinned(client, request).await?
        } else {
            outcome(client.range(request).await)?
        };
        if found.revision == 0 {
            found.revision = answer.header.map_or(0, |header| header.revision);
        }
        found.count += u64::try_from(answer.count).unwrap_or(0);
        found.first.extend(answer.kvs.into_iter().map(|kv| kv.key));
        found.first.truncate(PREVIEW_KEYS);
    }
    Ok(found)
}

/// How many keys were there and are not, and how many are there.
async fn put_back(client: &Client, batches: &[Batch]) -> Result<Preview, Trouble> {
    let mut found = Preview::default();
    for batch in batches {
        let mut old = Old::new(batch, Read::Names);
        while let Some(chunk) = old.next(client).await? {
            let keys: Vec<_> = chunk.into_iter().map(|kv| kv.key).collect();
            let there = present(client, &keys).await?;
            for (key, revision) in keys.into_iter().zip(there) {
                if revision.is_some() {
                    found.kept += 1;
                    continue;
                }
                found.count += 1;
                if found.first.len() < PREVIEW_KEYS {
                    found.first.push(key);
                }
            }
            if found.count > BULK_KEYS_MAX {
                return Err(too_many());
            }
        }
    }
    Ok(found)
}

/// More keys than one change puts back.
pub(crate) fn too_many() -> Trouble {
    Trouble {
        place: String::new(),
        why: format!("these are more than {BULK_KEYS_MAX} keys"),
        next: "put them back directory by directory, from the past (t) or the graveyard (B)".into(),
    }
}

//! The past over the etcd API: versions of a key, changes per revision, keys that were deleted.
//!
//! Versions of one generation are reached by reading at `mod_revision - 1`, again and again. What a delete hides, and
//! what changed when, is only in the events: they are read from a watch, in windows of a fixed number of revisions,
//! the nearest first, for a watch from an old revision makes the server scan all that follows.
//!
//! * I1: a window ends with the first event at or behind its last revision. A watch of all keys always has one, for
//!   every revision of a header changed something; a watch of one key may have none, so none is made.
//! * I2: the compacted revision is a wall that is reported, not an error.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::WatchCreateRequest;
use mini_etcd_proto::mvccpb::event::EventType;
use mini_etcd_proto::mvccpb::{Event, KeyValue};
use mini_etcd_shared::client::{Client, WatchItem};
use tokio::time::timeout;

use super::read::value;
use super::{failed, offered};
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::model::{
    Changes, Entry, Grave, Graves, Reached, Version, Versions, WINDOW_REVISIONS,
};

/// Versions that one look into a key's history brings.
pub(crate) const VERSIONS_MAX: usize = 500;
/// Versions that are told at once.
const VERSIONS_TOLD: usize = 16;
/// Windows without an event of the key that one look goes through.
const WINDOWS_MAX: usize = 8;
/// A window in which nothing comes for so long has failed.
const WINDOW_PATIENCE: Duration = Duration::from_secs(10);

/// Reads the versions of a key, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadHistory {
    /// The key.
    pub key: Bytes,
    /// From this revision back; 0 for the newest.
    pub at: i64,
}

impl Request for ReadHistory {
    type Answer = Versions;

    async fn run(self, clients: Clients, parts: Parts<Versions>) -> Result<Versions, Trouble> {
        match offered::history(&clients.client, &self.key, self.at).await? {
            Some(versions) => Ok(versions),
            None => history(&clients.client, self.key, self.at, &parts).await,
        }
    }
}

/// Reads the changes of the window that ends with a revision, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadChanges {
    /// The last revision.
    pub to: i64,
}

impl Request for ReadChanges {
    type Answer = (Vec<Changes>, Reached);

    async fn run(
        self,
        clients: Clients,
        _: Parts<Self::Answer>,
    ) -> Result<(Vec<Changes>, Reached), Trouble> {
        changes(&clients.client, self.to).await
    }
}

/// Reads keys that were deleted in the window that ends with a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGraves {
    /// Below this prefix.
    pub prefix: Bytes,
    /// The last revision; 0 for the newest.
    pub to: i64,
}

impl Request for ReadGraves {
    type Answer = Graves;

    async fn run(self, clients: Clients, _: Parts<Graves>) -> Result<Graves, Trouble> {
        match offered::graves(&clients.client, &self.prefix, self.to).await? {
            Some(graves) => Ok(graves),
            None => graves(&clients.client, self.prefix, self.to).await,
        }
    }
}

async fn history(
    client: &Client,
    key: Bytes,
    mut at: i64,
    parts: &Parts<Versions>,
) -> Result<Versions, Trouble> {
    let (mut versions, mut told, mut windows) = (Vec::new(), 0, 0);
    let reached = |at: i64, wall| Some(Reached { from: at + 1, wall });
    loop {
        let here = match value(client, key.clone(), at).await {
            // I2
            Err(trouble) if compacted(&trouble) => {
                return Ok(Versions { versions, reached: reached(at, Some(at + 1)) });
            }
            here => here?,
        };
        match here {
            Some(entry) => {
                let revision = entry.meta.modified;
                at = revision - 1;
                told += 1;
                versions.push(Version { revision, entry: Some(entry) });
            }
            None if at == 0 => at = newest(client).await?,
            None => {
                let window = last_delete(client, &key, at).await?;
                if let Some(revision) = window.0 {
                    at = revision - 1;
                    told += 1;
                    versions.push(Version { revision, entry: None });
                } else {
                    at = window.1.from - 1;
                    windows += 1;
                    if window.1.wall.is_some() {
                        return Ok(Versions { versions, reached: Some(window.1) });
                    }
                }
            }
        }
        if at <= 0 || told >= VERSIONS_MAX || windows >= WINDOWS_MAX {
            return Ok(Versions { versions, reached: reached(at.max(0), None) });
        }
        if versions.len() >= VERSIONS_TOLD {
            parts.send(Versions { versions: std::mem::take(&mut versions), reached: None }).await;
        }
    }
}

async fn newest(client: &Client) -> Result<i64, Trouble> {
    let request = mini_etcd_proto::etcdserverpb::RangeRequest {
        key: Bytes::from_static(&[0]),
        limit: 1,
        keys_only: true,
        ..Default::default()
    };
    let answer = super::outcome(client.range(request).await)?;
    Ok(answer.header.map_or(0, |header| header.revision))
}

/// The last delete of a key in the window that ends with `to`.
async fn last_delete(
    client: &Client,
    key: &Bytes,
    to: i64,
) -> Result<(Option<i64>, Reached), Trouble> {
    let mut last = None;
    let reached = window(client, to, |event| {
        if let Some(kv) = event.kv.filter(|kv| kv.key == *key) {
            last = Some(kv.mod_revision);
        }
    });
    let reached = reached.await?;
    Ok((last, reached))
}

async fn changes(client: &Client, to: i64) -> Result<(Vec<Changes>, Reached), Trouble> {
    let mut by_revision: BTreeMap<i64, Changes> = BTreeMap::new();
    let reached = window(client, to, |event| {
        let deleted = event.r#type() == EventType::Delete;
        let revision = event.kv.map_or(0, |kv| kv.mod_revision);
        let changes =
            by_revision.entry(revision).or_insert(Changes { revision, puts: 0, deletes: 0 });
        let count = if deleted { &mut changes.deletes } else { &mut changes.puts };
        *count = count.saturating_add(1);
    });
    let reached = reached.await?;
    Ok((by_revision.into_values().collect(), reached))
}

async fn graves(client: &Client, prefix: Bytes, to: i64) -> Result<Graves, Trouble> {
    let to = if to == 0 { newest(client).await? } else { to };
    // The last word on each key in this window.
    let mut last: BTreeMap<Bytes, Option<i64>> = BTreeMap::new();
    let reached = window(client, to, |event| {
        let deleted = event.r#type() == EventType::Delete;
        if let Some(KeyValue { key, mod_revision, .. }) =
            event.kv.filter(|kv| kv.key.starts_with(&prefix))
        {
            last.insert(key, deleted.then_some(mod_revision));
        }
    });
    let reached = reached.await?;
    let (mut graves, mut alive) = (Vec::new(), Vec::new());
    for (key, deleted) in last {
        match deleted {
            Some(deleted) => graves.push(Grave { key, deleted }),
            None => alive.push(key),
        }
    }
    graves.sort_by_key(|grave| std::cmp::Reverse(grave.deleted));
    Ok(Graves { graves, alive, reached })
}

/// Reads the events of the window that ends with `to`, oldest first.
async fn window(client: &Client, to: i64, mut each: impl FnMut(Event)) -> Result<Reached, Trouble> {
    let from = to.saturating_sub(WINDOW_REVISIONS - 1).max(1);
    let mut reached = Reached { from, wall: None };
    // A cluster is born at revision 1 without a change: no event would ever come.
    if to <= 1 {
        return Ok(reached);
    }
    'again: loop {
        let request = WatchCreateRequest {
            key: Bytes::from_static(&[0]),
            range_end: Bytes::from_static(&[0]),
            start_revision: reached.from,
            ..WatchCreateRequest::default()
        };
        let mut watch = client.watch(request);
        loop {
            let item = timeout(WINDOW_PATIENCE, watch.next()).await.map_err(|_| Trouble {
                place: String::new(),
                why: format!("no event of revision {to} came in time"),
                next: "try it again".to_owned(),
            })?;
            match item {
                Some(WatchItem::Events(answer)) => {
                    for event in answer.events {
                        let revision = event.kv.as_ref().map_or(0, |kv| kv.mod_revision);
                        if revision <= to {
                            each(event);
                        }
                        // I1: events of one revision come together.
                        if revision > to {
                            return Ok(reached);
                        }
                    }
                    if watch.next_revision() > to {
                        return Ok(reached);
                    }
                }
                Some(WatchItem::Canceled(answer)) if answer.compact_revision > 0 => {
                    // I2: the compacted revision itself is the first that can be read.
                    reached.wall = Some(answer.compact_revision);
                    if answer.compact_revision >= to || answer.compact_revision < reached.from {
                        return Ok(Reached { from: to + 1, ..reached });
                    }
                    reached.from = answer.compact_revision + 1;
                    continue 'again;
                }
                Some(WatchItem::Lost { error, .. } | WatchItem::Refused(error)) => {
                    return Err(failed(&error));
                }
                Some(WatchItem::Canceled(answer)) => {
                    let why = format!("the server ended the watch: {}", answer.cancel_reason);
                    return Err(Trouble { place: String::new(), why, next: String::new() });
                }
                Some(_) => {}
                None => {
                    let why = "the watch ended".to_owned();
                    return Err(Trouble { place: String::new(), why, next: String::new() });
                }
            }
        }
    }
}

/// Whether a read failed because its revision is gone.
fn compacted(trouble: &Trouble) -> bool {
    trouble.why.contains("has been compacted")
}

/// A version as what it is: a key, or the mark of its delete.
impl Version {
    /// The value, when there is one.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        self.entry.as_ref().map(|Entry { value, .. }| value)
    }
}

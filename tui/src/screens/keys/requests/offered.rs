//! The past as mini-etcd tells it by itself: no windows, no bounds but the page's. `None`: not offered, as by etcd.

use bytes::Bytes;
use mini_etcd_proto::adminpb::key_version::Kind;
use mini_etcd_proto::adminpb::{
    DeletedRequest, KeyHistoryRequest, KeyVersion, RevisionHistogramRequest,
};
use mini_etcd_shared::client::{Client, Offered, further, older};
use mini_etcd_shared::types::KeyRange;

use super::failed;
use super::past::VERSIONS_MAX;
use crate::engine::request::{Clients, Parts, Request, Trouble};
use crate::screens::keys::model::{
    Entry, Grave, Graves, Histogram, Meta, Reached, Slice, Version, Versions,
};

/// Versions of one page.
const VERSIONS_PAGE: u32 = 100;
/// Slices of the strip.
const SLICES: u32 = 400;
/// Deleted keys that are shown at most, and of one page.
const GRAVES_MAX: usize = 10_000;
const GRAVES_PAGE: u32 = 1_000;

/// The versions of a key, newest first, from revision `at` back (0: from the newest).
pub(crate) async fn history(
    client: &Client,
    key: &Bytes,
    at: i64,
) -> Result<Option<Versions>, Trouble> {
    let mut request = KeyHistoryRequest {
        key: key.clone(),
        limit: VERSIONS_PAGE,
        before_revision: if at > 0 { at + 1 } else { 0 },
        values: true,
        ..KeyHistoryRequest::default()
    };
    let mut versions = Vec::new();
    loop {
        let answer = client.key_history(request.clone()).await.map_err(|error| failed(&error))?;
        let Offered::Yes(answer) = answer else { return Ok(None) };
        let next = older(&request, &answer);
        let wall = (answer.compact_revision >= 0).then_some(answer.compact_revision);
        versions.extend(answer.versions.into_iter().map(|version| of(key, version)));
        match next {
            Some(next) if versions.len() < VERSIONS_MAX => request = next,
            Some(next) => {
                let reached = Some(Reached { from: next.before_revision, wall: None });
                return Ok(Some(Versions { versions, reached }));
            }
            None => {
                let reached = Some(Reached { from: wall.unwrap_or(1), wall });
                return Ok(Some(Versions { versions, reached }));
            }
        }
    }
}

fn of(key: &Bytes, version: KeyVersion) -> Version {
    let revision = version.mod_revision;
    let entry = (version.kind() == Kind::Put).then_some(version).map(|version| Entry {
        key: key.clone(),
        meta: Meta {
            create: version.create_revision,
            modified: version.mod_revision,
            version: version.version,
            lease: version.lease,
        },
        value: version.value,
    });
    Version { revision, entry }
}

/// Reads how much changed when, from the compacted revision on. The answer is `None` where the server does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadHistogram {
    /// The last revision.
    pub to: i64,
}

impl Request for ReadHistogram {
    type Answer = Option<Histogram>;

    async fn run(
        self,
        clients: Clients,
        _: Parts<Option<Histogram>>,
    ) -> Result<Option<Histogram>, Trouble> {
        histogram(&clients.client, self.to).await
    }
}

async fn histogram(client: &Client, to: i64) -> Result<Option<Histogram>, Trouble> {
    let request = RevisionHistogramRequest {
        to_revision: to,
        slices: SLICES,
        ..RevisionHistogramRequest::default()
    };
    let answer = client.revision_histogram(request).await.map_err(|error| failed(&error))?;
    let Offered::Yes(answer) = answer else { return Ok(None) };
    let slice = |slice: &mini_etcd_proto::adminpb::RevisionSlice| Slice {
        first: slice.first_revision,
        last: slice.last_revision,
        puts: slice.puts,
        deletes: slice.deletes,
    };
    let wall = (answer.compact_revision >= 0).then_some(answer.compact_revision);
    Ok(Some(Histogram { slices: answer.slices.iter().map(slice).collect(), wall }))
}

/// Keys below `prefix` that were deleted and are not there at revision `to`.
pub(crate) async fn graves(
    client: &Client,
    prefix: &Bytes,
    to: i64,
) -> Result<Option<Graves>, Trouble> {
    let range = if prefix.is_empty() { KeyRange::all() } else { KeyRange::prefix(prefix) };
    let mut request = DeletedRequest {
        key: range.start().clone(),
        range_end: range.range_end(),
        limit: GRAVES_PAGE,
        revision: to,
        ..DeletedRequest::default()
    };
    let mut graves = Vec::new();
    loop {
        let answer = client.deleted(request.clone()).await.map_err(|error| failed(&error))?;
        let Offered::Yes(answer) = answer else { return Ok(None) };
        let next = further(&request, &answer);
        let wall = (answer.compact_revision >= 0).then_some(answer.compact_revision);
        let grave = |deleted: mini_etcd_proto::adminpb::DeletedKey| Grave {
            key: deleted.key,
            deleted: deleted.deleted_revision,
        };
        graves.extend(answer.keys.into_iter().map(grave));
        if let Some(next) = next.filter(|_| graves.len() < GRAVES_MAX) {
            request = next;
            continue;
        }
        graves.sort_by_key(|grave| std::cmp::Reverse(grave.deleted));
        let reached = Reached { from: wall.unwrap_or(1), wall };
        return Ok(Some(Graves { graves, alive: Vec::new(), reached }));
    }
}

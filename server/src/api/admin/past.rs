//! Answers about the past, from one view. See `mvcc::{lives, histogram, graveyard}`.

use bytes::Bytes;
use mini_etcd_proto::adminpb::key_version::Kind;
use mini_etcd_proto::adminpb::{
    DeletedKey, DeletedResponse, KeyHistoryResponse, KeyVersion, RevisionHistogramResponse,
    RevisionSlice,
};
use mini_etcd_proto::mvccpb::KeyValue;

use super::check::{Deleted, KeyHistory, resume_of};
use crate::error::RequestError;
use crate::limits;
use crate::mvcc::{Grave, IndexMark, PageBounds, RowId, Slice, Version, View, Window};

fn put(id: RowId, kv: KeyValue, wants_value: bool) -> KeyVersion {
    KeyVersion {
        mod_revision: id.revision.0,
        sub: id.sub,
        kind: Kind::Put.into(),
        create_revision: kv.create_revision,
        version: kv.version,
        lease: kv.lease,
        value_size: u64::try_from(kv.value.len()).unwrap_or(u64::MAX),
        value: if wants_value { kv.value } else { Bytes::new() },
    }
}

fn version(version: Version, wants_value: bool) -> KeyVersion {
    let Version { id, tombstone, kv } = version;
    if !tombstone {
        return put(id, kv, wants_value);
    }
    let (mod_revision, kind) = (id.revision.0, Kind::Delete.into());
    KeyVersion { mod_revision, sub: id.sub, kind, ..KeyVersion::default() }
}

pub(super) fn key_history(
    view: &View,
    asked: &KeyHistory,
) -> Result<KeyHistoryResponse, RequestError> {
    let page =
        view.versions(&asked.key, asked.below, asked.values, &PageBounds::of(asked.limit))?;
    let versions = page.versions.into_iter().map(|found| version(found, asked.values)).collect();
    Ok(KeyHistoryResponse {
        revision: view.revision().0,
        compact_revision: view.compacted(),
        versions,
        more: page.below.is_some(),
        next_revision: page.below.map_or(0, |id| id.revision.0),
        next_sub: page.below.map_or(0, |id| id.sub),
    })
}

fn slice(slice: &Slice) -> RevisionSlice {
    RevisionSlice {
        first_revision: slice.first.0,
        last_revision: slice.last.0,
        puts: slice.puts,
        deletes: slice.deletes,
    }
}

/// Counts over revisions.
pub(super) fn histogram(
    view: &View,
    window: &Window,
    from: Option<IndexMark>,
) -> Result<RevisionHistogramResponse, RequestError> {
    let counted = view.histogram(window, from, limits::ADMIN_LOOKS_MAX)?;
    Ok(RevisionHistogramResponse {
        revision: view.revision().0,
        compact_revision: view.compacted(),
        from_revision: counted.slices.first().map_or(0, |slice| slice.first.0),
        to_revision: counted.slices.last().map_or(0, |slice| slice.last.0),
        slices: counted.slices.iter().map(slice).collect(),
        resume: counted.rest.map(|mark| resume_of(&mark)).unwrap_or_default(),
    })
}

fn grave(grave: Grave) -> DeletedKey {
    let Grave { key, removed, last } = grave;
    DeletedKey {
        key,
        deleted_revision: removed.revision.0,
        last: last.map(|(id, kv)| put(id, kv, false)),
    }
}

/// Removed keys.
pub(super) fn deleted(view: &View, asked: &Deleted) -> Result<DeletedResponse, RequestError> {
    let bounds = PageBounds::of(asked.limit);
    let page = view.graveyard(&asked.range, &asked.from_key, asked.revision, &bounds)?;
    Ok(DeletedResponse {
        revision: page.revision.0,
        compact_revision: view.compacted(),
        keys: page.graves.into_iter().map(grave).collect(),
        next_key: page.next.unwrap_or_default(),
    })
}

//! Taking up a state from disk, or beginning one.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use mini_etcd_proto::internalpb::AppliedState;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::{ClusterId, MemberId, Revision};
use prost::Message;

use super::digest::Digest;
use super::{ApplyError, Birth, Identity, System};
use crate::mvcc::{
    Builder, Index, Life, RowId, Stamp, Standing, Store, key_of, logical_len, split_row,
};
use crate::storage::{Batch, Durability, Engine, Reader, Space};

/// Format of the rows, the system rows and what stands beside them.
pub(super) const FORMAT: u32 = 1;
/// Key of the one row of [`Space::Meta`].
pub(super) const CURRENT: &[u8] = b"current";

/// A state in memory.
pub(super) struct Loaded {
    pub(super) meta: AppliedState,
    pub(super) system: System,
    pub(super) store: Store,
}

/// Begins a state; durable when it returns.
pub(super) fn create<E: Engine>(
    engine: &mut E,
    identity: Identity,
    birth: &Birth,
) -> Result<Loaded, ApplyError> {
    if engine.reader().get(Space::Meta, CURRENT)?.is_some() {
        return Err(ApplyError::Exists);
    }
    let mut digest = Digest(0);
    digest.word(birth.index.0);
    let meta = AppliedState {
        format: FORMAT,
        applied_index: birth.index.0,
        applied_term: birth.term.0,
        revision: Revision::of(birth.index).0,
        compact_revision: -1,
        compact_finished: -1,
        conf_state: Some(birth.conf_state.clone()),
        digest: digest.0,
        cluster_id: identity.cluster_id.0,
        member_id: identity.member_id.0,
        logical_bytes: 0,
        lineage: Some(0),
    };
    let mut batch = Batch::new();
    let system = System::of(&birth.members, &mut batch);
    batch.put(Space::Meta, CURRENT, meta.encode_to_vec());
    engine.commit(batch, Durability::Synced)?;
    let store = Store::new(Index::new(), engine.reader(), standing(&meta));
    Ok(Loaded { meta, system, store })
}

/// Takes up the state that is there.
pub(super) fn open<E: Engine>(engine: &mut E, identity: Identity) -> Result<Loaded, ApplyError> {
    let reader = engine.reader();
    let current = reader.get(Space::Meta, CURRENT)?.ok_or(ApplyError::Empty)?;
    let meta = AppliedState::decode(current)
        .map_err(|error| ApplyError::Damaged(format!("the row of the applied state: {error}")))?;
    if meta.format != FORMAT {
        return Err(ApplyError::Format { found: meta.format, known: FORMAT });
    }
    let found = (ClusterId(meta.cluster_id), MemberId(meta.member_id));
    if found != (identity.cluster_id, identity.member_id) {
        return Err(ApplyError::WrongIdentity {
            found_cluster: found.0,
            found_member: found.1,
            cluster: identity.cluster_id,
            member: identity.member_id,
        });
    }
    let system = System::load(reader.as_ref())?;
    let index = load_index(reader.as_ref(), &meta)?;
    let store = Store::new(index, Arc::clone(&reader), standing(&meta));
    Ok(Loaded { meta, system, store })
}

fn standing(meta: &AppliedState) -> Standing {
    Standing {
        revision: meta.revision,
        compacted: meta.compact_revision,
        finished: meta.compact_finished,
        logical_bytes: meta.logical_bytes,
    }
}

/// The index of all rows, dead ones included: collecting them has to find them. The rows must add up to what the
/// applied state says of them.
fn load_index(reader: &dyn Reader, meta: &AppliedState) -> Result<Index, ApplyError> {
    let mut builder = Builder::default();
    let mut bytes = 0;
    let mut damaged = None;
    let all = (Bound::Unbounded, Bound::Unbounded);
    reader.scan(Space::Rows, all, &mut |key, row| {
        bytes += logical_len(row.len());
        if load_row(&mut builder, key, row).is_some_and(|revision| revision <= meta.revision) {
            return ControlFlow::Continue(());
        }
        damaged = Some(ApplyError::Damaged(format!("row {key:02x?}")));
        ControlFlow::Break(())
    })?;
    if let Some(error) = damaged {
        return Err(error);
    }
    if bytes != meta.logical_bytes {
        let expected = meta.logical_bytes;
        return Err(ApplyError::Damaged(format!("{bytes} bytes of rows, {expected} expected")));
    }
    Ok(builder.finish())
}

/// The revision of the row, none when it is damaged.
fn load_row(builder: &mut Builder, key: &[u8], row: &[u8]) -> Option<i64> {
    let id = RowId::parse(key)?;
    let (kv, tombstone) = split_row(row)?;
    let life = if tombstone { Life::default() } else { life_of(kv)? };
    let stamp = if tombstone { Stamp::removal(id) } else { Stamp::put(id, kv.len()) };
    builder.push(key_of(kv)?, stamp, life);
    Some(id.revision.0)
}

fn life_of(kv: &[u8]) -> Option<Life> {
    let kv = KeyValue::decode(kv).ok()?;
    Some(Life { create: kv.create_revision, version: kv.version })
}

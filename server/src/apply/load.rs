//! Taking up a state from disk, or beginning one.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use mini_etcd_proto::internalpb::AppliedState;
use mini_etcd_shared::types::{ClusterId, MemberId, Revision};
use prost::Message;

use super::builder::{Standing, StateBuilder};
use super::{Alarms, ApplyError, Birth, Identity, Members};
use crate::auth::{Auth, TokenChange};
use crate::lease::Leases;
use crate::mvcc::{LoadError, Store, StoreMeta};
use crate::storage::{Engine, Reader, Space, SystemRow};

/// Format of the rows, the system rows and what stands beside them.
pub(super) const FORMAT: u32 = 1;
/// Key of the one row of [`Space::Meta`].
pub(super) const CURRENT: &[u8] = b"current";

/// A state in memory: where it stands, and its parts.
pub(super) struct State {
    pub(super) meta: AppliedState,
    pub(super) keys: Store,
    pub(super) members: Arc<Members>,
    pub(super) alarms: Arc<Alarms>,
    pub(super) leases: Leases,
    pub(super) auth: Arc<Auth>,
    /// What the entries of this turn mean for tokens, in order.
    pub(super) tokens: Vec<TokenChange>,
}

/// Begins a state; durable when it returns.
pub(super) fn create<E: Engine>(
    engine: &mut E,
    identity: Identity,
    birth: &Birth,
) -> Result<State, ApplyError> {
    if engine.reader().get(Space::Meta, CURRENT)?.is_some() {
        return Err(ApplyError::Exists);
    }
    let standing = Standing { revision: Revision::of(birth.index).0, compacted: -1, finished: -1 };
    let meta = StateBuilder::new(engine, birth.index).finish(identity, birth, standing)?;
    load(engine.reader(), meta)
}

/// Takes up the state that is there.
pub(super) fn open<E: Engine>(engine: &mut E, identity: Identity) -> Result<State, ApplyError> {
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
    load(reader, meta)
}

/// Every part loads its rows; a row that no part takes is damage.
fn load(reader: Arc<dyn Reader>, meta: AppliedState) -> Result<State, ApplyError> {
    let (mut members, mut alarms) = (Members::default(), Alarms::default());
    let (mut leases, mut auth) = (Leases::default(), Auth::default());
    auth.stand(meta.auth_enabled, meta.auth_revision);
    let mut damaged = None;
    let all = (Bound::Unbounded, Bound::Unbounded);
    reader.scan(Space::System, all, &mut |key, value| {
        let row = SystemRow::of(key, value);
        let mut taken = |row| {
            let system = members.load(row).or_else(|| alarms.load(row));
            system.or_else(|| leases.load(row)).or_else(|| auth.load(row))
        };
        if row.and_then(&mut taken).is_some() {
            return ControlFlow::Continue(());
        }
        damaged = Some(ApplyError::Damaged(format!("system row {key:02x?}")));
        ControlFlow::Break(())
    })?;
    if let Some(error) = damaged {
        return Err(error);
    }
    let standing = StoreMeta {
        revision: meta.revision,
        compacted: meta.compact_revision,
        finished: meta.compact_finished,
        logical_bytes: meta.logical_bytes,
    };
    let keys = Store::load(reader, standing, &mut leases).map_err(|error| match error {
        LoadError::Storage(error) => ApplyError::Storage(error),
        LoadError::Damaged(what) => ApplyError::Damaged(what),
    })?;
    Ok(State {
        meta,
        keys,
        members: Arc::new(members),
        alarms: Arc::new(alarms),
        leases,
        auth: Arc::new(auth),
        tokens: Vec::new(),
    })
}

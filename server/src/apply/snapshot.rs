//! [`SnapshotSource`] and [`SnapshotSink`]: a state as a sequence of chunks, and chunks as a state that is staged.
//!
//! The source reads what one published state pins, chunk after chunk, so that it costs neither memory nor a pause. The sink
//! writes chunks into an empty database, in order, each checked by a sum over all rows so far. The row that says where the
//! state stands comes last and goes in with a sync: a database that has it is whole. What the rows mean is checked when
//! the state is taken up, as at every start.

use std::ops::Bound;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use mini_etcd_proto::internalpb::AppliedState;
use mini_etcd_proto::peerpb::{Snapshot, SnapshotChunk};
use prost::Message;

use super::load::{CURRENT, FORMAT};
use super::{Identity, Published};
use crate::storage::{Batch, Durability, Engine, Space, StorageError};

/// The spaces of a state in the order in which they travel, by their numbers in a chunk.
const SPACES: [Space; 3] = [Space::Rows, Space::System, Space::Meta];

/// Reads a state as chunks.
pub struct SnapshotSource {
    published: Arc<Published>,
}

impl SnapshotSource {
    /// Of this state.
    #[must_use]
    pub fn new(published: Arc<Published>) -> Self {
        Self { published }
    }

    /// Where the state stands.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            index: self.published.applied.0,
            term: self.published.applied_term.0,
            conf_state: Some(self.published.conf_state.clone()),
        }
    }

    /// Gives chunks of about so many bytes to `take` until it breaks, which may take its time: one scan reads each space. A
    /// scan begins by stepping over what was written since the state was published, so that one for each chunk costs more
    /// the longer it all takes and the more is written meanwhile.
    ///
    /// # Errors
    /// A failing disk, or damage.
    pub fn read(
        &self,
        bytes: usize,
        take: &mut dyn FnMut(SnapshotChunk) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let mut chunks = Chunks::new(bytes);
        for (number, space) in (0..).zip(SPACES) {
            let mut flow = ControlFlow::Continue(());
            let all = (Bound::Unbounded, Bound::Unbounded);
            self.published.view.reader().scan(space, all, &mut |key, value| {
                if chunks.rows.len() >= bytes {
                    flow = take(chunks.end(false));
                }
                chunks.put(number, key, value);
                flow
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        let _ = take(chunks.end(true));
        Ok(())
    }
}

/// Rows that become chunks.
struct Chunks {
    bytes: usize,
    rows: Vec<u8>,
    number: u64,
    crc: u32,
}

impl Chunks {
    fn new(bytes: usize) -> Self {
        Self { bytes, rows: Vec::with_capacity(bytes), number: 0, crc: 0 }
    }

    fn put(&mut self, space: u8, key: &[u8], value: &[u8]) {
        self.rows.put_u8(space);
        self.rows.put_u32(length(key));
        self.rows.put_u32(length(value));
        self.rows.put_slice(key);
        self.rows.put_slice(value);
    }

    /// Ends a chunk.
    fn end(&mut self, last: bool) -> SnapshotChunk {
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(self.bytes));
        self.crc = crc32c::crc32c_append(self.crc, &rows);
        let chunk = SnapshotChunk { number: self.number, rows: rows.into(), crc: self.crc, last };
        self.number += 1;
        chunk
    }
}

/// Keys and values of a state are far below 4 GiB.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Why a snapshot cannot be staged. The sender begins anew.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A chunk is missing, damaged, or not what a state holds.
    #[error("chunk {number} of a snapshot cannot be taken: {what}")]
    Chunk {
        number: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The sender went away, or could not read on.
    #[error("a snapshot ended before its last chunk")]
    Ended,
    /// The disk refused. For the operator.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Writes chunks into an empty database.
pub struct SnapshotSink<E> {
    engine: E,
    identity: Identity,
    snapshot: Snapshot,
    number: u64,
    crc: u32,
    meta: Option<AppliedState>,
}

impl<E: Engine> SnapshotSink<E> {
    /// Takes `snapshot` for the member `identity` into `engine`.
    #[must_use]
    pub fn new(engine: E, identity: Identity, snapshot: Snapshot) -> Self {
        Self { engine, identity, snapshot, number: 0, crc: 0, meta: None }
    }

    /// Takes the next chunk. True when it was the last, and everything is durable.
    ///
    /// # Errors
    /// It is not the next one, or not what a state holds; a failing disk. The sink is of no more use.
    pub fn take(&mut self, chunk: &SnapshotChunk) -> Result<bool, SnapshotError> {
        let number = chunk.number;
        let wrong = |what| SnapshotError::Chunk { number, what };
        let crc = crc32c::crc32c_append(self.crc, &chunk.rows);
        if number != self.number {
            return Err(wrong("it is not the next one"));
        }
        if crc != chunk.crc {
            return Err(wrong("its checksum does not match"));
        }
        (self.number, self.crc) = (number + 1, crc);
        let mut batch = Batch::new();
        let mut rows = chunk.rows.clone();
        while !rows.is_empty() {
            let (space, key, value) =
                take_row(&mut rows).ok_or_else(|| wrong("its rows cannot be read"))?;
            if space == Space::Meta {
                self.meta = Some(self.standing(&key, value).map_err(wrong)?);
            } else {
                batch.put(space, key, value);
            }
        }
        if !chunk.last {
            self.engine.commit(batch, Durability::Buffered)?;
            return Ok(false);
        }
        let meta = self.meta.take().ok_or_else(|| wrong("nothing says where the state stands"))?;
        batch.put(Space::Meta, CURRENT, meta.encode_to_vec());
        self.engine.commit(batch, Durability::Synced)?;
        Ok(true)
    }

    /// Where the state stands, as this member's.
    fn standing(&self, key: &[u8], value: Bytes) -> Result<AppliedState, &'static str> {
        let meta = AppliedState::decode(value).ok().filter(|_| key == CURRENT);
        let meta = meta.ok_or("where the state stands cannot be read")?;
        if meta.format != FORMAT {
            return Err("the state is of another format");
        }
        if meta.cluster_id != self.identity.cluster_id.0 {
            return Err("the state is of another cluster");
        }
        let Snapshot { index, term, conf_state } = &self.snapshot;
        let stands = (meta.applied_index, meta.applied_term, &meta.conf_state);
        if stands != (*index, *term, conf_state) {
            return Err("the state stands elsewhere");
        }
        let member_id = self.identity.member_id.0;
        Ok(AppliedState { member_id, snapshot_index: *index, ..meta })
    }
}

fn take_row(rows: &mut Bytes) -> Option<(Space, Bytes, Bytes)> {
    let space = *SPACES.get(usize::from(rows.try_get_u8().ok()?))?;
    let key = usize::try_from(rows.try_get_u32().ok()?).ok()?;
    let value = usize::try_from(rows.try_get_u32().ok()?).ok()?;
    if key == 0 || key.checked_add(value)? > rows.len() {
        return None;
    }
    Some((space, rows.split_to(key), rows.split_to(value)))
}

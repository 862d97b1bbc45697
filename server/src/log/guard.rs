//! The guard: a file beside the log that knows how far the log must reach.
//!
//! fjall drops what it cannot read at the end of its journal, without a word. A member that lost entries so, or a vote,
//! could help to elect a leader that never saw an acknowledged write. The guard is written after each sync of the log
//! and before that sync is reported, so it can only be behind what was acknowledged by what the machine loses of its
//! page cache; it is synced when term, vote or epoch change, and every [`limits::GUARD_SYNC_INTERVAL`].
//!
//! The file has two slots, each in a page of its own. The slot of the last sync is left alone until the other one is
//! synced, so that a torn write can only hit the newer one.

use std::io;

use bytes::{Buf, BufMut};
use mini_etcd_shared::clock::{Clock, Moment};
use mini_etcd_shared::types::{LogIndex, MemberId, Term};

use crate::limits;
use crate::storage::StorageError;

pub const SLOT_BYTES: usize = 72;

const MAGIC: u32 = 0x4d45_4c47;
const FORMAT: u8 = 1;
const FLAG_CLEAN: u8 = 1;
const FLAG_NEWBORN: u8 = 2;

/// Where the slots are kept.
pub trait GuardFile: Send + 'static {
    /// The content of a slot (0 or 1); nothing when the file is shorter.
    ///
    /// # Errors
    /// A refusal of the disk.
    fn read(&self, slot: usize) -> io::Result<Option<[u8; SLOT_BYTES]>>;

    /// Replaces a slot.
    ///
    /// # Errors
    /// A refusal of the disk.
    fn write(&mut self, slot: usize, bytes: &[u8; SLOT_BYTES]) -> io::Result<()>;

    /// Waits until everything written is durable.
    ///
    /// # Errors
    /// A refusal of the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// The directory that errors name.
    fn place(&self) -> String;
}

/// How far the log must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the last truncation.
    pub epoch: u64,
    pub last: LogIndex,
    pub last_term: Term,
    /// Crc of the row it ends.
    pub crc: u32,
    /// Current term.
    pub term: Term,
    pub vote: MemberId,
}

/// A slot that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    sequence: u64,
    /// The log was closed in order, and matches exactly.
    pub clean: bool,
    /// The log is being created: nothing was acknowledged yet.
    pub newborn: bool,
    pub mark: Mark,
}

/// What the guard file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// No slot can be read.
    Unreadable,
    /// The newer of the slots that can be read.
    Slot(Slot),
}

/// Reads both slots.
pub(super) fn inspect(file: &impl GuardFile) -> Result<Found, StorageError> {
    let read = |slot| file.read(slot).map_err(|error| refused(file, "reading", error));
    Ok(newest(&[read(0)?, read(1)?]))
}

/// What two slots say.
pub(super) fn newest(slots: &[Option<[u8; SLOT_BYTES]>; 2]) -> Found {
    let written = || slots.iter().flatten().filter(|bytes| bytes.iter().any(|byte| *byte != 0));
    let readable = written().filter_map(decode).max_by_key(|slot| slot.sequence);
    match readable {
        Some(slot) => Found::Slot(slot),
        None if written().next().is_some() => Found::Unreadable,
        None => Found::Nothing,
    }
}

/// Writes the guard.
pub(super) struct Guard<G, C> {
    file: G,
    clock: C,
    sequence: u64,
    /// The slot that the next write replaces; the other one is durable.
    slot: usize,
    written: Option<Mark>,
    synced: Option<Mark>,
    synced_at: Moment,
    failed: bool,
}

impl<G: GuardFile, C: Clock> Guard<G, C> {
    /// A guard that goes on from what `file` holds. Nothing is written yet.
    pub(super) fn new(file: G, clock: C) -> Result<Self, StorageError> {
        let mut guard = Self {
            synced_at: clock.now(),
            file,
            clock,
            sequence: 0,
            slot: 0,
            written: None,
            synced: None,
            failed: false,
        };
        for slot in [0, 1] {
            let bytes =
                guard.file.read(slot).map_err(|error| refused(&guard.file, "reading", error))?;
            if let Some(found) = bytes.as_ref().and_then(decode)
                && found.sequence > guard.sequence
            {
                guard.sequence = found.sequence;
                guard.slot = 1 - slot;
            }
        }
        Ok(guard)
    }

    /// Writes `mark`, and syncs it when term, vote or epoch changed.
    pub(super) fn record(&mut self, mark: Mark) -> Result<(), StorageError> {
        self.write(mark, 0)?;
        let settled = self.synced.is_some_and(|synced| {
            (synced.epoch, synced.term, synced.vote) == (mark.epoch, mark.term, mark.vote)
        });
        if settled { Ok(()) } else { self.sync() }
    }

    /// Syncs what was written, if it is time.
    pub(super) fn sync_if_due(&mut self) -> Result<(), StorageError> {
        let due = self.clock.now().since(self.synced_at) >= limits::GUARD_SYNC_INTERVAL;
        if due && self.written != self.synced { self.sync() } else { Ok(()) }
    }

    /// Says that a log with this mark is being created.
    pub(super) fn announce(&mut self, mark: Mark) -> Result<(), StorageError> {
        self.write(mark, FLAG_NEWBORN)?;
        self.sync()
    }

    /// Begins a life: both slots say the same, so that neither speaks of an earlier one.
    pub(super) fn settle(&mut self, mark: Mark) -> Result<(), StorageError> {
        // The slot that is overwritten first may be the only one that reached the disk.
        self.run("syncing", GuardFile::sync)?;
        self.write_both(mark, 0)
    }

    /// Says that the log was closed in order.
    pub(super) fn close(&mut self, mark: Mark) -> Result<(), StorageError> {
        self.write_both(mark, FLAG_CLEAN)
    }

    fn write_both(&mut self, mark: Mark, flags: u8) -> Result<(), StorageError> {
        for _ in 0..2 {
            self.write(mark, flags)?;
            self.sync()?;
        }
        Ok(())
    }

    pub(super) fn place(&self) -> String {
        self.file.place()
    }

    /// Gives the file back, which may then be opened anew.
    pub(super) fn into_file(self) -> G {
        self.file
    }

    fn write(&mut self, mark: Mark, flags: u8) -> Result<(), StorageError> {
        self.sequence += 1;
        let bytes = encode(self.sequence, flags, &mark);
        let slot = self.slot;
        self.run("writing", |file| file.write(slot, &bytes))?;
        self.written = Some(mark);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.run("syncing", GuardFile::sync)?;
        self.slot = 1 - self.slot;
        self.synced = self.written;
        self.synced_at = self.clock.now();
        Ok(())
    }

    /// After an error nothing more is accepted: whether a repeated sync tells the truth is not known.
    fn run(
        &mut self,
        doing: &str,
        work: impl FnOnce(&mut G) -> io::Result<()>,
    ) -> Result<(), StorageError> {
        if self.failed {
            return Err(StorageError::Stopped);
        }
        work(&mut self.file).map_err(|error| {
            self.failed = true;
            refused(&self.file, doing, error)
        })
    }
}

fn refused(file: &impl GuardFile, doing: &str, source: io::Error) -> StorageError {
    StorageError::Io { context: format!("{doing} the guard file in {}", file.place()), source }
}

fn encode(sequence: u64, flags: u8, mark: &Mark) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    let mut out = bytes.as_mut_slice();
    out.put_u32(MAGIC);
    out.put_u8(FORMAT);
    out.put_u8(flags);
    out.put_u16(0);
    out.put_u64(sequence);
    out.put_u64(mark.epoch);
    out.put_u64(mark.last.0);
    out.put_u64(mark.last_term.0);
    out.put_u64(mark.term.0);
    out.put_u64(mark.vote.0);
    out.put_u32(mark.crc);
    out.put_u32(0);
    out.put_u32(0);
    let crc = checksum(&bytes);
    bytes.as_mut_slice().get_mut(SLOT_BYTES - 4..).unwrap_or_default().put_u32(crc);
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES]) -> Option<Slot> {
    let (mut row, mut end) = bytes.split_at(SLOT_BYTES - 4);
    if end.get_u32() != checksum(bytes) || row.get_u32() != MAGIC || row.get_u8() != FORMAT {
        return None;
    }
    let flags = row.get_u8();
    row.advance(2);
    Some(Slot {
        sequence: row.get_u64(),
        clean: flags & FLAG_CLEAN != 0,
        newborn: flags & FLAG_NEWBORN != 0,
        mark: Mark {
            epoch: row.get_u64(),
            last: LogIndex(row.get_u64()),
            last_term: Term(row.get_u64()),
            term: Term(row.get_u64()),
            vote: MemberId(row.get_u64()),
            crc: row.get_u32(),
        },
    })
}

fn checksum(bytes: &[u8; SLOT_BYTES]) -> u32 {
    let (row, _) = bytes.split_at(SLOT_BYTES - 4);
    crc32c::crc32c(row)
}

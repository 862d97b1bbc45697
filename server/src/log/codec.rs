//! Rows of the log, byte by byte; `docs/format.md` draws them. All numbers are big-endian.

use bytes::{Buf, BufMut, Bytes};
use mini_etcd_proto::internalpb::{Entry, HardState};
use mini_etcd_shared::types::{LogIndex, MemberId, Term};
use prost::Message;

/// Version of every row written here.
const FORMAT: u8 = 1;

/// Bytes of a row of entries beside the entries: format, count, crc of the row before, own crc.
const ROW_BYTES: usize = 1 + 4 + 4 + CRC_BYTES;

const CRC_BYTES: usize = 4;

/// Bytes of a member in the row `acked`.
const ACKED_BYTES: usize = 3 * 8;

/// Keys of the space `log_meta`.
pub(super) const KEY_TRUNCATED: &[u8] = b"truncated";
/// See [`KEY_TRUNCATED`].
pub(super) const KEY_HARD_STATE: &[u8] = b"hard_state";

/// See [`KEY_TRUNCATED`].
pub(super) const KEY_ACKED: &[u8] = b"acked";

/// The last entry that a member was seen to acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    pub member: MemberId,
    pub index: LogIndex,
    pub term: Term,
}

impl Acked {
    /// Whether a log that ends here is behind one that ends with that entry, as Raft compares logs.
    #[must_use]
    pub fn is_before(&self, index: LogIndex, term: Term) -> bool {
        (self.term, self.index) < (term, index)
    }
}

/// What is wrong with a row of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The key is not an index.
    #[error("the key of a row is not an index")]
    Key,
    /// Another version wrote it, or it is not a row.
    #[error("a row is of an unknown format")]
    Format,
    /// The crc does not match.
    #[error("the checksum of a row does not match")]
    Checksum,
    /// The row before is another one.
    #[error("a row does not continue the row before it")]
    Chain,
    /// Rows are missing in between.
    #[error("entries are missing between two rows")]
    Gap,
    /// The entries are not what a row holds.
    #[error("the entries of a row are not in order")]
    Entries,
}

/// A row of entries.
pub(super) struct Row {
    /// Crc of the row before.
    pub before: u32,
    pub crc: u32,
    /// At least one, contiguous, terms that do not fall.
    pub entries: Vec<Entry>,
}

/// Key of the row that begins with `index`.
pub(super) fn row_key(index: LogIndex) -> [u8; 8] {
    index.0.to_be_bytes()
}

/// Index that a key stands for.
pub(super) fn row_index(key: &[u8]) -> Result<LogIndex, RowFault> {
    let key = key.try_into().map_err(|_| RowFault::Key)?;
    Ok(LogIndex(u64::from_be_bytes(key)))
}

/// A row as it is stored, and its crc.
pub(super) fn encode_row(entries: &[Entry], before: u32) -> (Vec<u8>, u32) {
    let first = LogIndex(entries.first().map_or(0, |entry| entry.index));
    let size: usize = entries.iter().map(|entry| 4 + entry.encoded_len()).sum();
    let mut row = Vec::with_capacity(ROW_BYTES + size);
    row.put_u8(FORMAT);
    row.put_u32(u32_of(entries.len()));
    row.put_u32(before);
    for entry in entries {
        row.put_u32(u32_of(entry.encoded_len()));
        entry.encode_raw(&mut row);
    }
    let crc = row_crc(&row_key(first), &row);
    row.put_u32(crc);
    (row, crc)
}

/// Reads a row, and everything about it that can be checked without its neighbours.
pub(super) fn decode_row(key: &[u8], row: Bytes) -> Result<Row, RowFault> {
    let first = row_index(key)?;
    let (mut row, crc) = unseal(row).ok_or(RowFault::Format)?;
    if row_crc(key, &row) != crc {
        return Err(RowFault::Checksum);
    }
    if row.try_get_u8() != Ok(FORMAT) {
        return Err(RowFault::Format);
    }
    let (Ok(count), Ok(before)) = (row.try_get_u32(), row.try_get_u32()) else {
        return Err(RowFault::Format);
    };
    let entries = decode_entries(first, count, row).ok_or(RowFault::Entries)?;
    Ok(Row { before, crc, entries })
}

fn decode_entries(first: LogIndex, count: u32, mut row: Bytes) -> Option<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    for index in (first.0..).take(usize::try_from(count).ok()?) {
        let size = usize::try_from(row.try_get_u32().ok()?).ok()?;
        if size > row.len() {
            return None;
        }
        let entry = Entry::decode(row.split_to(size)).ok()?;
        let in_order = entries.last().is_none_or(|before| before.term <= entry.term);
        if entry.index != index || !in_order {
            return None;
        }
        entries.push(entry);
    }
    (row.is_empty() && !entries.is_empty()).then_some(entries)
}

/// Where the log begins, and which truncation was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Truncated {
    /// Number of the last truncation; rises with each.
    pub epoch: u64,
    /// Last index that the last truncation left untouched.
    pub kept: LogIndex,
    /// Index before the first entry.
    pub index: LogIndex,
    pub term: Term,
    /// Crc of the last row that was dropped in front.
    pub crc: u32,
}

impl Truncated {
    /// Of a log that begins behind a snapshot. No row was given up whose crc could stand here: one that continues no other.
    pub(super) fn behind_snapshot(epoch: u64, index: LogIndex, term: Term) -> Self {
        let place = [index.0.to_be_bytes(), term.0.to_be_bytes()].concat();
        Self { epoch, kept: index, index, term, crc: crc32c::crc32c(&place) }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(1 + 4 * 8 + 2 * CRC_BYTES);
        row.put_u8(FORMAT);
        row.put_u64(self.epoch);
        row.put_u64(self.kept.0);
        row.put_u64(self.index.0);
        row.put_u64(self.term.0);
        row.put_u32(self.crc);
        seal(KEY_TRUNCATED, row)
    }

    pub(super) fn decode(row: Bytes) -> Option<Self> {
        let mut row = open(KEY_TRUNCATED, row)?;
        let truncated = Self {
            epoch: row.try_get_u64().ok()?,
            kept: LogIndex(row.try_get_u64().ok()?),
            index: LogIndex(row.try_get_u64().ok()?),
            term: Term(row.try_get_u64().ok()?),
            crc: row.try_get_u32().ok()?,
        };
        row.is_empty().then_some(truncated)
    }
}

pub(super) fn encode_hard_state(hard_state: &HardState) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + 3 * 8 + CRC_BYTES);
    row.put_u8(FORMAT);
    row.put_u64(hard_state.term);
    row.put_u64(hard_state.vote);
    row.put_u64(hard_state.commit);
    seal(KEY_HARD_STATE, row)
}

pub(super) fn decode_hard_state(row: Bytes) -> Option<HardState> {
    let mut row = open(KEY_HARD_STATE, row)?;
    let hard_state = HardState {
        term: row.try_get_u64().ok()?,
        vote: row.try_get_u64().ok()?,
        commit: row.try_get_u64().ok()?,
    };
    row.is_empty().then_some(hard_state)
}

pub(super) fn encode_acked(all: &[Acked]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + all.len() * ACKED_BYTES + CRC_BYTES);
    row.put_u8(FORMAT);
    for acked in all {
        row.put_u64(acked.member.0);
        row.put_u64(acked.index.0);
        row.put_u64(acked.term.0);
    }
    seal(KEY_ACKED, row)
}

pub(super) fn decode_acked(row: Bytes) -> Option<Vec<Acked>> {
    let mut row = open(KEY_ACKED, row)?;
    if row.len() % ACKED_BYTES != 0 {
        return None;
    }
    let mut all: Vec<Acked> = Vec::with_capacity(row.len() / ACKED_BYTES);
    while !row.is_empty() {
        let acked = Acked {
            member: MemberId(row.try_get_u64().ok()?),
            index: LogIndex(row.try_get_u64().ok()?),
            term: Term(row.try_get_u64().ok()?),
        };
        if all.last().is_some_and(|before| before.member >= acked.member) {
            return None;
        }
        all.push(acked);
    }
    Some(all)
}

/// Appends the crc over key and row.
fn seal(key: &[u8], mut row: Vec<u8>) -> Vec<u8> {
    let crc = row_crc(key, &row);
    row.put_u32(crc);
    row
}

/// Checks crc and format, and answers what stands between them.
fn open(key: &[u8], row: Bytes) -> Option<Bytes> {
    let (mut row, crc) = unseal(row)?;
    (row_crc(key, &row) == crc && row.try_get_u8() == Ok(FORMAT)).then_some(row)
}

/// Splits the crc off.
fn unseal(mut row: Bytes) -> Option<(Bytes, u32)> {
    let mut crc = row.split_off(row.len().checked_sub(CRC_BYTES)?);
    Some((row, crc.try_get_u32().ok()?))
}

fn row_crc(key: &[u8], row: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), row)
}

/// The limits on messages keep counts and sizes far below.
fn u32_of(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
        let indexed = (first..).zip(terms);
        indexed
            .map(|(index, term)| Entry {
                kind: 0,
                term: *term,
                index,
                data: Bytes::from(vec![b'x'; 20]),
            })
            .collect()
    }

    #[test]
    fn a_row_reads_back() {
        let written = entries(7, &[1, 1, 3]);
        let (row, crc) = encode_row(&written, 99);
        let read = decode_row(&row_key(LogIndex(7)), row.into()).unwrap();
        assert_eq!((read.before, read.crc, read.entries), (99, crc, written));
    }

    #[test]
    fn no_flipped_bit_of_a_row_goes_unseen() {
        let (row, _) = encode_row(&entries(7, &[1, 1]), 99);
        for bit in 0..row.len() * 8 {
            let mut flipped = row.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_row(&row_key(LogIndex(7)), flipped.into()).is_err(), "bit {bit}");
        }
        assert_eq!(
            decode_row(&row_key(LogIndex(8)), row.clone().into()).err(),
            Some(RowFault::Checksum)
        );
        for size in 0..row.len() {
            assert!(decode_row(&row_key(LogIndex(7)), row[..size].to_vec().into()).is_err());
        }
    }

    #[test]
    fn a_row_whose_entries_are_out_of_order_is_refused() {
        for bad in [entries(7, &[2, 1]), [entries(7, &[1]), entries(9, &[1])].concat(), vec![]] {
            let (row, _) = encode_row(&bad, 0);
            let first = bad.first().map_or(0, |entry| entry.index);
            let read = decode_row(&row_key(LogIndex(first)), row.into());
            assert_eq!(read.err(), Some(RowFault::Entries));
        }
    }

    /// Goal: nothing is remembered that was not written. Method: rows of none, one and three members, each bit of them
    /// flipped, each prefix, one byte more, and rows whose members do not rise.
    #[test]
    fn what_is_remembered_reads_back_and_no_other_row_is_taken_for_it() {
        let one = |member: u64| Acked {
            member: MemberId(member),
            index: LogIndex(member + 1),
            term: Term(member + 2),
        };
        for all in [vec![], vec![one(7)], vec![one(0), one(7), one(u64::MAX - 2)]] {
            let row = encode_acked(&all);
            assert_eq!(decode_acked(row.clone().into()), Some(all));
            for bit in 0..row.len() * 8 {
                let mut flipped = row.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode_acked(flipped.into()), None, "bit {bit}");
            }
            for size in 0..row.len() {
                assert_eq!(decode_acked(row[..size].to_vec().into()), None, "{size} bytes");
            }
            assert_eq!(decode_acked([row, vec![0]].concat().into()), None);
        }
        for bad in [vec![one(7), one(7)], vec![one(7), one(3)]] {
            assert_eq!(decode_acked(encode_acked(&bad).into()), None);
        }
        let half = seal(KEY_ACKED, [&[FORMAT][..], &[0; 23]].concat());
        assert_eq!(decode_acked(half.into()), None);
        assert_eq!(decode_acked(encode_hard_state(&HardState::default()).into()), None);
    }

    #[test]
    fn meta_rows_read_back_and_refuse_each_other() {
        let truncated =
            Truncated { epoch: 1, kept: LogIndex(2), index: LogIndex(3), term: Term(4), crc: 5 };
        let hard_state = HardState { term: 6, vote: 7, commit: 8 };
        let (a, b) = (truncated.encode(), encode_hard_state(&hard_state));
        assert_eq!(Truncated::decode(a.clone().into()), Some(truncated));
        assert_eq!(decode_hard_state(b.clone().into()), Some(hard_state));
        assert_eq!(Truncated::decode(b.into()), None);
        assert_eq!(decode_hard_state(a.into()), None);
        assert_eq!(decode_hard_state(Bytes::new()), None);
    }
}

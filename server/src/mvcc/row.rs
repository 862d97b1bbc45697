//! Rows: the names of versions, and their bytes on disk (`docs/format.md`, "State rows").

use bytes::{Buf, Bytes};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::Revision;
use prost::Message;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

/// The name of one version: the revision that made it and its place among the changes of that revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    pub revision: Revision,
    /// Place among the changes of one transaction, from 0.
    pub sub: u32,
}

/// Bytes of a row's key.
pub(crate) const ROW_KEY_BYTES: usize = 12;
/// Tag of `Row.kv`.
const KV_TAG: u8 = 0x0a;
/// `Row.tombstone` when it is set.
const TOMBSTONE: [u8; 2] = [0x10, 0x01];

impl RowId {
    /// Below every version there can be, or the first of them.
    pub const FIRST: Self = Self { revision: Revision(0), sub: 0 };

    /// The key of the row: big-endian, so that rows lie in the order of time.
    #[must_use]
    pub fn key(self) -> [u8; ROW_KEY_BYTES] {
        let mut key = [0; ROW_KEY_BYTES];
        let (revision, sub) = key.split_at_mut(8);
        revision.copy_from_slice(&self.revision.0.to_be_bytes());
        sub.copy_from_slice(&self.sub.to_be_bytes());
        key
    }

    /// The id that a row's key names.
    #[must_use]
    pub fn parse(key: &[u8]) -> Option<Self> {
        let (revision, sub) = key.split_first_chunk::<8>()?;
        let revision = Revision(i64::from_be_bytes(*revision));
        Some(Self { revision, sub: u32::from_be_bytes(sub.try_into().ok()?) })
    }
}

/// Encodes a version into exactly the room it needs: caches and watchers keep these bytes for long.
pub(crate) fn encode_kv(kv: &KeyValue) -> Bytes {
    let mut bytes = Vec::with_capacity(kv.encoded_len());
    kv.encode_raw(&mut bytes);
    Bytes::from(bytes)
}

/// The row that holds an encoded version.
pub(crate) fn encode_row(kv: &[u8], tombstone: bool) -> Vec<u8> {
    let mut row = Vec::with_capacity(row_len(kv.len(), tombstone));
    row.push(KV_TAG);
    encode_varint(kv.len() as u64, &mut row);
    row.extend_from_slice(kv);
    if tombstone {
        row.extend_from_slice(&TOMBSTONE);
    }
    row
}

/// Length of the row of a version of `kv` bytes.
pub(crate) fn row_len(kv: usize, tombstone: bool) -> usize {
    let tail = if tombstone { TOMBSTONE.len() } else { 0 };
    1 + encoded_len_varint(kv as u64) + kv + tail
}

/// What a row counts for in the size of the data.
pub(crate) fn logical_len(row: usize) -> u64 {
    (ROW_KEY_BYTES + row) as u64
}

/// Takes a row apart: the encoded version, and whether it is a tombstone.
pub(crate) fn split_row(row: &[u8]) -> Option<(&[u8], bool)> {
    let (kv, rest) = split_field(row, KV_TAG)?;
    match rest {
        [] => Some((kv, false)),
        rest if rest == TOMBSTONE => Some((kv, true)),
        _ => None,
    }
}

/// A row as it lies on disk, taken apart.
pub(crate) struct StoredRow<'a> {
    pub(crate) id: RowId,
    /// The key ended there.
    pub(crate) tombstone: bool,
    /// The encoded version as etcd stores it: a tombstone has the key alone.
    pub(crate) version: &'a [u8],
}

impl<'a> StoredRow<'a> {
    /// None when it is damaged.
    pub(crate) fn of(key: &[u8], row: &'a [u8]) -> Option<Self> {
        let (id, (kv, tombstone)) = (RowId::parse(key)?, split_row(row)?);
        let name = key_of(kv)?.len();
        // Ours begins with the key too.
        let key_field = 1 + encoded_len_varint(name as u64) + name;
        let version = if tombstone { kv.get(..key_field)? } else { kv };
        Some(Self { id, tombstone, version })
    }
}

/// The key of an encoded version.
pub(crate) fn key_of(kv: &[u8]) -> Option<&[u8]> {
    split_field(kv, KV_TAG).map(|(key, _)| key)
}

/// The field that leads an encoded message, and what follows it.
fn split_field(message: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let mut rest = message.strip_prefix(&[tag])?;
    let len = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
    (len <= rest.remaining()).then(|| rest.split_at(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kv() -> KeyValue {
        KeyValue {
            key: Bytes::from_static(b"k"),
            create_revision: 3,
            mod_revision: 300,
            version: 2,
            value: Bytes::from(vec![7; 200]),
            lease: -1,
        }
    }

    #[test]
    fn a_row_is_the_message_that_the_proto_file_draws() {
        for tombstone in [false, true] {
            let bytes = encode_kv(&kv());
            let row = encode_row(&bytes, tombstone);
            assert_eq!(row.len(), row_len(bytes.len(), tombstone));
            let message = mini_etcd_proto::internalpb::Row { kv: Some(kv()), tombstone };
            assert_eq!(row, message.encode_to_vec());
            assert_eq!(split_row(&row), Some((bytes.as_ref(), tombstone)));
            assert_eq!(key_of(&bytes), Some(b"k".as_ref()));
        }
    }

    #[test]
    fn a_cut_row_is_refused() {
        let row = encode_row(&encode_kv(&kv()), true);
        for len in 0..row.len() {
            let cut = split_row(&row[..len]);
            assert!(cut.is_none_or(|(_, tombstone)| !tombstone), "cut at {len}");
        }
        assert_eq!(split_row(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), None);
    }

    #[test]
    fn row_keys_sort_by_time() {
        let id = |revision, sub| RowId { revision: Revision(revision), sub };
        let ids = [id(1, 0), id(1, 1), id(1, 256), id(2, 0), id(256, 0), id(i64::MAX, u32::MAX)];
        assert!(ids.iter().map(|id| id.key()).is_sorted());
        assert!(ids.iter().all(|id| RowId::parse(&id.key()) == Some(*id)));
        assert_eq!(RowId::parse(&[0; 11]), None);
    }
}

//! Keys that were removed and are not there any more.

use std::ops::ControlFlow;

use bytes::Bytes;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::{KeyRange, Revision};

use super::index::{IndexMark, Stamp, Wanted};
use super::lives::{Filling, PageBounds};
use super::{RowId, View};
use crate::error::RequestError;

/// A key that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grave {
    pub key: Bytes,
    /// Its removal.
    pub removed: RowId,
    /// The version that was removed; none when history does not go back to it.
    pub last: Option<(RowId, KeyValue)>,
}

/// A page of removed keys, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graves {
    /// The keys.
    pub graves: Vec<Grave>,
    /// Revision at which they do not exist.
    pub revision: Revision,
    /// First key that was not looked at; none when all were.
    pub next: Option<Bytes>,
}

/// What the index says of a removed key.
struct Found {
    key: Bytes,
    end: Stamp,
    last: Option<Stamp>,
}

impl View {
    /// Keys of `range`, at or above `from`, that do not exist at `revision`, 0 for the current one, and were removed
    /// as far back as history goes. A page may be short, or empty, and still have a next one.
    ///
    /// # Errors
    /// A revision that is compacted or not there yet; a failing disk.
    pub fn graveyard(
        &self,
        range: &KeyRange,
        from: &[u8],
        revision: i64,
        bounds: &PageBounds,
    ) -> Result<Graves, RequestError> {
        let at = self.resolve(revision)?;
        let (found, next) = self.find_removed(range, from, at, bounds);
        self.kept(self.compacted, self.read_graves(found, next, at, bounds))
    }

    fn find_removed(
        &self,
        range: &KeyRange,
        from: &[u8],
        at: i64,
        bounds: &PageBounds,
    ) -> (Vec<Found>, Option<Bytes>) {
        let wanted = Wanted { range, oldest: self.compacted, newest: at };
        let from = IndexMark { key: from.into(), id: RowId::FIRST };
        let (mut found, mut filling) = (Vec::new(), Filling::default());
        let rest =
            self.shared.index.removed(wanted, Some(from), bounds.looks, &mut |key, end, last| {
                if !filling.takes(key.len(), bounds) {
                    return ControlFlow::Break(());
                }
                found.push(Found { key: Bytes::copy_from_slice(key), end, last });
                ControlFlow::Continue(())
            });
        (found, rest.map(|mark| Bytes::from(mark.key)))
    }

    /// Reads what was removed, until the page has cost enough.
    fn read_graves(
        &self,
        found: Vec<Found>,
        next: Option<Bytes>,
        at: i64,
        bounds: &PageBounds,
    ) -> Result<Graves, RequestError> {
        let mut page = Graves { graves: Vec::new(), revision: Revision(at), next };
        let mut filling = Filling::default();
        for Found { key, end, last } in found {
            if filling.is_full(bounds) {
                page.next = Some(key);
                break;
            }
            let last = match last {
                Some(stamp) => Some((stamp.id, self.peek(stamp.id)?)),
                None => None,
            };
            filling.read(last.as_ref().map_or(0, |(_, kv)| kv.key.len() + kv.value.len()));
            filling.takes(0, bounds);
            page.graves.push(Grave { key, removed: end.id, last });
        }
        Ok(page)
    }
}

//! Keys that one branch of a transaction would write twice.
//!
//! The rules depend on the order of nested transactions, and have two holes that clients may rely on: a later
//! sibling may delete what an earlier one puts, and a delete "from this key on" is never compared with puts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::request_op::Request;
use mini_etcd_proto::etcdserverpb::{DeleteRangeRequest, RequestOp, TxnRequest};

use crate::error::RequestError;

/// What a branch writes, its nested transactions included.
#[derive(Default)]
struct Writes {
    puts: BTreeSet<Bytes>,
    deletes: Ranges,
}

/// Keys covered by ranges: start to end, ends excluded, none touching another. Sorted, so that a request with many
/// puts and deletes is checked in the time it takes to sort them.
#[derive(Default)]
struct Ranges(BTreeMap<Bytes, Bytes>);

/// Refuses a branch that writes a key twice.
pub(super) fn check(ops: &[RequestOp]) -> Result<(), RequestError> {
    writes(ops).map(drop)
}

fn writes(ops: &[RequestOp]) -> Result<Writes, RequestError> {
    let mut all = Writes::default();
    for op in ops {
        if let Some(Request::RequestDeleteRange(delete)) = &op.request {
            all.deletes.insert_request(delete);
        }
    }
    for op in ops {
        if let Some(Request::RequestTxn(nested)) = &op.request {
            add_nested(&mut all, nested)?;
        }
    }
    for op in ops {
        if let Some(Request::RequestPut(put)) = &op.request {
            all.put(put.key.clone())?;
        }
    }
    Ok(all)
}

/// Adds what a nested transaction may write. Its branches exclude each other, so they are compared with what came
/// before and not with each other.
fn add_nested(all: &mut Writes, nested: &TxnRequest) -> Result<(), RequestError> {
    let then = writes(&nested.success)?;
    let otherwise = writes(&nested.failure)?;
    let both: BTreeSet<_> = then.puts.union(&otherwise.puts).cloned().collect();
    for key in both {
        all.put(key)?;
    }
    all.deletes.absorb(then.deletes);
    all.deletes.absorb(otherwise.deletes);
    Ok(())
}

impl Writes {
    fn put(&mut self, key: Bytes) -> Result<(), RequestError> {
        if self.deletes.contains(&key) || !self.puts.insert(key) {
            return Err(RequestError::DuplicateKey);
        }
        Ok(())
    }
}

impl Ranges {
    fn insert_request(&mut self, delete: &DeleteRangeRequest) {
        let end = if delete.range_end.is_empty() {
            [&delete.key, &[0][..]].concat().into()
        } else {
            delete.range_end.clone()
        };
        self.insert(delete.key.clone(), end);
    }

    /// Adds a range; one whose end is not above its start covers nothing, and so does "from this key on", whose end
    /// is written as the lowest key.
    fn insert(&mut self, mut start: Bytes, mut end: Bytes) {
        if end <= start {
            return;
        }
        while let Some((first, last)) = self.upto(&end) {
            if *last < start {
                break;
            }
            let first = first.clone();
            if let Some(last) = self.0.remove(&first) {
                start = start.min(first);
                end = end.max(last);
            }
        }
        self.0.insert(start, end);
    }

    fn absorb(&mut self, mut other: Self) {
        if other.0.len() > self.0.len() {
            std::mem::swap(self, &mut other);
        }
        for (start, end) in other.0 {
            self.insert(start, end);
        }
    }

    /// The last range that begins at or before `key`.
    fn upto(&self, key: &Bytes) -> Option<(&Bytes, &Bytes)> {
        self.0.range::<Bytes, _>((Bound::Unbounded, Bound::Included(key))).next_back()
    }

    fn contains(&self, key: &Bytes) -> bool {
        self.upto(key).is_some_and(|(_, end)| key < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_whatever_the_order() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let parts = [("b", "d"), ("d", "f"), ("a", "c"), ("x", "y")];
            let mut ranges = Ranges::default();
            for at in order {
                ranges.insert(parts[at].0.into(), parts[at].1.into());
            }
            let found: Vec<_> = ranges.0.iter().map(|(a, b)| [a.clone(), b.clone()]).collect();
            assert_eq!(found, [["a", "f"], ["x", "y"]], "{order:?}");
            assert!(ranges.contains(&"a".into()) && ranges.contains(&"e\u{7f}".into()));
            assert!(!ranges.contains(&"f".into()) && !ranges.contains(&"A".into()));
        }
    }
}

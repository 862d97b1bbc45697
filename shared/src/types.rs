//! Numbers that must not be mixed up, and ranges of keys.
//!
//! In mini-etcd the revision of a write *is* the index of its Raft entry (`docs/decisions.md`, D1), so
//! [`Revision`] and [`LogIndex`] convert into each other; they stay two types because a revision names a state
//! of the keys and an index names a place in the log.

use std::fmt;
use std::ops::Bound;

use bytes::Bytes;

/// A state of the keys: the index of the entry that made it. Signed because the API's field is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

/// A place in the Raft log; the first entry a cluster ever appends has index 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIndex(pub u64);

/// A Raft term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

/// A member of a cluster; never 0. Shown as lower-case hex, as etcd shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A cluster. Shown as lower-case hex.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u64);

/// A lease; 0 means none. Shown as 16 digits of lower-case hex.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

impl Revision {
    /// Revision of a cluster in which nothing was written yet.
    pub const BIRTH: Self = Self(1);

    /// The revision that the entry at `index` makes.
    ///
    /// # Panics
    /// When the index exceeds `i64::MAX`, which no log reaches.
    #[must_use]
    pub fn of(index: LogIndex) -> Self {
        Self(i64::try_from(index.0).unwrap_or(i64::MAX))
    }
}

impl LogIndex {
    /// Index that a new cluster is born at: a snapshot that carries its membership.
    pub const BIRTH: Self = Self(1);
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A range of keys by etcd's convention of `key` and `range_end`.
///
/// | `range_end` | meaning |
/// |---|---|
/// | empty | `key` alone |
/// | one zero byte | every key from `key` on |
/// | above `key` | from `key` up to and without `range_end` |
/// | anything else | no key at all |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRange {
    start: Bytes,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum End {
    /// The start alone.
    Single,
    /// No end.
    Open,
    /// Up to and without this key, which lies above the start.
    Before(Bytes),
    /// Nothing.
    Empty,
}

impl KeyRange {
    /// The range that `key` and `range_end` of a request name.
    #[must_use]
    pub fn new(key: Bytes, range_end: Bytes) -> Self {
        let end = match range_end.as_ref() {
            [] => End::Single,
            [0] => End::Open,
            end if end > key.as_ref() => End::Before(range_end),
            _ => End::Empty,
        };
        Self { start: key, end }
    }

    /// One key.
    #[must_use]
    pub fn single(key: Bytes) -> Self {
        Self { start: key, end: End::Single }
    }

    /// Every key there can be.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Bytes::from_static(&[0]), end: End::Open }
    }

    /// Every key that begins with `prefix`, as clients build it.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        if prefix.is_empty() {
            return Self::all();
        }
        Self::new(Bytes::copy_from_slice(prefix), prefix_end(prefix))
    }

    /// First key of the range.
    #[must_use]
    pub fn start(&self) -> &Bytes {
        &self.start
    }

    /// `range_end` of a request for this range; an empty range answers its start.
    #[must_use]
    pub fn range_end(&self) -> Bytes {
        match &self.end {
            End::Single => Bytes::new(),
            End::Open => Bytes::from_static(&[0]),
            End::Before(end) => end.clone(),
            End::Empty => self.start.clone(),
        }
    }

    /// Whether the range is one key.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.end == End::Single
    }

    /// Whether no key can be in the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == End::Empty
    }

    /// Whether `key` is in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Single => key == self.start,
            End::Open => key >= self.start.as_ref(),
            End::Before(end) => key >= self.start.as_ref() && key < end.as_ref(),
            End::Empty => false,
        }
    }

    /// The range as bounds of an ordered map; always start ≤ end, so that `BTreeMap::range` does not panic.
    #[must_use]
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let start = self.start.as_ref();
        match &self.end {
            End::Single => (Bound::Included(start), Bound::Included(start)),
            End::Open => (Bound::Included(start), Bound::Unbounded),
            End::Before(end) => (Bound::Included(start), Bound::Excluded(end.as_ref())),
            End::Empty => (Bound::Included(start), Bound::Excluded(start)),
        }
    }
}

/// End of the range of all keys that begin with `prefix`: the last byte below 0xff goes up by one and what
/// follows it is dropped; one zero byte ("no end") when there is none.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return Bytes::from(end);
        }
    }
    Bytes::from_static(&[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &'static [u8], end: &'static [u8]) -> KeyRange {
        KeyRange::new(Bytes::from_static(key), Bytes::from_static(end))
    }

    #[test]
    fn a_range_follows_etcds_convention() {
        assert!(range(b"k", b"").contains(b"k"));
        assert!(!range(b"k", b"").contains(b"k0"));
        assert!(range(b"k", b"\0").contains(b"\xff\xff"));
        assert!(!range(b"k", b"\0").contains(b"j"));
        assert!(range(b"k", b"m").contains(b"lzz"));
        assert!(!range(b"k", b"m").contains(b"m"));
        assert!(range(b"m", b"k").is_empty());
        assert!(range(b"k", b"k").is_empty());
        assert!(KeyRange::all().contains(b"\0"));
    }

    #[test]
    fn a_prefix_ends_where_its_last_byte_that_can_rise_rises() {
        assert_eq!(prefix_end(b"ab"), Bytes::from_static(b"ac"));
        assert_eq!(prefix_end(b"a\xff\xff"), Bytes::from_static(b"b"));
        assert_eq!(prefix_end(b"\xff"), Bytes::from_static(b"\0"));
        assert!(KeyRange::prefix(b"\xff\xff").contains(b"\xff\xff\xff"));
        assert!(KeyRange::prefix(b"").contains(b"\0"));
    }

    #[test]
    fn bounds_never_cross() {
        let set = std::collections::BTreeSet::from([b"k".to_vec()]);
        assert_eq!(set.range::<[u8], _>(range(b"m", b"k").bounds()).count(), 0);
        assert_eq!(set.range::<[u8], _>(range(b"a", b"\0").bounds()).count(), 1);
    }
}

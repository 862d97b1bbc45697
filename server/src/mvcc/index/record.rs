//! What the index knows of one key, in as few bytes as the common case allows.
//!
//! A *stamp* names one version, says whether it ended a life, and about how large it is. Stamps are words of 64
//! bits: 41 bits of revision, 14 of sub, 8 of size, one for the tombstone, which has no size but 22 bits of sub. A
//! key that meets a number beyond that (the 16,385th put or the 4,194,305th removal of one transaction, the 2
//! trillionth entry) turns *wide* and spends two words on each of its stamps.

use mini_etcd_shared::types::Revision;

use super::size::Size;
use crate::mvcc::RowId;

/// One version of a key, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Its name.
    pub(crate) id: RowId,
    /// It ended the key's life.
    pub(crate) tombstone: bool,
    /// Its size, encoded; 0 for a tombstone.
    pub(crate) size: Size,
}

impl Stamp {
    /// A version of so many bytes, encoded.
    pub(crate) fn put(id: RowId, bytes: usize) -> Self {
        Self { id, tombstone: false, size: Size::of(bytes) }
    }

    /// The end of a life.
    pub(crate) fn removal(id: RowId) -> Self {
        Self { id, tombstone: true, size: Size::default() }
    }

    /// The revision that made it.
    pub(crate) fn revision(self) -> i64 {
        self.id.revision.0
    }
}

/// What a put needs to know of the life it continues; both 0 after a tombstone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// Revision at which it began.
    pub(crate) create: i64,
    /// Puts since then.
    pub(crate) version: i64,
}

/// Bits of a word below the revision.
const LOW_BITS: u32 = 23;
/// Largest sub of a put, and of a removal, in a narrow stamp.
const PUT_SUB_MAX: u64 = (1 << 14) - 1;
const REMOVAL_SUB_MAX: u64 = (1 << 22) - 1;
/// First revision that a narrow stamp does not hold; the one below would make a word equal to [`FREE`].
const NARROW_REVISIONS: i64 = (1 << 41) - 1;
/// A slot that waits for a later stamp.
const FREE: u64 = u64::MAX;
/// Bit of `key_len` that says that stamps take two words.
const WIDE: u32 = 1 << 31;

/// One key of a leaf.
pub(super) struct Record {
    key_at: u32,
    key_len: u32,
    life: Life,
    /// The newest stamp: the whole of it when narrow, without its sub and size when wide.
    newest: u64,
    /// Older stamps, oldest first, then free slots. Wide: the newest one's sub and size, then pairs.
    older: Option<Box<[u64]>>,
}

fn pack(stamp: Stamp) -> Option<u64> {
    let sub = u64::from(stamp.id.sub);
    let low = if stamp.tombstone {
        (sub <= REMOVAL_SUB_MAX).then_some(sub << 1 | 1)
    } else {
        (sub <= PUT_SUB_MAX).then_some(sub << 9 | stamp.size.pack() << 1)
    };
    let high = stamp.revision().cast_unsigned() << LOW_BITS;
    low.filter(|_| stamp.revision() < NARROW_REVISIONS).map(|low| high | low)
}

fn unpack(word: u64) -> Stamp {
    let revision = Revision((word >> LOW_BITS).cast_signed());
    let id = |sub: u64| RowId { revision, sub: u32::try_from(sub).unwrap_or(u32::MAX) };
    if word & 1 == 1 {
        return Stamp::removal(id(word >> 1 & REMOVAL_SUB_MAX));
    }
    let size = Size::unpack(word >> 1);
    Stamp { id: id(word >> 9 & PUT_SUB_MAX), tombstone: false, size }
}

fn pack_wide(stamp: Stamp) -> [u64; 2] {
    let word = stamp.revision().cast_unsigned() << 1 | u64::from(stamp.tombstone);
    [word, stamp.size.pack() << 32 | u64::from(stamp.id.sub)]
}

fn unpack_wide(word: u64, rest: u64) -> Stamp {
    let revision = Revision((word >> 1).cast_signed());
    let sub = u32::try_from(rest & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let size = Size::unpack(rest >> 32);
    Stamp { id: RowId { revision, sub }, tombstone: word & 1 == 1, size }
}

impl Record {
    /// A key whose bytes stand at `key_at` of the leaf.
    ///
    /// `stamps` are ascending and not empty.
    pub(super) fn new(key_at: u32, key_len: u32, stamps: &[Stamp], life: Life) -> Self {
        let mut record = Self { key_at, key_len: key_len & !WIDE, life, newest: 0, older: None };
        record.store(stamps);
        record
    }

    pub(super) fn key_at(&self) -> u32 {
        self.key_at
    }

    pub(super) fn key_len(&self) -> u32 {
        self.key_len & !WIDE
    }

    pub(super) fn move_key(&mut self, key_at: u32) {
        self.key_at = key_at;
    }

    pub(super) fn life(&self) -> Life {
        self.life
    }

    pub(super) fn live(&self) -> bool {
        self.newest & 1 == 0
    }

    fn is_wide(&self) -> bool {
        self.key_len & WIDE != 0
    }

    fn words(&self) -> &[u64] {
        self.older.as_deref().unwrap_or_default()
    }

    /// Memory beside the record itself, in words.
    pub(super) fn history_words(&self) -> usize {
        self.words().len()
    }

    pub(super) fn newest(&self) -> Stamp {
        if self.is_wide() {
            unpack_wide(self.newest, self.words().first().copied().unwrap_or_default())
        } else {
            unpack(self.newest)
        }
    }

    /// Number of stamps, the newest one included.
    pub(super) fn stamps(&self) -> usize {
        1 + self.place_of_older(|_| true)
    }

    /// Number of stamps for which `before` holds. It must hold up to some stamp, and for none behind it.
    pub(super) fn place(&self, before: impl Fn(Stamp) -> bool) -> usize {
        if before(self.newest()) { self.stamps() } else { self.place_of_older(before) }
    }

    fn place_of_older(&self, before: impl Fn(Stamp) -> bool) -> usize {
        if self.is_wide() {
            let before =
                |[word, rest]: &[u64; 2]| *word != FREE && before(unpack_wide(*word, *rest));
            self.pairs().partition_point(before)
        } else {
            self.words().partition_point(|word| *word != FREE && before(unpack(*word)))
        }
    }

    /// The stamp at `place`, oldest first.
    pub(super) fn nth(&self, place: usize) -> Option<Stamp> {
        let older = if self.is_wide() {
            let pair = self.pairs().get(place).filter(|[word, _]| *word != FREE);
            pair.map(|[word, rest]| unpack_wide(*word, *rest))
        } else {
            self.words().get(place).filter(|word| **word != FREE).map(|word| unpack(*word))
        };
        older.or_else(|| (place + 1 == self.stamps()).then(|| self.newest()))
    }

    /// Place of the oldest stamp that somebody who reads at `compacted` or later can want: everything from
    /// `compacted` on, and the version that stands at `compacted` unless it is a tombstone.
    pub(super) fn first_kept(&self, compacted: i64) -> usize {
        let below = self.place(|stamp| stamp.revision() < compacted);
        // A stamp at `compacted` itself takes the place of what stood below.
        let replaced = self.nth(below).is_some_and(|next| next.revision() == compacted);
        let last = below.checked_sub(1).and_then(|place| self.nth(place));
        let stands = !replaced && last.is_some_and(|stamp| !stamp.tombstone);
        below - usize::from(stands)
    }

    fn pairs(&self) -> &[[u64; 2]] {
        self.words().get(1..).unwrap_or_default().as_chunks::<2>().0
    }

    /// The newest stamp that a reader at `revision` may see.
    pub(super) fn at(&self, revision: i64) -> Option<Stamp> {
        let newest = self.newest();
        if newest.revision() <= revision {
            return Some(newest);
        }
        let after = self.place_of_older(|stamp| stamp.revision() <= revision);
        self.nth(after.checked_sub(1)?)
    }

    /// Adds a stamp above all others.
    pub(super) fn push(&mut self, stamp: Stamp, life: Life) {
        assert!(self.newest().id < stamp.id, "a key's stamps ascend"); // I1
        self.life = life;
        match pack(stamp) {
            Some(word) if !self.is_wide() => {
                let before = std::mem::replace(&mut self.newest, word);
                let at = self.words().partition_point(|word| *word != FREE);
                if at == self.words().len() {
                    self.grow(at);
                }
                if let Some(slot) = self.older.as_mut().and_then(|words| words.get_mut(at)) {
                    *slot = before;
                }
            }
            _ => {
                let mut stamps = self.all();
                stamps.push(stamp);
                self.store(&stamps);
            }
        }
    }

    /// Room for one more stamp, and for a sixteenth so that a hot key is not copied at every put.
    fn grow(&mut self, used: usize) {
        // Odd, as the allocator rounds to that anyway.
        let mut words = Vec::with_capacity(((used + 1 + used / 16) | 1).max(3));
        words.extend_from_slice(self.words());
        words.resize(words.capacity(), FREE);
        self.older = Some(words.into_boxed_slice());
    }

    /// Every stamp, oldest first.
    pub(super) fn all(&self) -> Vec<Stamp> {
        let mut stamps = Vec::with_capacity(self.stamps());
        if self.is_wide() {
            let used = self.pairs().iter().take_while(|[word, _]| *word != FREE);
            stamps.extend(used.map(|[word, rest]| unpack_wide(*word, *rest)));
        } else {
            stamps
                .extend(self.words().iter().take_while(|word| **word != FREE).map(|w| unpack(*w)));
        }
        stamps.push(self.newest());
        stamps
    }

    /// Makes the record hold `stamps`, in exactly the room they need.
    fn store(&mut self, stamps: &[Stamp]) {
        let Some((newest, older)) = stamps.split_last() else { return };
        if let Some(words) = stamps.iter().map(|stamp| pack(*stamp)).collect::<Option<Vec<u64>>>() {
            self.key_len &= !WIDE;
            self.newest = words.last().copied().unwrap_or_default();
            let older: Box<[u64]> = words.get(..older.len()).unwrap_or_default().into();
            self.older = (!older.is_empty()).then_some(older);
            return;
        }
        self.key_len |= WIDE;
        let [word, rest] = pack_wide(*newest);
        self.newest = word;
        let pairs = older.iter().flat_map(|stamp| pack_wide(*stamp));
        self.older = Some(std::iter::once(rest).chain(pairs).collect());
    }

    /// Takes out up to `max` stamps that nobody who reads at `compacted` or later can want, oldest first, and
    /// says whether the key is still there.
    pub(super) fn prune(&mut self, compacted: i64, max: usize, dead: &mut Vec<RowId>) -> bool {
        if self.stamps() == 1 && (self.live() || self.newest().revision() >= compacted) {
            return true;
        }
        let taken = self.first_kept(compacted).min(max);
        if taken == 0 {
            return true;
        }
        let mut stamps = self.all();
        dead.extend(stamps.drain(..taken).map(|stamp| stamp.id));
        self.store(&stamps);
        !stamps.is_empty()
    }
}

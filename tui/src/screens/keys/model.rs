//! Keys, values and their past as the screen and its requests speak of them; and changes of one key and of many.

use bytes::Bytes;

use crate::engine::request::Trouble;

/// Children that a page of a directory has at most.
pub const CHILDREN_PAGE: usize = 500;
/// First keys that a preview of a delete shows.
pub const PREVIEW_KEYS: usize = 8;
/// Best matches that a jump shows.
pub const MATCHES_MAX: usize = 200;
/// Keys that one change puts back: their names are kept, to be taken back in turn.
pub const BULK_KEYS_MAX: u64 = 100_000;
/// Revisions that one window of history covers.
pub const WINDOW_REVISIONS: i64 = 5_000;

/// What a key is beside its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Revision that created it.
    pub create: i64,
    /// Revision of its last change.
    pub modified: i64,
    /// Changes since it was created.
    pub version: i64,
    /// Its lease; 0 for none.
    pub lease: i64,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// What it is.
    pub meta: Meta,
    /// Its value.
    pub value: Bytes,
}

/// One name below a directory. The same name may come twice: as a key, and later as a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// What stands between the directory's prefix and the next separator.
    pub name: Bytes,
    /// The key, when it is one.
    pub key: Option<Meta>,
    /// Keys below it, when it is a directory.
    pub below: Option<u64>,
}

/// A page of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The revision that was read.
    pub revision: i64,
    /// What is there, in the order of the keys.
    pub children: Vec<Child>,
    /// Where the next page begins; `None` when this is the last one.
    pub next: Option<Bytes>,
    /// Keys from `next` on.
    pub left: u64,
    /// Requests that it took.
    pub requests: u32,
}

/// A change of one key that is carried out only if the key is still as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: Bytes,
    /// The revision of its last change; 0 when it must not be there.
    pub expected: i64,
    /// What to do.
    pub change: Change,
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Give it a value, and keep the lease it has.
    Value(Bytes),
    /// Give it a value and this lease, 0 for none.
    Put(Bytes, i64),
    /// Remove it.
    Delete,
}

/// What became of a [`Write`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was done, at this revision; the key as it was before.
    Done(i64, Option<Entry>),
    /// The key is not as it was seen; as it is now.
    Conflict(Option<Entry>),
    /// It was not done, for the lease that the key would get is gone.
    LeaseGone,
    /// Nobody knows whether it was done.
    Unknown(Trouble),
}

/// A set of keys: one, or all that begin with something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// This key.
    Key(Bytes),
    /// Every key that begins so.
    Prefix(Bytes),
}

/// Keys, and the revision at which they are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The keys.
    pub targets: Vec<Target>,
    /// The revision.
    pub revision: i64,
}

/// A change of many keys, made in transactions that compare first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// Delete these, if none of them was made or changed after revision `seen`.
    Delete {
        /// Which.
        targets: Vec<Target>,
        /// What was counted, and shown, is of this revision.
        seen: i64,
    },
    /// Put back those that are not there, as they were at the revision of their batch.
    PutBack {
        /// What, and as of when.
        batches: Vec<Batch>,
        /// A key that is there with another value stops all of it; otherwise it stays as it is.
        exact: bool,
        /// A key whose lease is gone is put back without one; otherwise it stops all of it.
        leaseless: bool,
    },
    /// Delete these keys, each if the revision of its batch made it; else none of them.
    TakeAway(Vec<Batch>),
}

/// How far a [`Bulk`] came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// What was changed, transaction by transaction, and the revision that did it.
    pub batches: Vec<Batch>,
    /// Keys that were changed.
    pub count: u64,
    /// Keys that stay as they are, for they were there.
    pub kept: u64,
    /// Why it ended before all was done.
    pub stopped: Option<Stop>,
}

/// Why a [`Bulk`] ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody made or changed one of these meanwhile; they are what is left to do.
    Changed(Vec<Target>),
    /// The lease that this key would get is gone.
    LeaseGone(Bytes),
    /// It failed. `unknown`: its last transaction may have been done all the same.
    Failed {
        /// Why.
        trouble: Trouble,
        /// Whether nobody knows what became of it.
        unknown: bool,
    },
}

/// What a change of many would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Keys it would change.
    pub count: u64,
    /// Keys that would stay as they are.
    pub kept: u64,
    /// The first keys that it would change.
    pub first: Vec<Bytes>,
    /// The revision that was counted at.
    pub revision: i64,
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The revision that made it.
    pub revision: i64,
    /// The key as it was; `None` when it was deleted.
    pub entry: Option<Entry>,
}

/// Changes at one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The revision.
    pub revision: i64,
    /// Keys written.
    pub puts: u32,
    /// Keys deleted.
    pub deletes: u32,
}

/// Changes of a run of revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// First revision.
    pub first: i64,
    /// Last revision.
    pub last: i64,
    /// Keys written.
    pub puts: u64,
    /// Keys deleted.
    pub deletes: u64,
}

/// A key that was deleted and is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grave {
    /// The key.
    pub key: Bytes,
    /// The revision that deleted it.
    pub deleted: i64,
}

/// How far a look into the past has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Everything from this revision on is known.
    pub from: i64,
    /// The first revision that can be known, when it was met: what lies before is compacted.
    pub wall: Option<i64>,
}

/// Versions of a key, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The versions.
    pub versions: Vec<Version>,
    /// How far they reach; `None` while more are on their way.
    pub reached: Option<Reached>,
}

/// What a window knows of keys, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graves {
    /// Deleted in this window, and not written after in it.
    pub graves: Vec<Grave>,
    /// Written in this window, and not deleted after in it.
    pub alive: Vec<Bytes>,
    /// How far this reaches.
    pub reached: Reached,
}

/// How much changed when, over all revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Runs of revisions, oldest first.
    pub slices: Vec<Slice>,
    /// The compacted revision.
    pub wall: Option<i64>,
}

/// The best matches of a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The keys, the best first.
    pub keys: Vec<Bytes>,
    /// Keys that were looked at.
    pub looked: u64,
    /// All of them were.
    pub complete: bool,
}

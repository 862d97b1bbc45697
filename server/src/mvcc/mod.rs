//! Revisions of keys: index, ranges, transactions, compaction, hash.
//!
//! ```text
//! apply ─▶ Store ─▶ (index, batch of rows) ─▶ commit ─▶ View ─▶ api (range), watch (history),
//!                                                      admin (hash, lives, histogram, graveyard)
//! ```
//!
//! Which versions a key has stands in memory ([`index`]); what they hold are rows on disk, named by revision and
//! sub so that they lie in the order of time, behind a cache of fixed size. `Store` is the writing side and belongs
//! to the apply thread; a [`View`] is what everybody else gets: the storage as of one commit, the index, and the
//! revision above which to look away.
//!
//! *Invariants.*
//! - I1: the revision of a change is the index of its entry, whatever else that entry does; entries that change no
//!   key leave the revision alone.
//! - I2: a view never shows a part of an entry, nor anything above its revision, although the index it reads is
//!   already ahead.
//! - I3: a request that is answered with an error has changed nothing.
//! - I4: a version whose row is not committed stays in memory until it is.
//! - I5: compaction at C keeps what a reader or a watcher at C or later can want: all rows from C on (so also a
//!   removal at C itself) and the version of each key that stands at C. Everything else is dead, and is dead for
//!   hashes at once, however long its rows stay on disk.
//!   They stay until the state that the compaction took is hashed ([`Hashes`]).
//! - I6: what an entry comes to depends on the keys and the request alone: not on the cache, nor on whether its answer
//!   is wanted here. The rows of an answer are read after the commit ([`Answer`]).
//!
//! *Not here.* Validation of fields and of keys given twice (`api`), alarms and membership (`apply`). Which keys hang on
//! which lease (`lease`): a version says which it hangs on, and that is all.
//!
//! *Tested* through the applier, in `apply/tests`: scripts (in `testscripts/` here), a model, hashes of etcd.

mod answer;
mod cache;
mod chunks;
mod compact;
mod event;
mod graveyard;
mod hash;
mod hashes;
mod histogram;
mod history;
mod index;
mod lives;
mod load;
mod pieces;
mod range;
mod row;
mod rows;
mod store;
mod txn;
mod view;

pub use answer::Answer;
pub use chunks::{RangeChunks, check_stream};
pub use event::{Event, EventKind};
pub use graveyard::{Grave, Graves};
pub use hash::HashKv;
pub(crate) use hashes::Hashes;
pub use histogram::{Histogram, Slice, Window};
pub use history::History;
pub use index::IndexMark;
pub use lives::{PageBounds, Version, Versions};
pub(crate) use load::LoadError;
pub(crate) use pieces::{PREFIX_BYTES, Pieces};
pub use row::RowId;
#[cfg(test)]
pub(crate) use row::split_row;
pub(crate) use row::{StoredRow, encode_kv, encode_row, logical_len};
pub(crate) use store::{Store, StoreMeta};
pub use txn::Estimate;
pub use view::View;

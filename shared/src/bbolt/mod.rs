//! [`Database`] reads and [`BulkLoader`] writes bbolt files, in which etcd keeps its data and which its backups are.
//!
//! ```text
//! keys in order ─▶ BulkLoader ─▶ pages in order ─▶ file ─▶ Database ─▶ keys in order
//! ```
//!
//! A file is pages of one size. The first two are meta pages; the one with the higher transaction counts, and names the
//! root of a B+tree whose leaves name buckets. A bucket is a B+tree of its own, or, when it is small, a page inside that
//! leaf. A page that is too long for its size goes on in the pages behind it. All numbers are little-endian.
//!
//! ```text
//! page      id 8 | flags 2 | count 2 | pages behind it 4 | elements | data
//! branch    where its data is, from here 4 | key length 4 | page 8                                  data: key
//! leaf      1 for a bucket 4 | where its data is, from here 4 | key length 4 | value length 4       data: key, value
//! bucket    root page 8, 0 for a page that follows here | sequence 8
//! meta      magic 4 | version 4 | page size 4 | flags 4 | root bucket 16 | page of free pages 8, all ones for none
//!           | pages in use 8 | transaction 8 | FNV-1a of the 56 bytes before 8
//! ```
//!
//! Invariants:
//! * I1: the loader needs memory for a page of each level, however much it is given, and takes every page number once.
//! * I2: what a file says is checked before it is believed: no input makes the reader panic, read a page twice, or hold
//!   more than [`PATH_BYTES_MAX`] and a bit for each page.
//!
//! It refuses to change a file, and buckets inside buckets, which etcd has none of. Tested in `tests.rs`, and against
//! etcd's own tools in `tests/tests/oracle_backup.rs`.

mod backup_file;
mod load;
mod page;
mod read;
#[cfg(test)]
mod tests;

pub use backup_file::{BackupFile, SUM_BYTES};
pub use load::{BulkLoader, Layout};
pub use page::PAGE_BYTES;
pub use read::{BboltError, Database, Item, PATH_BYTES_MAX};

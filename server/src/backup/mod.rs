//! Backups, which are what etcd 3.5 writes: a bbolt database with its buckets ([`BackupSource`] makes one, [`BackupContent`] reads one of
//! any etcd from 3.4 on).
//!
//! ```text
//! Published ─▶ BackupSource ─▶ bbolt pages ─▶ api (Maintenance.Snapshot)
//! bbolt pages ─▶ BackupContent ─▶ StateBuilder (apply) ─▶ server (restore)
//! ```
//!
//! | bucket | holds |
//! |---|---|
//! | `key` | each version: revision (8), `_`, sub (8), `t` for the end of a life; an `mvccpb.KeyValue` |
//! | `lease` | lease id (8): a `leasepb.Lease` |
//! | `alarm` | an `AlarmMember`: nothing |
//! | `meta` | where the state stands, and which compactions it has behind it |
//! | `members`, `members_removed` | who is in the cluster and who was; a restore replaces them |
//! | `cluster` | the version that members agree on |
//! | `auth`, `authUsers`, `authRoles` | whether permissions count and their revision (8); name: an `authpb.User`; name: an `authpb.Role` |
//!
//! Invariants:
//! - I1: a backup is one published state. Nothing waits for it, and it waits for nothing but whoever takes it.
//! - I2: two runs over one source give the same pages.
//!
//! Refuses to interpret rows: a version travels as the bytes that it is. Tested in `tests.rs` and, with etcd as the judge, in
//! `tests/tests/oracle_backup.rs`.

mod content;
mod schema;
mod source;
#[cfg(test)]
mod tests;

pub use content::{BackupContent, ContentError};
pub use source::{BackupError, BackupSource};

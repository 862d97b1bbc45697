//! Gives back the space of rows that were removed or written over.
//!
//! fjall merges tables where there are many of them, and leaves those alone that do not grow: removed rows and the marks of
//! their removal lie side by side. [`rewrite`] merges all tables of a space into new ones that have neither. Readers that
//! were opened before need the old ones; [`release`] lets go of what no reader needs any more.

use ::fjall::{AbstractTree as _, Database, Keyspace};

use super::priority;
use crate::storage::Space;

/// Size of the tables that are written: as much as one sync has to write down at once.
const TABLE_BYTES: u64 = 16 << 20;

/// Writes all that is in memory to tables, and all tables anew.
pub(super) fn rewrite(database: &Database, spaces: &[(Space, Keyspace)]) -> ::fjall::Result<()> {
    priority::stand_back();
    for (_, keyspace) in spaces {
        keyspace.rotate_memtable_and_wait()?;
    }
    for (_, keyspace) in spaces {
        if keyspace.table_count() > 0 {
            let unseen = database.supervisor.snapshot_tracker.get_seqno_safe_to_gc();
            keyspace.tree.major_compact(TABLE_BYTES, unseen)?;
        }
    }
    Ok(())
}

/// A key that no row has.
const NO_ROW: &[u8] = b"\xff";

/// Removes the files that only readers from before a rewrite would need, as far as there are none.
pub(super) fn release(spaces: &[(Space, Keyspace)]) -> ::fjall::Result<()> {
    priority::stand_back();
    for (_, keyspace) in spaces {
        // A start reads the journal from the newest change that stands in a table, and a rewrite leaves no mark of a removal there:
        // without this one a start would make all the removals of the journal again.
        keyspace.remove(NO_ROW)?;
        // A memtable that is written out lets fjall look which versions of all its tables somebody may still read.
        keyspace.rotate_memtable_and_wait()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ::fjall::AbstractTree as _;

    use crate::storage::{
        Batch, Durability, Engine, FjallEngine, FjallOptions, Reader, ReclaimStep, Space,
    };

    /// Rows of one kilobyte.
    const ROWS: u32 = 4000;

    fn open(path: &Path) -> FjallEngine {
        let options = FjallOptions { memtable_bytes: 256 << 10, ..FjallOptions::state() };
        FjallEngine::open(path, &[Space::Rows, Space::System, Space::Meta], options).unwrap()
    }

    fn key(number: u32) -> [u8; 4] {
        number.to_be_bytes()
    }

    fn commit(engine: &mut FjallEngine, change: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::new();
        change(&mut batch);
        batch.put(Space::Meta, b"current".as_slice(), b"x".as_slice());
        engine.commit(batch, Durability::Buffered).unwrap();
    }

    fn reclaim(engine: &mut FjallEngine, step: ReclaimStep) {
        engine.begin_reclaim(step).unwrap();
        while !engine.is_reclaimed().unwrap() {
            std::thread::yield_now();
        }
    }

    fn tables(dir: &Path) -> u64 {
        super::super::open::occupied_bytes(&dir.join("keyspaces"))
    }

    fn in_memory(engine: &FjallEngine) -> u64 {
        engine.spaces.iter().map(|(_, keyspace)| keyspace.tree.active_memtable().size()).sum()
    }

    fn kept(reader: &dyn Reader) -> usize {
        (0..ROWS).filter(|row| reader.get(Space::Rows, &key(*row)).unwrap().is_some()).count()
    }

    /// Goal: removed rows cost nothing any more, a reader from before shows them for as long as it lives, what is committed
    /// meanwhile stays, and all of it is so after a reopen, which makes no removal again. Method: tables of random bytes, of which
    /// all but a tenth are removed; the size of the files, and of what is in memory.
    #[test]
    fn a_rewrite_gives_the_space_of_removed_rows_back_once_no_reader_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        let mut noise = 1_u32;
        for row in 0..ROWS {
            let value: Vec<u8> = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_be_bytes()[0]
            })
            .take(1000)
            .collect();
            commit(&mut engine, |batch| batch.put(Space::Rows, key(row), value));
        }
        let mut before = Some(engine.reader());
        for row in (0..ROWS).filter(|row| row % 10 != 0) {
            commit(&mut engine, |batch| batch.remove(Space::Rows, key(row)));
        }
        reclaim(&mut engine, ReclaimStep::Rewrite);
        commit(&mut engine, |batch| batch.put(Space::Rows, key(ROWS), b"later".to_vec()));
        reclaim(&mut engine, ReclaimStep::Release);
        assert_eq!(kept(before.as_deref().unwrap()), ROWS as usize);
        assert!(tables(dir.path()) > u64::from(ROWS) * 1000);

        before.take();
        commit(&mut engine, |_| {});
        reclaim(&mut engine, ReclaimStep::Rewrite);
        commit(&mut engine, |_| {});
        reclaim(&mut engine, ReclaimStep::Release);
        let bytes = tables(dir.path());
        assert!(bytes < u64::from(ROWS) * 200, "{bytes} bytes");
        for _ in 0..2 {
            let reader = engine.reader();
            assert_eq!(kept(&*reader), ROWS as usize / 10);
            let later = reader.get(Space::Rows, &key(ROWS)).unwrap();
            assert_eq!(later.as_deref(), Some(b"later".as_slice()));
            drop((reader, engine));
            engine = open(dir.path());
            assert_eq!(in_memory(&engine), 0, "bytes that are in no table");
        }
    }

    #[test]
    fn a_database_without_rows_has_nothing_to_give_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        reclaim(&mut engine, ReclaimStep::Rewrite);
        reclaim(&mut engine, ReclaimStep::Release);
        assert!(engine.is_reclaimed().unwrap());
    }
}

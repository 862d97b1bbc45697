//! Drops the tables whose keys nobody reads any more.
//!
//! A removed key is a row of its own until a merge meets both; a table that is dropped is a file less. Only whole tables
//! go, so up to about two of them hold keys that were discarded, and the memtable. A version of a key may come back that
//! way when a newer one, or the mark of its removal, lay in a table that went: the contract allows it (I5).

use std::io;
use std::ops::Bound;

use ::fjall::{AbstractTree as _, Keyspace};

use super::background::Background;

/// Name of the thread.
const THREAD: &str = "discard";

/// Begins to drop the tables of `keyspace` that lie below `key`.
pub(super) fn begin(keyspace: Keyspace, key: &[u8]) -> io::Result<Background> {
    let key = key.to_vec();
    Background::begin(THREAD, move || Ok(keyspace.tree.drop_range::<Vec<u8>, _>(..key)?))
}

/// Whether a table holds keys below `key` and no others. The tables of a run are in order and do not overlap.
pub(super) fn has_table_below(keyspace: &Keyspace, key: &[u8]) -> bool {
    let from = (Bound::Included(key), Bound::<&[u8]>::Unbounded);
    let version = keyspace.tree.current_version();
    version
        .iter_levels()
        .flat_map(|level| level.iter())
        .any(|run| run.range_overlap_indexes::<&[u8], _>(&from).is_none_or(|(first, _)| first > 0))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use super::*;
    use crate::storage::{Batch, Durability, Engine, FjallEngine, FjallOptions, Space};

    /// Rows of one kilobyte.
    const ROWS: u32 = 2000;

    fn open(path: &Path) -> FjallEngine {
        let options = FjallOptions { memtable_bytes: 64 << 10, ..FjallOptions::log() };
        FjallEngine::open(path, &[Space::Log, Space::LogMeta], options).unwrap()
    }

    fn key(number: u32) -> [u8; 4] {
        number.to_be_bytes()
    }

    fn rows(engine: &mut FjallEngine, from: u32) -> usize {
        let (mut count, from) = (0, key(from));
        let bounds = (Bound::Included(from.as_slice()), Bound::Unbounded);
        let mut visit = |_: &[u8], value: &[u8]| {
            assert_eq!(value.len(), 1000);
            count += 1;
            ControlFlow::Continue(())
        };
        engine.reader().scan(Space::Log, bounds, &mut visit).unwrap();
        count
    }

    /// Goal: space is given back, later rows stay, and nothing comes back that stands at or behind the bound. Method: more
    /// rows than a memtable takes, half of them discarded, with a reader open, then the database opened again.
    #[test]
    fn tables_below_the_bound_go_and_all_other_rows_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = open(dir.path());
        for number in 0..ROWS {
            let mut batch = Batch::new();
            batch.put(Space::Log, key(number), vec![7; 1000]);
            engine.commit(batch, Durability::Buffered).unwrap();
        }
        let tables = engine.keyspace(Space::Log).unwrap().clone();
        tables.rotate_memtable_and_wait().unwrap();
        let (before, count) = (engine.reader(), tables.table_count());
        assert!(count > 4, "{count} tables");
        engine.discard_below(Space::Log, &key(ROWS / 2)).unwrap();
        engine.discarding.join().unwrap();
        assert!(!has_table_below(&tables, &key(ROWS / 2)));
        assert!(tables.table_count() < count, "none of {count} tables went");
        let left = rows(&mut engine, 0);
        assert!(left < ROWS as usize && rows(&mut engine, ROWS / 2) == ROWS as usize / 2);
        // A reader from before goes on to show what stays.
        assert!(before.get(Space::Log, &key(ROWS - 1)).unwrap().is_some());
        drop((before, tables));
        engine.sync().unwrap();
        drop(engine);
        let mut engine = open(dir.path());
        assert_eq!(rows(&mut engine, ROWS / 2), ROWS as usize / 2);
        assert!(rows(&mut engine, 0) <= left, "rows came back");
    }
}

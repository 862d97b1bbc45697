//! The contract of [`Engine`] as tests that every engine must pass.

use std::ops::{Bound, ControlFlow};

use super::{Batch, Durability, Engine, Reader, Space};

type Open<'a> = &'a mut dyn FnMut(&str) -> Box<dyn Engine>;
type Test = fn(Open<'_>, &str);

/// Runs what needs no second open. `open` gets the name of a test and gives an empty engine.
pub fn run(mut open: impl FnMut(&str) -> Box<dyn Engine>) {
    let tests: [(&str, Test); 7] = [
        ("reads_what_was_written", reads_what_was_written),
        ("last_change_of_a_key_wins", last_change_of_a_key_wins),
        ("scans_in_order_between_bounds", scans_in_order_between_bounds),
        ("finds_neighbours", finds_neighbours),
        ("readers_do_not_change", readers_do_not_change),
        ("values_may_be_large", values_may_be_large),
        ("what_is_discarded_takes_nothing_along", what_is_discarded_takes_nothing_along),
    ];
    for (name, test) in tests {
        test(&mut open, name);
    }
}

/// Runs what opens an engine a second time; `open` gives the same content for the same name.
pub fn run_reopening(mut open: impl FnMut(&str) -> Box<dyn Engine>) {
    let name = "content_outlives_the_engine";
    let mut engine = open(name);
    engine.commit(puts(&[(b"a", b"1"), (b"b", b"2")]), Durability::Synced).unwrap();
    engine.commit(puts(&[(b"c", b"3")]), Durability::Buffered).unwrap();
    let mut batch = Batch::new();
    batch.remove(Space::Rows, b"a".as_slice());
    engine.commit(batch, Durability::Buffered).unwrap();
    drop(engine);
    let mut engine = open(name);
    assert_eq!(
        content(&*engine.reader()),
        [(b"b".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"3".to_vec())]
    );
}

fn puts(rows: &[(&[u8], &[u8])]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in rows {
        batch.put(Space::Rows, *key, *value);
    }
    batch
}

fn content(reader: &dyn Reader) -> Vec<(Vec<u8>, Vec<u8>)> {
    between(reader, (Bound::Unbounded, Bound::Unbounded))
}

fn between(reader: &dyn Reader, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    reader.scan(Space::Rows, bounds, &mut visit).unwrap();
    rows
}

fn reads_what_was_written(open: Open<'_>, name: &str) {
    let mut engine = open(name);
    assert_eq!(engine.reader().get(Space::Rows, b"a").unwrap(), None);
    let mut batch = puts(&[(b"a", b"1")]);
    batch.put(Space::Meta, b"a".as_slice(), b"other space".as_slice());
    batch.put(Space::Rows, b"\xff\x00".as_slice(), b"".as_slice());
    engine.commit(batch, Durability::Buffered).unwrap();
    engine.commit(Batch::new(), Durability::Synced).unwrap();
    engine.sync().unwrap();
    let reader = engine.reader();
    assert_eq!(reader.get(Space::Rows, b"a").unwrap().unwrap(), "1");
    assert_eq!(reader.get(Space::Meta, b"a").unwrap().unwrap(), "other space");
    assert_eq!(reader.get(Space::Rows, b"\xff\x00").unwrap().unwrap(), "");
    assert_eq!(reader.get(Space::Rows, b"b").unwrap(), None);
}

fn last_change_of_a_key_wins(open: Open<'_>, name: &str) {
    let mut engine = open(name);
    let mut batch = puts(&[(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]);
    batch.remove(Space::Rows, b"b".as_slice());
    batch.remove(Space::Rows, b"c".as_slice());
    batch.put(Space::Rows, b"c".as_slice(), b"3".as_slice());
    engine.commit(batch, Durability::Synced).unwrap();
    let expected = [(b"a".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"3".to_vec())];
    assert_eq!(content(&*engine.reader()), expected);
}

fn scans_in_order_between_bounds(open: Open<'_>, name: &str) {
    let mut engine = open(name);
    // More rows than any engine hands out at a time, written in an order of their own.
    for part in 0..5_u16 {
        let mut batch = Batch::new();
        for number in (part..1000).step_by(5) {
            batch.put(Space::Rows, number.to_be_bytes(), number.to_le_bytes());
        }
        engine.commit(batch, Durability::Buffered).unwrap();
    }
    let reader = engine.reader();
    let rows = content(&*reader);
    assert_eq!(rows.len(), 1000);
    assert!(rows.is_sorted());
    let (low, high) = (300_u16.to_be_bytes(), 700_u16.to_be_bytes());
    let count = |bounds| between(&*reader, bounds).len();
    assert_eq!(count((Bound::Included(&low), Bound::Included(&high))), 401);
    assert_eq!(count((Bound::Excluded(&low), Bound::Excluded(&high))), 399);
    assert_eq!(count((Bound::Unbounded, Bound::Excluded(&low))), 300);
    assert_eq!(count((Bound::Included(&high), Bound::Included(&low))), 0);
    assert_eq!(count((Bound::Excluded(&low), Bound::Excluded(&low))), 0);
    let mut seen = 0;
    let mut stop_at_ten = |_: &[u8], _: &[u8]| {
        seen += 1;
        if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let all = (Bound::Unbounded, Bound::Unbounded);
    reader.scan(Space::Rows, all, &mut stop_at_ten).unwrap();
    assert_eq!(seen, 10);
}

fn finds_neighbours(open: Open<'_>, name: &str) {
    let mut engine = open(name);
    assert_eq!(engine.reader().last(Space::Rows).unwrap(), None);
    assert_eq!(engine.reader().at_or_before(Space::Rows, b"z").unwrap(), None);
    engine.commit(puts(&[(b"b", b"1"), (b"d", b"2"), (b"f", b"3")]), Durability::Buffered).unwrap();
    let mut batch = Batch::new();
    batch.remove(Space::Rows, b"f".as_slice());
    engine.commit(batch, Durability::Buffered).unwrap();
    let reader = engine.reader();
    let key = |row: Option<(bytes::Bytes, bytes::Bytes)>| row.map(|(key, _)| key.to_vec());
    assert_eq!(key(reader.last(Space::Rows).unwrap()), Some(b"d".to_vec()));
    assert_eq!(key(reader.last(Space::Meta).unwrap()), None);
    let at_or_before = |wanted: &[u8]| key(reader.at_or_before(Space::Rows, wanted).unwrap());
    assert_eq!(at_or_before(b"a"), None);
    assert_eq!(at_or_before(b"b"), Some(b"b".to_vec()));
    assert_eq!(at_or_before(b"c"), Some(b"b".to_vec()));
    assert_eq!(at_or_before(b"z"), Some(b"d".to_vec()));
}

fn readers_do_not_change(open: Open<'_>, name: &str) {
    let mut engine = open(name);
    let mut readers = Vec::new();
    for number in 0..20_u8 {
        let mut batch = Batch::new();
        batch.put(Space::Rows, b"k".as_slice(), [number]);
        batch.put(Space::Meta, b"k".as_slice(), [number]);
        batch.put(Space::Rows, [number], [number]);
        if number > 0 {
            batch.remove(Space::Rows, [number - 1]);
        }
        engine.commit(batch, Durability::Buffered).unwrap();
        readers.push(engine.reader());
    }
    for (number, reader) in (0..20_u8).zip(&readers) {
        assert_eq!(reader.get(Space::Rows, b"k").unwrap().unwrap(), [number].as_slice());
        assert_eq!(reader.get(Space::Meta, b"k").unwrap().unwrap(), [number].as_slice());
        assert_eq!(content(&**reader).len(), 2);
    }
}

fn values_may_be_large(open: Open<'_>, name: &str) {
    let mut engine = open(name);
    let value = vec![7; 3 << 20];
    engine.commit(puts(&[(b"large", &value)]), Durability::Synced).unwrap();
    assert_eq!(engine.reader().get(Space::Rows, b"large").unwrap().unwrap(), value);
}

fn what_is_discarded_takes_nothing_along(open: Open<'_>, name: &str) {
    let mut engine = open(name);
    let mut batch = Batch::new();
    for number in 0..100_u8 {
        batch.put(Space::Rows, [number], [number]);
    }
    batch.put(Space::Meta, [1], [1]);
    engine.commit(batch, Durability::Synced).unwrap();
    let before = engine.reader();
    for below in [0, 40, 30, 60] {
        engine.discard_below(Space::Rows, &[below]).unwrap();
    }
    // Below the bound anything may be there; and a key may be written again.
    let reader = engine.reader();
    let left = between(&*reader, (Bound::Included(&[60]), Bound::Unbounded));
    assert_eq!(left, (60..100).map(|number| (vec![number], vec![number])).collect::<Vec<_>>());
    assert_eq!(reader.get(Space::Meta, &[1]).unwrap().unwrap(), [1].as_slice());
    assert_eq!(before.get(Space::Rows, &[99]).unwrap().unwrap(), [99].as_slice());
    engine.commit(puts(&[(&[5], b"again")]), Durability::Synced).unwrap();
    assert_eq!(engine.reader().get(Space::Rows, &[5]).unwrap().unwrap(), "again");
}

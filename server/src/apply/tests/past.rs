//! The past as the admin service shows it: against the model, and as lines of scripts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::types::{KeyRange, Revision};

use super::model::{Change, Model};
use super::script::Words;
use crate::error::RequestError;
use crate::mvcc::{
    Grave, Graves, Histogram, PageBounds, RowId, Slice, Version, Versions, View, Window,
};

/// More parts than any test has.
const PARTS_MAX: usize = 10_000;

/// Changes of each key that a reader at the compacted revision or later can want, oldest first.
fn kept(model: &Model) -> BTreeMap<Bytes, Vec<&Change>> {
    let mut keys: BTreeMap<Bytes, Vec<&Change>> = BTreeMap::new();
    for change in &model.changes {
        keys.entry(change.kv.key.clone()).or_default().push(change);
    }
    for changes in keys.values_mut() {
        let stands = changes.iter().rposition(|change| change.revision <= model.compacted);
        let first = match stands.and_then(|at| changes.get(at)) {
            // Whatever happened at the compacted revision itself is still told.
            Some(change) if change.revision == model.compacted => {
                changes.iter().position(|change| change.revision == model.compacted)
            }
            Some(change) if change.tombstone => stands.map(|at| at + 1),
            Some(_) => stands,
            None => None,
        };
        changes.drain(..first.unwrap_or(0));
    }
    keys
}

fn id(change: &Change) -> RowId {
    RowId { revision: Revision(change.revision), sub: change.sub }
}

fn version(change: &Change) -> Version {
    let kv = if change.tombstone { KeyValue::default() } else { change.kv.clone() };
    Version { id: id(change), tombstone: change.tombstone, kv }
}

/// All pages of a key, each of up to `limit`.
fn all_versions(view: &View, key: &[u8], bounds: &PageBounds) -> Vec<Version> {
    let (mut all, mut below) = (Vec::new(), None);
    for _ in 0..PARTS_MAX {
        let page = view.versions(key, below, true, bounds).unwrap();
        assert!((1..=bounds.entries).contains(&page.versions.len()) || page.below.is_none());
        all.extend(page.versions);
        match page.below {
            Some(id) => below = Some(id),
            None => return all,
        }
    }
    panic!("no end of the versions of {key:?}");
}

fn all_graves(view: &View, range: &KeyRange, revision: i64, bounds: &PageBounds) -> Vec<Grave> {
    let (mut all, mut from) = (Vec::new(), Bytes::new());
    for _ in 0..PARTS_MAX {
        let page = view.graveyard(range, &from, revision, bounds).unwrap();
        assert!(page.graves.len() <= bounds.entries);
        all.extend(page.graves);
        match page.next {
            Some(key) => from = key,
            None => return all,
        }
    }
    panic!("no end of the graves");
}

fn whole_histogram(view: &View, window: &Window, looks: usize) -> Result<Vec<Slice>, RequestError> {
    let Histogram { mut slices, mut rest } = view.histogram(window, None, looks)?;
    for _ in 0..PARTS_MAX {
        let Some(mark) = rest else { return Ok(slices) };
        let part = view.histogram(window, Some(mark), looks)?;
        for (sum, more) in slices.iter_mut().zip(part.slices) {
            assert_eq!((sum.first, sum.last), (more.first, more.last), "the same window");
            sum.puts += more.puts;
            sum.deletes += more.deletes;
        }
        rest = part.rest;
    }
    panic!("no end of the histogram");
}

/// Every question about the past, in pages of every size, against what the model remembers.
pub(super) fn check(view: &View, model: &Model) {
    let kept = kept(model);
    let bounds = |entries, looks| PageBounds { looks, ..PageBounds::of(entries) };
    for (key, changes) in &kept {
        let expected: Vec<Version> = changes.iter().rev().map(|change| version(change)).collect();
        for entries in [1, 2, 1000] {
            assert_eq!(all_versions(view, key, &bounds(entries, 1)), expected, "of {key:?}");
        }
    }
    for range in [KeyRange::all(), KeyRange::prefix(b"a"), KeyRange::single("b".into())] {
        for at in model.compacted.max(1)..=model.revision() {
            let expected = graves(&kept, &range, at);
            for (entries, looks) in [(1, 1), (2, 3), (1000, 1000)] {
                let found = all_graves(view, &range, at, &bounds(entries, looks));
                assert_eq!(found, expected, "at {at}");
            }
        }
        check_histogram(view, model, &range);
    }
    let (early, late) = (model.compacted - 1, model.revision() + 1);
    let window = |first, last| Window { range: KeyRange::all(), first, last, slices: 3 };
    if early > 0 {
        let refused = view.graveyard(&KeyRange::all(), b"", early, &bounds(1, 1));
        assert_eq!(refused.unwrap_err(), RequestError::Compacted);
        let refused = view.histogram(&window(early, 0), None, 1);
        assert_eq!(refused.unwrap_err(), RequestError::Compacted);
    }
    let refused = view.histogram(&window(0, late), None, 1);
    assert_eq!(refused.unwrap_err(), RequestError::FutureRevision);
}

fn graves(kept: &BTreeMap<Bytes, Vec<&Change>>, range: &KeyRange, at: i64) -> Vec<Grave> {
    let grave = |(key, changes): (&Bytes, &Vec<&Change>)| {
        let place = changes.iter().rposition(|change| change.revision <= at)?;
        let last = place.checked_sub(1).map(|before| changes[before]);
        changes[place].tombstone.then(|| Grave {
            key: key.clone(),
            removed: id(changes[place]),
            last: last.map(|change| (id(change), change.kv.clone())),
        })
    };
    kept.iter().filter(|(key, _)| range.contains(key)).filter_map(grave).collect()
}

fn check_histogram(view: &View, model: &Model, range: &KeyRange) {
    let middle = i64::midpoint(model.compacted.max(1), model.revision());
    for (first, last) in [(0, 0), (middle, 0), (0, middle), (middle, middle)] {
        for (slices, looks) in [(1, 1), (3, 2), (1000, 1000)] {
            let window = Window { range: range.clone(), first, last, slices };
            let counted = whole_histogram(view, &window, looks).unwrap();
            assert!(counted.len() <= slices);
            let from = if first == 0 { model.compacted.max(1) } else { first };
            let to = if last == 0 { model.revision() } else { last };
            let ends = counted.first().zip(counted.last()).map(|(a, b)| (a.first.0, b.last.0));
            assert_eq!(ends, Some((from, to)));
            for slice in counted {
                let count = |tombstone| {
                    let changes = model.changes.iter().filter(|change| {
                        range.contains(&change.kv.key)
                            && change.tombstone == tombstone
                            && (slice.first.0..=slice.last.0).contains(&change.revision)
                    });
                    changes.count() as u64
                };
                assert_eq!((slice.puts, slice.deletes), (count(false), count(true)), "{slice:?}");
            }
        }
    }
}

fn number(words: &Words, name: &str, default: usize) -> usize {
    words.named(name).map_or(default, |text| text.parse().unwrap())
}

fn range(words: &Words, at: usize) -> KeyRange {
    match words.at(at) {
        key if key.is_empty() => KeyRange::all(),
        key => KeyRange::new(key, words.at(at + 1)),
    }
}

fn show_id(id: RowId) -> String {
    format!("{}.{}", id.revision, id.sub)
}

fn show_kv(kv: &KeyValue) -> String {
    format!("{} (create {} version {})", kv.value.escape_ascii(), kv.create_revision, kv.version)
}

/// `versions` of a script.
pub(super) fn versions(view: &View, words: &Words) -> String {
    let before = words.number("before");
    let sub = u32::try_from(number(words, "sub", 0)).unwrap();
    let below = (before > 0).then_some(RowId { revision: Revision(before), sub });
    let bounds = PageBounds::of(number(words, "limit", 100));
    let page = match view.versions(&words.at(0), below, true, &bounds) {
        Ok(page) => page,
        Err(error) => return format!("error: {error}\n"),
    };
    let Versions { versions, below } = page;
    let mut text = String::new();
    for Version { id, tombstone, kv } in versions {
        let what = if tombstone { "removed".to_owned() } else { show_kv(&kv) };
        let _ = writeln!(text, "{} {what}", show_id(id));
    }
    text + &below.map_or("no more\n".to_owned(), |id| format!("more below {}\n", show_id(id)))
}

/// `deleted` of a script.
pub(super) fn deleted(view: &View, words: &Words) -> String {
    let from = words.named("from").unwrap_or_default();
    let bounds = PageBounds {
        looks: number(words, "looks", 1000),
        ..PageBounds::of(number(words, "limit", 100))
    };
    let page = view.graveyard(&range(words, 0), from.as_bytes(), words.number("rev"), &bounds);
    let Graves { graves, revision, next } = match page {
        Ok(page) => page,
        Err(error) => return format!("error: {error}\n"),
    };
    let mut text = String::new();
    for Grave { key, removed, last } in graves {
        let last = last
            .map_or("not known".to_owned(), |(id, kv)| format!("{} {}", show_id(id), show_kv(&kv)));
        let _ = writeln!(text, "{} removed {}, last {last}", key.escape_ascii(), show_id(removed));
    }
    let next = next.map_or("no more".to_owned(), |key| format!("more from {}", key.escape_ascii()));
    text + &format!("at {revision}, {next}\n")
}

/// `histogram` of a script.
pub(super) fn histogram(view: &View, words: &Words) -> String {
    let window = Window {
        range: range(words, 1),
        first: words.number("from"),
        last: words.number("to"),
        slices: words.plain[0].parse().unwrap(),
    };
    match whole_histogram(view, &window, number(words, "looks", 1000)) {
        Ok(slices) => slices.iter().fold(String::new(), |mut text, slice| {
            let Slice { first, last, puts, deletes } = slice;
            let _ = writeln!(text, "{first} to {last}: {puts} put, {deletes} removed");
            text
        }),
        Err(error) => format!("error: {error}\n"),
    }
}

/// Goal: a page is bounded by bytes, not only by entries, and goes on where it ended.
#[test]
fn a_page_ends_at_its_bytes_and_the_next_goes_on() {
    use super::fixture::{Node, put};
    let mut node = Node::new();
    for _ in 0..5 {
        node.run(put("k", &"v".repeat(100))).unwrap();
    }
    let view = node.view();
    let bounds = PageBounds { bytes: 250, ..PageBounds::of(100) };
    let first = view.versions(b"k", None, true, &bounds).unwrap();
    assert_eq!(first.versions.len(), 2, "two values of 100 bytes in 250");
    let without = view.versions(b"k", None, false, &bounds).unwrap();
    assert_eq!(without.versions.len(), 5, "no values, no bytes");
    let costly = PageBounds { read_bytes: 150, ..PageBounds::of(100) };
    let costly = view.versions(b"k", None, false, &costly).unwrap();
    assert_eq!(costly.versions.len(), 2, "what was read is counted whatever is sent");
    let small = PageBounds { bytes: 1, ..PageBounds::of(100) };
    let one = view.versions(b"k", None, true, &small).unwrap();
    assert_eq!(one.versions.len(), 1, "one is always given");
    let all = all_versions(&view, b"k", &small);
    assert_eq!(all.len(), 5);
}

//! What is written is read, and nothing that is read does harm.

use std::fs::File;
use std::io::Write as _;

use proptest::prelude::*;

use super::{BboltError, BulkLoader, Database, Item, Layout, PAGE_BYTES};

type Buckets = Vec<(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>)>;

fn load(buckets: &Buckets, out: &mut dyn FnMut(&[u8])) -> Layout {
    let mut out = |page: &[u8]| {
        out(page);
        Ok::<_, std::convert::Infallible>(())
    };
    let mut loader = BulkLoader::new(&mut out);
    for (name, entries) in buckets {
        loader.bucket(name).unwrap();
        for (key, value) in entries {
            loader.put(key, value).unwrap();
        }
    }
    loader.finish().unwrap()
}

fn written(buckets: &Buckets) -> Vec<u8> {
    let layout = load(buckets, &mut |_| {});
    let mut bytes = layout.head();
    assert_eq!(load(buckets, &mut |page| bytes.extend_from_slice(page)), layout);
    assert_eq!(bytes.len() as u64, layout.bytes());
    bytes
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn read(bytes: &[u8]) -> Result<Buckets, BboltError> {
    let file = file_of(bytes);
    let mut buckets = Buckets::new();
    Database::open(&file, bytes.len() as u64)?.walk(&mut |item| {
        match item {
            Item::Bucket(name) => buckets.push((name.to_vec(), Vec::new())),
            Item::Entry(key, value) => {
                buckets.last_mut().unwrap().1.push((key.to_vec(), value.to_vec()));
            }
        }
        Ok::<_, BboltError>(())
    })?;
    Ok(buckets)
}

/// Buckets with `entries` of up to `value` bytes.
fn buckets(entries: usize, value: usize) -> impl Strategy<Value = Buckets> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
    let key = prop::collection::vec(any::<u8>(), 1..40);
    let bucket = prop::collection::btree_map(key, bytes(value), 0..entries);
    let all = prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..9), bucket, 0..5);
    all.prop_map(|all| all.into_iter().map(|(name, it)| (name, it.into_iter().collect())).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_loaded_is_read(small in buckets(400, 40), large in buckets(8, 3 * PAGE_BYTES)) {
        for buckets in [small, large] {
            prop_assert_eq!(read(&written(&buckets)).unwrap(), buckets);
        }
    }

    /// Goal: no byte does harm. Method: bytes of a sound file are changed, those of heads and elements more often; what
    /// is read ends, and each key of it comes once.
    #[test]
    fn a_hostile_file_is_read_or_refused(
        buckets in buckets(60, 300),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..64_usize, any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = written(&buckets);
        for (page, at, byte) in changes {
            // The meta pages have sums of their own.
            let pages = bytes.len() / PAGE_BYTES;
            let page = 2 + page.index(pages - 2);
            bytes[page * PAGE_BYTES + at] = byte;
        }
        let _ = read(&bytes);
        let _ = read(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..3 * PAGE_BYTES)) {
        prop_assert!(matches!(read(&bytes), Err(BboltError::Invalid)));
    }
}

/// A file of one tree of two levels, and where its root is.
fn two_levels() -> (Vec<u8>, usize) {
    let entries = (0..200_u32).map(|at| (at.to_be_bytes().to_vec(), vec![7; 100])).collect();
    let bytes = written(&vec![(b"key".to_vec(), entries)]);
    let branch = |page: &[u8]| page[8] == 1;
    let root = bytes.chunks(PAGE_BYTES).position(branch).unwrap();
    (bytes, root * PAGE_BYTES)
}

#[test]
fn damage_is_named_by_its_page() {
    let (sound, root) = two_levels();
    assert!(read(&sound).is_ok());
    let element = root + 16;
    let cases: [(usize, u8, &str); 8] = [
        // The first child is the root itself, then the second child, then a page behind the last, then a meta page.
        (element + 8, u8::try_from(root / PAGE_BYTES).unwrap(), "two pages name it"),
        (element + 8, 3, "two pages name it"),
        (element + 8, 200, "none of the data"),
        (element + 8, 1, "none of the data"),
        (root, 9, "another one"),
        (root + 8, 4, "neither leaf nor branch"),
        (root + 13, 1, "behind the last"),
        (2 * PAGE_BYTES + 16 + 4 + 2, 1, "a key lies outside"),
    ];
    for (at, byte, what) in cases {
        let mut bytes = sound.clone();
        bytes[at] = byte;
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(what), "{at} {byte}: {error}");
    }
    let mut last = sound.clone();
    last[element + 8..element + 16].fill(0xff);
    assert!(read(&last).unwrap_err().to_string().contains("none of the data"));
    let mut swapped = sound.clone();
    swapped[element + 8] = 3;
    swapped[element + 24] = 2;
    assert!(read(&swapped).unwrap_err().to_string().contains("not in order"));
    let short = &sound[..sound.len() - 1];
    assert!(matches!(read(short), Err(BboltError::Short { .. })));
}

#[test]
fn keys_longer_than_a_page_end_in_a_root() {
    let entries = (0..9_u8).map(|at| (vec![at; PAGE_BYTES + 100], vec![at])).collect();
    let buckets = vec![(b"authUsers".to_vec(), entries)];
    assert_eq!(read(&written(&buckets)).unwrap(), buckets);
}

#[test]
fn one_sound_meta_page_is_enough() {
    let (sound, _) = two_levels();
    for page in [0, 1] {
        let mut bytes = sound.clone();
        bytes[page * PAGE_BYTES + 40] ^= 1;
        assert_eq!(read(&bytes).unwrap(), read(&sound).unwrap());
    }
    let mut bytes = sound;
    for page in [0, 1] {
        bytes[page * PAGE_BYTES + 40] ^= 1;
    }
    assert!(matches!(read(&bytes), Err(BboltError::Invalid)));
}

/// Goal: depth costs no stack and is bounded. Method: branches of one key each, one below the other.
#[test]
fn a_tree_without_end_is_refused() {
    let (mut bytes, root) = two_levels();
    let pages = bytes.len() / PAGE_BYTES;
    let mut branch = bytes[root..root + PAGE_BYTES].to_vec();
    branch[10..12].copy_from_slice(&1_u16.to_le_bytes());
    let more = 300;
    bytes[root + 24..root + 32].copy_from_slice(&(pages as u64).to_le_bytes());
    for at in pages..pages + more {
        branch[..8].copy_from_slice(&(at as u64).to_le_bytes());
        branch[24..32].copy_from_slice(&(at as u64 + 1).to_le_bytes());
        bytes.extend_from_slice(&branch);
    }
    let meta = super::page::Meta::parse(&bytes).unwrap();
    let meta = super::page::Meta { pages: (pages + more) as u64, ..meta };
    bytes[..PAGE_BYTES].copy_from_slice(&meta.page(0));
    assert!(read(&bytes).unwrap_err().to_string().contains("too many levels"));
}

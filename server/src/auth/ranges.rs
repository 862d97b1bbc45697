//! [`Ranges`]: a set of keys as ranges.

use mini_etcd_shared::types::KeyRange;

/// A set of keys: half-open ranges in ascending order that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    ranges: Vec<HalfOpen>,
}

/// From `start` up to and without `end`; without an end where there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HalfOpen {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl HalfOpen {
    /// None where no key is in the range.
    fn of(range: &KeyRange) -> Option<Self> {
        let start = range.start().to_vec();
        if range.is_empty() {
            return None;
        }
        let end = match range.range_end().as_ref() {
            // Nothing lies between a key and the same key with a zero byte behind it.
            [] => Some([&start, [0].as_slice()].concat()),
            [0] => None,
            end => Some(end.to_vec()),
        };
        Some(Self { start, end })
    }

    /// Whether there is no key between this range and one that begins at `start`.
    fn reaches(&self, start: &[u8]) -> bool {
        self.end.as_deref().is_none_or(|end| start <= end)
    }
}

impl FromIterator<KeyRange> for Ranges {
    fn from_iter<I: IntoIterator<Item = KeyRange>>(ranges: I) -> Self {
        let mut all: Vec<_> = ranges.into_iter().filter_map(|it| HalfOpen::of(&it)).collect();
        all.sort();
        let mut ranges: Vec<HalfOpen> = Vec::new();
        for next in all {
            match ranges.last_mut() {
                Some(last) if last.reaches(&next.start) => {
                    // No end is the last of all.
                    last.end = match (last.end.take(), next.end) {
                        (Some(one), Some(other)) => Some(one.max(other)),
                        _ => None,
                    };
                }
                _ => ranges.push(next),
            }
        }
        Self { ranges }
    }
}

impl Ranges {
    /// Whether every key of the range that a request names is in the set. A range without keys is held for its first one:
    /// who may see nothing there learns nothing, either.
    #[must_use]
    pub fn cover(&self, key: &[u8], range_end: &[u8]) -> bool {
        let behind = self.ranges.partition_point(|range| range.start.as_slice() <= key);
        let Some(range) = behind.checked_sub(1).and_then(|at| self.ranges.get(at)) else {
            return false;
        };
        let Some(end) = range.end.as_deref() else { return true };
        match range_end {
            [0] => false,
            asked if asked > key => asked <= end,
            _ => key < end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn range(key: &[u8], end: &[u8]) -> KeyRange {
        KeyRange::new(Bytes::copy_from_slice(key), Bytes::copy_from_slice(end))
    }

    fn covers(granted: &[(&str, &str)], key: &str, end: &str) -> bool {
        let granted = granted.iter().map(|(key, end)| range(key.as_bytes(), end.as_bytes()));
        granted.collect::<Ranges>().cover(key.as_bytes(), end.as_bytes())
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let granted = [("a", "c"), ("c", "e"), ("e", "")];
        assert!(covers(&granted, "a", "e") && covers(&granted, "b", "e\0"));
        assert!(!covers(&granted, "a", "f") && !covers(&granted, "a", "\0"));
        assert!(!covers(&[("a", "c"), ("d", "e")], "a", "e"));
        assert!(covers(&[("a", ""), ("a\0", "")], "a", "a\0\0"));
    }

    // One key is not all keys from there on: GHSA-xg4h-6gfc-h4m8.
    #[test]
    fn an_open_end_is_covered_by_an_open_end_alone() {
        assert!(!covers(&[("a", "")], "a", "\0"));
        assert!(!covers(&[("a", "zzz")], "a", "\0"));
        assert!(covers(&[("a", "\0")], "b", "\0") && !covers(&[("b", "\0")], "a", "\0"));
        assert!(covers(&[("\0", "\0")], "\0", "\0") && covers(&[("\0", "\0")], "z", ""));
    }

    #[test]
    fn a_range_without_keys_needs_its_first_key() {
        assert!(covers(&[("k", "")], "k", "a") && !covers(&[("a", "")], "k", "a"));
        assert!(!covers(&[], "", "") && !covers(&[("a", "\0")], "", ""));
        assert!(!covers(&[("k", "a")], "k", ""), "a grant without keys grants none");
    }

    /// All keys of up to two letters of three; a key that is longer than these is where the set and the ranges may differ,
    /// so ends have one letter more.
    fn keys() -> Vec<Vec<u8>> {
        let letters = [0, b'a', 0xff];
        let one = letters.map(|a| vec![a]);
        let two = letters.into_iter().flat_map(|a| letters.map(|b| vec![a, b]));
        one.into_iter().chain(two).collect()
    }

    fn bound() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(Vec::new()),
            Just(vec![0]),
            prop::sample::select(keys()),
            prop::sample::select(keys()),
        ]
    }

    proptest! {
        // Goal: the union covers what the grants have together, and nothing else. Method: a set of all short keys, with what
        // lies between two of them standing for one more key.
        #[test]
        fn a_union_covers_what_a_naive_set_does(
            granted in prop::collection::vec((prop::sample::select(keys()), bound()), 0..5),
            key in prop::sample::select(keys()),
            end in bound(),
        ) {
            let points: Vec<Vec<u8>> = keys()
                .into_iter()
                .flat_map(|key| [[key.as_slice(), &[0]].concat(), [key.as_slice(), &[0, 0]].concat(), key])
                .chain([vec![0xff, 0xff, 0xff]])
                .collect();
            let grants: Vec<_> = granted.iter().map(|(key, end)| range(key, end)).collect();
            let set: BTreeSet<_> =
                points.iter().filter(|point| grants.iter().any(|it| it.contains(point))).collect();
            let asked = range(&key, &end);
            let naive = if asked.is_empty() {
                set.contains(&key)
            } else {
                points.iter().filter(|point| asked.contains(point)).all(|point| set.contains(point))
            };
            let ranges: Ranges = grants.into_iter().collect();
            prop_assert_eq!(ranges.cover(&key, &end), naive);
        }
    }
}

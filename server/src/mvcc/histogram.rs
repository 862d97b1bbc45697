//! How many changes there were over the revisions.
//!
//! Counted from the index, which names every version with its revision and its kind: nothing is read from disk, a
//! range of keys costs what it holds, and subtrees that nothing touched since the first revision asked for are passed
//! over. The rows lie in the order of time, but whoever scans them reads the values too.

use mini_etcd_shared::types::{KeyRange, Revision};

use super::View;
use super::index::{IndexMark, Wanted};
use crate::error::RequestError;

/// Which changes are counted.
#[derive(Clone, Debug)]
pub struct Window {
    pub range: KeyRange,
    /// First revision; 0 for the first that history has.
    pub first: i64,
    /// Last revision; 0 for the current one.
    pub last: i64,
    /// Slices; there are fewer when there are fewer revisions.
    pub slices: usize,
}

/// Counts of a run of revisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    pub first: Revision,
    pub last: Revision,
    /// Versions that were put.
    pub puts: u64,
    /// Removals.
    pub deletes: u64,
}

/// Changes over revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Slices of equal size, give or take one revision, in order; together they are the window.
    pub slices: Vec<Slice>,
    /// Versions from here on are not in the counts yet.
    pub rest: Option<IndexMark>,
}

/// A run of revisions cut into slices, the wider ones first.
#[derive(Clone, Copy)]
struct Scale {
    first: u64,
    slices: u64,
    /// Revisions of a narrow slice.
    width: u64,
    /// Slices that have one revision more.
    wide: u64,
}

impl Scale {
    /// Cuts `first` to `last`, neither negative nor out of order, into up to `slices`.
    fn new(first: i64, last: i64, slices: usize) -> Self {
        let span = last.abs_diff(first).saturating_add(1);
        let slices = u64::try_from(slices).unwrap_or(u64::MAX).clamp(1, span);
        Self { first: first.unsigned_abs(), slices, width: span / slices, wide: span % slices }
    }

    /// First revision of slice `at`, and of the one behind it.
    fn bounds(self, at: u64) -> (u64, u64) {
        let begin = |at: u64| self.first + at * self.width + at.min(self.wide);
        (begin(at), begin(at + 1))
    }

    /// The slice that `revision`, which is in the run, belongs to.
    fn place(self, revision: i64) -> usize {
        let offset = revision.unsigned_abs().saturating_sub(self.first);
        let in_wide = self.wide * (self.width + 1);
        let place = if offset < in_wide {
            offset / (self.width + 1)
        } else {
            self.wide + (offset - in_wide) / self.width
        };
        usize::try_from(place).unwrap_or(usize::MAX)
    }

    fn empty_slices(self) -> Vec<Slice> {
        let revision = |number: u64| Revision(i64::try_from(number).unwrap_or(i64::MAX));
        let slices = (0..self.slices).map(|at| {
            let (first, next) = self.bounds(at);
            Slice { first: revision(first), last: revision(next - 1), ..Slice::default() }
        });
        slices.collect()
    }
}

impl View {
    /// Counts the changes of `window` from `from` on. Looks at up to `looks_max` versions, and keys that have none
    /// in the window; counts of later calls for the same window add up.
    ///
    /// # Errors
    /// A first revision that is compacted or an end that is not there yet; `window` must be in order.
    pub fn histogram(
        &self,
        window: &Window,
        from: Option<IndexMark>,
        looks_max: usize,
    ) -> Result<Histogram, RequestError> {
        let (oldest, newest) = self.span(window)?;
        let scale = Scale::new(oldest, newest, window.slices);
        let mut slices = scale.empty_slices();
        let wanted = Wanted { range: &window.range, oldest, newest };
        let rest = self.shared.index.sweep(wanted, from, looks_max, |stamp| {
            if let Some(slice) = slices.get_mut(scale.place(stamp.revision())) {
                let count = if stamp.tombstone { &mut slice.deletes } else { &mut slice.puts };
                *count += 1;
            }
        });
        self.kept(oldest, Ok(Histogram { slices, rest }))
    }

    /// First and last revision of a window.
    fn span(&self, window: &Window) -> Result<(i64, i64), RequestError> {
        let oldest = match window.first {
            0 => self.compacted.max(1),
            first if first < self.compacted => return Err(RequestError::Compacted),
            first => first,
        };
        let newest = if window.last == 0 { self.revision } else { window.last };
        if newest > self.revision || oldest > newest {
            return Err(RequestError::FutureRevision);
        }
        Ok((oldest, newest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_window_once_and_differ_by_one_revision_at_most() {
        for (first, last, slices) in [(1, 1, 5), (1, 10, 3), (7, 106, 100), (5, 9, 2), (3, 9, 7)] {
            let scale = Scale::new(first, last, slices);
            let cut = scale.empty_slices();
            assert_eq!(cut.first().unwrap().first.0, first);
            assert_eq!(cut.last().unwrap().last.0, last);
            assert!(cut.windows(2).all(|pair| pair[0].last.0 + 1 == pair[1].first.0));
            let sizes: Vec<i64> = cut.iter().map(|s| s.last.0 - s.first.0 + 1).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
            for revision in first..=last {
                let slice = &cut[scale.place(revision)];
                assert!((slice.first.0..=slice.last.0).contains(&revision));
            }
        }
    }

    #[test]
    fn the_largest_window_is_cut_without_overflow() {
        let cut = Scale::new(1, i64::MAX, 1000).empty_slices();
        assert_eq!((cut.len(), cut[999].last.0), (1000, i64::MAX));
        assert_eq!(Scale::new(1, i64::MAX, 1000).place(i64::MAX), 999);
    }
}
